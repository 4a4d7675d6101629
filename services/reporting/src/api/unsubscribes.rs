//! Unsubscribing by POST: the list, and reversing what a scanner seems to have sent.

use super::answer::Json;
use super::reports::now;
use crate::audit;
use crate::auth::{Caller, RawQuery, Segments};
use crate::problem::Problem;
use crate::state::App;
use crate::unsubscribes::{self, Asked, Unsubscribe};
use crate::window::Parameters;
use axum::extract::State;
use engagement::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use store::Scope;
use utoipa::ToSchema;
use uuid::Uuid;

/// How many unsubscribes an answer has where nothing else is asked, and at most.
const ENTRIES: u32 = 100;
const MOST_ENTRIES: u32 = 1000;
/// How far an answer looks back where nothing else is asked.
const LOOK_BACK_MS: i64 = 30 * 86_400_000;

/// Unsubscribes by POST, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct UnsubscribeList {
    unsubscribes: Vec<Unsubscribe>,
    /// Whether there are more in that time; ask again with `to` at the last one's time.
    truncated: bool,
}

/// Who unsubscribed by POST, newest first: the last 30 days where nothing else is asked. A POST takes effect whoever sent
/// it; `suspect=true` asks for those that a scanner seems to have sent, each with the reasons. Reading is noted in the audit
/// log. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/unsubscribes", tag = "reports",
    params(
        ("account" = String, Path, description = "The account's name"),
        ("from" = Option<String>, Query, description = "From this time on (RFC 3339)"),
        ("to" = Option<String>, Query, description = "Before this time (RFC 3339)"),
        ("campaign" = Option<String>, Query, description = "One campaign's alone"),
        ("recipient_domain" = Option<String>, Query, description = "One domain's alone"),
        ("mailbox_provider" = Option<String>, Query, description = "One mailbox provider's alone"),
        ("suspect" = Option<bool>, Query, description = "true: only those that are suspect"),
        ("limit" = Option<u32>, Query, description = "The most entries, 1 to 1000; 100 where none is given"),
    ),
    responses((status = 200, body = UnsubscribeList), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list_unsubscribes(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
    RawQuery(pairs): RawQuery,
) -> Result<Json<UnsubscribeList>, Problem> {
    let number = caller.own(&app, &account, &[Scope::ReportsRead])?.account.number;
    let mut parameters = Parameters::new(pairs);
    let now = now();
    let to = parameters.time("to")?.unwrap_or_else(|| now.plus_millis(1));
    let from = parameters.time("from")?.unwrap_or_else(|| to.plus_millis(-LOOK_BACK_MS));
    let narrowed = parameters.narrowing()?;
    let suspect = match parameters.take("suspect")?.as_deref() {
        None | Some("false") => false,
        Some("true") => true,
        Some(_) => return Err(Problem::parameter("suspect", "is true or false")),
    };
    let limit = match parameters.take("limit")? {
        None => ENTRIES,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=MOST_ENTRIES).contains(limit))
            .ok_or_else(|| Problem::parameter("limit", "is a number from 1 to 1000"))?,
    };
    parameters.end()?;
    let asked = Asked { from, to, message_id: "", narrowed, suspect, most: u64::from(limit) + 1 };
    let mut unsubscribes = unsubscribes::list(&app.client, number, &asked).await?;
    let truncated = unsubscribes.len() > limit as usize;
    unsubscribes.truncate(limit as usize);
    let detail = format!("{} from {from} to {to}", unsubscribes.len());
    audit::read(&app, &caller, number, audit::UNSUBSCRIBES_READ, &detail).await?;
    Ok(Json(UnsubscribeList { unsubscribes, truncated }))
}

/// Reverse an unsubscribe that is suspect: the figure `unsubscribed` leaves it out from then on, over all history. One that
/// is not suspect is a reader's word, and the answer is 409. Safe to repeat. Whether your own lists mail the recipient again is
/// yours to do. Needs `settings:write` or `events:write`.
#[utoipa::path(post, path = "/v1/accounts/{account}/unsubscribes/{event_id}/reverse", tag = "reports",
    params(("account" = String, Path, description = "The account's name"),
        ("event_id" = String, Path, description = "The event's id, as the list and the timeline show it")),
    responses((status = 200, body = Unsubscribe), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn reverse_unsubscribe(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments((account, event_id)): Segments<(String, Uuid)>,
) -> Result<Json<Unsubscribe>, Problem> {
    change(&app, &caller, &account, event_id, true).await
}

/// Put a reversed unsubscribe in force again. Safe to repeat. Needs `settings:write` or `events:write`.
#[utoipa::path(post, path = "/v1/accounts/{account}/unsubscribes/{event_id}/restore", tag = "reports",
    params(("account" = String, Path, description = "The account's name"),
        ("event_id" = String, Path, description = "The event's id, as the list and the timeline show it")),
    responses((status = 200, body = Unsubscribe), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn restore_unsubscribe(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments((account, event_id)): Segments<(String, Uuid)>,
) -> Result<Json<Unsubscribe>, Problem> {
    change(&app, &caller, &account, event_id, false).await
}

async fn change(
    app: &App,
    caller: &Caller,
    account: &str,
    event_id: Uuid,
    reversed: bool,
) -> Result<Json<Unsubscribe>, Problem> {
    let number = caller.own(app, account, &[Scope::SettingsWrite, Scope::EventsWrite])?.account.number;
    // One change at a time in this process, so that each sees the one before it.
    let _one = app.settings_change.lock().await;
    let found = unsubscribes::one(&app.client, number, event_id).await?;
    let mut found = found.ok_or_else(|| Problem::not_found("there is no such unsubscribe"))?;
    if found.standing.reversed_at.is_some() == reversed {
        // Should the first attempt have ended before this.
        unsubscribes::touch(&app.client, number, &found).await?;
        return Ok(Json(found));
    }
    if reversed && !found.standing.suspect {
        return Err(Problem::conflict(
            "this unsubscribe is not suspect: it is the reader's word and stays in force".to_owned(),
        ));
    }
    let by = caller.key.id.to_string();
    let at: Timestamp = unsubscribes::change(&app.client, number, &found, &by, reversed).await?;
    found.standing.reversed_at = reversed.then_some(at);
    let action = if reversed { audit::UNSUBSCRIBE_REVERSE } else { audit::UNSUBSCRIBE_RESTORE };
    audit::changed(app, caller, number, action, &format!("event {event_id}")).await?;
    Ok(Json(found))
}
