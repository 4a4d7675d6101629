//! Pages of events. A cursor names the last event of the page before it, so that a page costs the same wherever it is.

use crate::problem::Problem;
use crate::window::Span;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;
use clickhouse::{Client, Row};
use engagement::{AccountNumber, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

/// The last event of a page.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub(crate) struct Cursor {
    /// Delivery events come after hits.
    deliveries: bool,
    day: u32,
    message: String,
    event: String,
}

impl Cursor {
    /// Before the first hit.
    pub(crate) fn hits() -> Self {
        Self { deliveries: false, day: 0, message: String::new(), event: Uuid::nil().to_string() }
    }

    /// Before the first delivery event.
    pub(crate) fn deliveries() -> Self {
        Self { deliveries: true, day: 0, message: String::new(), event: String::new() }
    }

    /// A cursor as a client gives it back.
    pub(crate) fn read(text: &str) -> Option<Self> {
        let cursor: Self = serde_json::from_slice(&URL_SAFE_NO_PAD.decode(text).ok()?).ok()?;
        let sound = cursor.deliveries || Uuid::try_parse(&cursor.event).is_ok();
        (sound && cursor.day <= u32::from(u16::MAX)).then_some(cursor)
    }

    pub(crate) fn written(&self) -> String {
        URL_SAFE_NO_PAD.encode(serde_json::to_vec(self).unwrap_or_default())
    }
}

/// An event of an export.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "record", rename_all = "snake_case")]
pub(crate) enum Exported {
    /// A request that a message's pixel, link or unsubscribe page got.
    Hit(Box<ExportedHit>),
    /// What became of a message on its way.
    Delivery(Box<ExportedDelivery>),
}

/// A hit under its highest revision.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportedHit {
    event_id: String,
    revision: u16,
    /// open, click, unsubscribe or trap.
    #[serde(rename = "type")]
    kind: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    message_id: String,
    recipient_id: String,
    campaign: String,
    recipient_domain: String,
    #[schema(value_type = String, format = DateTime)]
    sent_at: Timestamp,
    link_index: Option<u16>,
    link_count: Option<u16>,
    label: String,
    method: String,
    actor: String,
    source: String,
    client: String,
    confidence: f64,
    /// Every rule that fired.
    #[schema(value_type = Vec<Object>)]
    reasons: Value,
    ruleset: String,
    /// The client's address, while it is kept.
    ip: String,
    /// The agent, while it is kept.
    user_agent: String,
}

/// A delivery event as it was received last.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct ExportedDelivery {
    event_id: String,
    /// sent, delivered, deferred, bounced, complained, unsubscribed or dropped.
    #[serde(rename = "type")]
    kind: String,
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    message_id: String,
    recipient_id: String,
    campaign: String,
    recipient_domain: String,
    tracked: bool,
    mx_host: String,
    smtp_code: Option<u16>,
    enhanced_code: String,
    bounce_class: String,
    bounce_reason: String,
    /// What the server said, while it is kept.
    diagnostic: String,
}

#[derive(Row, Deserialize)]
struct HitRow {
    event_id: String,
    day: u32,
    revision: u16,
    kind: String,
    received_at: i64,
    message_id: String,
    recipient_id: String,
    campaign: String,
    recipient_domain: String,
    sent_at: i64,
    link_index: Option<u16>,
    link_count: Option<u16>,
    label: String,
    method: String,
    actor: String,
    source: String,
    client: String,
    confidence: f32,
    reasons: String,
    ruleset: String,
    ip: String,
    user_agent: String,
}

#[derive(Row, Deserialize)]
struct DeliveryRow {
    event_id: String,
    r#type: String,
    at: i64,
    received_at: i64,
    message_id: String,
    recipient_id: String,
    campaign: String,
    recipient_domain: String,
    tracked: bool,
    mx_host: String,
    smtp_code: Option<u16>,
    enhanced_code: String,
    bounce_class: String,
    bounce_reason: String,
    diagnostic: String,
}

