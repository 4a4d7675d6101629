//! The figures as answers show them. What each means is written in `metrics.md` and decided in the views; here they only
//! change their shape.

use crate::compare::{Paired, Pairs, by_group};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// Everything that is counted, of all messages or of one group of them.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Figures {
    /// Messages that were sent.
    pub(crate) sent: u64,
    /// Messages accepted by the receiving server, less those that bounced later.
    pub(crate) delivered: u64,
    /// Messages with at least one temporary refusal.
    pub(crate) deferred: u64,
    /// Messages that were never tried.
    pub(crate) dropped: u64,
    /// Messages refused for good.
    pub(crate) bounced: Bounced,
    /// Messages whose reader called them spam.
    pub(crate) complained: u64,
    /// Messages whose reader unsubscribed, confirmed.
    pub(crate) unsubscribed: u64,
    /// Messages with engagement of which no delivery event was ever heard.
    pub(crate) messages_without_delivery: u64,
    /// Loads of the pixel.
    pub(crate) opens: Engagement,
    /// Followed links, without unsubscribe and trap links.
    pub(crate) clicks: Engagement,
    /// Rates.
    pub(crate) rates: Rates,
}

/// Messages refused for good, by why; each counts under its last refusal.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Bounced {
    /// No such mailbox or domain.
    pub(crate) hard: u64,
    /// Mailbox full, mail too large, policy of the moment.
    pub(crate) soft: u64,
    /// Reputation, spam, authentication.
    pub(crate) block: u64,
    /// Nothing told.
    pub(crate) undetermined: u64,
}

/// Hits and messages.
#[derive(Debug, Clone, Copy, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Count {
    /// Hits.
    pub(crate) total: u64,
    /// Messages, exactly.
    pub(crate) unique: u64,
}

/// Opens or clicks. `total` and `unique` are what remains under the suppression in force, the rest is the whole truth.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Engagement {
    /// Counted hits.
    pub(crate) total: u64,
    /// Messages with a counted hit; a human click implies an open.
    pub(crate) unique: u64,
    /// By people; an open is implied by a human click.
    pub(crate) human: Count,
    /// By machines.
    pub(crate) automated: Count,
    /// By nobody knows whom.
    pub(crate) unknown: Count,
    /// By source: hits that were made, nothing implied.
    pub(crate) by_source: BTreeMap<String, Count>,
}

/// Rates, as fractions; null where the denominator is 0. Under `cohort=event` one may exceed 1.
#[derive(Debug, Clone, Default, PartialEq, Serialize, Deserialize, ToSchema)]
pub(crate) struct Rates {
    /// Delivered over sent.
    pub(crate) delivery: Option<f64>,
    /// Bounced over sent.
    pub(crate) bounce: Option<f64>,
    /// Complained over delivered.
    pub(crate) complaint: Option<f64>,
    /// `opens.unique` over delivered with tracking.
    pub(crate) open: Option<f64>,
    /// Messages surely read over delivered with tracking.
    pub(crate) open_low: Option<f64>,
    /// Messages at most read over delivered with tracking.
    pub(crate) open_high: Option<f64>,
    /// Of the messages whose reader can be seen, those read, taken to hold for all. Null under 100 such messages.
    pub(crate) open_estimate: Option<f64>,
    /// Messages with a counted click over delivered with tracking.
    pub(crate) click: Option<f64>,
    /// Messages with a counted click that are in `opens.unique`, over these.
    pub(crate) click_to_open: Option<f64>,
    /// Unsubscribed over delivered.
    pub(crate) unsubscribe: Option<f64>,
}

