//! Events one by one, page by page: hits under their highest revision, then delivery events as they were received last.

use super::answer::{Format, Json, csv, ndjson};
use super::reports::now;
use crate::audit;
use crate::auth::{Caller, RawQuery, Segments};
use crate::export::{self, Cursor, Exported};
use crate::problem::Problem;
use crate::state::App;
use crate::window::Parameters;
use axum::extract::State;
use axum::http::{HeaderMap, HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
use store::Scope;
use utoipa::ToSchema;

/// How many events a page has where nothing else is asked, and at most.
const PAGE: u32 = 1000;
const LARGEST_PAGE: u32 = 10_000;
/// Where CSV and NDJSON say where the next page begins.
const NEXT: HeaderName = HeaderName::from_static("trueopen-next-cursor");

/// A page of events.
#[derive(Serialize, ToSchema)]
pub(super) struct Page {
    /// The events.
    events: Vec<Exported>,
    /// Where the next page begins; null after the last one.
    next: Option<String>,
}

/// The events of the window, one by one: hits by when they reached the tracker, each under its highest revision with its
/// verdict, then delivery events by when they happened. Ask again with `cursor` for the next page, with the same window. What is
/// corrected or arrives while you page is on a later page or missed: export a window that is over. JSON; CSV and NDJSON by `Accept`,
/// with the cursor in the header `trueopen-next-cursor`. Each page is noted in the audit log. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/events", tag = "reports",
    params(("account" = String, Path, description = "The account's name"),
        ("from" = Option<String>, Query, description = "The first moment (RFC 3339 or a date). 30 days before `to` where it is left out"),
        ("to" = Option<String>, Query, description = "The first moment past the end. Now where it is left out; give it when you page"),
        ("record" = Option<String>, Query, description = "`hit` or `delivery` alone; both where it is left out"),
        ("limit" = Option<u32>, Query, description = "The most events of a page, 1 to 10000; 1000 where none is given"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before")),
    responses((status = 200, content(
            (Page = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn export_events(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
    RawQuery(pairs): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let number = caller.own(&app, &account, &[Scope::ReportsRead])?.account.number;
    let mut parameters = Parameters::new(pairs);
    let record = parameters.take("record")?;
    let cursor = parameters.take("cursor")?;
    let limit = match parameters.take("limit")? {
        None => PAGE,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=LARGEST_PAGE).contains(limit))
            .ok_or_else(|| Problem::parameter("limit", "is a number from 1 to 10000"))?,
    };
    let window = parameters.window(now())?;
    parameters.end()?;
    let start = match record.as_deref() {
        None | Some("hit") => Cursor::hits(),
        Some("delivery") => Cursor::deliveries(),
        Some(_) => return Err(Problem::parameter("record", "is `hit` or `delivery`")),
    };
    let cursor = match cursor {
        None => start,
        Some(text) => Cursor::read(&text).ok_or_else(|| Problem::parameter("cursor", "is none of ours"))?,
    };
    let both = record.is_none();
    let (events, next) = export::page(&app.client, number, &window, cursor, limit, both).await?;
    let detail = format!("{} events from {} to {}", events.len(), window.from, window.to);
    audit::read(&app, &caller, number, audit::EVENTS_READ, &detail).await?;
    let next = next.map(|cursor| cursor.written());
    let mut response = match Format::preferred(&headers) {
        Format::Json => return Ok(Json(Page { events, next }).into_response()),
        Format::Csv => {
            let rows: Vec<Vec<String>> = events.iter().map(Exported::cells).collect();
            csv(&Exported::COLUMNS, &rows)
        }
        Format::Ndjson => ndjson(&events)?,
    };
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        response.headers_mut().insert(NEXT, next);
    }
    Ok(response)
}