/// The events behind a cursor, and where the next page begins. `both`: delivery events follow when the hits are done.
pub(crate) async fn page(
    client: &Client,
    account: AccountNumber,
    span: Span,
    mut cursor: Cursor,
    limit: u32,
    both: bool,
) -> Result<(Vec<Exported>, Option<Cursor>), Problem> {
    let mut events = Vec::new();
    if !cursor.deliveries {
        let mut rows = hits(client, account, span, &cursor, limit).await?;
        let more = rows.len() > limit as usize;
        rows.truncate(limit as usize);
        if more && let Some(last) = rows.last() {
            let (message, event) = (last.message_id.clone(), last.event_id.clone());
            cursor = Cursor { deliveries: false, day: last.day, message, event };
        }
        for row in rows {
            events.push(Exported::Hit(Box::new(row.try_into()?)));
        }
        if more {
            return Ok((events, Some(cursor)));
        }
        if !both {
            return Ok((events, None));
        }
        cursor = Cursor::deliveries();
        if events.len() >= limit as usize {
            return Ok((events, Some(cursor)));
        }
    }
    let room = limit as usize - events.len();
    let mut rows = deliveries(client, account, span, &cursor, room).await?;
    let more = rows.len() > room;
    rows.truncate(room);
    let last = rows.last().map(|row| (row.message_id.clone(), row.event_id.clone()));
    for row in rows {
        events.push(Exported::Delivery(Box::new(row.try_into()?)));
    }
    let next =
        last.filter(|_| more).map(|(message, event)| Cursor { deliveries: true, day: 0, message, event });
    Ok((events, next))
}

async fn hits(
    client: &Client,
    account: AccountNumber,
    span: Span,
    after: &Cursor,
    limit: u32,
) -> Result<Vec<HitRow>, Problem> {
    let query = client.query(
        "SELECT ?fields FROM export_hits(
            account = {account: UInt32}, from_ms = {from_ms: Int64}, to_ms = {to_ms: Int64}, after_day = {after_day: UInt32},
            after_message = {after_message: String}, after_event = {after_event: String})
         LIMIT {most: UInt64}",
    );
    let query = query
        .param("account", account.0)
        .param("from_ms", span.from.millis())
        .param("to_ms", span.to.millis())
        .param("after_day", after.day)
        .param("after_message", after.message.as_str())
        .param("after_event", after.event.as_str())
        .param("most", u64::from(limit) + 1);
    Ok(query.fetch_all().await?)
}

async fn deliveries(
    client: &Client,
    account: AccountNumber,
    span: Span,
    after: &Cursor,
    limit: usize,
) -> Result<Vec<DeliveryRow>, Problem> {
    let query = client.query(
        "SELECT ?fields FROM export_deliveries(
            account = {account: UInt32}, from_ms = {from_ms: Int64}, to_ms = {to_ms: Int64},
            after_message = {after_message: String}, after_event = {after_event: String})
         LIMIT {most: UInt64}",
    );
    let query = query
        .param("account", account.0)
        .param("from_ms", span.from.millis())
        .param("to_ms", span.to.millis())
        .param("after_message", after.message.as_str())
        .param("after_event", after.event.as_str())
        .param("most", limit as u64 + 1);
    Ok(query.fetch_all().await?)
}

fn time(millis: i64) -> Result<Timestamp, Problem> {
    Timestamp::from_millis(millis).map_err(|_| {
        tracing::error!("a stored event has a time that none can have");
        Problem::internal()
    })
}

impl TryFrom<HitRow> for ExportedHit {
    type Error = Problem;

    fn try_from(row: HitRow) -> Result<Self, Problem> {
        Ok(Self {
            event_id: row.event_id,
            revision: row.revision,
            kind: row.kind,
            at: time(row.received_at)?,
            message_id: row.message_id,
            recipient_id: row.recipient_id,
            campaign: row.campaign,
            recipient_domain: row.recipient_domain,
            sent_at: time(row.sent_at)?,
            link_index: row.link_index,
            link_count: row.link_count,
            label: row.label,
            method: row.method,
            actor: row.actor,
            source: row.source,
            client: row.client,
            confidence: (f64::from(row.confidence) * 1000.0).round() / 1000.0,
            reasons: serde_json::from_str(&row.reasons).unwrap_or_default(),
            ruleset: row.ruleset,
            ip: row.ip,
            user_agent: row.user_agent,
        })
    }
}

impl TryFrom<DeliveryRow> for ExportedDelivery {
    type Error = Problem;

    fn try_from(row: DeliveryRow) -> Result<Self, Problem> {
        Ok(Self {
            event_id: row.event_id,
            kind: row.r#type,
            at: time(row.at)?,
            received_at: time(row.received_at)?,
            message_id: row.message_id,
            recipient_id: row.recipient_id,
            campaign: row.campaign,
            recipient_domain: row.recipient_domain,
            tracked: row.tracked,
            mx_host: row.mx_host,
            smtp_code: row.smtp_code,
            enhanced_code: row.enhanced_code,
            bounce_class: row.bounce_class,
            bounce_reason: row.bounce_reason,
            diagnostic: row.diagnostic,
        })
    }
}
