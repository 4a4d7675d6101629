//! All that is known of one message, in order.

use crate::problem::Problem;
use crate::unsubscribes::{self, Standing};
use clickhouse::{Client, Row};
use engagement::verdict::PROVISIONAL_MS;
use engagement::{AccountNumber, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::{Duration, SystemTime, UNIX_EPOCH};
use utoipa::ToSchema;
use uuid::Uuid;

/// All that is known of one message.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Timeline {
    /// The account's name.
    pub(crate) account: String,
    /// The sender's id of the message.
    pub(crate) message_id: String,
    /// The sender's id of the recipient; empty when it was never said.
    recipient_id: String,
    /// The domain of the recipient's address; empty when it was never said.
    recipient_domain: String,
    /// The campaign; empty when it was never said.
    campaign: String,
    /// Delivery events and hits, in the order of their times.
    events: Vec<Entry>,
    /// Whether there is more than one answer shows.
    #[serde(skip_serializing_if = "std::ops::Not::not")]
    truncated: bool,
}

/// One thing that happened.
#[derive(Debug, Serialize, ToSchema)]
#[serde(tag = "record", rename_all = "snake_case")]
enum Entry {
    Delivery(Box<Delivery>),
    Hit(Box<Hit>),
}

/// What became of the message on its way.
#[derive(Debug, Serialize, ToSchema)]
struct Delivery {
    /// When it happened.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// sent, delivered, deferred, bounced, complained, unsubscribed or dropped.
    #[serde(rename = "type")]
    kind: String,
    /// The event's id.
    event_id: String,
    /// When we took it.
    #[schema(value_type = String, format = DateTime)]
    received_at: Timestamp,
    /// Whether the message carries our pixel and links.
    tracked: bool,
    /// The receiving server.
    mx_host: Option<String>,
    /// The SMTP reply code.
    smtp_code: Option<u16>,
    /// The enhanced status code (RFC 3463).
    enhanced_code: Option<String>,
    /// Of a bounce: hard, soft, block or undetermined.
    bounce_class: Option<String>,
    /// Of a bounce or a deferral: why, such as no_such_user, mailbox_full, reputation.
    bounce_reason: Option<String>,
    /// What the server said, while it is kept.
    diagnostic: Option<String>,
    /// What the event was made of, while it is kept: a provider's document, a line of a log; addresses are redacted.
    original: Option<String>,
}

/// A request that the message's pixel, a link or the unsubscribe page got.
#[derive(Debug, Serialize, ToSchema)]
struct Hit {
    /// When it reached the tracker.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// open, click, unsubscribe or trap.
    #[serde(rename = "type")]
    kind: String,
    /// The event's id.
    event_id: Uuid,
    /// The HTTP method. Of an unsubscribe, only a POST unsubscribes.
    method: String,
    /// Which link of the mail, from 0.
    link_index: Option<u16>,
    /// How many links the mail has.
    link_count: Option<u16>,
    /// The link's label.
    label: Option<String>,
    /// The verdict that counts: the one of the highest revision.
    verdict: Judgement,
    /// Whether what comes may still correct it: so for half an hour after the hit. Later only `reclassify` does, and what comes late.
    provisional: bool,
    /// Every verdict there ever was, the first one first.
    revisions: Vec<Judgement>,
    /// What the request showed, while it is kept; null afterwards.
    evidence: Option<Evidence>,
    /// Of a POST that unsubscribes: whether it is suspect, and whether it was reversed. Null for everything else.
    unsubscribe: Option<Standing>,
}

/// A verdict.
#[derive(Debug, Clone, Serialize, ToSchema)]
struct Judgement {
    /// 1 for the first, higher for each correction.
    revision: u16,
    /// Whether it is the one that counts.
    current: bool,
    /// human, automated or unknown.
    actor: String,
    /// Which automation, or the client of a human.
    source: String,
    /// The client family that the agent names.
    client: Option<String>,
    /// The mail app or webmail, where the client is one.
    mail_app: Option<String>,
    /// desktop, phone or tablet.
    device: Option<String>,
    /// The autonomous system that announced the client's address.
    asn: Option<u32>,
    /// The country of the client's address, where a database of countries is in use.
    country: Option<String>,
    /// 0 to 1.
    confidence: f64,
    /// Every rule that fired, the deciding one first.
    #[schema(value_type = Vec<Object>)]
    reasons: Value,
    /// The version of rules and data that judged.
    ruleset: String,
}

