//! The numbers that this crate shows.

use prometheus::{IntCounter, IntGauge, register_int_counter, register_int_gauge};
use std::sync::LazyLock;

/// How old the copy of accounts, keys and settings is that the service answers from.
pub(crate) static DIRECTORY_AGE: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!(
        "trueopen_store_directory_age_seconds",
        "Seconds since accounts, keys and settings were last read from ClickHouse; keys die at 86400"
    )
    .expect("the name is registered once")
});

/// How often the copy could not be refreshed.
pub(crate) static DIRECTORY_FAILURES: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_store_directory_refresh_failures_total",
        "Times that accounts, keys and settings could not be read from ClickHouse"
    )
    .expect("the name is registered once")
});
