//! What the views answer: the same views, with the same parameters, that the API and the dashboards ask.

use super::clock::{Clock, Interval};
use super::question::{By, Question, Report};
use super::table::{self, Table};
use crate::Failure;
use clickhouse::{Client, Row};
use engagement::AccountNumber;
use serde::Deserialize;

/// Figures of messages that are not of opens and clicks.
const MESSAGES: [&str; 14] = [
    "sent",
    "delivered",
    "deferred",
    "dropped",
    "bounced_hard",
    "bounced_soft",
    "bounced_block",
    "bounced_undetermined",
    "complained",
    "unsubscribed",
    "messages_without_delivery",
    "masked",
    "delivered_tracked",
    "delivered_unmasked",
];
const RATES: [&str; 10] = [
    "rate_delivery",
    "rate_bounce",
    "rate_complaint",
    "rate_open",
    "rate_open_low",
    "rate_open_high",
    "rate_open_estimate",
    "rate_click",
    "rate_click_to_open",
    "rate_unsubscribe",
];
const OPENS: [&str; 8] = [
    "opens_total",
    "opens_unique",
    "opens_human_total",
    "opens_human_unique",
    "opens_automated_total",
    "opens_automated_unique",
    "opens_unknown_total",
    "opens_unknown_unique",
];
const CLICKS: [&str; 8] = [
    "clicks_total",
    "clicks_unique",
    "clicks_human_total",
    "clicks_human_unique",
    "clicks_automated_total",
    "clicks_automated_unique",
    "clicks_unknown_total",
    "clicks_unknown_unique",
];
const OPENS_BY_SOURCE: [&str; 2] = ["opens_by_source_total", "opens_by_source_unique"];
const CLICKS_BY_SOURCE: [&str; 2] = ["clicks_by_source_total", "clicks_by_source_unique"];

/// How a report is read: of which view, what names a row, its figures (SQL, where it is no column's name `SQL AS name`), its
/// maps of counts by source, and its parameters beside those that all have.
struct Shape {
    view: &'static str,
    group: &'static str,
    figures: Vec<&'static str>,
    maps: Vec<&'static str>,
    more: &'static str,
}

fn shape(report: Report) -> Shape {
    let plain = |view, group, figures: &[&'static str], more| Shape {
        view,
        group,
        figures: figures.to_vec(),
        maps: Vec::new(),
        more,
    };
    let of_messages = |view, more| Shape {
        figures: [&MESSAGES[..], &OPENS, &CLICKS, &RATES].concat(),
        maps: [OPENS_BY_SOURCE, CLICKS_BY_SOURCE].concat(),
        ..plain(view, "group_key", &[], more)
    };
    let of_hits = |view, more| Shape {
        figures: [OPENS, CLICKS].concat(),
        maps: [OPENS_BY_SOURCE, CLICKS_BY_SOURCE].concat(),
        ..plain(view, "group_key", &[], more)
    };
    const SUPPRESS: &str = "suppress = {suppress: Array(String)}";
    const SUPPRESS_BY: &str = "suppress = {suppress: Array(String)}, by = {by: String}";
    const BY: &str = "by = {by: String}";
    match report {
        // Views as the dashboards ask them; the API asks their text.
        Report::Summary => of_messages("report_figures", "suppress = {suppress: Array(String)}, by = ''"),
        Report::Breakdown(By::Source | By::Client) => of_hits("report_hit_figures", SUPPRESS_BY),
        Report::Breakdown(By::Country) => of_hits("report_country_figures", SUPPRESS),
        Report::Breakdown(By::Link) => Shape {
            maps: CLICKS_BY_SOURCE.to_vec(),
            ..plain(
                "report_link_figures",
                "concat(ifNull(toString(link_index), '-'), ' ', link_label)",
                &CLICKS,
                SUPPRESS,
            )
        },
        Report::Breakdown(_) => of_messages("report_figures", SUPPRESS_BY),
        Report::Timeseries(..) => of_messages(
            "report_series",
            "suppress = {suppress: Array(String)}, edges = {edges: Array(Int64)}",
        ),
        Report::Latency(_) => {
            plain("report_latency", "group_key", &["messages", "p50", "p90", "p99", "slowest"], BY)
        }
        Report::Visits(_) => plain(
            "report_visits",
            "concat(ifNull(toString(index), '-'), ' ', label)",
            &["clicks", "visits", "messages", "returning"],
            "suppress = {suppress: Array(String)}, tz = {zone: String}",
        ),
        Report::Machines(by) => plain(
            "report_machine_groups",
            match by {
                By::Source => "concat(source, ' (', class, ')')",
                By::RecipientDomain => "recipient_domain",
                By::Both => "concat(source, ' (', class, ') ', recipient_domain)",
                _ => "concat(source, recipient_domain, class)",
            },
            &[
                "hits",
                "opens",
                "clicks",
                "traps",
                "messages",
                "sources",
                "recipient_domains",
                "scanned_domains",
                "seconds_after_median",
            ],
            BY,
        ),
        Report::AfterDelivery => plain(
            "report_after_delivery",
            "from_seconds",
            &["scanners", "apple", "google", "other", "of_unknown AS unknown", "human"],
            "",
        ),
        Report::Corrections => plain(
            "report_corrections",
            "concat(first_actor, ' ', first_source, ' to ', actor, ' ', source)",
            &["hits"],
            "",
        ),
        Report::Hours(_) => plain(
            "report_hours",
            "concat(toString(weekday), ' ', leftPad(toString(hour), 2, '0'))",
            &["human", "automated", "of_unknown AS unknown"],
            "zone = {zone: String}",
        ),
        Report::Refusals => plain(
            "report_refusals",
            "concat(bounce_class, ' ', bounce_reason, ' ', enhanced_code, ' ', toString(smtp_code))",
            &["messages", "recipient_domains"],
            "",
        ),
        Report::DeliveryTimes => plain("report_delivery_spans", "from_seconds", &["messages"], ""),
    }
}