/// What a request showed.
#[derive(Debug, Serialize, ToSchema)]
struct Evidence {
    /// The client's address.
    ip: String,
    /// The user agent.
    user_agent: String,
    /// The headers that rules read.
    #[schema(value_type = Object)]
    headers: Value,
    /// What trailed the token in the URL.
    trailing: Option<String>,
    /// What a mail provider told of the hit, where it did not reach our own tracker: its document, without addresses and URLs.
    original: Option<String>,
    /// Until when it is kept.
    #[schema(value_type = String, format = DateTime)]
    until: Timestamp,
}

#[derive(Row, Deserialize)]
struct DeliveryRow {
    event_id: String,
    r#type: String,
    at: i64,
    received_at: i64,
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
    original: String,
}

#[derive(Row, Deserialize)]
struct HitRow {
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
    revision: u16,
    current: u8,
    kind: String,
    received_at: i64,
    campaign: String,
    recipient_domain: String,
    recipient_id: String,
    link_index: Option<u16>,
    link_count: Option<u16>,
    label: String,
    method: String,
    actor: String,
    source: String,
    client: String,
    mail_app: String,
    device: String,
    asn: u32,
    country: String,
    confidence: f32,
    reasons: String,
    ruleset: String,
    evidence_until: u32,
    evidence_kept: u8,
    ip: String,
    user_agent: String,
    headers: String,
    trailing: String,
    original: String,
}

/// Reads a message's timeline; `None` when nothing is known of the message.
pub(crate) async fn read(
    client: &Client,
    account: AccountNumber,
    name: &str,
    message_id: &str,
    most: u32,
) -> Result<Option<Timeline>, Problem> {
    let most_rows = u64::from(most) + 1;
    let deliveries = client
        .query(
            "SELECT ?fields FROM message_deliveries(account = {account: UInt32}, message_id = {message_id: String})
             ORDER BY at, event_id LIMIT {most: UInt64}",
        )
        .param("account", account.0)
        .param("message_id", message_id)
        .param("most", most_rows)
        .fetch_all::<DeliveryRow>()
        .await?;
    let hits = client
        .query(
            "SELECT ?fields FROM message_hits(account = {account: UInt32}, message_id = {message_id: String})
             ORDER BY received_at, event_id, revision LIMIT {most: UInt64}",
        )
        .param("account", account.0)
        .param("message_id", message_id)
        .param("most", most_rows)
        .fetch_all::<HitRow>()
        .await?;
    if deliveries.is_empty() && hits.is_empty() {
        return Ok(None);
    }
    let truncated = deliveries.len() > most as usize || hits.len() > most as usize;
    // The same order of precedence as in `report_gathered`, of which all reports are made: delivery events first, then tokens.
    let first = |of_delivery: fn(&DeliveryRow) -> &str, of_hit: fn(&HitRow) -> &str| {
        let mut said = deliveries.iter().map(of_delivery).chain(hits.iter().map(of_hit));
        said.find(|text| !text.is_empty()).unwrap_or_default().to_owned()
    };
    let recipient_id = first(|row| &row.recipient_id, |row| &row.recipient_id);
    let recipient_domain = first(|row| &row.recipient_domain, |row| &row.recipient_domain);
    let campaign = first(|row| &row.campaign, |row| &row.campaign);
    let now = Timestamp::from_clock(SystemTime::now());
    let mut events = Vec::with_capacity(deliveries.len() + hits.len());
    for row in deliveries {
        events.push(Entry::Delivery(Box::new(delivery(row)?)));
    }
    for row in hits {
        add_hit(&mut events, row, now)?;
    }
    // A hit whose last revisions were cut off would show a verdict that does not count.
    if truncated && events.last().is_some_and(Entry::is_cut) {
        events.pop();
    }
    if events.iter().any(Entry::unsubscribes) {
        for found in unsubscribes::of_message(client, account, message_id, u64::from(most)).await? {
            let hit = events.iter_mut().find_map(|entry| match entry {
                Entry::Hit(hit) if hit.event_id == found.event_id => Some(hit),
                Entry::Hit(_) | Entry::Delivery(_) => None,
            });
            if let Some(hit) = hit {
                hit.unsubscribe = Some(found.standing);
            }
        }
    }
    // Stable: what happened at one time stays as it was read, delivery events first.
    events.sort_by_key(Entry::at);
    Ok(Some(Timeline {
        account: name.to_owned(),
        message_id: message_id.to_owned(),
        recipient_id,
        recipient_domain,
        campaign,
        events,
        truncated,
    }))
}

