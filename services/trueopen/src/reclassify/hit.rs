//! A stored event as a row, and as the hit that it was.

use crate::Failure;
use classifier::Stored;
use clickhouse::Row;
use engagement::{Actor, Hit, Kind, Reason, Request, Timestamp, Verdict};
use serde::Deserialize;
use std::collections::BTreeMap;
use store::Account;
use uuid::Uuid;

/// The columns of [`HitRow`], in its order.
pub(super) const COLUMNS: &str = "message_id, toString(event_id) AS event_id, revision, toString(kind) AS kind, received_at,
    recipient_id, toString(campaign) AS campaign, toString(recipient_domain) AS recipient_domain, sent_at, link_index,
    link_count, toString(label) AS label, toString(method) AS method, toString(actor) AS actor, toString(source) AS source,
    toString(client) AS client, confidence, reasons, toString(ruleset) AS ruleset,
    evidence_until > now('UTC') AS has_evidence, ip, user_agent, headers, trailing";

/// One revision of a stored event.
#[derive(Row, Deserialize)]
pub(super) struct HitRow {
    pub(super) message_id: String,
    pub(super) event_id: String,
    revision: u16,
    kind: String,
    pub(super) received_at: i64,
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
    pub(super) has_evidence: bool,
    ip: String,
    user_agent: String,
    headers: String,
    trailing: String,
}

/// A row as the hit that it was, with what was said of it.
pub(super) fn stored(mut row: HitRow, account: &Account) -> Result<Stored, Failure> {
    let verdict = Verdict {
        actor: actor(&row.actor)?,
        source: std::mem::take(&mut row.source),
        confidence: f64::from(row.confidence),
        reasons: serde_json::from_str::<Vec<Reason>>(&row.reasons)?,
        ruleset: std::mem::take(&mut row.ruleset),
        revision: u32::from(row.revision),
    };
    let client = std::mem::take(&mut row.client);
    Ok(Stored { hit: hit(row, account)?, client, verdict })
}

/// A row as the hit that it was.
pub(super) fn hit(row: HitRow, account: &Account) -> Result<Hit, Failure> {
    let headers: BTreeMap<String, String> = serde_json::from_str(&row.headers)?;
    let text = |text: String| (!text.is_empty()).then_some(text);
    Ok(Hit {
        v: Hit::VERSION,
        event_id: Uuid::parse_str(&row.event_id)?,
        account_number: account.number,
        account: Some(account.id.clone()),
        kind: kind(&row.kind)?,
        received_at: Timestamp::from_millis(row.received_at)?,
        message_id: row.message_id,
        recipient_id: row.recipient_id,
        campaign: row.campaign,
        recipient_domain: row.recipient_domain,
        sent_at: Timestamp::from_millis(row.sent_at)?,
        link_index: row.link_index,
        link_count: row.link_count,
        label: text(row.label),
        // Stored with the first revision, and not said again.
        original: None,
        request: Request {
            method: row.method,
            ip: text(row.ip).map(|ip| ip.parse()).transpose()?,
            ua: row.user_agent,
            headers,
            trailing: text(row.trailing),
        },
    })
}

fn kind(name: &str) -> Result<Kind, Failure> {
    [Kind::Open, Kind::Click, Kind::Unsubscribe, Kind::Trap]
        .into_iter()
        .find(|kind| kind.as_str() == name)
        .ok_or_else(|| "a stored event is of no known kind".into())
}

fn actor(name: &str) -> Result<Actor, Failure> {
    [Actor::Human, Actor::Automated, Actor::Unknown]
        .into_iter()
        .find(|actor| actor.as_str() == name)
        .ok_or_else(|| "a stored event is of no known actor".into())
}
