//! What verify reads: the raw rows, message by message, and the views' answers.

use super::recount::{By, Delivery, Figures, Hit, Message, Question};
use crate::Failure;
use clickhouse::query::RowCursor;
use clickhouse::{Client, Row};
use engagement::AccountNumber;
use serde::Deserialize;
use std::collections::HashMap;

/// The figures of `report_figures` that are compared; the last three are numerators behind a rate.
const FIGURES: [&str; 33] = [
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
    "masked",
    "delivered_tracked",
    "delivered_unmasked",
    "round(ifNull(rate_open_high, 0) * delivered_tracked)",
    "round(ifNull(rate_open_estimate, 0) * delivered_unmasked)",
    "round(ifNull(rate_click_to_open, 0) * opens_unique)",
];

#[derive(Row, Deserialize)]
struct EventRow {
    message_id: String,
    event_id: String,
    revision: u16,
    kind: String,
    received_at: i64,
    sent_at: i64,
    method: String,
    actor: String,
    source: String,
    recipient_domain: String,
}

#[derive(Row, Deserialize)]
struct DeliveryRow {
    message_id: String,
    event_id: String,
    kind: String,
    at: i64,
    received_at: i64,
    tracked: bool,
    bounce_class: String,
    bounce_reason: String,
    mx_host: String,
    recipient_domain: String,
}

#[derive(Row, Deserialize)]
struct Answer {
    group_key: String,
    figures: Vec<u64>,
    opens_by_source_total: Vec<(String, u64)>,
    opens_by_source_unique: Vec<(String, u64)>,
    clicks_by_source_total: Vec<(String, u64)>,
    clicks_by_source_unique: Vec<(String, u64)>,
}

/// An event of which one revision says two things.
#[derive(Debug, Row, Deserialize)]
pub(super) struct Conflict {
    pub(super) event_id: String,
    pub(super) revision: u16,
    pub(super) contents: u64,
}

/// An account's raw rows, one message after another; no more than one message is in memory here.
pub(super) struct Messages {
    hits: RowCursor<EventRow>,
    deliveries: RowCursor<DeliveryRow>,
    reversed: HashMap<String, bool>,
    next_hit: Option<EventRow>,
    next_delivery: Option<DeliveryRow>,
}

impl Messages {
    pub(super) async fn of(client: &Client, account: AccountNumber) -> Result<Self, Failure> {
        let mut hits = client
            .query(
                "SELECT message_id, toString(event_id) AS event_id, revision, toString(kind) AS kind, received_at, sent_at,
                     toString(method) AS method, toString(actor) AS actor, toString(source) AS source,
                     toString(recipient_domain) AS recipient_domain
                 FROM events WHERE account = {account: UInt32} AND retention_until > now('UTC') ORDER BY message_id",
            )
            .param("account", account.0)
            // Row by row, not all at once at the end. An answer that breaks off shows as a difference.
            .with_setting("wait_end_of_query", "0")
            .fetch::<EventRow>()?;
        let mut deliveries = client
            .query(
                "SELECT message_id, event_id, toString(type) AS kind, at, received_at, tracked,
                     toString(bounce_class) AS bounce_class, toString(bounce_reason) AS bounce_reason,
                     toString(mx_host) AS mx_host, toString(recipient_domain) AS recipient_domain
                 FROM deliveries WHERE account = {account: UInt32} AND retention_until > now('UTC') ORDER BY message_id",
            )
            .param("account", account.0)
            // Row by row, not all at once at the end. An answer that breaks off shows as a difference.
            .with_setting("wait_end_of_query", "0")
            .fetch::<DeliveryRow>()?;
        let next_hit = hits.next().await?;
        let next_delivery = deliveries.next().await?;
        let reversed = reversed(client, account).await?;
        Ok(Self { hits, deliveries, reversed, next_hit, next_delivery })
    }