impl Entry {
    fn at(&self) -> Timestamp {
        match self {
            Self::Delivery(delivery) => delivery.at,
            Self::Hit(hit) => hit.at,
        }
    }

    fn unsubscribes(&self) -> bool {
        matches!(self, Self::Hit(hit) if hit.kind == "unsubscribe" && hit.method == "POST")
    }

    fn is_cut(&self) -> bool {
        matches!(self, Self::Hit(hit) if !hit.verdict.current)
    }
}

fn delivery(row: DeliveryRow) -> Result<Delivery, Problem> {
    Ok(Delivery {
        at: time(row.at)?,
        kind: row.r#type,
        event_id: row.event_id,
        received_at: time(row.received_at)?,
        tracked: row.tracked,
        mx_host: filled(row.mx_host),
        smtp_code: row.smtp_code,
        enhanced_code: filled(row.enhanced_code),
        bounce_class: filled(row.bounce_class),
        bounce_reason: filled(row.bounce_reason),
        diagnostic: filled(row.diagnostic),
        original: filled(row.original),
    })
}

/// Adds a revision to the hit before it, or begins a new hit. Rows come in the order of hits and their revisions.
fn add_hit(events: &mut Vec<Entry>, row: HitRow, now: Timestamp) -> Result<(), Problem> {
    let judgement = Judgement {
        revision: row.revision,
        current: row.current != 0,
        actor: row.actor,
        source: row.source,
        client: filled(row.client),
        mail_app: filled(row.mail_app),
        device: filled(row.device),
        asn: Some(row.asn).filter(|asn| *asn != 0),
        country: filled(row.country),
        // Three decimals, as verdicts have them: a 32-bit float would show more.
        confidence: (f64::from(row.confidence) * 1000.0).round() / 1000.0,
        reasons: json(&row.reasons, Value::Array(Vec::new())),
        ruleset: row.ruleset,
    };
    let evidence = if row.evidence_kept == 0 {
        None
    } else {
        Some(Evidence {
            ip: row.ip,
            user_agent: row.user_agent,
            headers: json(&row.headers, Value::Object(serde_json::Map::new())),
            trailing: filled(row.trailing),
            original: filled(row.original),
            // Moved to the last time there is: the column reaches further.
            until: Timestamp::from_clock(UNIX_EPOCH + Duration::from_secs(row.evidence_until.into())),
        })
    };
    if let Some(Entry::Hit(hit)) = events.last_mut()
        && hit.event_id == row.event_id
    {
        hit.verdict = judgement.clone();
        hit.revisions.push(judgement);
        hit.evidence = evidence;
        return Ok(());
    }
    let at = time(row.received_at)?;
    events.push(Entry::Hit(Box::new(Hit {
        at,
        kind: row.kind,
        event_id: row.event_id,
        method: row.method,
        link_index: row.link_index,
        link_count: row.link_count,
        label: filled(row.label),
        verdict: judgement.clone(),
        provisional: now.since(at) < PROVISIONAL_MS,
        revisions: vec![judgement],
        evidence,
        unsubscribe: None,
    })));
    Ok(())
}

fn time(millis: i64) -> Result<Timestamp, Problem> {
    Timestamp::from_millis(millis).map_err(|error| {
        tracing::error!(%error, "a stored time is not one of ours");
        Problem::internal()
    })
}

fn filled(text: String) -> Option<String> {
    (!text.is_empty()).then_some(text)
}

/// A stored JSON text. One that is none is shown as it is: it is evidence all the same.
fn json(text: &str, empty: Value) -> Value {
    if text.is_empty() {
        return empty;
    }
    serde_json::from_str(text).unwrap_or_else(|_| Value::String(text.to_owned()))
}
