//! The numbers of topics over Kafka, and of forwarding. Labels: `topic`, its name at the brokers; `group`; `reason`.

use prometheus::{IntCounterVec, IntGaugeVec, register_int_counter_vec, register_int_gauge_vec};
use std::sync::LazyLock;

const ONCE: &str = "the name is registered once";

/// Records that every in-sync replica has.
pub(crate) static APPENDED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_stream_appended_records_total",
        "records that kafka has confirmed with acks=all",
        &["topic"]
    )
    .expect(ONCE)
});

/// Appends that failed, each of one or many records; `reason` as in `AppendError`: busy, disabled, too_large.
pub(crate) static APPEND_FAILURES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_stream_append_failures_total",
        "appends to kafka that failed and are tried again or set aside",
        &["topic", "reason"]
    )
    .expect(ONCE)
});

/// Partitions that came and went; `kind`: assigned, revoked.
pub(crate) static REBALANCES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_stream_rebalanced_partitions_total",
        "partitions that a consumer group gave to this member or took from it",
        &["topic", "group", "kind"]
    )
    .expect(ONCE)
});

/// Positions that came after their partition had gone.
pub(crate) static LATE_COMMITS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_stream_late_commits_total",
        "positions of partitions that had gone to another member, whose records come again there",
        &["topic", "group"]
    )
    .expect(ONCE)
});

/// Records that a group never got.
pub(crate) static DROPPED_UNREAD: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_stream_dropped_unread_records_total",
        "records that the topic's retention dropped before the group had read them: lost events",
        &["topic", "group"]
    )
    .expect(ONCE)
});

/// Transactions that were not committed at once; `topic`: whose records they answer; `outcome`: aborted (nothing is
/// visible, tried again), pending (asked for again), unknown (the partitions begin again).
pub(crate) static TRANSACTION_FAILURES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_stream_transaction_failures_total",
        "transactions that were not committed at once; outcome: aborted, pending, unknown",
        &["topic", "outcome"]
    )
    .expect(ONCE)
});

/// Records that went from a journal to Kafka. Journaled = forwarded + set aside + waiting.
pub(crate) static FORWARDED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_stream_forwarded_records_total",
        "records that went on from their journal and are confirmed",
        &["topic"]
    )
    .expect(ONCE)
});

/// Records of a journal that can't go on.
pub(crate) static SET_ASIDE: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_stream_forward_set_aside_records_total",
        "records of a journal that went to the dead-letter topic instead; reason: undecodable, too_large",
        &["topic", "reason"]
    )
    .expect(ONCE)
});

/// Records that wait in a journal.
pub(crate) static WAITING: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!(
        "trueopen_stream_forward_waiting_records",
        "records in a journal that kafka has not confirmed",
        &["topic"]
    )
    .expect(ONCE)
});
