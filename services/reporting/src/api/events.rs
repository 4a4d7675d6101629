//! Delivery events in: NDJSON, each line on its own.

use super::answer::Accepted;
use crate::auth::{Caller, Segments};
use crate::body;
use crate::metrics;
use crate::problem::Problem;
use crate::state::App;
use axum::body::Body;
use axum::extract::State;
use engagement::delivery::{DeliveryEvent, Submitted};
use engagement::{Timestamp, message_key, to_wire};
use serde::Serialize;
use std::sync::Arc;
use std::time::SystemTime;
use store::{AccountEntry, Scope};
use stream::Record;
use tracing::{error, warn};
use utoipa::ToSchema;

/// The most refused lines that an answer lists; the rest is counted.
const LISTED: usize = 1000;
/// The most bytes of one line; a delivery event has a few hundred.
const LINE_BYTES: usize = 64 * 1024;

/// What became of a body of delivery events.
#[derive(Serialize, ToSchema)]
pub(super) struct Taken {
    /// Lines that are durable now.
    accepted: usize,
    /// Lines that were refused, and why.
    rejected: Vec<RejectedLine>,
    /// How many more were refused than are listed.
    #[serde(skip_serializing_if = "is_zero")]
    rejected_unlisted: usize,
}

/// A line that was refused.
#[derive(Serialize, ToSchema)]
pub(super) struct RejectedLine {
    /// Its number, from 1; empty lines count.
    line: usize,
    /// What is wrong with it.
    error: String,
}

#[expect(clippy::trivially_copy_pass_by_ref, reason = "serde asks for this shape")]
fn is_zero(count: &usize) -> bool {
    *count == 0
}

/// A delivery event, one JSON object a line.
#[derive(ToSchema)]
#[expect(dead_code, reason = "the shape of `engagement::delivery::Submitted` for the OpenAPI document")]
struct DeliveryEventLine {
    /// sent, delivered, deferred, bounced, complained, unsubscribed or dropped.
    #[schema(value_type = String)]
    r#type: String,
    /// Your id of the message, as in its links.
    message_id: String,
    /// When it happened (RFC 3339).
    #[schema(format = DateTime)]
    at: String,
    /// The domain of the recipient's address.
    recipient_domain: Option<String>,
    /// Whether the message carries our pixel and links; true where it is left out.
    tracked: Option<bool>,
    /// The receiving server's host name.
    mx_host: Option<String>,
    /// The SMTP reply code.
    smtp_code: Option<u16>,
    /// The enhanced status code (RFC 3463).
    enhanced_code: Option<String>,
    /// The server's text; mail addresses in it are redacted before anything is kept.
    diagnostic: Option<String>,
    /// The campaign.
    campaign: Option<String>,
    /// Your id of the recipient, never an address.
    recipient_id: Option<String>,
    /// Your id of this event. Without one a hash makes repeats harmless.
    event_id: Option<String>,
    /// The line or document that this was made of, kept as evidence; mail addresses in it are redacted before.
    original: Option<String>,
}

