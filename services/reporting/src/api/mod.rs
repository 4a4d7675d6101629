//! The routes. Each handler reads its request, asks, and shapes the answer; the OpenAPI document is made of the same
//! declarations and compared with `schema/openapi.json` by a test.

mod accounts;
mod answer;
mod asked;
mod columns;
mod compare;
mod console;
mod details;
mod events;
mod export;
mod latency;
mod links;
mod metrics;
mod observe;
mod parquet;
mod reports;
mod series;
mod settings;
mod table;
mod unsubscribes;
mod visits;
mod webhook_token;
mod webhooks;
mod whole;

use crate::problem::Problem;
use crate::state::App;
use axum::Router;
use axum::http::header;
use axum::response::IntoResponse;
use axum::routing::get;
use std::sync::Arc;
use utoipa::openapi::security::{HttpAuthScheme, HttpBuilder, SecurityScheme};
use utoipa::{Modify, OpenApi};
use utoipa_axum::router::OpenApiRouter;
use utoipa_axum::routes;
use utoipa_swagger_ui::{Config, SwaggerUi};

#[derive(OpenApi)]
#[openapi(
    info(
        title = "trueopen reporting API",
        description = "Which mails real people opened and clicked. Every answer is about one account; a key sees its own \
            account, and another account looks like none at all. Errors are problem documents (RFC 9457).",
        license(name = "Apache-2.0", identifier = "Apache-2.0")
    ),
    modifiers(&KeyScheme),
    security(("key" = [])),
    tags(
        (name = "mails", description = "Tracking URLs for mails, and delivery events about them"),
        (name = "reports", description = "What became of mails"),
        (name = "account", description = "Accounts, keys, settings and the audit log")
    )
)]
struct Document;

struct KeyScheme;

impl Modify for KeyScheme {
    fn modify(&self, document: &mut utoipa::openapi::OpenApi) {
        let scheme = HttpBuilder::new()
            .scheme(HttpAuthScheme::Bearer)
            .description(Some(
                "A key of the account, as `trueopen key create` or `POST …/keys` shows it once.",
            ))
            .build();
        document.components.get_or_insert_default().add_security_scheme("key", SecurityScheme::Http(scheme));
    }
}

fn documented() -> OpenApiRouter<Arc<App>> {
    OpenApiRouter::with_openapi(Document::openapi())
        .routes(routes!(accounts::create_account, accounts::list_accounts))
        .routes(routes!(accounts::create_key, accounts::list_keys))
        .routes(routes!(accounts::revoke_key))
        .routes(routes!(accounts::list_audit))
        .routes(routes!(settings::get_settings, settings::put_settings))
        .routes(routes!(links::make_links))
        .routes(routes!(links::instrument_mail))
        .routes(routes!(events::take_events, export::export_events))
        .routes(routes!(webhooks::take, webhooks::put, webhooks::delete))
        .routes(routes!(webhooks::list))
        .routes(routes!(webhook_token::token))
        .routes(routes!(reports::summary))
        .routes(routes!(series::timeseries))
        .routes(routes!(reports::breakdown))
        .routes(routes!(latency::latency))
        .routes(routes!(visits::visits))
        .routes(routes!(metrics::metrics))
        .routes(routes!(details::machines))
        .routes(routes!(details::after_delivery))
        .routes(routes!(details::corrections))
        .routes(routes!(details::hours))
        .routes(routes!(details::refusals))
        .routes(routes!(details::delivery_times))
        .routes(routes!(reports::timeline))
        .routes(routes!(unsubscribes::list_unsubscribes))
        .routes(routes!(unsubscribes::reverse_unsubscribe))
        .routes(routes!(unsubscribes::restore_unsubscribe))
}

/// The OpenAPI document as it is served at `/openapi.json`.
#[must_use]
pub fn openapi() -> utoipa::openapi::OpenApi {
    documented().into_openapi()
}

/// All routes over the state.
pub(crate) fn router(app: Arc<App>) -> Router {
    let (router, document) = documented().split_for_parts();
    let document = bytes::Bytes::from(serde_json::to_vec_pretty(&document).unwrap_or_default());
    let json = [(header::CONTENT_TYPE, "application/json")];
    router
        // The page's own files are part of the program: it works without a network.
        .merge(SwaggerUi::new("/docs").config(Config::new(["/openapi.json"])))
        .route("/openapi.json", get(move || std::future::ready((json, document.clone()).into_response())))
        .merge(console::routes())
        .fallback(|| async { Problem::not_found("there is nothing at this path; see /openapi.json") })
        .method_not_allowed_fallback(|| async { Problem::method() })
        .layer(axum::middleware::from_fn_with_state(Arc::clone(&app), observe::observe))
        .with_state(app)
}
