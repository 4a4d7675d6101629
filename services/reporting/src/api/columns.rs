//! The columns of reports that are written as tables: one a figure.

use super::table::{Column, Kind};
use crate::window::By;
use std::sync::LazyLock;

const COUNT: Kind = Kind::Count;

const fn column(name: &'static str, kind: Kind, at: &'static str) -> Column {
    Column::new(name, kind, at)
}

const TIMES: [Column; 2] = [column("from", Kind::Time, "/from"), column("to", Kind::Time, "/to")];
const DELIVERY: [Column; 11] = [
    column("sent", COUNT, "/sent"),
    column("delivered", COUNT, "/delivered"),
    column("deferred", COUNT, "/deferred"),
    column("dropped", COUNT, "/dropped"),
    column("bounced_hard", COUNT, "/bounced/hard"),
    column("bounced_soft", COUNT, "/bounced/soft"),
    column("bounced_block", COUNT, "/bounced/block"),
    column("bounced_undetermined", COUNT, "/bounced/undetermined"),
    column("complained", COUNT, "/complained"),
    column("unsubscribed", COUNT, "/unsubscribed"),
    column("messages_without_delivery", COUNT, "/messages_without_delivery"),
];
const OPENS: [Column; 8] = [
    column("opens_total", COUNT, "/opens/total"),
    column("opens_unique", COUNT, "/opens/unique"),
    column("opens_human_total", COUNT, "/opens/human/total"),
    column("opens_human_unique", COUNT, "/opens/human/unique"),
    column("opens_automated_total", COUNT, "/opens/automated/total"),
    column("opens_automated_unique", COUNT, "/opens/automated/unique"),
    column("opens_unknown_total", COUNT, "/opens/unknown/total"),
    column("opens_unknown_unique", COUNT, "/opens/unknown/unique"),
];
const CLICKS: [Column; 8] = [
    column("clicks_total", COUNT, "/clicks/total"),
    column("clicks_unique", COUNT, "/clicks/unique"),
    column("clicks_human_total", COUNT, "/clicks/human/total"),
    column("clicks_human_unique", COUNT, "/clicks/human/unique"),
    column("clicks_automated_total", COUNT, "/clicks/automated/total"),
    column("clicks_automated_unique", COUNT, "/clicks/automated/unique"),
    column("clicks_unknown_total", COUNT, "/clicks/unknown/total"),
    column("clicks_unknown_unique", COUNT, "/clicks/unknown/unique"),
];
const RATES: [Column; 10] = [
    column("rate_delivery", Kind::Number, "/rates/delivery"),
    column("rate_bounce", Kind::Number, "/rates/bounce"),
    column("rate_complaint", Kind::Number, "/rates/complaint"),
    column("rate_open", Kind::Number, "/rates/open"),
    column("rate_open_low", Kind::Number, "/rates/open_low"),
    column("rate_open_high", Kind::Number, "/rates/open_high"),
    column("rate_open_estimate", Kind::Number, "/rates/open_estimate"),
    column("rate_click", Kind::Number, "/rates/click"),
    column("rate_click_to_open", Kind::Number, "/rates/click_to_open"),
    column("rate_unsubscribe", Kind::Number, "/rates/unsubscribe"),
];
const OPENS_BY_SOURCE: Column = column("opens_by_source", Kind::Document, "/opens/by_source");
const CLICKS_BY_SOURCE: Column = column("clicks_by_source", Kind::Document, "/clicks/by_source");

/// All figures of messages, behind columns of their own.
fn with_figures(first: &[Column]) -> Vec<Column> {
    let sources = [OPENS_BY_SOURCE, CLICKS_BY_SOURCE];
    [first, &DELIVERY, &OPENS, &CLICKS, &RATES, &sources].concat()
}

/// Of a summary.
pub(super) static SUMMARY: LazyLock<Vec<Column>> = LazyLock::new(|| with_figures(&TIMES));

/// Of a time series.
pub(super) static SERIES: LazyLock<Vec<Column>> =
    LazyLock::new(|| with_figures(&[&[column("bucket", Kind::Text, "/bucket")][..], &TIMES].concat()));

/// Of a table that has the rows of two windows: which one a row is of, and when that is where the row does not tell.
pub(super) fn compared(columns: &[Column], timed: bool) -> Vec<Column> {
    let window = [column("window", Kind::Text, "/window")];
    let times: &[Column] = if timed { &[] } else { &TIMES };
    [&window[..], times, columns].concat()
}

/// Of visits by label.
pub(super) const VISITS: [Column; 6] = [
    column("label", Kind::Text, "/label"),
    column("index", COUNT, "/index"),
    column("clicks", COUNT, "/clicks"),
    column("visits", COUNT, "/visits"),
    column("messages", COUNT, "/messages"),
    column("returning", COUNT, "/returning"),
];

/// Of latencies.
pub(super) const LATENCY: [Column; 6] = [
    column("key", Kind::Text, "/key"),
    column("messages", COUNT, "/messages"),
    column("p50", Kind::Number, "/p50"),
    column("p90", Kind::Number, "/p90"),
    column("p99", Kind::Number, "/p99"),
    column("slowest", Kind::Number, "/slowest"),
];

