//! Unsubscribing by POST: what is suspect of it, and what the sender has reversed.
//!
//! A POST takes effect whoever sent it. One that a scanner seems to have sent is flagged, and only such a one can be
//! reversed: a reader's own word can't. What is reversed can be put in force again, and each change is kept.

use crate::problem::Problem;
use crate::window::Narrowing;
use clickhouse::{Client, Row};
use engagement::{AccountNumber, Timestamp};
use serde::{Deserialize, Serialize};
use serde_json::Value;
use std::time::SystemTime;
use utoipa::ToSchema;
use uuid::Uuid;

/// Whole days on either side of when an event's id was made in which the event is looked for.
const AROUND_MS: i64 = 86_400_000;
/// Before every time there can be, and after.
const EVER: (i64, i64) = (946_684_800_000, 4_102_444_800_000);
/// The rule that flags by what the hit's neighbours show.
const RULE: &str = "suspect_unsubscribe";

/// Which unsubscribes are asked for.
#[derive(Debug, Clone)]
pub(crate) struct Asked<'a> {
    pub(crate) from: Timestamp,
    pub(crate) to: Timestamp,
    /// One message's, or all.
    pub(crate) message_id: &'a str,
    /// Of which messages, told apart as in the reports of the same time.
    pub(crate) narrowed: Narrowing,
    /// Only those that are suspect.
    pub(crate) suspect: bool,
    pub(crate) most: u64,
}

/// A POST that unsubscribes.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct Unsubscribe {
    /// The event's id, by which it can be reversed.
    #[schema(value_type = String)]
    pub(crate) event_id: Uuid,
    /// The sender's id of the message.
    message_id: String,
    /// The sender's id of the recipient; empty when it was never said.
    recipient_id: String,
    /// The campaign; empty when it was never said.
    campaign: String,
    /// When it reached the tracker.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    #[serde(flatten)]
    pub(crate) standing: Standing,
}

/// What is thought of an unsubscribe, and whether it is in force.
#[derive(Debug, Clone, Serialize, ToSchema)]
pub(crate) struct Standing {
    /// Whether a scanner seems to have sent it.
    pub(crate) suspect: bool,
    /// Why it is suspect: the rules that say so, with what they saw.
    #[schema(value_type = Vec<Object>)]
    reasons: Vec<Value>,
    /// Since when it is reversed; null while it is in force.
    #[schema(value_type = Option<String>, format = DateTime)]
    pub(crate) reversed_at: Option<Timestamp>,
}

#[derive(Row, Deserialize)]
struct PostRow {
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
    message_id: String,
    recipient_id: String,
    campaign: String,
    received_at: i64,
    reasons: String,
    suspect: u8,
    reversed_at: i64,
}

#[derive(Row, Serialize, Deserialize)]
struct ReversalRow {
    account: u32,
    #[serde(with = "clickhouse::serde::uuid")]
    event_id: Uuid,
    version: u64,
    at: i64,
    by: String,
    reversed: bool,
}

/// The unsubscribes of a time, newest first.
pub(crate) async fn list(
    client: &Client,
    account: AccountNumber,
    asked: &Asked<'_>,
) -> Result<Vec<Unsubscribe>, Problem> {
    read(client, account, asked, "").await
}

/// Those of one message, by their events.
pub(crate) async fn of_message(
    client: &Client,
    account: AccountNumber,
    message_id: &str,
    most: u64,
) -> Result<Vec<Unsubscribe>, Problem> {
    let (from, to) = (time(EVER.0)?, time(EVER.1 - 1)?);
    let narrowed = Narrowing::default();
    list(client, account, &Asked { from, to, message_id, narrowed, suspect: false, most }).await
}

/// One unsubscribe of the account; `None` when there is none of this id.
pub(crate) async fn one(
    client: &Client,
    account: AccountNumber,
    event_id: Uuid,
) -> Result<Option<Unsubscribe>, Problem> {
    // The tracker's ids say when they were made, which spares the rest of the table.
    let made = event_id.get_timestamp().filter(|_| event_id.get_version_num() == 7);
    let made = made
        .and_then(|made| i64::try_from(made.to_unix().0).ok())
        .map(|seconds| seconds.saturating_mul(1000));
    let around = |made: i64| {
        (made.saturating_sub(AROUND_MS).max(EVER.0), made.saturating_add(AROUND_MS).min(EVER.1 - 1))
    };
    let (from, to) = made.map_or((EVER.0, EVER.1 - 1), around);
    if from >= to {
        return Ok(None);
    }
    let (from, to, narrowed) = (time(from)?, time(to)?, Narrowing::default());
    let asked = Asked { from, to, message_id: "", narrowed, suspect: false, most: 1 };
    Ok(read(client, account, &asked, &event_id.to_string()).await?.pop())
}

