//! Opens and clicks that reached a mail provider's tracker, as hits for the classifier.
//!
//! Invariants: the same document gives the same hit, id and all, so repeats are harmless; without the client's address and
//! agent there is none, for a hit that nobody can judge would only blur the figures; a destination is not kept, only a number
//! that tells the message's links apart; what is kept of the document went through [`redact::engagement`]. Who sends both our pixel and the provider's has two hits for one opening: so
//! an account asks for these by itself.

use super::{Item, Left, Provider, Reader};
use aws_lc_rs::digest;
use engagement::delivery::Submitted;
use engagement::hit::{LINK, PROVIDER};
use engagement::{AccountNumber, Hit, Kind, Request, Timestamp, redact, token};
use serde_json::Value;
use std::collections::BTreeMap;
use std::net::IpAddr;
use store::Account;

#[cfg(test)]
mod tests;

/// The most bytes of an agent that are kept, as at the tracker.
const AGENT_BYTES: usize = 1024;
/// How far ahead of our clock a provider's may be. The classifier's windows close by the time of hits.
const AHEAD_MILLIS: i64 = 60_000;

/// An open or a click as a provider tells of it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Engaged {
    kind: Kind,
    provider: Provider,
    /// Whose it is, and when.
    about: Submitted,
    ip: IpAddr,
    agent: String,
    sent_at: Option<Timestamp>,
    link: Option<u16>,
    label: Option<String>,
    /// What makes it this hit and no other.
    id: String,
}

/// What a document shows of an open or a click, empty where it shows nothing.
pub(super) struct Shown<'a> {
    pub(super) provider: Provider,
    pub(super) kind: Kind,
    pub(super) ip: &'a str,
    pub(super) agent: &'a str,
    /// The destination of a click.
    pub(super) url: &'a str,
    /// What the sender calls the link.
    pub(super) label: &'a str,
    pub(super) sent_at: Option<Timestamp>,
    /// The provider's id of the event.
    pub(super) id: &'a str,
    /// The document.
    pub(super) told: &'a Value,
}

/// The item that a document's open or click comes to.
pub(super) fn item(mut about: Submitted, shown: &Shown<'_>, reader: &Reader) -> Item {
    let agent = shown.agent.trim();
    let Some(ip) = shown.ip.trim().parse::<IpAddr>().ok().filter(|_| !agent.is_empty()) else {
        return Item::Ignored(Left::NoEvidence);
    };
    about.original = Some(redact::engagement(shown.told, shown.url).to_string());
    let click = shown.kind == Kind::Click;
    // Within one message alone: no two mails' links can be compared by it.
    let number = |url: &str| reader.number(&[&about.message_id, url]);
    let link = Some(shown.url).filter(|url| click && !url.is_empty()).map(number);
    let id = if shown.id.is_empty() {
        let (kind, at) = (shown.kind.as_str(), about.at.to_string());
        [kind, &about.message_id, &at, shown.ip, agent, shown.url].join("\0")
    } else {
        shown.id.to_owned()
    };
    Item::Hit(Box::new(Engaged {
        kind: shown.kind,
        provider: shown.provider,
        ip,
        agent: cut(agent).to_owned(),
        sent_at: shown.sent_at,
        link,
        label: label(shown.label).filter(|_| click),
        id,
        about,
    }))
}

impl Engaged {
    /// The hit, in the account's name.
    pub(crate) fn hit(self, account: &Account, now: Timestamp) -> Result<Hit, String> {
        if self.about.at.since(now) > AHEAD_MILLIS {
            return Err("its time lies ahead of now".to_owned());
        }
        let event_id = event_id(account.number, self.provider, &self.id, self.about.at);
        let about = self.about.accept(account.number, account.id.clone(), now);
        let about = about.map_err(|error| error.to_string())?;
        let mut headers = BTreeMap::from([(PROVIDER.to_owned(), self.provider.as_str().to_owned())]);
        headers.extend(self.link.map(|link| (LINK.to_owned(), link.to_string())));
        Ok(Hit {
            v: Hit::VERSION,
            event_id,
            account_number: account.number,
            account: Some(account.id.clone()),
            kind: self.kind,
            received_at: about.at,
            message_id: about.message_id,
            recipient_id: about.recipient_id,
            campaign: about.campaign,
            recipient_domain: about.recipient_domain,
            sent_at: self.sent_at.unwrap_or(about.at),
            link_index: None,
            link_count: None,
            label: self.label,
            original: about.original,
            request: Request {
                method: "GET".to_owned(),
                ip: Some(self.ip),
                ua: self.agent,
                headers,
                trailing: None,
            },
        })
    }
}

/// A UUIDv7 of the hit's time, whose other bits are a hash of what makes it this hit.
fn event_id(account: AccountNumber, provider: Provider, id: &str, at: Timestamp) -> uuid::Uuid {
    let text = format!("{}\0{}\0{id}", account.0, provider.as_str());
    let hash = digest::digest(&digest::SHA256, text.as_bytes());
    let random: [u8; 10] = hash.as_ref()[..10].try_into().expect("SHA-256 has 32 bytes");
    let millis = u64::try_from(at.millis()).expect("the range starts in 2000");
    uuid::Builder::from_unix_timestamp_millis(millis, &random).into_uuid()
}

/// A label that the sender gave: short, and no address or URL, which may name a person.
fn label(text: &str) -> Option<String> {
    let text = text.trim();
    let plain =
        !text.is_empty() && text.len() <= token::ID_BYTES && !text.contains('@') && !text.contains("://");
    // What SparkPost calls a link without a name.
    (plain && text != "Raw URL").then(|| text.to_owned())
}

fn cut(text: &str) -> &str {
    let end = (0..=AGENT_BYTES.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}
