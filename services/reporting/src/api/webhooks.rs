//! Mail providers' webhooks in, and the secrets that prove them.

use super::answer::Json;
use super::events::{not_stored, record};
use crate::audit;
use crate::auth::{Caller, Segments};
use crate::body;
use crate::metrics;
use crate::problem::Problem;
use crate::state::App;
use crate::webhooks::sns::Message;
use crate::webhooks::{self, Item, Provider, Refused, Request, secret};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use engagement::Timestamp;
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::SystemTime;
use store::{Account, Scope};
use tracing::{info, warn};
use utoipa::ToSchema;

/// What proves a provider's requests.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookSecret {
    /// ses: the ARN of the SNS topic. sendgrid: the verification key of the signed event webhook. mailgun: the HTTP webhook
    /// signing key. postmark, sparkpost: `user:password` of the webhook's basic authentication, 16 characters or more of password.
    secret: String,
}

/// A webhook that an account takes. Its secret is never shown.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookDocument {
    /// The provider.
    provider: String,
    /// The path that the provider posts to.
    path: String,
    /// Always `***`.
    secret: &'static str,
}

/// The webhooks that an account takes.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookList {
    webhooks: Vec<WebhookDocument>,
}

/// What became of a request.
#[derive(Serialize, ToSchema)]
pub(super) struct WebhookTaken {
    /// Delivery events that are durable now.
    accepted: usize,
    /// Items that are no delivery events, such as the provider's own opens.
    ignored: usize,
    /// Items that can't be read: their place from 0, and what is missing.
    bad: Vec<BadItem>,
}

/// An item that can't be read.
#[derive(Serialize, ToSchema)]
pub(super) struct BadItem {
    /// Its place, from 0.
    index: usize,
    /// What is wrong with it.
    error: String,
}

/// What a provider's webhook posts: Amazon SES over SNS, SendGrid, Mailgun, Postmark or SparkPost. It carries no key; the
/// provider's own signature or password proves it. Repeats are harmless. The message id is the one that the mail carries as
/// `trueopen_message_id` (SES: message tag, SendGrid: unique argument, Mailgun: variable, Postmark and SparkPost: metadata), else the
/// provider's own. Answers 200 when the events are durable.
#[utoipa::path(post, path = "/v1/accounts/{account}/webhooks/{provider}", tag = "mails", security(()),
    request_body(content = Object, content_type = "application/json"),
    params(("account" = String, Path, description = "The account's name"),
        ("provider" = String, Path, description = "ses, sendgrid, mailgun, postmark or sparkpost")),
    responses((status = 200, body = WebhookTaken), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn take(
    State(app): State<Arc<App>>,
    Segments((account, provider)): Segments<(String, String)>,
    headers: HeaderMap,
    request: Body,
) -> Result<Json<WebhookTaken>, Problem> {
    let provider = Provider::parse(&provider).ok_or_else(no_provider)?;
    let count = |outcome| metrics::WEBHOOKS.with_label_values(&[provider.as_str(), outcome]).inc();
    let body = body::read(request, app.config.webhook_bytes).await?;
    let known = app.entry(&account).ok().and_then(|entry| {
        let webhook = app.directory.webhook(entry.account.number, provider.as_str())?;
        let secret = secret::open(&app.keys, entry.account.number, provider.as_str(), &webhook.sealed)?;
        Some((entry.account, secret))
    });
    // The same answer whether there is no such account, it takes none, or the proof is wrong.
    let Some((account, secret)) = known else {
        count("unknown");
        return Err(Problem::unproven());
    };
    let now = Timestamp::from_clock(SystemTime::now());
    let items = match proven(&app, provider, &secret, &headers, &body, now).await {
        Ok(items) => items,
        Err(refused) => {
            count(refused.label());
            info!(provider = provider.as_str(), reason = refused.label(), "a webhook was refused");
            return Err(match refused {
                Refused::Malformed => Problem::bad_request("the body is not what the provider sends"),
                Refused::CertificateUnavailable => {
                    Problem::unavailable("the certificate can't be fetched; send it again")
                }
                _ => Problem::unproven(),
            });
        }
    };
    let taken = store(&app, provider, &account, items, now).await;
    count(if taken.is_ok() { "accepted" } else { "not_stored" });
    taken.map(Json)
}

/// The items of a request whose proof holds.
async fn proven(
    app: &App,
    provider: Provider,
    secret: &str,
    headers: &HeaderMap,
    body: &[u8],
    now: Timestamp,
) -> Result<Vec<Item>, Refused> {
    if provider != Provider::Ses {
        let header = |name: &str| headers.get(name)?.to_str().ok().map(str::to_owned);
        let request = Request { header: &header, body };
        return webhooks::read(provider, &request, secret, now, &app.reader, &app.seen);
    }
    match app.sns.read(body, secret, now).await? {
        Message::Notification { id, message } => Ok(webhooks::read_ses(&message, &id, &app.reader)),
        Message::Confirmation(url) => {
            app.sns.confirm(&url).await?;
            info!("a subscription of SNS was confirmed");
            Ok(Vec::new())
        }
        Message::Other => Ok(Vec::new()),
    }
}

/// Makes the events durable.
async fn store(
    app: &App,
    provider: Provider,
    account: &Account,
    items: Vec<Item>,
    now: Timestamp,
) -> Result<WebhookTaken, Problem> {
    let mut taken = WebhookTaken { accepted: 0, ignored: 0, bad: Vec::new() };
    let mut records = Vec::new();
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Item::Event(submitted) => match submitted.accept(account.number, account.id.clone(), now) {
                Ok(event) => records.push(record(&event)),
                Err(error) => taken.bad.push(BadItem { index, error: error.to_string() }),
            },
            Item::Ignored => taken.ignored += 1,
            Item::Bad(missing) => {
                taken.bad.push(BadItem { index, error: format!("{missing} is missing or wrong") })
            }
        }
    }
    taken.accepted = records.len();
    if !records.is_empty()
        && let Err(error) = app.delivery.append_all(records).await
    {
        return Err(not_stored(&error));
    }
    let count = |outcome, items: usize| {
        metrics::WEBHOOK_ITEMS.with_label_values(&[provider.as_str(), outcome]).inc_by(items as u64);
    };
    count("event", taken.accepted);
    count("ignored", taken.ignored);
    count("bad", taken.bad.len());
    if !taken.bad.is_empty() {
        warn!(provider = provider.as_str(), items = taken.bad.len(), "items of a webhook can't be read");
    }
    Ok(taken)
}

