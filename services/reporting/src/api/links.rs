//! Tracking URLs for a mail: its links one by one, or its HTML as a whole.

use super::answer::Json;
use crate::auth::{Caller, Segments};
use crate::body;
use crate::instrument::{InstrumentError, Options, instrument, trap_tag};
use crate::metrics;
use crate::mint::{Mail, MintError, Minter, UnsubscribeHeaders};
use crate::problem::Problem;
use crate::state::App;
use axum::body::Body;
use axum::extract::State;
use engagement::Timestamp;
use engagement::token::{ContentError, Link};
use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::time::SystemTime;
use store::Scope;
use tracing::error;
use utoipa::ToSchema;

/// The mail and the links that URLs are wanted for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct LinksRequest {
    /// Your id of the message, one mail to one recipient: 1 to 64 bytes.
    message_id: String,
    /// The campaign, at most 64 bytes.
    #[serde(default)]
    campaign: String,
    /// Your id of the recipient or a keyed hash, at most 64 bytes. Never an address.
    #[serde(default)]
    recipient_id: String,
    /// The domain of the recipient's address.
    #[serde(default)]
    recipient_domain: String,
    /// When the mail is sent; now where it is left out.
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
    /// The links of the mail, in their order.
    #[serde(default)]
    links: Vec<WantedLink>,
}

/// A link that a URL is wanted for.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct WantedLink {
    /// Where it leads: http or https, at most 4096 bytes.
    url: String,
    /// What reports call it, at most 64 bytes.
    label: Option<String>,
}

/// The mail whose HTML is to be tracked.
#[derive(Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub(super) struct InstrumentRequest {
    /// As for `links`.
    message_id: String,
    /// As for `links`.
    #[serde(default)]
    campaign: String,
    /// As for `links`.
    #[serde(default)]
    recipient_id: String,
    /// As for `links`.
    #[serde(default)]
    recipient_domain: String,
    /// As for `links`.
    #[schema(value_type = Option<String>, format = DateTime)]
    sent_at: Option<Timestamp>,
    /// The mail's HTML. `data-label` or `data-trueopen-label` on a link labels it, `data-trueopen="off"` leaves it alone.
    html: String,
}

/// The URLs of a mail.
#[derive(Serialize, ToSchema)]
pub(super) struct Urls {
    /// The URL of the pixel.
    pixel_url: String,
    /// The links in their order.
    links: Vec<MadeLink>,
    /// The link that no reader can see, where the account's `trap_links` is on.
    #[serde(skip_serializing_if = "Option::is_none")]
    trap: Option<Trap>,
    /// The URL of the unsubscribe page.
    unsubscribe_url: String,
    /// Headers to put into the mail, ready.
    headers: UnsubscribeHeaders,
}

/// The link that no reader can see. Who follows it is a machine, so it must never stand in a mail where a person could.
#[derive(Serialize, ToSchema)]
pub(super) struct Trap {
    /// Its URL. In a text part it would be seen: leave it out there.
    url: String,
    /// The HTML to put into the mail as it is, before `</body>`; `instrument` has put it in already.
    html: String,
}

/// A link with its tracking URL.
#[derive(Serialize, ToSchema)]
pub(super) struct MadeLink {
    /// Which link of the mail, from 0.
    index: u16,
    /// Where it leads.
    url: String,
    /// What reports call it.
    label: Option<String>,
    /// The URL to put in its place.
    tracked_url: String,
}

/// A tracked mail.
#[derive(Serialize, ToSchema)]
pub(super) struct InstrumentedMail {
    /// The HTML with tracked links and the pixel.
    html: String,
    #[serde(flatten)]
    urls: Urls,
    /// How many links were left as they were: no http or https, placeholders, marked off.
    left_alone: usize,
}