/// The columns of `report_totals` that are of opens and clicks; `report_country_figures` has the same.
#[derive(Debug, Clone, clickhouse::Row, Deserialize)]
pub(crate) struct HitRow {
    pub(crate) group_key: String,
    opens_total: u64,
    opens_unique: u64,
    opens_human_total: u64,
    opens_human_unique: u64,
    opens_automated_total: u64,
    opens_automated_unique: u64,
    opens_unknown_total: u64,
    opens_unknown_unique: u64,
    opens_by_source_total: Vec<(String, u64)>,
    opens_by_source_unique: Vec<(String, u64)>,
    clicks_total: u64,
    clicks_unique: u64,
    clicks_human_total: u64,
    clicks_human_unique: u64,
    clicks_automated_total: u64,
    clicks_automated_unique: u64,
    clicks_unknown_total: u64,
    clicks_unknown_unique: u64,
    clicks_by_source_total: Vec<(String, u64)>,
    clicks_by_source_unique: Vec<(String, u64)>,
}

/// Visits of people to the links of a label.
#[derive(Debug, Clone, PartialEq, Eq, clickhouse::Row, Serialize, Deserialize, ToSchema)]
pub(crate) struct VisitRow {
    /// The label; empty for links without one.
    pub(crate) label: String,
    /// Of a link without a label, which of the mail it is, from 0; null where nobody told.
    pub(crate) index: Option<u16>,
    /// Clicks of people.
    pub(crate) clicks: u64,
    /// Messages on days.
    pub(crate) visits: u64,
    /// Messages.
    pub(crate) messages: u64,
    /// Messages that came on two days or more.
    pub(crate) returning: u64,
}

/// How long a group of messages took from sent to delivered.
#[derive(Debug, Clone, PartialEq, clickhouse::Row, Serialize, Deserialize, ToSchema)]
pub(crate) struct LatencyRow {
    /// The domain, provider or campaign; empty for messages without one, and for the one row of all.
    pub(crate) key: String,
    /// How many messages told both times.
    pub(crate) messages: u64,
    /// The median in seconds.
    pub(crate) p50: f64,
    /// Nine of ten took at most so many seconds.
    pub(crate) p90: f64,
    /// 99 of 100 took at most so many seconds.
    pub(crate) p99: f64,
    /// The slowest, in seconds.
    pub(crate) slowest: f64,
}

/// The columns of `report_link_figures`.
#[derive(Debug, Clone, clickhouse::Row, Deserialize)]
pub(crate) struct LinkRow {
    pub(crate) link_index: Option<u16>,
    pub(crate) link_label: String,
    clicks_total: u64,
    clicks_unique: u64,
    clicks_human_total: u64,
    clicks_human_unique: u64,
    clicks_automated_total: u64,
    clicks_automated_unique: u64,
    clicks_unknown_total: u64,
    clicks_unknown_unique: u64,
    clicks_by_source_total: Vec<(String, u64)>,
    clicks_by_source_unique: Vec<(String, u64)>,
}

/// The columns of `report_totals` that answers show.
#[derive(Debug, Clone, clickhouse::Row, Deserialize)]
pub(crate) struct MessageRow {
    pub(crate) group_key: String,
    sent: u64,
    delivered: u64,
    deferred: u64,
    dropped: u64,
    bounced_hard: u64,
    bounced_soft: u64,
    bounced_block: u64,
    bounced_undetermined: u64,
    complained: u64,
    unsubscribed: u64,
    messages_without_delivery: u64,
    opens_total: u64,
    opens_unique: u64,
    opens_human_total: u64,
    opens_human_unique: u64,
    opens_automated_total: u64,
    opens_automated_unique: u64,
    opens_unknown_total: u64,
    opens_unknown_unique: u64,
    opens_by_source_total: Vec<(String, u64)>,
    opens_by_source_unique: Vec<(String, u64)>,
    clicks_total: u64,
    clicks_unique: u64,
    clicks_human_total: u64,
    clicks_human_unique: u64,
    clicks_automated_total: u64,
    clicks_automated_unique: u64,
    clicks_unknown_total: u64,
    clicks_unknown_unique: u64,
    clicks_by_source_total: Vec<(String, u64)>,
    clicks_by_source_unique: Vec<(String, u64)>,
    rate_delivery: Option<f64>,
    rate_bounce: Option<f64>,
    rate_complaint: Option<f64>,
    rate_open: Option<f64>,
    rate_open_low: Option<f64>,
    rate_open_high: Option<f64>,
    rate_open_estimate: Option<f64>,
    rate_click: Option<f64>,
    rate_click_to_open: Option<f64>,
    rate_unsubscribe: Option<f64>,
}

