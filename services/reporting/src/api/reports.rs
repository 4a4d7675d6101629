//! Reports, and the timeline of one message.

use super::answer::{Format, Json, ParquetFile};
use super::asked::Asked;
use super::columns;
use super::compare::{Listed, Part};
use crate::auth::{Caller, RawQuery, Segments};
use crate::compare::{Paired, Pairs, by_group};
use crate::figures::{Engagement, Figures, LinkRow};
use crate::problem::Problem;
use crate::state::App;
use crate::timeline::{self, Timeline};
use crate::window::{By, Parameters, Span, Suppression, Window};
use crate::{audit, query};
use axum::extract::State;
use axum::response::{IntoResponse, Response};
use engagement::sources::Class;
use engagement::{AccountNumber, Timestamp};
use serde::Serialize;
use std::sync::Arc;
use std::time::SystemTime;
use store::Scope;
use utoipa::{IntoParams, ToSchema};

/// What a report is asked for.
#[derive(IntoParams)]
#[into_params(parameter_in = Query)]
#[expect(dead_code, reason = "for the OpenAPI document; `window::Parameters` reads the query")]
pub(super) struct ReportParameters {
    /// The first moment, RFC 3339 or a date (its midnight in UTC). 30 days before `to` where it is left out.
    from: Option<String>,
    /// The first moment past the end. Now where it is left out.
    to: Option<String>,
    /// `event` (the default): what happened in the window. `sent`: all that ever happened to the messages sent in it.
    cohort: Option<String>,
    /// Messages of this campaign only.
    campaign: Option<String>,
    /// Messages to this domain only.
    recipient_domain: Option<String>,
    /// Messages to this mailbox provider only: an id such as `gmail`, or the domain where it is its own provider.
    mailbox_provider: Option<String>,
    /// `account` (the default): what the settings say. `none`, `all`, or a list out of apple, google, scanners, other.
    suppress: Option<String>,
    /// `previous`: the same of the window of the same length that ends where this one begins, too, under the same filters and
    /// suppression. In JSON it stands beside this window's: a summary has it as `previous`, each row has there that of the same group
    /// or null, and rows of groups that only the window before has are in the answer's `previous`. CSV, NDJSON and Parquet have the
    /// rows of this window and then those of the one before, each with its `window` (`current` or `previous`), `from` and `to`.
    /// Under `cohort=sent` the mail sent before has had longer to be read.
    compare: Option<String>,
    /// json, csv, ndjson or parquet; wins over `Accept`. Where one answer can't show all rows, JSON says `truncated` and the
    /// others have the header `trueopen-truncated: true`.
    format: Option<String>,
}

/// What a report is about.
#[derive(Serialize, ToSchema)]
pub(super) struct Scoped {
    /// The account's name.
    account: String,
    /// The first moment.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The first moment past the end.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    /// `event` or `sent`.
    #[schema(value_type = String)]
    cohort: &'static str,
    /// The classes that were left out.
    suppress: Vec<&'static str>,
}

/// The figures of the window.
#[derive(Serialize, ToSchema)]
pub(super) struct Summary {
    #[serde(flatten)]
    scope: Scoped,
    #[serde(flatten)]
    figures: Figures,
    /// With `compare=previous`: the same figures of the window of the same length that ends where this one begins.
    #[serde(skip_serializing_if = "Option::is_none")]
    previous: Option<Box<Spanned>>,
}

/// The figures of a window, with its times beside them.
#[derive(Serialize, ToSchema)]
pub(super) struct Spanned {
    /// The first moment.
    #[schema(value_type = String, format = DateTime)]
    from: Timestamp,
    /// The first moment past the end.
    #[schema(value_type = String, format = DateTime)]
    to: Timestamp,
    #[serde(flatten)]
    figures: Figures,
}

/// The figures of each group.
#[derive(Serialize, ToSchema)]
pub(super) struct Breakdown {
    #[serde(flatten)]
    scope: Scoped,
    /// What is grouped by.
    #[schema(value_type = String)]
    by: &'static str,
    #[serde(flatten)]
    listed: Listed<Group>,
}

