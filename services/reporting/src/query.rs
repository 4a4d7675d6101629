//! The questions that reports ask ClickHouse: a view and bound parameters, nothing else. The view's own text stands in place of its
//! name, since ClickHouse then plans it once and not twice.

use crate::figures::{Figures, HitRow, LatencyRow, LinkRow, MessageRow, VisitRow};
use crate::problem::Problem;
use crate::series::Bucket;
use crate::window::{By, LatencyBy, Window};
use clickhouse::Client;
use clickhouse::query::Query;
use engagement::AccountNumber;
use engagement::sources::Class;
use store::migrate::view;

/// The figures of all messages of the window.
pub(crate) async fn summary(
    client: &Client,
    account: AccountNumber,
    window: &Window,
    suppress: &[Class],
) -> Result<Figures, Problem> {
    let query = client.query(&format!("SELECT ?fields FROM ({})", view("report_figures"))).param("by", "");
    let row = bound(query, account, window, suppress).fetch_optional::<MessageRow>().await?;
    Ok(row.map(Figures::from).unwrap_or_default())
}

/// The figures of each group of messages, the largest first; one more than `most` where there are more.
pub(crate) async fn message_groups(
    client: &Client,
    account: AccountNumber,
    window: &Window,
    suppress: &[Class],
    by: By,
    most: u32,
) -> Result<Vec<MessageRow>, Problem> {
    let query = client.query(&format!(
        "SELECT ?fields FROM ({})
         ORDER BY sent DESC, opens_unique DESC, group_key LIMIT {{most: UInt64}}",
        view("report_figures")
    ));
    let query = bound(query, account, window, suppress).param("by", by.as_str());
    Ok(query.param("most", u64::from(most) + 1).fetch_all().await?)
}

/// The figures of each bucket in which there is something; `group_key` is the bucket's first moment in milliseconds.
pub(crate) async fn series(
    client: &Client,
    account: AccountNumber,
    window: &Window,
    suppress: &[Class],
    buckets: &[Bucket],
) -> Result<Vec<MessageRow>, Problem> {
    let query = client.query(&format!("SELECT ?fields FROM ({})", view("report_series")));
    let edges: Vec<i64> = buckets.iter().map(|bucket| bucket.from.millis()).collect();
    Ok(bound(query, account, window, suppress).param("edges", edges).fetch_all().await?)
}

/// The opens and clicks of each group of hits, the largest first; one more than `most` where there are more.
pub(crate) async fn hit_groups(
    client: &Client,
    account: AccountNumber,
    window: &Window,
    suppress: &[Class],
    by: By,
    most: u32,
) -> Result<Vec<HitRow>, Problem> {
    let figures = if by == By::Country { "report_country_figures" } else { "report_hit_figures" };
    let query = client.query(&format!(
        "SELECT ?fields FROM ({})
         ORDER BY opens_human_total + opens_automated_total + opens_unknown_total
             + clicks_human_total + clicks_automated_total + clicks_unknown_total DESC, group_key
         LIMIT {{most: UInt64}}",
        view(figures)
    ));
    let query = bound(query, account, window, suppress).param("by", by.as_str());
    Ok(query.param("most", u64::from(most) + 1).fetch_all().await?)
}

/// The clicks on each link, in the order of the mail; one more than `most` where there are more.
pub(crate) async fn links(
    client: &Client,
    account: AccountNumber,
    window: &Window,
    suppress: &[Class],
    most: u32,
) -> Result<Vec<LinkRow>, Problem> {
    let query = client.query(&format!(
        "SELECT ?fields FROM ({}) ORDER BY link_index, link_label LIMIT {{most: UInt64}}",
        view("report_link_figures")
    ));
    Ok(bound(query, account, window, suppress).param("most", u64::from(most) + 1).fetch_all().await?)
}

/// How long messages took from sent to delivered, the largest group first; one more than `most` where there are more.
pub(crate) async fn latency(
    client: &Client,
    account: AccountNumber,
    window: &Window,
    by: LatencyBy,
    most: u32,
) -> Result<Vec<LatencyRow>, Problem> {
    let query = client.query(&format!(
        "SELECT group_key AS key, messages, p50, p90, p99, slowest FROM ({})
         ORDER BY messages DESC, key LIMIT {{most: UInt64}}",
        view("report_latency")
    ));
    let query = bound(query, account, window, &[]).param("by", by.as_str());
    Ok(query.param("most", u64::from(most) + 1).fetch_all().await?)
}

/// Visits of people by label, most first; one more than `most` where there are more.
pub(crate) async fn visits(
    client: &Client,
    account: AccountNumber,
    window: &Window,
    zone: &str,
    most: u32,
) -> Result<Vec<VisitRow>, Problem> {
    let query = client.query(&format!(
        "SELECT ?fields FROM ({}) ORDER BY visits DESC, label, index LIMIT {{most: UInt64}}",
        view("report_visits")
    ));
    let query = bound(query, account, window, &[]).param("tz", zone);
    Ok(query.param("most", u64::from(most) + 1).fetch_all().await?)
}

pub(crate) fn bound(query: Query, account: AccountNumber, window: &Window, suppress: &[Class]) -> Query {
    let suppress: Vec<&str> = suppress.iter().map(|class| class.as_str()).collect();
    query
        .param("account", account.0)
        .param("from_ms", window.from.millis())
        .param("to_ms", window.to.millis())
        .param("cohort", window.cohort.as_str())
        .param("campaign", window.campaign.as_str())
        .param("recipient_domain", window.recipient_domain.as_str())
        .param("mailbox_provider", window.mailbox_provider.as_str())
        .param("suppress", suppress)
}
