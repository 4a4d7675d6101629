//! The reports behind the dashboards' details, each one view: see [`crate::details`].

use super::answer::ParquetFile;
use super::asked::Asked;
use super::columns;
use super::compare::{Listed, Part};
use super::reports::ReportParameters;
use super::table::Column;
use crate::details::{
    self, AfterDeliveryRow, CorrectionRow, DeliveryTimeRow, Detail, HourRow, MachineRow, RefusalRow,
};
use crate::problem::Problem;
use crate::series::Zone;
use crate::state::App;
use axum::extract::State;
use axum::response::Response;
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
    #[serde(flatten)]
    listed: Listed<T>,
}

/// Answers a report in the form that is asked for. `more` are the report's own parameters, which were taken.
async fn answer<T: Detail>(
    app: &App,
    mut asked: Asked,
    more: &[(&str, &str)],
    columns: &[Column],
) -> Result<Response, Problem> {
    let windows = asked.windows()?;
    let most = app.config.breakdown_rows;
    let found = windows.clone().each(async |window| {
        let rows = details::rows::<T>(&app.client, asked.number, &window, more, most).await?;
        Ok(Part::cut(window.span(), rows, most))
    });
    let (from, to, cohort) = (windows.now.from, windows.now.to, windows.now.cohort.as_str());
    let document = |listed| Details { account: asked.account, from, to, cohort, listed };
    found.await?.answer(asked.format, columns, document)
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
