//! The classifier's metrics. Consumed = classified + dead-lettered, counted once their records are durable.

use prometheus::{
    Histogram, IntCounter, IntCounterVec, IntGauge, register_histogram, register_int_counter,
    register_int_counter_vec, register_int_gauge,
};
use std::sync::LazyLock;

/// Records taken from the raw topic whose outcome is durable.
pub(crate) static CONSUMED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_consumed_records_total",
        "records of the raw topic whose outcome is durable"
    )
    .expect("the name is registered once")
});

/// Hits appended to the classified topic with their verdict.
pub(crate) static CLASSIFIED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_classified_records_total",
        "hits appended to the classified topic with their verdict"
    )
    .expect("the name is registered once")
});

/// Records set aside; `reason`: undecodable, malformed, newer, too_large.
pub(crate) static DEAD_LETTERED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_classifier_dead_lettered_records_total",
        "records set aside in the dead-letter topic, by reason: undecodable, malformed, newer, too_large",
        &["reason"]
    )
    .expect("the name is registered once")
});

/// Dead letters whose original had to be cut to fit the dead-letter topic.
pub(crate) static CUT: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_cut_dead_letters_total",
        "dead letters whose original was cut to fit the dead-letter topic"
    )
    .expect("the name is registered once")
});

/// Verdicts; `actor`: human, automated, unknown; `source`: an id of schema/sources.json.
pub(crate) static VERDICTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_classifier_verdicts_total",
        "verdicts appended, by actor (human, automated, unknown) and source (an id of schema/sources.json)",
        &["actor", "source"]
    )
    .expect("the name is registered once")
});

/// Appends that were refused and tried again; `topic`: classified, dead_letter; `reason`: full, busy, disabled.
pub(crate) static RETRIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_classifier_append_retries_total",
        "refused appends that were tried again, by topic (classified, dead_letter) and reason (full, busy, disabled)",
        &["topic", "reason"]
    )
    .expect("the name is registered once")
});

/// Reads of the raw topic that failed and were tried again.
pub(crate) static READ_RETRIES: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_read_retries_total",
        "failed reads of the raw topic that were tried again"
    )
    .expect("the name is registered once")
});

/// Seconds from having a batch to its outcome being durable.
pub(crate) static BATCH_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!(
        "trueopen_classifier_batch_seconds",
        "seconds from having a batch of records to its outcome being durable",
        prometheus::exponential_buckets(0.0005, 2.0, 16).expect("constants that make buckets")
    )
    .expect("the name is registered once")
});

/// Records of the raw topic that wait for a verdict.
pub(crate) static LAG: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("trueopen_classifier_lag_records", "records of the raw topic that wait for a verdict")
        .expect("the name is registered once")
});
