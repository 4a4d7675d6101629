//! The numbers that the loader shows. Labels: `topic` engagement.classified or delivery; `table` events or deliveries.

use crate::failure::class_label;
use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, register_histogram,
    register_histogram_vec, register_int_counter, register_int_counter_vec, register_int_gauge,
    register_int_gauge_vec,
};
use std::sync::LazyLock;
use store::ErrorClass;

const ONCE: &str = "the name is registered once";

/// Makes a topic's counters with every label that they can have, so that they are there before they count.
pub(crate) fn prepare(topic: &str, table: &str) {
    for reason in ["undecodable", "malformed", "newer", "out_of_range", "refused"] {
        DEAD_LETTERED.with_label_values(&[topic, reason]);
    }
    for counter in [&CONSUMED, &LOADED, &CUT] {
        counter.with_label_values(&[topic]);
    }
    for gauge in [&WAITING, &LAG] {
        gauge.with_label_values(&[topic]);
    }
    for class in [ErrorClass::Transient, ErrorClass::Poison, ErrorClass::Misconfigured] {
        FAILURES.with_label_values(&[table, class_label(class)]);
    }
}

/// Records taken from a topic. Consumed = loaded + dead-lettered + waiting.
pub(crate) static CONSUMED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_loader_consumed_records_total",
        "records taken from the topic; equals loaded + dead-lettered + waiting",
        &["topic"]
    )
    .expect(ONCE)
});

/// Records whose rows ClickHouse confirmed.
pub(crate) static LOADED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_loader_loaded_records_total",
        "records whose rows clickhouse confirmed",
        &["topic"]
    )
    .expect(ONCE)
});

/// Records that were set aside; `reason`: undecodable, malformed, newer, out_of_range, refused.
pub(crate) static DEAD_LETTERED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_loader_dead_lettered_records_total",
        "records that went to the dead-letter topic",
        &["topic", "reason"]
    )
    .expect(ONCE)
});

/// Dead letters whose original was cut because their topic takes no longer record.
pub(crate) static CUT: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_loader_cut_dead_letters_total",
        "dead letters that hold only the first bytes of their original",
        &["topic"]
    )
    .expect(ONCE)
});

/// Records in hand: taken, and neither confirmed nor set aside.
pub(crate) static WAITING: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!("trueopen_loader_waiting_records", "records taken and not yet loaded", &["topic"])
        .expect(ONCE)
});

/// Records in the topic behind the position.
pub(crate) static LAG: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!(
        "trueopen_loader_lag_records",
        "records in the topic not yet loaded, about",
        &["topic"]
    )
    .expect(ONCE)
});

/// Rows of each confirmed insert.
pub(crate) static INSERT_ROWS: LazyLock<HistogramVec> = LazyLock::new(|| {
    register_histogram_vec!(
        "trueopen_loader_insert_rows",
        "rows of each insert that clickhouse confirmed",
        &["table"],
        vec![1.0, 10.0, 100.0, 1000.0, 5000.0, 10_000.0, 25_000.0, 50_000.0, 100_000.0]
    )
    .expect(ONCE)
});

/// How long a confirmed insert took.
pub(crate) static INSERT_SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    register_histogram_vec!(
        "trueopen_loader_insert_seconds",
        "seconds of each insert that clickhouse confirmed",
        &["table"]
    )
    .expect(ONCE)
});

/// Inserts and checks that failed; `class`: transient, poison, misconfigured.
pub(crate) static FAILURES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_loader_insert_failures_total",
        "inserts, and questions whether clickhouse takes rows, that failed",
        &["table", "class"]
    )
    .expect(ONCE)
});

/// Times that stored rows were brought in line with an account's changed retention.
pub(crate) static RETENTION_FOLLOWED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_loader_retention_changes_total",
        "times that stored rows had to follow an account's changed retention",
        &["table"]
    )
    .expect(ONCE)
});

/// Messages, as often as they were touched, whose roll-up is not made anew yet; reports count them from the events.
pub(crate) static ROLLUP_WAITING: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "trueopen_loader_rollup_waiting_messages",
        "touched messages whose roll-up is not made anew yet; reports count them from the events"
    )
    .expect(ONCE)
});

/// How long the oldest of them waits.
pub(crate) static ROLLUP_LAG: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("trueopen_loader_rollup_lag_seconds", "age of the oldest touched message that waits")
        .expect(ONCE)
});

/// Touched messages that were rolled up.
pub(crate) static ROLLUP_MESSAGES: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_loader_rollup_messages_total",
        "messages that were rolled up, as often as they were touched"
    )
    .expect(ONCE)
});

/// How long a round took.
pub(crate) static ROLLUP_SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!(
        "trueopen_loader_rollup_seconds",
        "seconds of each round of rolling up",
        vec![0.1, 0.3, 1.0, 3.0, 10.0, 30.0, 100.0, 300.0, 1000.0]
    )
    .expect(ONCE)
});

/// Rounds that failed; each is made again.
pub(crate) static ROLLUP_FAILURES: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("trueopen_loader_rollup_failures_total", "rounds of rolling up that failed")
        .expect(ONCE)
});
