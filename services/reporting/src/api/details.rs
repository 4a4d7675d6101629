//! The reports behind the dashboards' details, each one view: see [`crate::details`].

use super::answer::{Format, Json, ParquetFile, rows};
use super::asked::Asked;
use super::columns;
use super::reports::ReportParameters;
use super::table::Column;
use crate::details::{
    self, AfterDeliveryRow, CorrectionRow, DeliveryTimeRow, Detail, HourRow, MachineRow, RefusalRow,
};
use crate::problem::Problem;
use crate::series::Zone;
use crate::state::App;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use engagement::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// The rows of a report that leaves out no class.
#[derive(Serialize, ToSchema)]
pub(super) struct Details<T> {
    /// The account's name.
    account: String,
    /// The first moment.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The first moment past the end.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// `event` or `sent`.
    #[schema(value_type = String)]
    cohort: &'static str,
    /// The rows.
    rows: Vec<T>,
    /// Whether there are more rows than one answer shows.
    truncated: bool,
}

/// Answers a report in the form that is asked for. `more` are the report's own parameters, which were taken.
async fn answer<T: Detail>(
    app: &App,
    mut asked: Asked,
    more: &[(&str, &str)],
    columns: &[Column],
) -> Result<Response, Problem> {
    let window = asked.window()?;
    let most = app.config.breakdown_rows;
    let mut found = details::rows::<T>(&app.client, asked.number, &window, more, most).await?;
    let truncated = found.len() > most as usize;
    found.truncate(most as usize);
    if asked.format != Format::Json {
        return rows(asked.format, columns, &found, truncated);
    }
    let (account, from, to, cohort) = (asked.account, window.from, window.to, window.cohort.as_str());
    Ok(Json(Details { account, from, to, cohort, rows: found, truncated }).into_response())
}

/// Which machines looked at the mail: requests of every kind that machines made, whatever is suppressed. JSON, CSV,
/// NDJSON or Parquet by `Accept` or `format`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/machines", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters,
        ("by" = Option<String>, Query, description = "source, recipient_domain or both; one row of all where it is left out")),
    responses((status = 200, content(
            (Details<MachineRow> = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn machines(State(app): State<Arc<App>>, mut asked: Asked) -> Result<Response, Problem> {
    let by = match asked.parameters.take("by")?.as_deref() {
        None => "",
        Some("source") => "source",
        Some("recipient_domain") => "recipient_domain",
        Some("both") => "both",
        Some(_) => return Err(Problem::parameter("by", "is source, recipient_domain or both")),
    };
    answer::<MachineRow>(&app, asked, &[("by", by)], &columns::MACHINES).await
}

/// When hits come after delivery, by who made them: a histogram. Nothing is suppressed. JSON, CSV, NDJSON or Parquet by
/// `Accept` or `format`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/after-delivery", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters),
    responses((status = 200, content(
            (Details<AfterDeliveryRow> = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn after_delivery(State(app): State<Arc<App>>, asked: Asked) -> Result<Response, Problem> {
    answer::<AfterDeliveryRow>(&app, asked, &[], &columns::AFTER_DELIVERY).await
}

/// Hits whose verdict was revised, those first of whom something else is said now. JSON, CSV, NDJSON or Parquet by
/// `Accept` or `format`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/corrections", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters),
    responses((status = 200, content(
            (Details<CorrectionRow> = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn corrections(State(app): State<Arc<App>>, asked: Asked) -> Result<Response, Problem> {
    answer::<CorrectionRow>(&app, asked, &[], &columns::CORRECTIONS).await
}

/// At which hours of the week opens and clicks come, by who made them. Nothing is suppressed. JSON, CSV, NDJSON or
/// Parquet by `Accept` or `format`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/hours", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters,
        ("tz" = Option<String>, Query, description = "An IANA time zone, by whose clock hours and weekdays are; UTC where it is left out")),
    responses((status = 200, content(
            (Details<HourRow> = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn hours(State(app): State<Arc<App>>, mut asked: Asked) -> Result<Response, Problem> {
    let zone = Zone::read(&mut asked.parameters)?;
    answer::<HourRow>(&app, asked, &[("zone", zone.name)], &columns::HOURS).await
}

/// Why messages were refused for good: class, reason and codes of each one's last refusal, the most frequent first. JSON,
/// CSV, NDJSON or Parquet by `Accept` or `format`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/refusals", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters),
    responses((status = 200, content(
            (Details<RefusalRow> = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn refusals(State(app): State<Arc<App>>, asked: Asked) -> Result<Response, Problem> {
    answer::<RefusalRow>(&app, asked, &[], &columns::REFUSALS).await
}

/// How long messages took from sent to delivered: a histogram of the messages of `reports/latency`. JSON, CSV, NDJSON or
/// Parquet by `Accept` or `format`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/delivery-times", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters),
    responses((status = 200, content(
            (Details<DeliveryTimeRow> = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn delivery_times(State(app): State<Arc<App>>, asked: Asked) -> Result<Response, Problem> {
    answer::<DeliveryTimeRow>(&app, asked, &[], &columns::DELIVERY_TIMES).await
}