/// Hand delivery events in, one JSON object a line. The answer comes when the good lines are durable; a bad line is
/// reported by number and stops no other. Sending the same lines again changes nothing. Needs `events:write`.
#[utoipa::path(post, path = "/v1/accounts/{account}/events", tag = "mails",
    request_body(content = inline(DeliveryEventLine), content_type = "application/x-ndjson"),
    params(("account" = String, Path, description = "The account's name")),
    responses((status = 202, body = Taken), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn take_events(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
    request: Body,
) -> Result<Accepted<Taken>, Problem> {
    let entry = caller.own(&app, &account, &[Scope::EventsWrite])?;
    let body = body::read(request, app.config.events_bytes).await?;
    let now = Timestamp::from_clock(SystemTime::now());
    let (events, taken) = read_lines(&entry, &body, now);
    let refused = taken.rejected.len() + taken.rejected_unlisted;
    metrics::EVENTS.with_label_values(&["rejected"]).inc_by(refused as u64);
    let records = events.iter().map(record).collect();
    if let Err(error) = app.delivery.append_all(records).await {
        metrics::EVENTS.with_label_values(&["not_stored"]).inc_by(events.len() as u64);
        return Err(not_stored(&error));
    }
    metrics::EVENTS.with_label_values(&["accepted"]).inc_by(events.len() as u64);
    Ok(Accepted(taken))
}

/// The good lines, and the answer as it is once they are durable.
fn read_lines(entry: &AccountEntry, body: &[u8], now: Timestamp) -> (Vec<DeliveryEvent>, Taken) {
    let mut events = Vec::new();
    let mut taken = Taken { accepted: 0, rejected: Vec::new(), rejected_unlisted: 0 };
    for (index, line) in body.split(|byte| *byte == b'\n').enumerate() {
        if line.iter().all(u8::is_ascii_whitespace) {
            continue;
        }
        match read_line(entry, line, now) {
            Ok(event) => events.push(event),
            Err(error) if taken.rejected.len() < LISTED => {
                taken.rejected.push(RejectedLine { line: index + 1, error });
            }
            Err(_) => taken.rejected_unlisted += 1,
        }
    }
    taken.accepted = events.len();
    (events, taken)
}

fn read_line(entry: &AccountEntry, line: &[u8], now: Timestamp) -> Result<DeliveryEvent, String> {
    if line.len() > LINE_BYTES {
        return Err(format!("the line has {} bytes, {LINE_BYTES} at most", line.len()));
    }
    let submitted: Submitted = serde_json::from_slice(line).map_err(|error| error.to_string())?;
    let account = &entry.account;
    submitted.accept(account.number, account.id.clone(), now).map_err(|error| error.to_string())
}

/// As it goes into the topic: keyed by its message, so that everything about one message stays in order.
pub(super) fn record(event: &DeliveryEvent) -> Record {
    Record { key: message_key(event.account_number, &event.message_id), payload: to_wire(event).into() }
}

pub(super) fn not_stored(cause: &stream::AppendError) -> Problem {
    if cause.is_transient() {
        warn!(reason = cause.reason(), "delivery events were refused by the topic");
    } else {
        error!(reason = cause.reason(), "delivery events can't be stored");
    }
    Problem::unavailable("the events could not be made durable; send them all again, repeats are harmless")
}

#[cfg(test)]
mod tests {
    use super::*;
    use engagement::{AccountId, AccountNumber};
    use store::{Account, Settings};

    #[test]
    fn bad_lines_are_named_and_stop_no_other() {
        let now = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
        let account =
            Account { number: AccountNumber(1), id: AccountId::new("demo").unwrap(), created_at: now };
        let entry = AccountEntry { account, settings: Settings::default(), settings_version: 0 };
        let good = r#"{"type":"sent","message_id":"m","at":"2026-11-21T10:00:00Z"}"#;
        let long = format!("\"{}\"", "x".repeat(LINE_BYTES));
        let body = format!("{good}\n\n{{broken\r\n{good}\r\n{long}\n[]\n{good}x");
        let (events, taken) = read_lines(&entry, body.as_bytes(), now);
        assert_eq!((events.len(), taken.accepted), (2, 2));
        let lines: Vec<_> = taken.rejected.iter().map(|rejected| rejected.line).collect();
        assert_eq!(lines, [3, 5, 6, 7]);
        let (events, taken) = read_lines(&entry, "x\n".repeat(LISTED + 5).as_bytes(), now);
        assert_eq!((events.len(), taken.rejected.len(), taken.rejected_unlisted), (0, LISTED, 5));
        let (_, taken) = read_lines(&entry, b"\xff\xfe\n", now);
        assert_eq!(taken.rejected.len(), 1);
    }

    #[test]
    fn the_documented_line_is_the_one_that_is_read() {
        use utoipa::PartialSchema as _;
        let schema = serde_json::to_value(DeliveryEventLine::schema()).unwrap();
        // An unknown field's error lists all that there are.
        let error = serde_json::from_str::<Submitted>(r#"{"colour":1}"#).unwrap_err().to_string();
        let read: std::collections::BTreeSet<_> = error.split('`').skip(3).step_by(2).collect();
        let properties = schema["properties"].as_object().unwrap();
        let documented: std::collections::BTreeSet<_> = properties.keys().map(String::as_str).collect();
        assert_eq!(documented, read, "{error}");
    }
}
