//! The metrics of the HTTP server loop.

use prometheus::{IntCounterVec, IntGaugeVec, register_int_counter_vec, register_int_gauge_vec};
use std::sync::LazyLock;

/// Connections open now; `service`: tracker, report, admin.
pub(crate) static CONNECTIONS: LazyLock<IntGaugeVec> = LazyLock::new(|| {
    register_int_gauge_vec!("trueopen_runtime_connections", "connections open now", &["service"])
        .expect("the name is registered once")
});

/// Connections closed at the bound on connections or cut off by a time limit; `reason`: full, error.
pub(crate) static CONNECTIONS_ENDED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_runtime_connections_refused_total",
        "connections that were refused or ended in an error",
        &["service", "reason"]
    )
    .expect("the name is registered once")
});