#[derive(Row, Deserialize)]
struct Answer {
    group: String,
    figures: Vec<Option<f64>>,
    by_source: Vec<(String, String, u64)>,
}

/// What the report answers.
pub(super) async fn ask(
    client: &Client,
    account: AccountNumber,
    question: &Question,
) -> Result<Table, Failure> {
    let shape = shape(question.report);
    let (expressions, names): (Vec<&str>, Vec<&str>) =
        shape.figures.iter().map(|figure| figure.split_once(" AS ").unwrap_or((figure, figure))).unzip();
    let figures: Vec<String> =
        expressions.iter().map(|figure| format!("CAST({figure}, 'Nullable(Float64)')")).collect();
    let maps: Vec<String> = shape
        .maps
        .iter()
        .map(|map| format!("arrayMap((id, hits) -> ('{map}', toString(id), toUInt64(hits)), mapKeys({map}), mapValues({map}))"))
        .collect();
    let statement = format!(
        "SELECT toString({}) AS `group`, [{}] AS figures,
             CAST(arrayConcat([], {}), 'Array(Tuple(String, String, UInt64))') AS by_source
         FROM {}(
             account = {{account: UInt32}}, from_ms = {{from_ms: Int64}}, to_ms = {{to_ms: Int64}}, cohort = {{cohort: String}},
             campaign = {{campaign: String}}, recipient_domain = {{recipient_domain: String}},
             mailbox_provider = {{mailbox_provider: String}}{}{})",
        shape.group,
        figures.join(", "),
        if maps.is_empty() { "[]".to_owned() } else { maps.join(", ") },
        shape.view,
        if shape.more.is_empty() { "" } else { ", " },
        shape.more
    );
    let suppress: Vec<&str> = question.suppress.iter().map(|class| class.as_str()).collect();
    let mut query = client
        .query(&statement)
        .param("account", account.0)
        .param("from_ms", question.from)
        .param("to_ms", question.to)
        .param("cohort", if question.sent_cohort { "sent" } else { "event" })
        .param("campaign", &question.filter.campaign)
        .param("recipient_domain", &question.filter.recipient_domain)
        .param("mailbox_provider", &question.filter.mailbox_provider)
        .param("suppress", suppress);
    // What names a bucket in the answer is its edge; the recount knows the clock on the wall alone.
    let mut buckets: Option<(Interval, Clock)> = None;
    match question.report {
        Report::Breakdown(by) | Report::Latency(by) | Report::Machines(by) => {
            query = query.param("by", by.as_str());
        }
        Report::Visits(zone) | Report::Hours(zone) => query = query.param("zone", zone),
        Report::Timeseries(interval, zone) => {
            let edges = reporting::edges(interval.as_str(), zone, question.from, question.to);
            let edges = edges.ok_or_else(|| format!("the API has no buckets for {question}"))?;
            query = query.param("edges", edges);
            buckets = Clock::of(zone).map(|clock| (interval, clock));
        }
        _ => {}
    }
    let mut table = Table::new();
    for answer in query.fetch_all::<Answer>().await? {
        let group = match &buckets {
            Some((interval, clock)) => {
                let edge = answer.group.parse().map_err(|_| format!("a bucket of {question} is no time"))?;
                clock.bucket(*interval, edge).to_string()
            }
            None => answer.group,
        };
        let row = table.entry(group).or_default();
        for (name, figure) in names.iter().zip(answer.figures) {
            if let Some(figure) = figure {
                table::put(row, (*name).to_owned(), figure);
            }
        }
        for (name, source, count) in answer.by_source {
            table::put(row, format!("{name}.{source}"), count as f64);
        }
    }
    Ok(table)
}
