//! The metrics of the reporting API.

use prometheus::{
    HistogramVec, IntCounter, IntCounterVec, register_histogram_vec, register_int_counter,
    register_int_counter_vec,
};
use std::sync::LazyLock;

/// Requests; `route`: the route's template or `none`, `method`: a method the API has or `other`, `status`: 2xx, 3xx, 4xx,
/// 5xx.
pub(crate) static REQUESTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_reporting_requests_total",
        "requests by route template, method and class of status",
        &["route", "method", "status"]
    )
    .expect("the name is registered once")
});

/// How long requests took; `route` as above.
pub(crate) static SECONDS: LazyLock<HistogramVec> = LazyLock::new(|| {
    register_histogram_vec!(
        "trueopen_reporting_request_seconds",
        "seconds from a request's headers to its answer, by route template",
        &["route"],
        vec![0.001, 0.005, 0.02, 0.1, 0.5, 1.0, 2.5, 5.0, 10.0, 30.0, 60.0]
    )
    .expect("the name is registered once")
});

/// Lines of delivery events; `outcome`: accepted, rejected, or not_stored when the topic refused a whole body.
pub(crate) static EVENTS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_reporting_delivery_events_total",
        "lines of delivery events by what became of them",
        &["outcome"]
    )
    .expect("the name is registered once")
});

/// Requests of webhooks; `provider`: an id of ours, `outcome`: accepted, token (one was given), not_stored, or why it was refused: unknown (no such
/// account, or it takes none), too_large, cut (its body ended early), signature, time, replay, certificate_url, certificate, certificate_unavailable, topic,
/// malformed.
pub(crate) static WEBHOOKS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_reporting_webhook_requests_total",
        "requests of mail providers' webhooks by what became of them",
        &["provider", "outcome"]
    )
    .expect("the name is registered once")
});

/// Items of accepted webhooks; `provider` as above, `outcome`: event, hit, bad, or why it was left: no_delivery_event,
/// opens_and_clicks_off, no_address_or_agent, several_recipients, second_pixel, auto_reply.
pub(crate) static WEBHOOK_ITEMS: LazyLock<IntCounterVec> = LazyLock::new(|| {
    register_int_counter_vec!(
        "trueopen_reporting_webhook_items_total",
        "items of mail providers' webhooks by what became of them",
        &["provider", "outcome"]
    )
    .expect("the name is registered once")
});

/// Mails that links were made for, by `links` or `instrument`.
pub(crate) static MAILS: LazyLock<IntCounter> = LazyLock::new(|| {
    register_int_counter!("trueopen_reporting_mails_total", "mails that tracking URLs were made for")
        .expect("the name is registered once")
});
