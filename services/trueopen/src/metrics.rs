//! The program's own metrics: the data sets behind the verdicts.

use prometheus::{
    IntCounterVec, IntGauge, IntGaugeVec, register_int_counter_vec, register_int_gauge,
    register_int_gauge_vec,
};
use std::sync::LazyLock;

/// Seconds since the day of a data set that is in force; `data_set`: its name in `trueopen signatures list`.
pub(crate) static DATA_SET_AGE: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!(
        "trueopen_signatures_age_seconds",
        "seconds since the day that its owner gives a data set in force, or the day it was fetched, by data_set",
        &["data_set"]
    )
    .expect("the name is registered once")
});

/// Whether the files that rules are made of were refused when they last changed.
pub(crate) static RULESET_REFUSED: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "trueopen_signatures_ruleset_refused",
        "1 while a changed signature file, data set or learned file is refused and the ruleset before it stays in force"
    )
    .expect("the name is registered once")
});

/// Fetches of data sets on the schedule; `outcome`: installed, refused.
pub(crate) static DATA_SET_UPDATES: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_signatures_updates_total",
        "data sets fetched on the schedule, by data_set and outcome (installed, refused: it could not be had, was damaged or had shrunk, and the last good one stays)",
        &["data_set", "outcome"]
    )
    .expect("the name is registered once")
});
