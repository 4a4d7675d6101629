//! A hit: one request that reached the tracker, as the topic `engagement.raw` carries it.

use crate::{AccountId, AccountNumber, Timestamp, WIRE_VERSION};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use uuid::Uuid;

/// What a token, and so a hit, is about.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Kind {
    /// The pixel was asked for.
    Open,
    /// A link was followed.
    Click,
    /// The unsubscribe URL was asked for; only a POST unsubscribes.
    Unsubscribe,
    /// The link that no reader can see was followed.
    Trap,
}

impl Kind {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Open => "open",
            Self::Click => "click",
            Self::Unsubscribe => "unsubscribe",
            Self::Trap => "trap",
        }
    }
}

/// What the request itself shows: the evidence that the rules read.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Request {
    /// The HTTP method, upper case.
    pub method: String,
    /// The client's address after trusted proxies, if there is one.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub ip: Option<IpAddr>,
    /// The user agent, empty when none was sent, cut at the tracker's bound.
    #[serde(default)]
    pub ua: String,
    /// The headers that rules read, names in lower case, values cut at the tracker's bound. Of a hit that a mail provider told
    /// of: `:provider`, who told, and for a click `:link`, a number that tells the message's links apart.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub headers: BTreeMap<String, String>,
    /// What trailed the token in the URL and is no part of it, such as a scanner's `%27`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub trailing: Option<String>,
}

/// One request that opened a token.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Hit {
    /// The wire version.
    pub v: u32,
    /// A UUIDv7 made by the tracker.
    pub event_id: Uuid,
    /// The account's number, from the token.
    pub account_number: AccountNumber,
    /// The account's name, where the tracker knew it.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub account: Option<AccountId>,
    /// What was asked for.
    pub kind: Kind,
    /// When the request reached the tracker, ours or that of the provider that told of it.
    pub received_at: Timestamp,
    /// The sender's id of the message.
    pub message_id: String,
    /// The sender's id of the recipient; empty when the token has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recipient_id: String,
    /// The sender's campaign; empty when the token has none.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub campaign: String,
    /// The domain of the recipient's address.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recipient_domain: String,
    /// When the sender says the mail was sent, to the second. Where a provider told of the hit and not of that: `received_at`.
    pub sent_at: Timestamp,
    /// Which link of the mail, from 0; clicks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_index: Option<u16>,
    /// How many links the mail has; clicks only.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_count: Option<u16>,
    /// The sender's label of the link.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub label: Option<String>,
    /// The document in which a mail provider told of the hit, redacted: evidence, which no rule reads. The first verdict on the
    /// hit carries it, its corrections don't.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// What the request showed.
    #[serde(flatten)]
    pub request: Request,
}

/// Among the headers: the mail provider that told of a hit which reached its tracker, not ours. No header's name begins with a
/// colon, so none that a client sends can pass for it.
pub const PROVIDER: &str = ":provider";
/// Among the headers of such a click: a number below 2^16, a hash that tells the links of one message apart. Their places are
/// not known, so `link_index` is not, and the destination is not kept.
pub const LINK: &str = ":link";

impl Hit {
    /// The version that new hits carry.
    pub const VERSION: u32 = WIRE_VERSION;
}

impl Request {
    /// The mail provider that told of this hit, where it did not reach our own tracker.
    #[must_use]
    pub fn provider(&self) -> Option<&str> {
        self.headers.get(PROVIDER).map(String::as_str)
    }
}
