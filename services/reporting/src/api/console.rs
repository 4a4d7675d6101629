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

const DATA: &str = "application/json";
const TEXT: &str = "text/markdown; charset=utf-8";

/// Path, media type, content.
const FILES: [(&str, &str, &str); 23] = [
    ("/", HTML, include_str!("../../console/index.html")),
    ("/console/console.css", STYLE, include_str!("../../console/console.css")),
    ("/console/icon.svg", "image/svg+xml", include_str!("../../console/icon.svg")),
    ("/console/main.js", SCRIPT, include_str!("../../console/main.js")),
    ("/console/api.js", SCRIPT, include_str!("../../console/api.js")),
    ("/console/campaign.js", SCRIPT, include_str!("../../console/campaign.js")),
    ("/console/charts.js", SCRIPT, include_str!("../../console/charts.js")),
    ("/console/definitions.js", SCRIPT, include_str!("../../console/definitions.js")),
    ("/console/deliverability.js", SCRIPT, include_str!("../../console/deliverability.js")),
    ("/console/dom.js", SCRIPT, include_str!("../../console/dom.js")),
    ("/console/engagement.js", SCRIPT, include_str!("../../console/engagement.js")),
    ("/console/filters.js", SCRIPT, include_str!("../../console/filters.js")),
    ("/console/message.js", SCRIPT, include_str!("../../console/message.js")),
    ("/console/names.js", SCRIPT, include_str!("../../console/names.js")),
    ("/console/panels.js", SCRIPT, include_str!("../../console/panels.js")),
    ("/console/pipeline.js", SCRIPT, include_str!("../../console/pipeline.js")),
    ("/console/scanners.js", SCRIPT, include_str!("../../console/scanners.js")),
    ("/console/uplot.js", SCRIPT, include_str!("../../console/vendor/uplot.js")),
    ("/console/uplot.css", STYLE, include_str!("../../console/vendor/uplot.css")),
    // What figures mean and what ids are called, from where everybody else reads it.
    ("/console/metrics.md", TEXT, include_str!("../../../../schema/metrics.md")),
    ("/console/sources.json", DATA, include_str!("../../../../schema/sources.json")),
    ("/console/mailbox-providers.json", DATA, include_str!("../../../../schema/mailbox-providers.json")),
    ("/console/bounce-reasons.json", DATA, include_str!("../../../../schema/bounce-reasons.json")),
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
