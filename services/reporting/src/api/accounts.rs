//! Accounts, their keys and their audit log.

use super::answer::{Created, Json};
use crate::audit;
use crate::auth::{Caller, RawQuery, Segments};
use crate::body;
use crate::problem::Problem;
use crate::state::App;
use crate::window::Parameters;
use axum::body::Body;
use axum::extract::State;
use axum::http::StatusCode;
use engagement::{AccountId, Timestamp};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use store::{Account, Key, Scope};
use utoipa::ToSchema;
use uuid::Uuid;

/// How many audit entries an answer has where nothing else is asked.
const AUDIT_ENTRIES: u32 = 100;

/// An account to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewAccount {
    /// Its name as it stands in URLs: 1 to 63 of a-z, 0-9, - and _, starting with a letter or digit.
    id: String,
}

/// An account.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountDocument {
    /// Its name.
    id: String,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
}

/// Accounts.
#[derive(Serialize, ToSchema)]
pub(super) struct AccountList {
    accounts: Vec<AccountDocument>,
}

/// A key to make.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct NewKey {
    /// What its owner calls it.
    #[serde(default)]
    label: String,
    /// What it may do: reports:read, events:write, settings:write; admin is the operator's and reaches over all accounts.
    scopes: Vec<String>,
}

/// A key, without its secret.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyDocument {
    /// The id by which it is revoked.
    id: Uuid,
    /// What its owner calls it.
    label: String,
    /// What it may do.
    scopes: Vec<&'static str>,
    /// When it was made.
    #[schema(value_type = String, format = DateTime)]
    created_at: Timestamp,
    /// Since when it is dead.
    #[schema(value_type = Option<String>, format = DateTime)]
    revoked_at: Option<Timestamp>,
}

/// A key that was just made.
#[derive(Serialize, ToSchema)]
pub(super) struct NewKeyDocument {
    #[serde(flatten)]
    listed: KeyDocument,
    /// The key itself. It is shown this once and stored nowhere.
    key: String,
}

/// Keys.
#[derive(Serialize, ToSchema)]
pub(super) struct KeyList {
    keys: Vec<KeyDocument>,
}

/// A line of the audit log.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditDocument {
    /// When.
    #[schema(value_type = String, format = DateTime)]
    at: Timestamp,
    /// The line's id.
    id: Uuid,
    /// A key's id, or `command line`.
    by: String,
    /// What was done: account.create, key.create, key.revoke, settings.put, webhook.put, webhook.delete, events.read, timeline.read.
    action: String,
    /// To what. A message is named by a keyed hash.
    detail: String,
}

/// Lines of the audit log, newest first.
#[derive(Serialize, ToSchema)]
pub(super) struct AuditList {
    entries: Vec<AuditDocument>,
}

impl From<Account> for AccountDocument {
    fn from(account: Account) -> Self {
        Self { id: account.id.to_string(), created_at: account.created_at }
    }
}

impl From<Key> for KeyDocument {
    fn from(key: Key) -> Self {
        Self {
            id: key.id,
            label: key.label,
            scopes: key.scopes.iter().map(|scope| scope.as_str()).collect(),
            created_at: key.created_at,
            revoked_at: key.revoked_at,
        }
    }
}

