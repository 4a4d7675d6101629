//! The raw rows, message by message.

use super::facts::{Delivery, Gathered, Hit, Message};
use crate::Failure;
use clickhouse::query::RowCursor;
use clickhouse::{Client, Row};
use engagement::{AccountNumber, Actor, Kind};
use serde::Deserialize;
use std::collections::HashMap;

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
    client: String,
    country: String,
    label: String,
    link_index: Option<u16>,
    campaign: String,
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
    enhanced_code: String,
    smtp_code: u16,
    mx_host: String,
    campaign: String,
    recipient_domain: String,
}

/// An event of which one revision says two things.
#[derive(Debug, Row, Deserialize)]
pub(super) struct Conflict {
    pub(super) event_id: String,
    pub(super) revision: u16,
    pub(super) contents: u64,
}

/// How many bytes of rows the database sorts in memory; past it, on its disk.
const SORTED_IN_MEMORY: &str = "500000000";

/// An account's raw rows, one message after another; no more than one message is in memory here, and of what was reversed
/// an id an event.
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
                     toString(client) AS client, toString(country) AS country, toString(label) AS label, link_index,
                     toString(campaign) AS campaign, toString(recipient_domain) AS recipient_domain
                 FROM events WHERE account = {account: UInt32} AND retention_until > now('UTC') ORDER BY message_id",
            )
            .param("account", account.0)
            // Row by row, not all at once at the end. An answer that breaks off shows as a difference.
            .with_setting("wait_end_of_query", "0")
            .with_setting("max_bytes_before_external_sort", SORTED_IN_MEMORY)
            .fetch::<EventRow>()?;
        let mut deliveries = client
            .query(
                "SELECT message_id, event_id, toString(type) AS kind, at, received_at, tracked,
                     toString(bounce_class) AS bounce_class, toString(bounce_reason) AS bounce_reason,
                     toString(enhanced_code) AS enhanced_code, ifNull(smtp_code, 0) AS smtp_code,
                     toString(mx_host) AS mx_host, toString(campaign) AS campaign,
                     toString(recipient_domain) AS recipient_domain
                 FROM deliveries WHERE account = {account: UInt32} AND retention_until > now('UTC') ORDER BY message_id",
            )
            .param("account", account.0)
            // Row by row, not all at once at the end. An answer that breaks off shows as a difference.
            .with_setting("wait_end_of_query", "0")
            .with_setting("max_bytes_before_external_sort", SORTED_IN_MEMORY)
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
        let mut message = Gathered::default();
        while let Some(row) = self.next_hit.take_if(|row| row.message_id == id) {
            let is_reversed = self.reversed.get(&row.event_id).copied().unwrap_or(false);
            message.hit(hit(row, is_reversed)?);
            self.next_hit = self.hits.next().await?;
        }
        while let Some(row) = self.next_delivery.take_if(|row| row.message_id == id) {
            message.delivery(delivery(row));
            self.next_delivery = self.deliveries.next().await?;
        }
        Ok(Some(message.message()))
    }
}

fn hit(row: EventRow, is_reversed: bool) -> Result<Hit, Failure> {
    let kinds = [Kind::Open, Kind::Click, Kind::Unsubscribe, Kind::Trap];
    let actors = [Actor::Human, Actor::Automated, Actor::Unknown];
    let kind = kinds.into_iter().find(|kind| kind.as_str() == row.kind);
    let actor = actors.into_iter().find(|actor| actor.as_str() == row.actor);
    let (Some(kind), Some(actor)) = (kind, actor) else {
        return Err(format!(
            "events has a kind {} or an actor {} that this program does not know",
            row.kind, row.actor
        )
        .into());
    };
    Ok(Hit {
        event_id: row.event_id,
        revision: row.revision,
        kind,
        at: row.received_at,
        sent_at: row.sent_at,
        unsubscribes: kind == Kind::Unsubscribe && row.method == "POST" && !is_reversed,
        actor,
        source: row.source,
        client: row.client,
        country: row.country,
        label: row.label,
        link_index: row.link_index,
        campaign: row.campaign,
        recipient_domain: row.recipient_domain,
    })
}

fn delivery(row: DeliveryRow) -> Delivery {
    Delivery {
        event_id: row.event_id,
        kind: row.kind,
        at: row.at,
        received_at: row.received_at,
        tracked: row.tracked,
        bounce_class: row.bounce_class,
        bounce_reason: row.bounce_reason,
        enhanced_code: row.enhanced_code,
        smtp_code: row.smtp_code,
        mx_host: row.mx_host,
        campaign: row.campaign,
        recipient_domain: row.recipient_domain,
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