    pub(super) async fn next(&mut self) -> Result<Option<Message>, Failure> {
        let ids = [
            self.next_hit.as_ref().map(|row| &row.message_id),
            self.next_delivery.as_ref().map(|row| &row.message_id),
        ];
        let Some(id) = ids.into_iter().flatten().min().cloned() else { return Ok(None) };
        let mut message = Message::default();
        while let Some(row) = self.next_hit.take_if(|row| row.message_id == id) {
            let reversed = self.reversed.get(&row.event_id).copied().unwrap_or(false);
            message.hit(Hit {
                reversed,
                event_id: row.event_id,
                revision: row.revision,
                kind: row.kind,
                at: row.received_at,
                sent_at: row.sent_at,
                method: row.method,
                actor: row.actor,
                source: row.source,
                recipient_domain: row.recipient_domain,
            });
            self.next_hit = self.hits.next().await?;
        }
        while let Some(row) = self.next_delivery.take_if(|row| row.message_id == id) {
            message.delivery(Delivery {
                event_id: row.event_id,
                kind: row.kind,
                at: row.at,
                received_at: row.received_at,
                tracked: row.tracked,
                bounce_class: row.bounce_class,
                bounce_reason: row.bounce_reason,
                mx_host: row.mx_host,
                recipient_domain: row.recipient_domain,
            });
            self.next_delivery = self.deliveries.next().await?;
        }
        Ok(Some(message))
    }
}

/// Which events were ever reversed, and whether they are now.
async fn reversed(client: &Client, account: AccountNumber) -> Result<HashMap<String, bool>, Failure> {
    let query = client.query(
        "SELECT toString(event_id), reversed FROM unsubscribe_reversals
         WHERE account = {account: UInt32} ORDER BY version",
    );
    // The last one said stands.
    Ok(query.param("account", account.0).fetch_all::<(String, bool)>().await?.into_iter().collect())
}

/// What the views answer.
pub(super) async fn ask(
    client: &Client,
    account: AccountNumber,
    question: &Question,
) -> Result<Figures, Failure> {
    let list: Vec<String> = FIGURES.iter().map(|figure| format!("toUInt64({figure})")).collect();
    let (view, by) = match question.by {
        By::Day => ("report_series", "edges = {edges: Array(Int64)}"),
        _ => ("report_figures", "by = {by: String}"),
    };
    let query = client.query(&format!(
        "SELECT group_key, [{}] AS figures, opens_by_source_total, opens_by_source_unique, clicks_by_source_total, clicks_by_source_unique
         FROM {view}(
             account = {{account: UInt32}}, from_ms = {{from_ms: Int64}}, to_ms = {{to_ms: Int64}},
             cohort = {{cohort: String}}, campaign = '', recipient_domain = '', mailbox_provider = '',
             suppress = {{suppress: Array(String)}}, {by})",
        list.join(", ")
    ));
    let query = match question.by {
        By::Day => query.param("edges", question.edges()),
        by => query.param("by", by.as_str()),
    };
    let query = query
        .param("account", account.0)
        .param("from_ms", question.from)
        .param("to_ms", question.to)
        .param("cohort", if question.sent_cohort { "sent" } else { "event" })
        .param("suppress", &question.suppress);
    let mut figures = Figures::new();
    for answer in query.fetch_all::<Answer>().await? {
        let group = match question.by {
            By::All => String::new(),
            _ => format!("{}: ", answer.group_key),
        };
        for (name, count) in FIGURES.iter().zip(answer.figures) {
            let name = match *name {
                rate if rate.contains("open_high") => "open_high",
                rate if rate.contains("open_estimate") => "open_estimate",
                rate if rate.contains("click_to_open") => "click_to_open",
                name => name,
            };
            figures.insert(format!("{group}{name}"), count);
        }
        for (name, counts) in [
            ("opens_by_source_total", answer.opens_by_source_total),
            ("opens_by_source_unique", answer.opens_by_source_unique),
            ("clicks_by_source_total", answer.clicks_by_source_total),
            ("clicks_by_source_unique", answer.clicks_by_source_unique),
        ] {
            let named = |(source, count)| (format!("{group}{name}.{source}"), count);
            figures.extend(counts.into_iter().map(named));
        }
    }
    Ok(figures)
}

/// Events of which one revision was stored with more than one content. Evidence and its times are no part of it: they
/// leave earlier, and may leave one copy before another.
pub(super) async fn conflicts(client: &Client, account: AccountNumber) -> Result<Vec<Conflict>, Failure> {
    let query = client.query(
        "SELECT toString(event_id) AS event_id, revision,
             uniqExact((kind, received_at, message_id, recipient_id, campaign, recipient_domain, sent_at, link_index,
                 link_count, label, method, actor, source, client, asn, country, device, mail_app, confidence, reasons,
                 ruleset)) AS contents
         FROM events WHERE account = {account: UInt32} AND retention_until > now('UTC')
         GROUP BY event_id, revision HAVING contents > 1 ORDER BY event_id, revision LIMIT 1000",
    );
    Ok(query.param("account", account.0).fetch_all::<Conflict>().await?)
}
