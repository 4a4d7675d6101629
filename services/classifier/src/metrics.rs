//! The classifier's metrics. Consumed = classified + dead-lettered + repeated, counted once their records are durable; corrections
//! are counted beside that.

use engagement::sources;
use prometheus::{
    Histogram, IntCounter, IntCounterVec, IntGauge, register_histogram, register_int_counter,
    register_int_counter_vec, register_int_gauge,
};
use std::sync::LazyLock;

/// Why a topic may refuse for now.
const REFUSALS: [&str; 3] = ["full", "busy", "disabled"];

/// Makes the first stage's counters with every label that they can have, so that they are there before they count.
pub(crate) fn prepare_stage() {
    for reason in ["undecodable", "malformed", "newer", "too_large"] {
        DEAD_LETTERED.with_label_values(&[reason]);
    }
    for source in sources::all() {
        VERDICTS.with_label_values(&[source.actor.as_str(), &source.id]);
    }
    for topic in ["classified", "dead_letter", "neighbours", "raw"] {
        REFUSALS.iter().for_each(|reason| drop(RETRIES.with_label_values(&[topic, reason])));
    }
    for counter in [
        &CONSUMED,
        &CLASSIFIED,
        &CUT,
        &READ_RETRIES,
        &CORRECTIONS,
        &CORRECTIONS_SET_ASIDE,
        &REPEATED,
        &LATE,
        &RECLASSIFIED,
        &CROWDED_OUT,
        &DELIVERIES_CROWDED_OUT,
        &FORGOTTEN,
        &SIGNALS_UNREADABLE,
        &SIGNALS_UNMATCHED,
    ] {
        LazyLock::force(counter);
    }
    for gauge in [&LAG, &LIVE] {
        LazyLock::force(gauge);
    }
}

/// The same for the second stage.
pub(crate) fn prepare_compare() {
    for outcome in ["compared", "late", "dead_lettered"] {
        NEIGHBOURS.with_label_values(&[outcome]);
    }
    REFUSALS.iter().for_each(|reason| drop(RETRIES.with_label_values(&["signals", reason])));
    for counter in [&NEIGHBOURS_CROWDED_OUT, &NEIGHBOURS_FOLDED, &SIGNALS] {
        LazyLock::force(counter);
    }
    for gauge in [&COMPARE_LAG, &NEIGHBOURS_HELD] {
        LazyLock::force(gauge);
    }
}

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

/// Outcomes that were refused and tried again; `topic`: classified, dead_letter, raw (its positions); `reason`: full, busy,
/// disabled.
pub(crate) static RETRIES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_classifier_append_retries_total",
        "refused outcomes that were tried again, by topic (classified, dead_letter, neighbours, signals, raw: its positions) and reason (full, busy, disabled)",
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

/// Corrections appended: higher revisions of hits classified before.
pub(crate) static CORRECTIONS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_corrections_total",
        "higher revisions appended of hits that were classified before"
    )
    .expect("the name is registered once")
});

/// Corrections that the classified topic refused for their length, set aside in the dead-letter topic.
pub(crate) static CORRECTIONS_SET_ASIDE: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_corrections_set_aside_total",
        "corrections longer than the classified topic takes, set aside in the dead-letter topic"
    )
    .expect("the name is registered once")
});

/// Hits that came again after a start, whose verdict was durable and whose window was closed.
pub(crate) static REPEATED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_repeated_records_total",
        "hits that came again after a start, whose verdict stands and is not said again"
    )
    .expect("the name is registered once")
});

/// Hits that came when their window was closed.
pub(crate) static LATE: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_late_hits_total",
        "hits that came when the window of their neighbours was closed: judged without them, and again from what is stored"
    )
    .expect("the name is registered once")
});

/// Closed events that a reclassification gave another verdict.
pub(crate) static RECLASSIFIED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_reclassified_total",
        "events whose window is closed that got another verdict, counted among the corrections too"
    )
    .expect("the name is registered once")
});

/// Messages let go before their time because too many were live.
pub(crate) static CROWDED_OUT: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_crowded_out_messages_total",
        "messages whose windows were closed early because too many were live"
    )
    .expect("the name is registered once")
});

/// Messages whose deliveries were let go before their time because too many waited for a hit.
pub(crate) static DELIVERIES_CROWDED_OUT: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_crowded_out_deliveries_total",
        "messages whose deliveries were let go early because too many waited for a hit"
    )
    .expect("the name is registered once")
});

/// Times that the memory for a restart was given up because the classified topic was full.
pub(crate) static FORGOTTEN: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_forgotten_total",
        "times that what a restart would remember was given up to let a full classified topic drop it"
    )
    .expect("the name is registered once")
});

/// Messages whose windows are held.
pub(crate) static LIVE: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("trueopen_classifier_live_messages", "messages whose windows are held")
        .expect("the name is registered once")
});

/// Neighbour records that were dealt with; `outcome`: compared, late, dead_lettered.
pub(crate) static NEIGHBOURS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_classifier_neighbour_records_total",
        "neighbour records that were dealt with, those read back at a start again, by outcome (compared, late, dead_lettered)",
        &["outcome"]
    )
    .expect("the name is registered once")
});

/// Neighbour records that wait to be compared.
pub(crate) static COMPARE_LAG: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "trueopen_classifier_compare_lag_records",
        "neighbour records that wait for the second stage, which compares hits of different messages"
    )
    .expect("the name is registered once")
});

/// Hits that are held to be compared with.
pub(crate) static NEIGHBOURS_HELD: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("trueopen_classifier_neighbours_held_hits", "hits that are held to be compared with")
        .expect("the name is registered once")
});

/// Networks and domains let go before their time because too many hits were held.
pub(crate) static NEIGHBOURS_CROWDED_OUT: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_neighbours_crowded_out_total",
        "networks and domains let go early because too many hits were held to be compared with"
    )
    .expect("the name is registered once")
});

/// Hits let go before their time because their network or domain had too many.
pub(crate) static NEIGHBOURS_FOLDED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_neighbours_folded_hits_total",
        "hits of one network or domain let go early because it had too many; only hits that come late could miss them"
    )
    .expect("the name is registered once")
});

/// Signals appended.
pub(crate) static SIGNALS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_signals_total",
        "signals appended about messages whose hits have neighbours, those said again after a start too"
    )
    .expect("the name is registered once")
});

/// Signals that could not be read.
pub(crate) static SIGNALS_UNREADABLE: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_unreadable_signals_total",
        "signals that could not be read and were passed over"
    )
    .expect("the name is registered once")
});

/// Messages with signals that found no live hits.
pub(crate) static SIGNALS_UNMATCHED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_classifier_unmatched_signals_total",
        "messages with signals that came when the message was no longer held, and so changed nothing"
    )
    .expect("the name is registered once")
});

/// Seconds from having a batch of neighbour records to its signals being durable.
pub(crate) static COMPARE_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!(
        "trueopen_classifier_compare_seconds",
        "seconds from having a batch of neighbour records to its signals being durable",
        prometheus::exponential_buckets(0.0005, 2.0, 16).expect("constants that make buckets")
    )
    .expect("the name is registered once")
});
