//! Visits of people by the label of the links that they followed.

use super::answer::ParquetFile;
use super::asked::Asked;
use super::columns;
use super::compare::{Listed, Part};
use super::reports::ReportParameters;
use crate::figures::VisitRow;
use crate::problem::Problem;
use crate::query;
use crate::series::Zone;
use crate::state::App;
use axum::extract::State;
use axum::response::Response;
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
    #[serde(flatten)]
    listed: Listed<VisitRow>,
}

/// Visits of people by label, such as pricing, security or procurement: a visit is a message that follows a link of the label on
/// a day; a message that comes on two days or more returns. The label with most visits
/// comes first. Links without a label are told apart by their place. Machines and what nobody can tell pay no visits, whatever is
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
    let windows = asked.windows()?;
    let most = app.config.breakdown_rows;
    let found = windows.clone().each(async |window| {
        let rows = query::visits(&app.client, asked.number, &window, zone.name, most).await?;
        Ok(Part::cut(window.span(), rows, most))
    });
    let (from, to, cohort) = (windows.now.from, windows.now.to, windows.now.cohort.as_str());
    let document = |listed| Visits { account: asked.account, from, to, cohort, tz: zone.name, listed };
    found.await?.answer(asked.format, &columns::VISITS, document)
}
