//! Who asks, and what they may.
//!
//! In this order: no key or an unknown one is 401; another account is 404, as if it were not there; a missing scope
//! is 403. So a key learns nothing of other accounts, not even from which error it gets.
//!
//! `admin` is the operator's scope: it makes accounts, and makes, lists and revokes keys of every account. It reads no other
//! account's data with its own key, and whoever is given `admin` is an operator too.

use crate::problem::Problem;
use crate::state::App;
use axum::extract::{FromRequestParts, Path};
use axum::http::header;
use axum::http::request::Parts;
use serde::de::DeserializeOwned;
use std::sync::Arc;
use store::{AccountEntry, AuthError, Key, Scope};

/// The key that a request came with.
pub(crate) struct Caller {
    pub(crate) key: Key,
}

impl Caller {
    /// The caller's own account, if the path names it and the key has one of the scopes.
    pub(crate) fn own(&self, app: &App, account: &str, scopes: &[Scope]) -> Result<AccountEntry, Problem> {
        let entry = app.entry(account)?;
        if entry.account.number != self.key.account {
            return Err(Problem::no_account());
        }
        self.needs(scopes)?;
        Ok(entry)
    }

    /// An account that the path names: the caller's own, or any for an administrator.
    pub(crate) fn any(&self, app: &App, account: &str) -> Result<AccountEntry, Problem> {
        let entry = app.entry(account)?;
        if entry.account.number != self.key.account && !self.key.allows(Scope::Admin) {
            return Err(Problem::no_account());
        }
        self.needs(&[Scope::Admin])?;
        Ok(entry)
    }

    /// That the key has one of the scopes.
    pub(crate) fn needs(&self, scopes: &[Scope]) -> Result<(), Problem> {
        if scopes.iter().any(|scope| self.key.allows(*scope)) {
            return Ok(());
        }
        let names: Vec<_> = scopes.iter().map(|scope| scope.as_str()).collect();
        Err(Problem::scope(&names.join(" or ")))
    }
}

impl FromRequestParts<Arc<App>> for Caller {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let value = parts.headers.get(header::AUTHORIZATION).ok_or_else(|| Problem::unauthorized(false))?;
        let secret = value
            .to_str()
            .ok()
            .and_then(|text| text.split_once(' '))
            .filter(|(scheme, _)| scheme.eq_ignore_ascii_case("bearer"))
            .map(|(_, secret)| secret.trim())
            .ok_or_else(|| Problem::unauthorized(false))?;
        match app.directory.authenticate(secret) {
            Ok(key) => Ok(Self { key }),
            Err(AuthError::Unknown) => Err(Problem::unauthorized(true)),
            Err(AuthError::Stale) => Err(Problem::unavailable("keys could not be checked for too long")),
        }
    }
}

/// The parts of a path. What is no text is found nowhere.
pub(crate) struct Segments<T>(pub(crate) T);

impl<T: DeserializeOwned + Send> FromRequestParts<Arc<App>> for Segments<T> {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let path = Path::<T>::from_request_parts(parts, app).await;
        path.map(|Path(value)| Self(value)).map_err(|_| Problem::not_found("there is nothing at this path"))
    }
}

/// The query as it was sent, for the parsers in `window`.
pub(crate) struct RawQuery(pub(crate) Vec<(String, String)>);

impl FromRequestParts<Arc<App>> for RawQuery {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, _: &Arc<App>) -> Result<Self, Problem> {
        let query = parts.uri.query().unwrap_or_default();
        let pairs = url::form_urlencoded::parse(query.as_bytes());
        Ok(Self(pairs.map(|(name, value)| (name.into_owned(), value.into_owned())).collect()))
    }
}
