//! Breakdowns and time series as tables for spreadsheets: one column a figure; by source only the JSON has.

use super::answer::csv;
use super::reports::Group;
use super::series::Row;
use crate::figures::{Engagement, Figures};
use crate::window::By;
use axum::response::Response;

const ENGAGEMENT: [&str; 16] = [
    "opens_total",
    "opens_unique",
    "opens_human_total",
    "opens_human_unique",
    "opens_automated_total",
    "opens_automated_unique",
    "opens_unknown_total",
    "opens_unknown_unique",
    "clicks_total",
    "clicks_unique",
    "clicks_human_total",
    "clicks_human_unique",
    "clicks_automated_total",
    "clicks_automated_unique",
    "clicks_unknown_total",
    "clicks_unknown_unique",
];
const DELIVERY: [&str; 11] = [
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

/// The groups as a table.
pub(super) fn table(by: By, rows: &[Group]) -> Response {
    let mut header = vec![by.as_str()];
    if by == By::Link {
        header.extend(["index", "label"]);
        header.extend(ENGAGEMENT.iter().filter(|name| name.starts_with("clicks")));
    } else if by.of_hits() {
        header.extend(ENGAGEMENT);
    } else {
        header.extend(DELIVERY);
        header.extend(ENGAGEMENT);
        header.extend(RATES);
    }
    let rows: Vec<Vec<String>> = rows.iter().map(cells).collect();
    csv(&header, &rows)
}

/// The buckets as a table.
pub(super) fn series(rows: &[Row]) -> Response {
    let mut header = vec!["bucket", "from", "to"];
    header.extend(DELIVERY);
    header.extend(ENGAGEMENT);
    header.extend(RATES);
    let cells = |row: &Row| {
        let mut cells = vec![row.bucket.clone(), row.from.to_string(), row.to.to_string()];
        cells.extend(figures(&row.figures));
        cells
    };
    csv(&header, &rows.iter().map(cells).collect::<Vec<_>>())
}

fn cells(group: &Group) -> Vec<String> {
    match group {
        Group::Link(group) => {
            let index = group.index.map(|index| index.to_string()).unwrap_or_default();
            let mut cells = vec![group.key.clone(), index, group.label.clone()];
            cells.extend(engagement(&group.clicks));
            cells
        }
        Group::Hits(group) => {
            let mut cells = vec![group.key.clone()];
            cells.extend(engagement(&group.opens));
            cells.extend(engagement(&group.clicks));
            cells
        }
        Group::Messages(group) => {
            let mut cells = vec![group.key.clone()];
            cells.extend(figures(&group.figures));
            cells
        }
    }
}

fn figures(figures: &Figures) -> Vec<String> {
    let bounced = &figures.bounced;
    let rates = &figures.rates;
    let counts = [
        figures.sent,
        figures.delivered,
        figures.deferred,
        figures.dropped,
        bounced.hard,
        bounced.soft,
        bounced.block,
        bounced.undetermined,
        figures.complained,
        figures.unsubscribed,
        figures.messages_without_delivery,
    ];
    let mut cells: Vec<String> = counts.map(|count| count.to_string()).into();
    cells.extend(engagement(&figures.opens));
    cells.extend(engagement(&figures.clicks));
    let rates = [
        rates.delivery,
        rates.bounce,
        rates.complaint,
        rates.open,
        rates.open_low,
        rates.open_high,
        rates.open_estimate,
        rates.click,
        rates.click_to_open,
        rates.unsubscribe,
    ];
    // An empty cell is null: there was nothing to divide by.
    cells.extend(rates.map(|rate| rate.map(|rate| rate.to_string()).unwrap_or_default()));
    cells
}

fn engagement(engagement: &Engagement) -> [String; 8] {
    let Engagement { total, unique, human, automated, unknown, by_source: _ } = engagement;
    [
        *total,
        *unique,
        human.total,
        human.unique,
        automated.total,
        automated.unique,
        unknown.total,
        unknown.unique,
    ]
    .map(|count| count.to_string())
}
