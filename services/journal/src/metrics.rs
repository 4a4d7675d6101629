//! The journal's metrics. The label `journal` is `Config::name`, a fixed word; `consumer` is a registered name.

use std::sync::LazyLock;

use prometheus::{
    Histogram, HistogramVec, IntCounter, IntCounterVec, IntGauge, IntGaugeVec, register_histogram_vec,
    register_int_counter_vec, register_int_gauge_vec,
};

use crate::error::AppendError;

macro_rules! counters {
    ($($name:ident = $metric:literal, $help:literal, $labels:expr;)*) => {
        $(static $name: LazyLock<IntCounterVec> = LazyLock::new(|| {
            register_int_counter_vec!($metric, $help, $labels).expect("a metric is registered once")
        });)*
    };
}

macro_rules! gauges {
    ($($name:ident = $metric:literal, $help:literal, $labels:expr;)*) => {
        $(static $name: LazyLock<IntGaugeVec> = LazyLock::new(|| {
            register_int_gauge_vec!($metric, $help, $labels).expect("a metric is registered once")
        });)*
    };
}

counters! {
    APPENDED = "trueopen_journal_appended_total", "Records that became durable", &["journal"];
    REFUSED = "trueopen_journal_refused_total",
        "Records that were not journaled, by reason: full, too_large, busy, disabled, closed", &["journal", "reason"];
    TORN = "trueopen_journal_torn_bytes_total", "Bytes of torn tails cut at a start", &["journal"];
    SET_ASIDE = "trueopen_journal_set_aside_total",
        "Places whose bytes were copied to set-aside, by reason: damaged, unknown_version, unknown_segment",
        &["journal", "reason"];
    SET_ASIDE_DROPPED = "trueopen_journal_set_aside_dropped_total",
        "Files removed from set-aside, by reason: age, quota", &["journal", "reason"];
    CLAMPED = "trueopen_journal_clamped_positions_total",
        "Positions that were lost, damaged or out of range and became the oldest record", &["journal"];
    READ = "trueopen_journal_read_total", "Records handed to readers", &["journal"];
    DROPPED_SEGMENTS = "trueopen_journal_dropped_segments_total", "Segments dropped by retention", &["journal"];
    SHUT = "trueopen_journal_shut_total", "Times that a failed write or sync disabled the journal", &["journal"];
}

gauges! {
    BYTES = "trueopen_journal_segment_bytes", "Bytes in all segments", &["journal"];
    SEGMENTS = "trueopen_journal_segments", "Segment files", &["journal"];
    WRITABLE = "trueopen_journal_writable", "1 when appends are taken, else 0", &["journal"];
    UNREAD_AGE = "trueopen_journal_oldest_unread_age_seconds",
        "Age of the oldest record that a consumer has not dealt with, 0 when there is none, exact to a second, what it would read again after a restart is not in it",
        &["journal", "consumer"];
    UNREAD = "trueopen_journal_unread_records", "Records that a consumer has not dealt with", &["journal", "consumer"];
}

static SYNC: LazyLock<HistogramVec> = LazyLock::new(|| {
    register_histogram_vec!(
        "trueopen_journal_sync_seconds",
        "Time of one sync of a segment",
        &["journal"],
        vec![0.0001, 0.00025, 0.0005, 0.001, 0.0025, 0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 1.0, 5.0]
    )
    .expect("a metric is registered once")
});
static GROUP: LazyLock<HistogramVec> = LazyLock::new(|| {
    register_histogram_vec!(
        "trueopen_journal_group_records",
        "Records written and synced together",
        &["journal"],
        vec![1.0, 2.0, 4.0, 8.0, 16.0, 32.0, 64.0, 128.0, 256.0, 1024.0, 4096.0]
    )
    .expect("a metric is registered once")
});

/// The handles of one journal, made once.
pub(crate) struct Metrics {
    name: String,
    pub(crate) appended: IntCounter,
    pub(crate) torn_bytes: IntCounter,
    pub(crate) clamped: IntCounter,
    pub(crate) read: IntCounter,
    pub(crate) dropped_segments: IntCounter,
    pub(crate) shut: IntCounter,
    pub(crate) bytes: IntGauge,
    pub(crate) segments: IntGauge,
    pub(crate) writable: IntGauge,
    pub(crate) sync_seconds: Histogram,
    pub(crate) group_records: Histogram,
}

impl Metrics {
    pub(crate) fn new(name: &str) -> Metrics {
        let label = &[name];
        Metrics {
            name: name.to_owned(),
            appended: APPENDED.with_label_values(label),
            torn_bytes: TORN.with_label_values(label),
            clamped: CLAMPED.with_label_values(label),
            read: READ.with_label_values(label),
            dropped_segments: DROPPED_SEGMENTS.with_label_values(label),
            shut: SHUT.with_label_values(label),
            bytes: BYTES.with_label_values(label),
            segments: SEGMENTS.with_label_values(label),
            writable: WRITABLE.with_label_values(label),
            sync_seconds: SYNC.with_label_values(label),
            group_records: GROUP.with_label_values(label),
        }
    }

    pub(crate) fn refused(&self, error: &AppendError, records: usize) {
        REFUSED.with_label_values(&[self.name.as_str(), error.reason()]).inc_by(records as u64);
    }

    pub(crate) fn set_aside(&self, reason: &str) {
        SET_ASIDE.with_label_values(&[self.name.as_str(), reason]).inc();
    }

    pub(crate) fn set_aside_dropped(&self, reason: &str) {
        SET_ASIDE_DROPPED.with_label_values(&[self.name.as_str(), reason]).inc();
    }

    pub(crate) fn unread(&self, consumer: &str, records: u64, age_seconds: u64) {
        let labels = &[self.name.as_str(), consumer];
        UNREAD.with_label_values(labels).set(records as i64);
        UNREAD_AGE.with_label_values(labels).set(age_seconds as i64);
    }
}
