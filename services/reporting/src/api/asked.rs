//! What every report's request has in common: a key that may read the account, a form of the answer, and a query of which
//! nothing may be left over.

use super::answer::Format;
use super::reports::now;
use crate::auth::{Caller, RawQuery, Segments};
use crate::compare::Both;
use crate::problem::Problem;
use crate::state::App;
use crate::window::{Parameters, Span, Window};
use axum::extract::FromRequestParts;
use axum::http::request::Parts;
use engagement::AccountNumber;
use std::sync::Arc;
use store::Scope;

/// A report's request. The account is the caller's own, and the key may read its reports.
pub(super) struct Asked {
    pub(super) caller: Caller,
    /// The account's name.
    pub(super) account: String,
    pub(super) number: AccountNumber,
    pub(super) format: Format,
    /// What was not read yet: take what is particular to the report, then [`Asked::windows`] or [`Asked::span`] the rest.
    pub(super) parameters: Parameters,
}

impl Asked {
    /// The window, and the one before where a comparison is wanted; what else is left in the query is refused by name.
    pub(super) fn windows(&mut self) -> Result<Both<Window>, Problem> {
        let windows = self.parameters.windows(now())?;
        self.parameters.end()?;
        Ok(windows)
    }

    /// The time alone; what else is left in the query is refused by name.
    pub(super) fn span(&mut self) -> Result<Span, Problem> {
        let span = self.parameters.span(now())?;
        self.parameters.end()?;
        Ok(span)
    }
}

impl FromRequestParts<Arc<App>> for Asked {
    type Rejection = Problem;

    async fn from_request_parts(parts: &mut Parts, app: &Arc<App>) -> Result<Self, Problem> {
        let caller = Caller::from_request_parts(parts, app).await?;
        let Segments(account) = Segments::<String>::from_request_parts(parts, app).await?;
        let number = caller.own(app, &account, &[Scope::ReportsRead])?.account.number;
        let RawQuery(pairs) = RawQuery::from_request_parts(parts, app).await?;
        let mut parameters = Parameters::new(pairs);
        let format = match parameters.take("format")? {
            Some(name) => Format::parse(&name)
                .ok_or_else(|| Problem::parameter("format", "is json, csv, ndjson or parquet"))?,
            None => Format::preferred(&parts.headers),
        };
        Ok(Self { caller, account, number, format, parameters })
    }
}
