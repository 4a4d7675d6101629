//! The figures over time.

use super::answer::ParquetFile;
use super::asked::Asked;
use super::columns;
use super::compare::{Listed, Part};
use super::reports::{ReportParameters, Scoped, in_force};
use crate::compare::{Paired, Pairs, from_the_end};
use crate::figures::{Figures, MessageRow};
use crate::problem::Problem;
use crate::query;
use crate::series::{Bucket, Interval, Zone};
use crate::state::App;
use axum::extract::State;
use axum::response::Response;
use engagement::Timestamp;
use serde::Serialize;
use std::collections::HashMap;
use std::sync::Arc;
use utoipa::{IntoParams, ToSchema};

/// How the window is cut.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `series` reads the query")]
struct SeriesParameters {
    /// minute, hour, day (the default), week (from Monday) or month. One that makes more than 3000 buckets is refused.
    interval: Option<String>,
    /// A time zone of the IANA database, by whose clock and calendar the buckets begin; UTC where it is left out.
    tz: Option<String>,
}

/// The figures of each bucket of the window.
#[derive(Serialize, ToSchema)]
pub(super) struct Timeseries {
    #[serde(flatten)]
    scope: Scoped,
    /// How long a bucket is.
    #[schema(value_type = String)]
    interval: &'static str,
    /// By whose clock and calendar.
    #[schema(value_type = String)]
    tz: &'static str,
    #[serde(flatten)]
    listed: Listed<Row>,
}

/// One bucket's figures: those of a summary with this `from` and `to`. They do not add up over buckets.
#[derive(Serialize, ToSchema)]
pub(super) struct Row {
    /// Where the bucket begins by clock and calendar, in local time; the window may begin later.
    #[schema(format = DateTime)]
    pub(super) bucket: String,
    /// Its first moment in the window.
    #[schema(value_type = String, format = DateTime)]
    pub(super) from: Timestamp,
    /// Its first moment past the end.
    #[schema(value_type = String, format = DateTime)]
    pub(super) to: Timestamp,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

/// The figures of each minute, hour, day, week or month of the window in order, empty ones too, as JSON, CSV, NDJSON or Parquet by
/// `Accept` or `format`. With `cohort=sent` a message stands where it was sent, with all that ever happened to it. Uniques are exact
/// within a bucket and do not add up over buckets. With `compare` the window before is cut by the same clock and calendar, as if it
/// were asked by itself, and in JSON its last bucket stands beside the last, and so back: a shorter month or a change of clocks may
/// make their numbers differ, and then the earliest buckets are those without another. Each bucket says how long it is by its `from`
/// and `to`. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/timeseries", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters, SeriesParameters),
    responses((status = 200, content(
            (Timeseries = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn timeseries(State(app): State<Arc<App>>, mut asked: Asked) -> Result<Response, Problem> {
    let interval = Interval::read(&mut asked.parameters)?;
    let zone = Zone::read(&mut asked.parameters)?;
    let windows = asked.windows()?;
    let cut = windows.clone().try_map(|window| Ok((interval.buckets(&window, &zone)?, window)))?;
    let suppress = in_force(&app, asked.number, &windows.now).await?;
    let found = cut.each(async |(buckets, window)| {
        let found = query::series(&app.client, asked.number, &window, &suppress, &buckets).await?;
        Ok(Part::whole(window.span(), rows(buckets, found)))
    });
    let found = found.await?;
    let scope = Scoped::new(asked.account, &windows.now, &suppress);
    let document = |listed| Timeseries { scope, interval: interval.as_str(), tz: zone.name, listed };
    found.answer(asked.format, &columns::SERIES, document)
}

impl Paired for Row {
    fn pairs(now: &[Self], before: &[Self]) -> Pairs {
        from_the_end(now, before)
    }
}

/// A row for each bucket, of zeros where nothing was found.
fn rows(buckets: Vec<Bucket>, found: Vec<MessageRow>) -> Vec<Row> {
    let mut found: HashMap<String, Figures> =
        found.into_iter().map(|row| (row.group_key.clone(), row.into())).collect();
    let row = |bucket: Bucket| Row {
        figures: found.remove(&bucket.from.millis().to_string()).unwrap_or_default(),
        bucket: bucket.start,
        from: bucket.from,
        to: bucket.to,
    };
    buckets.into_iter().map(row).collect()
}
