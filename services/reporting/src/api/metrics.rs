//! The metrics of the process that answers, for the page at `/`: what Prometheus reads at the admin port, for whoever runs none.

use crate::auth::Caller;
use crate::problem::Problem;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use store::Scope;

/// The metrics of the process that answers, in Prometheus' text format: of every stage under `up`, of the API alone under
/// `report`. They name no account's mail. Needs `admin`.
#[utoipa::path(get, path = "/v1/metrics", tag = "account",
    responses((status = 200, body = String, content_type = "text/plain"),
        (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn metrics(caller: Caller) -> Result<Response, Problem> {
    caller.needs(&[Scope::Admin])?;
    let text = prometheus::TextEncoder::new().encode_to_string(&prometheus::gather()).map_err(|error| {
        tracing::error!(%error, "the metrics can't be written");
        Problem::internal()
    })?;
    Ok(([(header::CONTENT_TYPE, "text/plain; version=0.0.4; charset=utf-8")], text).into_response())
}
