//! How long messages took from sent to delivered.

use super::answer::{Format, Json, csv, ndjson};
use super::reports::{ReportParameters, now};
use crate::auth::{Caller, RawQuery, Segments};
use crate::figures::LatencyRow;
use crate::problem::Problem;
use crate::query;
use crate::state::App;
use crate::window::Parameters;
use axum::extract::State;
use axum::http::HeaderMap;
use axum::response::{IntoResponse, Response};
use engagement::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use store::Scope;
use utoipa::ToSchema;

/// How long messages took, by group.
#[derive(Serialize, ToSchema)]
pub(super) struct Latency {
    /// The account's name.
    account: String,
    /// The first moment.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The first moment past the end.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// `event`: accepted in the window. `sent`: sent in it.
    #[schema(value_type = String)]
    cohort: &'static str,
    /// What is grouped by; empty for one row of all.
    #[schema(value_type = String)]
    by: &'static str,
    /// The groups, the largest first.
    rows: Vec<LatencyRow>,
    /// Whether there are more groups than one answer shows.
    truncated: bool,
}

/// Seconds from sent to delivered: median, 90th and 99th percentile, exactly, of the messages of which both times were told. As
/// JSON, CSV or NDJSON by `Accept`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/latency", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters,
        ("by" = Option<String>, Query, description = "recipient_domain, mailbox_provider or campaign; one row of all where it is left out")),
    responses((status = 200, content(
            (Latency = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn latency(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
    RawQuery(pairs): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let number = caller.own(&app, &account, &[Scope::ReportsRead])?.account.number;
    let mut parameters = Parameters::new(pairs);
    let by = parameters.latency_by()?;
    let window = parameters.window(now())?;
    parameters.end()?;
    let most = app.config.breakdown_rows;
    let mut rows = query::latency(&app.client, number, &window, by, most).await?;
    let truncated = rows.len() > most as usize;
    rows.truncate(most as usize);
    match Format::preferred(&headers) {
        Format::Json => {
            let (from, to, cohort) = (window.from, window.to, window.cohort.as_str());
            Ok(Json(Latency { account, from, to, cohort, by: by.as_str(), rows, truncated }).into_response())
        }
        Format::Csv => {
            let cells = |row: &LatencyRow| {
                let seconds = [row.p50, row.p90, row.p99, row.slowest].map(|seconds| seconds.to_string());
                [vec![row.key.clone(), row.messages.to_string()], seconds.into()].concat()
            };
            let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
            Ok(csv(&["key", "messages", "p50", "p90", "p99", "slowest"], &cells))
        }
        Format::Ndjson => ndjson(&rows),
    }
}