/// Make an account. Needs `admin`, the operator's scope. The new account has no key yet: make one with `POST …/keys`.
#[utoipa::path(post, path = "/v1/accounts", tag = "account", request_body = NewAccount,
    responses((status = 201, body = AccountDocument), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create_account(
    State(app): State<Arc<App>>,
    caller: Caller,
    request: Body,
) -> Result<Created<AccountDocument>, Problem> {
    caller.needs(&[Scope::Admin])?;
    let new: NewAccount = body::json(request, app.body_limit()).await?;
    let id = AccountId::new(new.id).map_err(|error| Problem::field("/id", error.to_string()))?;
    let account = app.accounts.create(&id).await?;
    app.refresh().await;
    audit::changed(&app, &caller, account.number, audit::ACCOUNT_CREATE, "").await?;
    Ok(Created(account.into()))
}

/// List accounts: all for `admin`, who may make keys for any of them; else the key's own.
#[utoipa::path(get, path = "/v1/accounts", tag = "account",
    responses((status = 200, body = AccountList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list_accounts(
    State(app): State<Arc<App>>,
    caller: Caller,
) -> Result<Json<AccountList>, Problem> {
    let all = caller.key.allows(Scope::Admin);
    let mut accounts = app.accounts.list().await?;
    accounts.retain(|account| all || account.number == caller.key.account);
    Ok(Json(AccountList { accounts: accounts.into_iter().map(AccountDocument::from).collect() }))
}

/// Make a key for any account. Needs `admin`, the operator's scope.
#[utoipa::path(post, path = "/v1/accounts/{account}/keys", tag = "account", request_body = NewKey,
    params(("account" = String, Path, description = "The account's name")),
    responses((status = 201, body = NewKeyDocument), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn create_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
    request: Body,
) -> Result<Created<NewKeyDocument>, Problem> {
    let entry = caller.any(&app, &account)?;
    let new: NewKey = body::json(request, app.body_limit()).await?;
    let mut scopes = Vec::with_capacity(new.scopes.len());
    for (index, name) in new.scopes.iter().enumerate() {
        let scope = Scope::parse(name).ok_or_else(|| {
            let names = Scope::ALL.map(Scope::as_str).join(", ");
            Problem::field(format!("/scopes/{index}"), format!("a scope is one of {names}"))
        })?;
        scopes.push(scope);
    }
    let number = entry.account.number;
    let (key, secret) = app.accounts.create_key(number, &new.label, &scopes).await?;
    let document = KeyDocument::from(key);
    let detail = format!("{} {}", document.id, document.scopes.join(" "));
    app.refresh().await;
    audit::changed(&app, &caller, number, audit::KEY_CREATE, &detail).await?;
    Ok(Created(NewKeyDocument { listed: document, key: secret }))
}

/// List an account's keys, revoked ones too. Needs `admin`, the operator's scope.
#[utoipa::path(get, path = "/v1/accounts/{account}/keys", tag = "account",
    params(("account" = String, Path, description = "The account's name")),
    responses((status = 200, body = KeyList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list_keys(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
) -> Result<Json<KeyList>, Problem> {
    let entry = caller.any(&app, &account)?;
    let keys = app.accounts.keys(entry.account.number).await?;
    Ok(Json(KeyList { keys: keys.into_iter().map(KeyDocument::from).collect() }))
}

/// Revoke a key: dead here at once, everywhere within 10 seconds. Needs `admin`, the operator's scope. Revoking again changes nothing.
#[utoipa::path(delete, path = "/v1/accounts/{account}/keys/{id}", tag = "account",
    params(("account" = String, Path, description = "The account's name"), ("id" = Uuid, Path, description = "The key's id")),
    responses((status = 204), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn revoke_key(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments((account, id)): Segments<(String, String)>,
) -> Result<StatusCode, Problem> {
    let entry = caller.any(&app, &account)?;
    let number = entry.account.number;
    let no_key = || Problem::not_found("there is no such key");
    let id = Uuid::try_parse(&id).map_err(|_| no_key())?;
    if app.accounts.revoke_key(number, id).await? {
        app.refresh().await;
        audit::changed(&app, &caller, number, audit::KEY_REVOKE, &id.to_string()).await?;
    } else if !app.accounts.keys(number).await?.iter().any(|key| key.id == id) {
        return Err(no_key());
    }
    Ok(StatusCode::NO_CONTENT)
}

/// Who read or changed what, newest first. Needs `admin`.
#[utoipa::path(get, path = "/v1/accounts/{account}/audit", tag = "account",
    params(
        ("account" = String, Path, description = "The account's name"),
        ("limit" = Option<u32>, Query, description = "The most entries, 1 to 1000; 100 where none is given"),
        ("before" = Option<String>, Query, description = "Only entries before this time (RFC 3339)"),
    ),
    responses((status = 200, body = AuditList), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn list_audit(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
    RawQuery(pairs): RawQuery,
) -> Result<Json<AuditList>, Problem> {
    let entry = caller.own(&app, &account, &[Scope::Admin])?;
    let mut parameters = Parameters::new(pairs);
    let before = parameters.time("before")?;
    let limit = match parameters.take("limit")? {
        None => AUDIT_ENTRIES,
        Some(text) => text
            .parse()
            .ok()
            .filter(|limit| (1..=store::audit::MOST_ENTRIES).contains(limit))
            .ok_or_else(|| Problem::parameter("limit", "is a number from 1 to 1000"))?,
    };
    parameters.end()?;
    let entries = app.accounts.audit_list(entry.account.number, limit, before).await?;
    let document = |entry: store::AuditEntry| AuditDocument {
        at: entry.at,
        id: entry.id,
        by: entry.by,
        action: entry.action,
        detail: entry.detail,
    };
    Ok(Json(AuditList { entries: entries.into_iter().map(document).collect() }))
}
