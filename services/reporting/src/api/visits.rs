//! Visits of people by the label of the links that they followed.

use super::answer::{Format, Json, ParquetFile, rows};
use super::asked::Asked;
use super::columns;
use super::reports::ReportParameters;
use crate::figures::VisitRow;
use crate::problem::Problem;
use crate::query;
use crate::series::Zone;
use crate::state::App;
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use engagement::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use utoipa::ToSchema;

/// Visits by label.
#[derive(Serialize, ToSchema)]
pub(super) struct Visits {
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
    /// The time zone of the days.
    #[schema(value_type = String)]
    tz: &'static str,
    /// The labels, the one with most visits first.
    rows: Vec<VisitRow>,
    /// Whether there are more than one answer shows.
    truncated: bool,
}

/// Visits of people by label, such as pricing, security or procurement: a visit is a message that follows a link of the label on
/// a day; a message that comes on two days or more returns. Links without a label are told apart by their place. Machines and what nobody can tell pay no visits, whatever is
/// suppressed. JSON, CSV, NDJSON or Parquet by `Accept` or `format`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/visits", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters,
        ("tz" = Option<String>, Query, description = "An IANA time zone, by whose calendar days begin; UTC where it is left out")),
    responses((status = 200, content(
            (Visits = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn visits(State(app): State<Arc<App>>, mut asked: Asked) -> Result<Response, Problem> {
    let zone = Zone::read(&mut asked.parameters)?;
    let window = asked.window()?;
    let most = app.config.breakdown_rows;
    let mut found = query::visits(&app.client, asked.number, &window, zone.name, most).await?;
    let truncated = found.len() > most as usize;
    found.truncate(most as usize);
    if asked.format != Format::Json {
        return rows(asked.format, &columns::VISITS, &found, truncated);
    }
    let (account, from, to, cohort) = (asked.account, window.from, window.to, window.cohort.as_str());
    Ok(Json(Visits { account, from, to, cohort, tz: zone.name, rows: found, truncated }).into_response())
}