/// Reverses an unsubscribe, or puts it in force again; the time of it.
pub(crate) async fn change(
    client: &Client,
    account: AccountNumber,
    unsubscribe: &Unsubscribe,
    by: &str,
    reversed: bool,
) -> Result<Timestamp, Problem> {
    let event_id = unsubscribe.event_id;
    let at = Timestamp::from_clock(SystemTime::now());
    let last = client
        .query(
            "SELECT max(version) FROM unsubscribe_reversals
             WHERE account = {account: UInt32} AND toString(event_id) = {event_id: String}",
        )
        .param("account", account.0)
        .param("event_id", event_id.to_string())
        .fetch_one::<u64>()
        .await?;
    // Later than the last, whatever the clocks say.
    let version = u64::try_from(at.millis()).unwrap_or(0).max(last.saturating_add(1));
    let row =
        ReversalRow { account: account.0, event_id, version, at: at.millis(), by: by.to_owned(), reversed };
    let mut insert = client.insert::<ReversalRow>("unsubscribe_reversals").await?;
    insert.write(&row).await?;
    insert.end().await?;
    touch(client, account, unsubscribe).await?;
    Ok(at)
}

/// Has the message's roll-up made anew: what it says of this unsubscribe is no longer so.
pub(crate) async fn touch(
    client: &Client,
    account: AccountNumber,
    unsubscribe: &Unsubscribe,
) -> Result<(), Problem> {
    client
        .query(
            "INSERT INTO rollup_touched (account, message_id) SELECT {account: UInt32}, {message_id: String}",
        )
        .param("account", account.0)
        .param("message_id", &unsubscribe.message_id)
        .execute()
        .await?;
    Ok(())
}

async fn read(
    client: &Client,
    account: AccountNumber,
    asked: &Asked<'_>,
    event_id: &str,
) -> Result<Vec<Unsubscribe>, Problem> {
    let Narrowing { campaign, recipient_domain, mailbox_provider } = &asked.narrowed;
    // Building every message of the time is work that only a filter needs.
    let of_messages = if asked.narrowed == Narrowing::default() {
        ""
    } else {
        "AND message_id IN (SELECT message_id FROM report_messages(
             account = {account: UInt32}, from_ms = {from_ms: Int64}, to_ms = {to_ms: Int64}, cohort = 'event',
             campaign = {campaign: String}, recipient_domain = {recipient_domain: String},
             mailbox_provider = {mailbox_provider: String}))"
    };
    let rows = client
        .query(&format!(
            "SELECT ?fields FROM unsubscribe_posts(
                 account = {{account: UInt32}}, from_ms = {{from_ms: Int64}}, to_ms = {{to_ms: Int64}},
                 message_id = {{message_id: String}}, event_id = {{event_id: String}})
             WHERE (suspect OR NOT {{suspect: Bool}}) {of_messages}
             ORDER BY received_at DESC, event_id LIMIT {{most: UInt64}}"
        ))
        .param("campaign", campaign)
        .param("recipient_domain", recipient_domain)
        .param("mailbox_provider", mailbox_provider)
        .param("account", account.0)
        .param("from_ms", asked.from.millis())
        .param("to_ms", asked.to.millis())
        .param("message_id", asked.message_id)
        .param("event_id", event_id)
        .param("suspect", asked.suspect)
        .param("most", asked.most)
        .fetch_all::<PostRow>()
        .await?;
    rows.into_iter().map(unsubscribe).collect()
}

fn unsubscribe(row: PostRow) -> Result<Unsubscribe, Problem> {
    let suspect = row.suspect != 0;
    let mut reasons: Vec<Value> = serde_json::from_str(&row.reasons).unwrap_or_default();
    let flags = |reason: &Value| reason["rule"] == RULE;
    // Either the rule says so, or whatever made the verdict a machine's.
    if reasons.iter().any(flags) {
        reasons.retain(flags);
    } else {
        reasons.truncate(1);
    }
    if !suspect {
        reasons.clear();
    }
    // What is not reversed has 1970 here, before every time there can be.
    let reversed_at = Timestamp::from_millis(row.reversed_at).ok();
    Ok(Unsubscribe {
        event_id: row.event_id,
        message_id: row.message_id,
        recipient_id: row.recipient_id,
        campaign: row.campaign,
        at: time(row.received_at)?,
        standing: Standing { suspect, reasons, reversed_at },
    })
}

fn time(millis: i64) -> Result<Timestamp, Problem> {
    Timestamp::from_millis(millis).map_err(|error| {
        tracing::error!(%error, "a stored time is not one of ours");
        Problem::internal()
    })
}
