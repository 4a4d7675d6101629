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
use crate::webhooks::{self, Item, Left, Provider, Refused, Request, secret};
use axum::body::Body;
use axum::extract::State;
use axum::http::{HeaderMap, StatusCode};
use engagement::{Timestamp, message_key, to_wire};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::SystemTime;
use store::{Account, Scope};
use stream::Record;
use tracing::{info, warn};
use utoipa::ToSchema;

/// What proves a provider's requests.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WebhookSecret {
    /// ses: the ARN of the SNS topic. sendgrid: the verification key of the signed event webhook. mailgun: the HTTP webhook
    /// signing key. postmark, sparkpost: `user:password` of the webhook's basic authentication, 16 characters or more of password;
    /// for SparkPost's OAuth 2.0 they are client id and secret, and the token URL is `…/webhooks/sparkpost/token`.
    secret: String,
    /// Whether the provider's own opens and clicks count too, judged as ours are; false where it is left out. Leave it off for
    /// mail that carries our pixel and links: one opening would count twice.
    #[serde(default)]
    opens_and_clicks: bool,
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
    /// Whether the provider's own opens and clicks count.
    opens_and_clicks: bool,
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
    /// Opens and clicks that are durable now; their verdicts follow.
    hits: usize,
    /// Items that are left.
    ignored: usize,
    /// Why, and how many: no_delivery_event, opens_and_clicks_off, no_address_or_agent, several_recipients, second_pixel, auto_reply.
    #[serde(skip_serializing_if = "BTreeMap::is_empty")]
    ignored_because: BTreeMap<&'static str, usize>,
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
/// provider's own. The provider's own opens and clicks become hits where the webhook was put with `opens_and_clicks` and they carry
/// address and agent. Answers 200 when all of it is durable.
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
    let body = body::read(request, app.config.webhook_bytes).await.inspect_err(|problem| {
        count(if problem.is(StatusCode::PAYLOAD_TOO_LARGE) { "too_large" } else { "cut" });
    })?;
    // The same answer whether there is no such account, it takes none, or the proof is wrong.
    let Some(Known { account, secret, engagement }) = known(&app, &account, provider) else {
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
    let taken = store(&app, provider, (&account, engagement), items, now).await;
    count(if taken.is_ok() { "accepted" } else { "not_stored" });
    taken.map(Json)
}

/// An account that takes a provider's webhooks.
pub(super) struct Known {
    account: Account,
    pub(super) secret: String,
    /// Whether it wants the provider's opens and clicks.
    engagement: bool,
}

/// The account of a name, if it takes a provider's webhooks.
pub(super) fn known(app: &App, account: &str, provider: Provider) -> Option<Known> {
    let account = app.entry(account).ok()?.account;
    let webhook = app.directory.webhook(account.number, provider.as_str())?;
    let secret = secret::open(&app.keys, account.number, provider.as_str(), &webhook.sealed)?;
    Some(Known { account, secret, engagement: secret::wants_engagement(&webhook.sealed) })
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
    (account, engagement): (&Account, bool),
    items: Vec<Item>,
    now: Timestamp,
) -> Result<WebhookTaken, Problem> {
    let mut taken =
        WebhookTaken { accepted: 0, hits: 0, ignored: 0, ignored_because: BTreeMap::new(), bad: Vec::new() };
    let (mut records, mut hits) = (Vec::new(), Vec::new());
    for (index, item) in items.into_iter().enumerate() {
        match item {
            Item::Event(submitted) => match submitted.accept(account.number, account.id.clone(), now) {
                Ok(event) => records.push(record(&event)),
                Err(error) => taken.bad.push(BadItem { index, error: error.to_string() }),
            },
            Item::Hit(engaged) if engagement => match engaged.hit(account, now) {
                Ok(hit) => {
                    let key = message_key(hit.account_number, &hit.message_id);
                    hits.push(Record { key, payload: to_wire(&hit).into() });
                }
                Err(error) => taken.bad.push(BadItem { index, error }),
            },
            Item::Hit(_) => taken.leave(Left::Off),
            Item::Ignored(why) => taken.leave(why),
            Item::Bad(missing) => {
                taken.bad.push(BadItem { index, error: format!("{missing} is missing or wrong") })
            }
        }
    }
    (taken.accepted, taken.hits) = (records.len(), hits.len());
    for (topic, records) in [(&app.delivery, records), (&app.hits, hits)] {
        if !records.is_empty()
            && let Err(error) = topic.append_all(records).await
        {
            return Err(not_stored(&error));
        }
    }
    let count = |outcome, items: usize| {
        metrics::WEBHOOK_ITEMS.with_label_values(&[provider.as_str(), outcome]).inc_by(items as u64);
    };
    count("event", taken.accepted);
    count("hit", taken.hits);
    for (why, items) in &taken.ignored_because {
        count(why, *items);
    }
    count("bad", taken.bad.len());
    if !taken.bad.is_empty() {
        warn!(provider = provider.as_str(), items = taken.bad.len(), "items of a webhook can't be read");
    }
    Ok(taken)
}

impl WebhookTaken {
    fn leave(&mut self, why: Left) {
        self.ignored += 1;
        *self.ignored_because.entry(why.label()).or_default() += 1;
    }
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
    let sealed = secret::seal(&app.keys, number, provider.as_str(), &given.secret, given.opens_and_clicks)
        .ok_or_else(Problem::internal)?;
    change(&app, &caller, number, provider, &sealed, audit::WEBHOOK_PUT).await?;
    Ok(Json(document(&account, provider.as_str(), &sealed)))
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
    let webhooks =
        webhooks.iter().map(|webhook| document(&account, &webhook.provider, &webhook.sealed)).collect();
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

fn document(account: &str, provider: &str, sealed: &str) -> WebhookDocument {
    let path = format!("/v1/accounts/{account}/webhooks/{provider}");
    let opens_and_clicks = secret::wants_engagement(sealed);
    WebhookDocument { provider: provider.to_owned(), path, secret: "***", opens_and_clicks }
}

fn no_provider() -> Problem {
    Problem::not_found("there is no such mail provider: ses, sendgrid, mailgun, postmark, sparkpost")
}
