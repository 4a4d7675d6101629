//! How long messages took from sent to delivered.

use super::answer::ParquetFile;
use super::asked::Asked;
use super::columns;
use super::compare::{Listed, Part};
use super::reports::ReportParameters;
use crate::figures::LatencyRow;
use crate::problem::Problem;
use crate::query;
use crate::state::App;
use axum::extract::State;
use axum::response::Response;
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
    #[serde(flatten)]
    listed: Listed<LatencyRow>,
}

/// Seconds from sent to delivered: median, 90th and 99th percentile, exactly, of the messages of which both times were told, the
/// largest group first. As JSON, CSV, NDJSON or Parquet by `Accept` or `format`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/latency", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters,
        ("by" = Option<String>, Query, description = "recipient_domain, mailbox_provider or campaign; one row of all where it is left out")),
    responses((status = 200, content(
            (Latency = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn latency(State(app): State<Arc<App>>, mut asked: Asked) -> Result<Response, Problem> {
    let by = asked.parameters.latency_by()?;
    let windows = asked.windows()?;
    let most = app.config.breakdown_rows;
    let found = windows.clone().each(async |window| {
        let rows = query::latency(&app.client, asked.number, &window, by, most).await?;
        Ok(Part::cut(window.span(), rows, most))
    });
    let (from, to, cohort) = (windows.now.from, windows.now.to, windows.now.cohort.as_str());
    let document = |listed| Latency { account: asked.account, from, to, cohort, by: by.as_str(), listed };
    found.await?.answer(asked.format, &columns::LATENCY, document)
}
