//! What is noted of every request, and the bound on its time.

use crate::metrics;
use crate::problem::Problem;
use crate::state::App;
use axum::extract::{MatchedPath, Request, State};
use axum::http::{HeaderValue, Method, header};
use axum::middleware::Next;
use axum::response::{IntoResponse, Response};
use std::sync::Arc;
use std::time::{Duration, Instant};
use tracing::info;

/// Runs a request within its time, and notes route template, method and status: never the path, which may name a
/// message, nor anything else that was sent.
pub(super) async fn observe(State(app): State<Arc<App>>, request: Request, next: Next) -> Response {
    let start = Instant::now();
    let template = request.extensions().get::<MatchedPath>().cloned();
    let route = template.as_ref().map_or("none", MatchedPath::as_str);
    let method = known(request.method());
    let limit = Duration::from_secs(app.config.request_seconds);
    let mut response = match tokio::time::timeout(limit, next.run(request)).await {
        Ok(response) => response,
        Err(_) => Problem::unavailable("the request took too long").into_response(),
    };
    // Answers are about people's mail: no cache on the way keeps one.
    response.headers_mut().entry(header::CACHE_CONTROL).or_insert(HeaderValue::from_static("no-store"));
    let status = response.status().as_u16();
    let class =
        ["1xx", "2xx", "3xx", "4xx"].get(usize::from(status / 100).saturating_sub(1)).unwrap_or(&"5xx");
    metrics::REQUESTS.with_label_values(&[route, method, class]).inc();
    metrics::SECONDS.with_label_values(&[route]).observe(start.elapsed().as_secs_f64());
    info!(route, method, status, milliseconds = start.elapsed().as_millis(), "request answered");
    response
}

/// A method as a label: strangers may send any word.
fn known(method: &Method) -> &'static str {
    match *method {
        Method::GET => "GET",
        Method::HEAD => "HEAD",
        Method::POST => "POST",
        Method::PUT => "PUT",
        Method::DELETE => "DELETE",
        _ => "other",
    }
}
