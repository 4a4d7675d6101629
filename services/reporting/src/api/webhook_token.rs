//! Tokens for providers that ask for one before they post.

use super::answer::Json;
use super::webhooks::known;
use crate::auth::Segments;
use crate::body;
use crate::metrics;
use crate::problem::Problem;
use crate::state::App;
use crate::webhooks::{Provider, oauth};
use axum::body::Body;
use axum::extract::State;
use engagement::Timestamp;
use serde::Serialize;
use std::sync::Arc;
use std::time::SystemTime;
use utoipa::ToSchema;

/// A token (RFC 6749, 5.1).
#[derive(Serialize, ToSchema)]
pub(super) struct Token {
    /// To be sent as `Authorization: Bearer …` with each request of the webhook.
    access_token: String,
    /// Always `Bearer`.
    token_type: &'static str,
    /// Seconds that it is good for.
    expires_in: i64,
}

/// SparkPost's OAuth 2.0 for webhooks: a token for `client_id` and `client_secret`, which are user and password of the secret that the
/// webhook was put with. As JSON or as a form. Name this URL as the webhook's token URL at SparkPost.
#[utoipa::path(post, path = "/v1/accounts/{account}/webhooks/{provider}/token", tag = "mails", security(()),
    request_body(content = Object, content_type = "application/json"),
    params(("account" = String, Path, description = "The account's name"),
        ("provider" = String, Path, description = "sparkpost")),
    responses((status = 200, body = Token), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn token(
    State(app): State<Arc<App>>,
    Segments((account, provider)): Segments<(String, String)>,
    request: Body,
) -> Result<Json<Token>, Problem> {
    if Provider::parse(&provider) != Some(Provider::SparkPost) {
        return Err(Problem::not_found("this mail provider asks for no tokens"));
    }
    let body = body::read(request, app.body_limit()).await?;
    let now = Timestamp::from_clock(SystemTime::now());
    let token =
        known(&app, &account, Provider::SparkPost).and_then(|known| oauth::token(&body, &known.secret, now));
    let outcome = if token.is_some() { "token" } else { "signature" };
    metrics::WEBHOOKS.with_label_values(&[Provider::SparkPost.as_str(), outcome]).inc();
    let access_token = token.ok_or_else(Problem::unproven)?;
    Ok(Json(Token { access_token, token_type: "Bearer", expires_in: oauth::LIVES }))
}