/// One group's figures.
#[derive(Serialize, ToSchema)]
#[serde(untagged)]
pub(super) enum Group {
    /// By recipient_domain, mailbox_provider, campaign or bounce_reason (of messages that bounced alone): everything, of the
    /// group's messages.
    Messages(Box<MessageGroup>),
    /// By link: clicks.
    Link(Box<LinkGroup>),
    /// By source, client or country (of the address, '' where none is known): opens and clicks, of the group's hits. A message
    /// has no source of its own.
    Hits(Box<HitGroup>),
}

/// The figures of a group of messages.
#[derive(Serialize, ToSchema)]
pub(super) struct MessageGroup {
    /// The domain, provider, campaign or reason; empty for messages without one.
    pub(super) key: String,
    #[serde(flatten)]
    pub(super) figures: Figures,
}

/// The clicks on a link.
#[derive(Serialize, ToSchema)]
pub(super) struct LinkGroup {
    /// Place and label together, such as `0 pricing`.
    pub(super) key: String,
    /// Which link of the mail, from 0.
    pub(super) index: Option<u16>,
    /// What the sender calls it; empty where it has no label. Never its URL.
    pub(super) label: String,
    /// Who followed it.
    pub(super) clicks: Engagement,
}

/// The opens and clicks of a group of hits.
#[derive(Serialize, ToSchema)]
pub(super) struct HitGroup {
    /// The source or client; empty where none was known.
    pub(super) key: String,
    /// Loads of the pixel.
    pub(super) opens: Engagement,
    /// Followed links.
    pub(super) clicks: Engagement,
}