/// Opens and clicks out of either row: the names are the same.
macro_rules! engagements {
    ($row:expr) => {
        (
            Engagement {
                total: $row.opens_total,
                unique: $row.opens_unique,
                human: Count { total: $row.opens_human_total, unique: $row.opens_human_unique },
                automated: Count { total: $row.opens_automated_total, unique: $row.opens_automated_unique },
                unknown: Count { total: $row.opens_unknown_total, unique: $row.opens_unknown_unique },
                by_source: by_source($row.opens_by_source_total, $row.opens_by_source_unique),
            },
            Engagement {
                total: $row.clicks_total,
                unique: $row.clicks_unique,
                human: Count { total: $row.clicks_human_total, unique: $row.clicks_human_unique },
                automated: Count { total: $row.clicks_automated_total, unique: $row.clicks_automated_unique },
                unknown: Count { total: $row.clicks_unknown_total, unique: $row.clicks_unknown_unique },
                by_source: by_source($row.clicks_by_source_total, $row.clicks_by_source_unique),
            },
        )
    };
}

impl Paired for VisitRow {
    fn pairs(now: &[Self], before: &[Self]) -> Pairs {
        by_group(now, before, |row| (&row.label, row.index))
    }
}

impl Paired for LatencyRow {
    fn pairs(now: &[Self], before: &[Self]) -> Pairs {
        by_group(now, before, |row| &row.key)
    }
}

impl From<LinkRow> for Engagement {
    fn from(row: LinkRow) -> Self {
        Self {
            total: row.clicks_total,
            unique: row.clicks_unique,
            human: Count { total: row.clicks_human_total, unique: row.clicks_human_unique },
            automated: Count { total: row.clicks_automated_total, unique: row.clicks_automated_unique },
            unknown: Count { total: row.clicks_unknown_total, unique: row.clicks_unknown_unique },
            by_source: by_source(row.clicks_by_source_total, row.clicks_by_source_unique),
        }
    }
}

impl From<HitRow> for (Engagement, Engagement) {
    fn from(row: HitRow) -> Self {
        engagements!(row)
    }
}

impl From<MessageRow> for Figures {
    fn from(row: MessageRow) -> Self {
        let (opens, clicks) = engagements!(row);
        Self {
            sent: row.sent,
            delivered: row.delivered,
            deferred: row.deferred,
            dropped: row.dropped,
            bounced: Bounced {
                hard: row.bounced_hard,
                soft: row.bounced_soft,
                block: row.bounced_block,
                undetermined: row.bounced_undetermined,
            },
            complained: row.complained,
            unsubscribed: row.unsubscribed,
            messages_without_delivery: row.messages_without_delivery,
            opens,
            clicks,
            rates: Rates {
                delivery: row.rate_delivery,
                bounce: row.rate_bounce,
                complaint: row.rate_complaint,
                open: row.rate_open,
                open_low: row.rate_open_low,
                open_high: row.rate_open_high,
                open_estimate: row.rate_open_estimate,
                click: row.rate_click,
                click_to_open: row.rate_click_to_open,
                unsubscribe: row.rate_unsubscribe,
            },
        }
    }
}

fn by_source(totals: Vec<(String, u64)>, uniques: Vec<(String, u64)>) -> BTreeMap<String, Count> {
    let mut counts: BTreeMap<String, Count> = BTreeMap::new();
    for (source, total) in totals {
        counts.entry(source).or_default().total = total;
    }
    for (source, unique) in uniques {
        counts.entry(source).or_default().unique = unique;
    }
    counts
}
