//! What one hit shows, as the rules read it.

use crate::agent::Agent;
use engagement::hit::{LINK, PROVIDER};
use engagement::{Hit, Kind, Timestamp};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The request headers that rules read, in lower case. A tracker that records at least these loses no verdict.
pub const HEADERS_READ: &[&str] = &["purpose", "referer", "sec-purpose", "x-moz", "x-purpose"];

static NO_HEADERS: BTreeMap<String, String> = BTreeMap::new();

/// What one hit shows. Rules see this and nothing else, so a verdict is a function of it and of the ruleset.
#[derive(Debug, Clone, Copy)]
pub struct Facts<'a> {
    /// What was asked for.
    pub kind: Kind,
    /// When the request arrived.
    pub received_at: Timestamp,
    /// When the mail was sent, if that is known.
    pub sent_at: Option<Timestamp>,
    /// When the mail was delivered, if a delivery event said so.
    pub delivered_at: Option<Timestamp>,
    /// The domain of the recipient's address.
    pub recipient_domain: Option<&'a str>,
    /// Which link of the mail, from 0.
    pub link_index: Option<u16>,
    /// How many links the mail has.
    pub link_count: Option<u16>,
    /// The HTTP method.
    pub method: &'a str,
    /// The client's address.
    pub ip: Option<IpAddr>,
    /// The autonomous system that announces the address, where a database of them is at hand.
    pub asn: Option<u32>,
    /// The user agent, empty when none was sent.
    pub ua: &'a str,
    /// What was read off the agent before, where that is at hand.
    pub agent: Option<&'a Agent>,
    /// The recorded headers, names in lower case.
    pub headers: &'a BTreeMap<String, String>,
    /// What trailed the token in the URL.
    pub trailing: Option<&'a str>,
}

impl<'a> Facts<'a> {
    /// A bare GET of which nothing else is known; a caller fills in what it knows with struct update syntax.
    #[must_use]
    pub fn of(kind: Kind, received_at: Timestamp) -> Self {
        Self {
            kind,
            received_at,
            sent_at: None,
            delivered_at: None,
            recipient_domain: None,
            link_index: None,
            link_count: None,
            method: "GET",
            ip: None,
            asn: None,
            ua: "",
            agent: None,
            headers: &NO_HEADERS,
            trailing: None,
        }
    }

    /// Whether this is the POST that unsubscribes. A mailbox provider's server sends it at the reader's word (RFC 8058), so
    /// what its agent and address look like says nothing of the reader.
    #[must_use]
    pub fn unsubscribes(&self) -> bool {
        self.kind == Kind::Unsubscribe && self.method.eq_ignore_ascii_case("POST")
    }

    /// The agent as a number that is the same for the same agent within one process.
    pub(crate) fn agent_number(&self) -> u64 {
        self.agent.map_or_else(|| Agent::number_of(self.ua), Agent::number)
    }

    /// What tells a click's link from the message's others where its place is not known.
    #[must_use]
    pub(crate) fn link_number(&self) -> Option<u16> {
        self.header(LINK).filter(|_| self.kind == Kind::Click)?.parse().ok()
    }

    /// A header's value, trimmed; `None` when it was not sent or is empty. The name is in lower case.
    #[must_use]
    pub fn header(&self, name: &str) -> Option<&'a str> {
        self.headers.get(name).map(|value| value.trim()).filter(|value| !value.is_empty())
    }
}

/// When the mail was sent, where a hit says so: a mail provider that tells of a hit may not.
pub(crate) fn sent(
    sent_at: Timestamp,
    received_at: Timestamp,
    headers: &BTreeMap<String, String>,
) -> Option<Timestamp> {
    (sent_at != received_at || !headers.contains_key(PROVIDER)).then_some(sent_at)
}

impl<'a> From<&'a Hit> for Facts<'a> {
    fn from(hit: &'a Hit) -> Self {
        Self {
            sent_at: sent(hit.sent_at, hit.received_at, &hit.request.headers),
            recipient_domain: Some(hit.recipient_domain.as_str()).filter(|domain| !domain.is_empty()),
            link_index: hit.link_index,
            link_count: hit.link_count,
            method: &hit.request.method,
            ip: hit.request.ip,
            ua: &hit.request.ua,
            headers: &hit.request.headers,
            trailing: hit.request.trailing.as_deref(),
            ..Self::of(hit.kind, hit.received_at)
        }
    }
}
