//! The figures of the engine's supervisor, in the parent process. None has labels.

use std::sync::LazyLock;

use prometheus::{Gauge, IntCounter, IntGauge, register_gauge, register_int_counter, register_int_gauge};

/// `trueopen_embedded_up`: 1 while the engine answers.
pub static UP: LazyLock<IntGauge> = LazyLock::new(|| {
    register_int_gauge!("trueopen_embedded_up", "1 while the embedded ClickHouse engine answers, else 0.")
        .expect("the name is registered once, here")
});

/// `trueopen_embedded_restarts_total`: times that the engine was started again after it ended by itself.
pub static RESTARTS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_embedded_restarts_total",
        "Starts of the embedded ClickHouse engine after it ended without being told to."
    )
    .expect("the name is registered once, here")
});

/// `trueopen_embedded_start_seconds`: how long the last start took until the engine answered.
pub static START_SECONDS: LazyLock<Gauge> = LazyLock::new(|| {
    register_gauge!(
        "trueopen_embedded_start_seconds",
        "Seconds from starting the embedded ClickHouse engine's process until it answered, at its last start."
    )
    .expect("the name is registered once, here")
});
