//! The tracker's metrics. received = journaled + refused, once nothing is in flight.

use prometheus::{Histogram, IntCounter, IntCounterVec};
use prometheus::{register_histogram, register_int_counter, register_int_counter_vec};
use std::sync::LazyLock;

/// Makes the counters with every label that they can have, so that they are there before they count.
pub(crate) fn prepare() {
    for kind in ["open", "click", "unsubscribe", "trap"] {
        RECEIVED.with_label_values(&[kind]);
    }
    for reason in ["full", "too_large", "busy", "disabled", "closed"] {
        REFUSED.with_label_values(&[reason]);
    }
    for reason in ["path", "method", "unsubscribe_body"] {
        MISSED.with_label_values(&[reason]);
    }
    for counter in [&JOURNALED, &UNCONFIRMED, &TAKEN_DOWN] {
        LazyLock::force(counter);
    }
}

/// Hits whose token opened; `kind`: open, click, unsubscribe, trap.
pub(crate) static RECEIVED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!("trueopen_tracker_received_hits_total", "hits whose token opened", &["kind"])
        .expect("the name is registered once")
});

/// Hits that are durable in the journal.
pub(crate) static JOURNALED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("trueopen_tracker_journaled_hits_total", "hits that are durable in the journal")
        .expect("the name is registered once")
});

/// Hits that the journal refused: lost; `reason`: full, too_large, busy, disabled, closed.
pub(crate) static REFUSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_tracker_refused_hits_total",
        "hits that the journal refused",
        &["reason"]
    )
    .expect("the name is registered once")
});

/// Readers served before their hit was durable; the hit is counted as journaled or refused all the same.
pub(crate) static UNCONFIRMED: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_tracker_unconfirmed_hits_total",
        "readers served before their hit was durable"
    )
    .expect("the name is registered once")
});

/// Tokens that could not be opened; `path`: o, c, u; `reason`: shape, version, unknown_key, seal, content, kind, host.
pub(crate) static UNOPENED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_tracker_unopened_requests_total",
        "requests whose token could not be opened",
        &["path", "reason"]
    )
    .expect("the name is registered once")
});

/// Requests that are no hit; `reason`: path, method, unsubscribe_body.
pub(crate) static MISSED: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_tracker_other_requests_total",
        "requests that are no hit",
        &["reason"]
    )
    .expect("the name is registered once")
});

/// Clicks whose destination is taken down.
pub(crate) static TAKEN_DOWN: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!(
        "trueopen_tracker_taken_down_clicks_total",
        "clicks whose destination is taken down"
    )
    .expect("the name is registered once")
});

/// Seconds from a request's arrival to its answer.
pub(crate) static SECONDS: LazyLock<Histogram> = LazyLock::new(|| {
    register_histogram!(
        "trueopen_tracker_answer_seconds",
        "seconds from a request's arrival to its answer",
        vec![0.0005, 0.001, 0.002, 0.004, 0.008, 0.016, 0.032, 0.064, 0.128, 0.256, 0.512, 1.0, 5.0]
    )
    .expect("the name is registered once")
});
