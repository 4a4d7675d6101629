//! Visits of people by the label of the links that they followed.

use super::answer::{Format, Json, csv, ndjson};
use super::reports::{ReportParameters, now};
use crate::auth::{Caller, RawQuery, Segments};
use crate::figures::VisitRow;
use crate::problem::Problem;
use crate::query;
use crate::series::Zone;
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
/// a day; a message that comes on two days or more returns. Machines and what nobody can tell pay no visits, whatever is
/// suppressed. JSON, CSV or NDJSON by `Accept`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/visits", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters,
        ("tz" = Option<String>, Query, description = "An IANA time zone, by whose calendar days begin; UTC where it is left out")),
    responses((status = 200, content(
            (Visits = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn visits(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
    RawQuery(pairs): RawQuery,
    headers: HeaderMap,
) -> Result<Response, Problem> {
    let number = caller.own(&app, &account, &[Scope::ReportsRead])?.account.number;
    let mut parameters = Parameters::new(pairs);
    let zone = Zone::read(&mut parameters)?;
    let window = parameters.window(now())?;
    parameters.end()?;
    let most = app.config.breakdown_rows;
    let mut rows = query::visits(&app.client, number, &window, zone.name, most).await?;
    let truncated = rows.len() > most as usize;
    rows.truncate(most as usize);
    match Format::preferred(&headers) {
        Format::Json => {
            let (from, to, cohort) = (window.from, window.to, window.cohort.as_str());
            Ok(Json(Visits { account, from, to, cohort, tz: zone.name, rows, truncated }).into_response())
        }
        Format::Csv => {
            let cells = |row: &VisitRow| {
                let counts = [row.clicks, row.visits, row.messages, row.returning];
                [vec![row.label.clone()], counts.map(|count| count.to_string()).into()].concat()
            };
            let cells: Vec<Vec<String>> = rows.iter().map(cells).collect();
            Ok(csv(&["label", "clicks", "visits", "messages", "returning"], &cells))
        }
        Format::Ndjson => ndjson(&rows),
    }
}