/// Of machines.
pub(super) const MACHINES: [Column; 12] = [
    column("source", Kind::Text, "/source"),
    column("recipient_domain", Kind::Text, "/recipient_domain"),
    column("class", Kind::Text, "/class"),
    column("hits", COUNT, "/hits"),
    column("opens", COUNT, "/opens"),
    column("clicks", COUNT, "/clicks"),
    column("traps", COUNT, "/traps"),
    column("messages", COUNT, "/messages"),
    column("sources", COUNT, "/sources"),
    column("recipient_domains", COUNT, "/recipient_domains"),
    column("scanned_domains", COUNT, "/scanned_domains"),
    column("seconds_after_median", Kind::Number, "/seconds_after_median"),
];

/// Of hits after delivery.
pub(super) const AFTER_DELIVERY: [Column; 7] = [
    column("from_seconds", COUNT, "/from_seconds"),
    column("scanners", COUNT, "/scanners"),
    column("apple", COUNT, "/apple"),
    column("google", COUNT, "/google"),
    column("other", COUNT, "/other"),
    column("unknown", COUNT, "/unknown"),
    column("human", COUNT, "/human"),
];

/// Of corrections.
pub(super) const CORRECTIONS: [Column; 5] = [
    column("first_actor", Kind::Text, "/first_actor"),
    column("first_source", Kind::Text, "/first_source"),
    column("actor", Kind::Text, "/actor"),
    column("source", Kind::Text, "/source"),
    column("hits", COUNT, "/hits"),
];

/// Of hours of the week.
pub(super) const HOURS: [Column; 5] = [
    column("weekday", COUNT, "/weekday"),
    column("hour", COUNT, "/hour"),
    column("human", COUNT, "/human"),
    column("automated", COUNT, "/automated"),
    column("unknown", COUNT, "/unknown"),
];

/// Of refusals.
pub(super) const REFUSALS: [Column; 6] = [
    column("bounce_class", Kind::Text, "/bounce_class"),
    column("bounce_reason", Kind::Text, "/bounce_reason"),
    column("enhanced_code", Kind::Text, "/enhanced_code"),
    column("smtp_code", COUNT, "/smtp_code"),
    column("messages", COUNT, "/messages"),
    column("recipient_domains", COUNT, "/recipient_domains"),
];

/// Of times to delivery.
pub(super) const DELIVERY_TIMES: [Column; 2] =
    [column("from_seconds", COUNT, "/from_seconds"), column("messages", COUNT, "/messages")];

/// Of a breakdown; its first column is named after what is grouped by.
pub(super) fn breakdown(by: By) -> Vec<Column> {
    let key = column(by.as_str(), Kind::Text, "/key");
    if by == By::Link {
        let place = [key, column("index", COUNT, "/index"), column("label", Kind::Text, "/label")];
        return [&place[..], &CLICKS, &[CLICKS_BY_SOURCE]].concat();
    }
    if by.of_hits() {
        return [&[key][..], &OPENS, &CLICKS, &[OPENS_BY_SOURCE, CLICKS_BY_SOURCE]].concat();
    }
    with_figures(&[key])
}

/// Of events one by one: those of both records.
pub(super) const EVENTS: [Column; 30] = [
    column("record", Kind::Text, "/record"),
    column("type", Kind::Text, "/type"),
    column("at", Kind::Time, "/at"),
    column("message_id", Kind::Text, "/message_id"),
    column("event_id", Kind::Text, "/event_id"),
    column("revision", COUNT, "/revision"),
    column("received_at", Kind::Time, "/received_at"),
    column("recipient_id", Kind::Text, "/recipient_id"),
    column("campaign", Kind::Text, "/campaign"),
    column("recipient_domain", Kind::Text, "/recipient_domain"),
    column("sent_at", Kind::Time, "/sent_at"),
    column("link_index", COUNT, "/link_index"),
    column("link_count", COUNT, "/link_count"),
    column("label", Kind::Text, "/label"),
    column("method", Kind::Text, "/method"),
    column("actor", Kind::Text, "/actor"),
    column("source", Kind::Text, "/source"),
    column("client", Kind::Text, "/client"),
    column("confidence", Kind::Number, "/confidence"),
    column("reasons", Kind::Text, "/reasons"),
    column("ruleset", Kind::Text, "/ruleset"),
    column("ip", Kind::Text, "/ip"),
    column("user_agent", Kind::Text, "/user_agent"),
    column("tracked", Kind::Flag, "/tracked"),
    column("mx_host", Kind::Text, "/mx_host"),
    column("smtp_code", COUNT, "/smtp_code"),
    column("enhanced_code", Kind::Text, "/enhanced_code"),
    column("bounce_class", Kind::Text, "/bounce_class"),
    column("bounce_reason", Kind::Text, "/bounce_reason"),
    column("diagnostic", Kind::Text, "/diagnostic"),
];