/// The figures of a window. Uniques are exact. JSON; by `Accept` or `format` CSV, NDJSON or Parquet: one row. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/summary", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters),
    responses((status = 200, content(
            (Summary = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn summary(State(app): State<Arc<App>>, mut asked: Asked) -> Result<Response, Problem> {
    let windows = asked.windows()?;
    let suppress = in_force(&app, asked.number, &windows.now).await?;
    let found = windows.clone().each(async |window| {
        let figures = query::summary(&app.client, asked.number, &window, &suppress).await?;
        Ok(Spanned { from: window.from, to: window.to, figures })
    });
    let found = found.await?;
    if asked.format == Format::Json {
        let scope = Scoped::new(asked.account, &windows.now, &suppress);
        let previous = found.before.map(Box::new);
        return Ok(Json(Summary { scope, figures: found.now.figures, previous }).into_response());
    }
    let row = |row: Spanned| Ok(Part::whole(Span { from: row.from, to: row.to }, vec![row]));
    found.try_map(row)?.table(asked.format, &columns::SUMMARY)
}

/// The figures of each group, the largest first, links in the order of the mail, as JSON, CSV, NDJSON or Parquet by `Accept` or
/// `format`. Uniques are exact within a group and do not add up over groups. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/reports/breakdown", tag = "reports",
    params(("account" = String, Path, description = "The account's name"), ReportParameters,
        ("by" = String, Query, description = "recipient_domain, mailbox_provider, campaign, bounce_reason, link, source, client or country")),
    responses((status = 200, content(
            (Breakdown = "application/json"), (String = "text/csv"), (String = "application/x-ndjson"), (ParquetFile = "application/vnd.apache.parquet"))),
        (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn breakdown(State(app): State<Arc<App>>, mut asked: Asked) -> Result<Response, Problem> {
    let by = asked.parameters.by()?;
    let windows = asked.windows()?;
    let suppress = in_force(&app, asked.number, &windows.now).await?;
    let most = app.config.breakdown_rows;
    let found = windows.clone().each(async |window| {
        Ok(Part::cut(window.span(), groups(&app, asked.number, &window, &suppress, by).await?, most))
    });
    let found = found.await?;
    let scope = Scoped::new(asked.account, &windows.now, &suppress);
    let document = |listed| Breakdown { scope, by: by.as_str(), listed };
    found.answer(asked.format, &columns::breakdown(by), document)
}

/// All that is known of one message in order, each hit with its verdicts and their reasons. Reading it is noted in the
/// audit log. Needs `reports:read`.
#[utoipa::path(get, path = "/v1/accounts/{account}/messages/{message_id}/timeline", tag = "reports",
    params(("account" = String, Path, description = "The account's name"),
        ("message_id" = String, Path, description = "Your id of the message")),
    responses((status = 200, body = Timeline), (status = "4XX", body = Problem, content_type = "application/problem+json"),
        (status = 503, body = Problem, content_type = "application/problem+json")))]
pub(super) async fn timeline(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments((account, message_id)): Segments<(String, String)>,
    RawQuery(pairs): RawQuery,
) -> Result<Json<Timeline>, Problem> {
    let number = caller.own(&app, &account, &[Scope::ReportsRead])?.account.number;
    Parameters::new(pairs).end()?;
    let most = app.config.timeline_rows;
    let found = timeline::read(&app.client, number, &account, &message_id, most).await?;
    let found = found.ok_or_else(|| Problem::not_found("nothing is known of this message"))?;
    let hash = app.audit_hash.message(number, &message_id);
    audit::read(&app, &caller, number, audit::TIMELINE_READ, &format!("message {hash}")).await?;
    Ok(Json(found))
}

impl Paired for Group {
    fn pairs(now: &[Self], before: &[Self]) -> Pairs {
        by_group(now, before, |row| match row {
            Self::Messages(group) => (None, &group.key),
            Self::Hits(group) => (None, &group.key),
            // Its key is for reading: a label may look like a place.
            Self::Link(group) => (group.index, &group.label),
        })
    }
}

impl From<LinkRow> for LinkGroup {
    fn from(row: LinkRow) -> Self {
        let (index, label) = (row.link_index, row.link_label.clone());
        let place = index.map(|index| index.to_string()).unwrap_or_default();
        Self { key: format!("{place} {label}").trim().to_owned(), index, label, clicks: row.into() }
    }
}

impl Scoped {
    pub(super) fn new(account: String, window: &Window, suppress: &[Class]) -> Self {
        Self {
            account,
            from: window.from,
            to: window.to,
            cohort: window.cohort.as_str(),
            suppress: suppress.iter().map(|class| class.as_str()).collect(),
        }
    }
}

/// The classes that a report leaves out. The account's setting is read anew for each report, from where every process
/// writes it, so that the next answer follows a change.
pub(super) async fn in_force(
    app: &App,
    account: AccountNumber,
    window: &Window,
) -> Result<Vec<Class>, Problem> {
    match &window.suppress {
        Suppression::Classes(classes) => Ok(classes.clone()),
        Suppression::Account => Ok(app.accounts.settings(account).await?.0.suppress.classes()),
    }
}

async fn groups(
    app: &App,
    account: AccountNumber,
    window: &Window,
    suppress: &[Class],
    by: By,
) -> Result<Vec<Group>, Problem> {
    let most = app.config.breakdown_rows;
    if by == By::Link {
        let rows = query::links(&app.client, account, window, suppress, most).await?;
        return Ok(rows.into_iter().map(|row| Group::Link(Box::new(row.into()))).collect());
    }
    if by.of_hits() {
        let rows = query::hit_groups(&app.client, account, window, suppress, by, most).await?;
        return Ok(rows
            .into_iter()
            .map(|row| {
                let key = row.group_key.clone();
                let (opens, clicks) = row.into();
                Group::Hits(Box::new(HitGroup { key, opens, clicks }))
            })
            .collect());
    }
    let rows = query::message_groups(&app.client, account, window, suppress, by, most).await?;
    let group =
        |row: crate::figures::MessageRow| MessageGroup { key: row.group_key.clone(), figures: row.into() };
    Ok(rows.into_iter().map(|row| Group::Messages(Box::new(group(row)))).collect())
}

pub(super) fn now() -> Timestamp {
    Timestamp::from_clock(SystemTime::now())
}
