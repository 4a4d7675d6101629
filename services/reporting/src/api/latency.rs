//! How long messages took from sent to delivered.

use super::answer::{Format, Json, ParquetFile, rows};
use super::asked::Asked;
use super::columns;
use super::reports::ReportParameters;
use crate::figures::LatencyRow;
use crate::problem::Problem;
use crate::query;
use crate::state::App;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use engagement::Timestamp;
use serde::Serialize;
use std::sync::Arc;
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
/// JSON, CSV, NDJSON or Parquet by `Accept` or `format`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/latency", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters,
        ("by" = Option<String>, Query, description = "recipient_domain, mailbox_provider or campaign; one row of all where it is left out")),
    responses((status = 200, content(
            (Latency = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn latency(State(app): State<Arc<App>>, mut asked: Asked) -> Result<Response, Problem> {
    let by = asked.parameters.latency_by()?;
    let window = asked.window()?;
    let most = app.config.breakdown_rows;
    let mut found = query::latency(&app.client, asked.number, &window, by, most).await?;
    let truncated = found.len() > most as usize;
    found.truncate(most as usize);
    if asked.format != Format::Json {
        return rows(asked.format, &columns::LATENCY, &found, truncated);
    }
    let (account, from, to, cohort) = (asked.account, window.from, window.to, window.cohort.as_str());
    Ok(Json(Latency { account, from, to, cohort, by: by.as_str(), rows: found, truncated }).into_response())
}