/// Take a provider's webhooks, proven by this secret from now on. It is stored sealed and never shown. Needs `settings:write`.
#[utoipa::path(put, path = "/v1/accounts/{account}/webhooks/{provider}", tag = "account", request_body = WebhookSecret,
    params(("account" = String, Path, description = "The account's name"),
        ("provider" = String, Path, description = "ses, sendgrid, mailgun, postmark or sparkpost")),
    responses((status = 200, body = WebhookDocument), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn put(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments((account, provider)): Segments<(String, String)>,
    request: Body,
) -> Result<Json<WebhookDocument>, Problem> {
    let entry = caller.own(&app, &account, &[Scope::SettingsWrite])?;
    let provider = Provider::parse(&provider).ok_or_else(no_provider)?;
    let given: WebhookSecret = body::json(request, app.body_limit()).await?;
    let fault = |what: &str| Problem::field("/secret", format!("secret {what}"));
    provider.check_secret(&given.secret).map_err(fault)?;
    let number = entry.account.number;
    let sealed =
        secret::seal(&app.keys, number, provider.as_str(), &given.secret).ok_or_else(Problem::internal)?;
    change(&app, &caller, number, provider, &sealed, audit::WEBHOOK_PUT).await?;
    Ok(Json(document(&account, provider.as_str())))
}

/// Take no more webhooks of a provider. Needs `settings:write`.
#[utoipa::path(delete, path = "/v1/accounts/{account}/webhooks/{provider}", tag = "account",
    params(("account" = String, Path, description = "The account's name"),
        ("provider" = String, Path, description = "ses, sendgrid, mailgun, postmark or sparkpost")),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn delete(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments((account, provider)): Segments<(String, String)>,
) -> Result<StatusCode, Problem> {
    let entry = caller.own(&app, &account, &[Scope::SettingsWrite])?;
    let provider = Provider::parse(&provider).ok_or_else(no_provider)?;
    change(&app, &caller, entry.account.number, provider, "", audit::WEBHOOK_DELETE).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// The webhooks that the account takes, without their secrets. Needs `settings:write` or `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/webhooks", tag = "account",
    params(("account" = String, Path, description = "The account's name")),
    responses((status = 200, body = WebhookList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
) -> Result<Json<WebhookList>, Problem> {
    let entry = caller.own(&app, &account, &[Scope::SettingsWrite, Scope::ReportsRead])?;
    let mut webhooks = app.accounts.webhooks().await?;
    webhooks.retain(|webhook| webhook.account == entry.account.number);
    let webhooks = webhooks.iter().map(|webhook| document(&account, &webhook.provider)).collect();
    Ok(Json(WebhookList { webhooks }))
}

async fn change(
    app: &App,
    caller: &Caller,
    account: engagement::AccountNumber,
    provider: Provider,
    sealed: &str,
    action: &str,
) -> Result<(), Problem> {
    app.accounts.put_webhook(account, provider.as_str(), sealed).await?;
    app.refresh().await;
    audit::changed(app, caller, account, action, provider.as_str()).await
}

fn document(account: &str, provider: &str) -> WebhookDocument {
    let path = format!("/v1/accounts/{account}/webhooks/{provider}");
    WebhookDocument { provider: provider.to_owned(), path, secret: "***" }
}

fn no_provider() -> Problem {
    Problem::not_found("there is no such mail provider: ses, sendgrid, mailgun, postmark, sparkpost")
}
