//! The page at `/`: the reports for those who run no Grafana. Its files are part of the program, and it asks this API alone:
//! the content security policy lets nothing be loaded, asked or run that is not served here, and no script stands inline.
//! The page itself knows nothing: whoever reads it gives a key, which stays in the browser's tab.

use crate::state::App;
use axum::Router;
use axum::http::{HeaderValue, header};
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;

const POLICY: HeaderValue = HeaderValue::from_static(
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self'; connect-src 'self'; base-uri 'none'; \
     form-action 'none'; frame-ancestors 'none'",
);
const HTML: &str = "text/html; charset=utf-8";
const STYLE: &str = "text/css; charset=utf-8";
const SCRIPT: &str = "text/javascript; charset=utf-8";

/// Path, media type, content.
const FILES: [(&str, &str, &str); 12] = [
    ("/", HTML, include_str!("../../console/index.html")),
    ("/console/console.css", STYLE, include_str!("../../console/console.css")),
    ("/console/icon.svg", "image/svg+xml", include_str!("../../console/icon.svg")),
    ("/console/main.js", SCRIPT, include_str!("../../console/main.js")),
    ("/console/api.js", SCRIPT, include_str!("../../console/api.js")),
    ("/console/charts.js", SCRIPT, include_str!("../../console/charts.js")),
    ("/console/dom.js", SCRIPT, include_str!("../../console/dom.js")),
    ("/console/message.js", SCRIPT, include_str!("../../console/message.js")),
    ("/console/panels.js", SCRIPT, include_str!("../../console/panels.js")),
    ("/console/views.js", SCRIPT, include_str!("../../console/views.js")),
    ("/console/uplot.js", SCRIPT, include_str!("../../console/vendor/uplot.js")),
    ("/console/uplot.css", STYLE, include_str!("../../console/vendor/uplot.css")),
];

/// The page and its files.
pub(super) fn routes() -> Router<Arc<App>> {
    FILES.into_iter().fold(Router::new(), |router, (path, kind, content)| {
        let answer = move || {
            std::future::ready((
                [
                    (header::CONTENT_TYPE, HeaderValue::from_static(kind)),
                    (header::CONTENT_SECURITY_POLICY, POLICY),
                    (header::X_CONTENT_TYPE_OPTIONS, HeaderValue::from_static("nosniff")),
                    (header::REFERRER_POLICY, HeaderValue::from_static("no-referrer")),
                ],
                content,
            ))
        };
        router.route(path, get(move || async move { answer().await.into_response() }))
    })
}
