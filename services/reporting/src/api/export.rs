//! Events one by one, page by page or all of a window: hits under their highest revision, then delivery events as they were
//! received last.

use super::answer::{Format, Json, ParquetFile, rows};
use super::asked::Asked;
use super::{columns, whole};
use crate::audit;
use crate::export::{self, Cursor, Exported};
use crate::problem::Problem;
use crate::state::App;
use axum::extract::State;
use axum::http::{HeaderName, HeaderValue};
use axum::response::{IntoResponse, Response};
use serde::Serialize;
use std::sync::Arc;
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

/// How much is asked for.
#[derive(Clone, Copy, PartialEq, Eq)]
enum Limit {
    Page(u32),
    All,
}

/// The events of the window, one by one: hits by when they reached the tracker, each under its highest revision with its
/// verdict, then delivery events by when they happened. Ask again with `cursor` for the next page, with the same window. What is
/// corrected or arrives while you page is on a later page or missed: export a window that is over. JSON; CSV, NDJSON and Parquet by
/// `Accept` or `format`, with the cursor in the header `trueopen-next-cursor`. `limit=all` sends all of the window as one CSV,
/// NDJSON or Parquet, however many there are; should it break off, the body ends without its last chunk, and a Parquet without its
/// footer. Each request is noted in the audit log. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/events", tag = "reports",
    params(("account" = String, Path, description = "The account's name"),
        ("from" = Option<String>, Query, description = "The first moment (RFC 3339 or a date). 30 days before `to` where it is left out"),
        ("to" = Option<String>, Query, description = "The first moment past the end. Now where it is left out; give it when you page"),
        ("record" = Option<String>, Query, description = "`hit` or `delivery` alone; both where it is left out"),
        ("limit" = Option<String>, Query, description = "The most events of a page, 1 to 10000; 1000 where none is given. `all`: no pages"),
        ("cursor" = Option<String>, Query, description = "`next` of the page before"),
        ("format" = Option<String>, Query, description = "json, csv, ndjson or parquet; wins over `Accept`")),
    responses((status = 200, content(
            (Page = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn export_events(
    State(app): State<Arc<App>>,
    mut asked: Asked,
) -> Result<Response, Problem> {
    let record = asked.parameters.take("record")?;
    let cursor = asked.parameters.take("cursor")?;
    let limit = match asked.parameters.take("limit")?.as_deref() {
        None => Limit::Page(PAGE),
        Some("all") if asked.format != Format::Json => Limit::All,
        Some("all") => return Err(Problem::parameter("limit", "is `all` for csv, ndjson and parquet alone")),
        Some(text) => {
            let page = text.parse().ok().filter(|page| (1..=LARGEST_PAGE).contains(page));
            Limit::Page(
                page.ok_or_else(|| Problem::parameter("limit", "is a number from 1 to 10000, or all"))?,
            )
        }
    };
    let span = asked.span()?;
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
    let Asked { caller, number, format, .. } = asked;
    let Limit::Page(limit) = limit else {
        let detail = format!("all events from {} to {}", span.from, span.to);
        audit::read(&app, &caller, number, audit::EVENTS_READ, &detail).await?;
        return whole::answer(app, number, span, cursor, both, format).await;
    };
    let (events, next) = export::page(&app.client, number, span, cursor, limit, both).await?;
    let detail = format!("{} events from {} to {}", events.len(), span.from, span.to);
    audit::read(&app, &caller, number, audit::EVENTS_READ, &detail).await?;
    let next = next.map(|cursor| cursor.written());
    if format == Format::Json {
        return Ok(Json(Page { events, next }).into_response());
    }
    let mut response = rows(format, &columns::EVENTS, &events, false)?;
    if let Some(next) = next.and_then(|next| HeaderValue::from_str(&next).ok()) {
        response.headers_mut().insert(NEXT, next);
    }
    Ok(response)
}