/// Make the tracking URLs of one mail to one recipient. Needs `events:write`.
#[utoipa::path(post, path = "/v1/accounts/{account}/links", tag = "mails", request_body = LinksRequest,
    params(("account" = String, Path, description = "The account's name")),
    responses((status = 200, body = Urls), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn make_links(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
    request: Body,
) -> Result<Json<Urls>, Problem> {
    let entry = caller.own(&app, &account, &[Scope::EventsWrite])?;
    let wanted: LinksRequest = body::json(request, app.body_limit()).await?;
    let most = app.config.links;
    let count = u16::try_from(wanted.links.len())
        .ok()
        .filter(|count| usize::from(*count) <= most)
        .ok_or_else(|| Problem::field("/links", format!("{} links, {most} at most", wanted.links.len())))?;
    let mail = Mail {
        message_id: wanted.message_id,
        campaign: wanted.campaign,
        recipient_id: wanted.recipient_id,
        recipient_domain: wanted.recipient_domain,
        sent_at: wanted.sent_at.unwrap_or_else(now),
    };
    let minter = app.minter(&entry).map_err(|error| refused(&error, ""))?;
    let urls = minter.mail(&mail).map_err(|error| refused(&error, ""))?;
    let mut links = Vec::with_capacity(wanted.links.len());
    for (index, link) in (0..count).zip(wanted.links) {
        let pointer = format!("/links/{index}");
        let content = Link::new(&link.url, index, count, link.label.clone())
            .map_err(|error| refused(&error.into(), &pointer))?;
        let url = content.destination.clone();
        let tracked_url = urls.click(content).map_err(|error| refused(&error, &pointer))?;
        links.push(MadeLink { index, url, label: link.label, tracked_url });
    }
    let pixel_url = urls.pixel().map_err(|error| refused(&error, ""))?;
    let trap = entry.settings.trap_links.then(|| urls.trap()).transpose();
    let trap = trap.map_err(|error| refused(&error, ""))?;
    metrics::MAILS.inc();
    Ok(Json(with_unsubscribe(&minter, &mail, pixel_url, trap, links)?))
}

/// Track a mail's HTML: links lead through the tracker, and the pixel is put in. Everything else stays byte for byte.
/// Needs `events:write`.
#[utoipa::path(post, path = "/v1/accounts/{account}/instrument", tag = "mails", request_body = InstrumentRequest,
    params(("account" = String, Path, description = "The account's name")),
    responses((status = 200, body = InstrumentedMail), (status = "4XX", body = Problem, content_type = "application/problem+json")))]
pub(super) async fn instrument_mail(
    State(app): State<Arc<App>>,
    caller: Caller,
    Segments(account): Segments<String>,
    request: Body,
) -> Result<Json<InstrumentedMail>, Problem> {
    let entry = caller.own(&app, &account, &[Scope::EventsWrite])?;
    let wanted: InstrumentRequest = body::json(request, app.body_limit()).await?;
    let mail = Mail {
        message_id: wanted.message_id,
        campaign: wanted.campaign,
        recipient_id: wanted.recipient_id,
        recipient_domain: wanted.recipient_domain,
        sent_at: wanted.sent_at.unwrap_or_else(now),
    };
    let minter = app.minter(&entry).map_err(|error| refused(&error, ""))?;
    let urls = minter.mail(&mail).map_err(|error| refused(&error, ""))?;
    let options = Options { most_links: app.config.links, trap: entry.settings.trap_links };
    let done = instrument(&minter, &urls, &wanted.html, options).map_err(|error| match error {
        InstrumentError::Mint(error) => refused(&error, ""),
        _ => Problem::field("/html", error.to_string()),
    })?;
    let links = done.links.into_iter().map(|link| MadeLink {
        index: link.index,
        url: link.url,
        label: link.label,
        tracked_url: link.tracked_url,
    });
    let urls = with_unsubscribe(&minter, &mail, done.pixel_url, done.trap_url, links.collect())?;
    metrics::MAILS.inc();
    Ok(Json(InstrumentedMail { html: done.html, urls, left_alone: done.left_alone }))
}

fn with_unsubscribe(
    minter: &Minter<'_>,
    mail: &Mail,
    pixel_url: String,
    trap_url: Option<String>,
    links: Vec<MadeLink>,
) -> Result<Urls, Problem> {
    let unsubscribe_url =
        minter.mail(mail).and_then(|urls| urls.unsubscribe()).map_err(|error| refused(&error, ""))?;
    let headers = UnsubscribeHeaders::new(&unsubscribe_url);
    let trap = trap_url.map(|url| Trap { html: trap_tag(&url), url });
    Ok(Urls { pixel_url, links, trap, unsubscribe_url, headers })
}

fn now() -> Timestamp {
    Timestamp::from_clock(SystemTime::now())
}

/// The problem of what could not be minted; `place` is the link's, or empty for the mail's own fields.
fn refused(cause: &MintError, place: &str) -> Problem {
    let MintError::Content(fault) = cause else {
        error!(error = %cause, "no tracking URL could be made");
        return Problem::internal();
    };
    let field = match fault {
        ContentError::TooLong { field, .. } => field,
        ContentError::NoMessage => "message_id",
        ContentError::Address => "recipient_id",
        ContentError::Domain => "recipient_domain",
        ContentError::Destination | ContentError::Link | ContentError::Index { .. } => "url",
    };
    Problem::field(format!("{place}/{field}"), fault.to_string())
}
