//! What one message's hits say to others of the same account: neighbour records, and the signals that come back.
//!
//! A hit is written again under its client's network and under its recipient's domain, so that one partition holds all
//! that happens there, and what is found goes back under the message's own key. Both carry as little as serves: hashes
//! in place of addresses, recipients and domains, of which nobody needs more than whether two are equal. A hash of an
//! address can be found by trying all addresses, so both are evidence and are kept no longer. The message's id stands in
//! them because the signal is addressed to it.

use crate::{AccountNumber, Kind, Timestamp, WIRE_VERSION};
use aws_lc_rs::digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A number that stands for a text of one account: equal texts have equal numbers, in no other account the same.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(try_from = "String", into = "String")]
pub struct Hashed(pub u64);

/// A text that is not sixteen hexadecimal digits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("not a hash of sixteen hexadecimal digits")]
pub struct HashedError;

impl Hashed {
    /// The hash of what a text of this kind says in this account.
    #[must_use]
    pub fn of(account: AccountNumber, kind: &str, text: &[u8]) -> Self {
        // In one piece: that takes half the time of a digest that is fed in parts.
        let mut whole = Vec::with_capacity(size_of::<u32>() + kind.len() + 1 + text.len());
        whole.extend_from_slice(&account.0.to_be_bytes());
        whole.extend_from_slice(kind.as_bytes());
        whole.push(0);
        whole.extend_from_slice(text);
        let mut first = [0; 8];
        first.copy_from_slice(&digest::digest(&digest::SHA256, &whole).as_ref()[..8]);
        Self(u64::from_be_bytes(first))
    }
}

impl From<Hashed> for String {
    fn from(hashed: Hashed) -> Self {
        format!("{:016x}", hashed.0)
    }
}

impl TryFrom<String> for Hashed {
    type Error = HashedError;
    fn try_from(text: String) -> Result<Self, HashedError> {
        let digits = text.len() == 16 && text.bytes().all(|byte| byte.is_ascii_hexdigit());
        let number = digits.then(|| u64::from_str_radix(&text, 16).ok()).flatten();
        number.map(Self).ok_or(HashedError)
    }
}

impl JsonSchema for Hashed {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Hashed".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({ "type": "string", "pattern": "^[0-9a-f]{16}$" })
    }
}

/// What a neighbour record's hit has in common with others.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Ground {
    /// The client's network.
    Client,
    /// The domain of the recipient's address.
    Domain,
}

/// A hit as its neighbours see it, as the topic `engagement.neighbours` carries it.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Neighbour {
    /// The wire version.
    pub v: u32,
    /// The account's number. Nothing is ever compared with another account's.
    pub account_number: AccountNumber,
    /// What it has in common with its neighbours.
    pub ground: Ground,
    /// A hash of the client's network or of the domain.
    pub of: Hashed,
    /// A hash of the client's address; only under the client's network.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Hashed>,
    /// The sender's id of the message, to which a signal goes.
    pub message_id: String,
    /// A hash of the recipient, or of the message where the token names no recipient.
    pub reader: Hashed,
    /// What was asked for.
    pub kind: Kind,
    /// Which link of the mail, from 0.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_index: Option<u16>,
    /// How many links the mail has.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub link_count: Option<u16>,
    /// When the request reached the tracker.
    pub received_at: Timestamp,
}

impl Neighbour {
    /// The version that new records carry.
    pub const VERSION: u32 = WIRE_VERSION;

    /// The key under which everything on one ground travels.
    #[must_use]
    pub fn key(&self) -> Vec<u8> {
        let mut key = Vec::with_capacity(13);
        key.extend_from_slice(&self.account_number.0.to_be_bytes());
        key.push(match self.ground {
            Ground::Client => b'c',
            Ground::Domain => b'd',
        });
        key.extend_from_slice(&self.of.0.to_be_bytes());
        key
    }
}

/// What was found among the neighbours of a message's hits.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Fact {
    /// The client's address followed links in mails to several readers within seconds.
    Address,
    /// The client's network did.
    Network,
    /// All links were followed in mails to several readers of the domain within seconds.
    Sweep,
    /// Readers of the domain load images.
    Images,
}

/// A fact about some hits of a message, as the topic `engagement.signals` carries it. Signals only ever rise: of several
/// about the same hits the highest level counts.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Signal {
    /// The wire version.
    pub v: u32,
    /// The account's number.
    pub account_number: AccountNumber,
    /// The sender's id of the message.
    pub message_id: String,
    /// What was found.
    pub fact: Fact,
    /// It is about the message's hits that arrived within the second that begins then.
    pub second: Timestamp,
    /// It is about hits from this address alone; a hash as in [`Neighbour::address`].
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub address: Option<Hashed>,
    /// How much of it, from 1.
    pub level: u8,
}

impl Signal {
    /// The version that new records carry.
    pub const VERSION: u32 = WIRE_VERSION;
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_hash_is_of_one_account_and_one_kind() {
        let of = |account, kind| Hashed::of(AccountNumber(account), kind, b"x");
        assert_eq!(of(1, "a"), of(1, "a"));
        assert_ne!(of(1, "a"), of(2, "a"));
        assert_ne!(of(1, "a"), of(1, "b"));
        // Other processes, and records that are written already, hold the same.
        assert_eq!(String::from(of(1, "a")), "f10e22d0f0dc2a80");
        let text = String::from(of(1, "a"));
        assert_eq!(Hashed::try_from(text), Ok(of(1, "a")));
        for bad in ["", "12", "+123456789abcdef", "0123456789abcdefg"] {
            assert_eq!(Hashed::try_from(bad.to_owned()), Err(HashedError), "{bad}");
        }
    }

    #[test]
    fn grounds_have_keys_of_their_own() {
        let mut record = Neighbour {
            v: Neighbour::VERSION,
            account_number: AccountNumber(7),
            ground: Ground::Client,
            of: Hashed(9),
            address: None,
            message_id: "m".to_owned(),
            reader: Hashed(1),
            kind: Kind::Click,
            link_index: None,
            link_count: None,
            received_at: Timestamp::parse("2026-11-02T09:00:00Z").unwrap(),
        };
        assert_eq!(record.key(), b"\0\0\0\x07c\0\0\0\0\0\0\0\x09");
        let client = record.key();
        record.ground = Ground::Domain;
        assert_ne!(record.key(), client);
        let text = String::from_utf8(crate::to_wire(&record)).unwrap();
        assert!(text.len() < 220, "{text}");
        assert_eq!(crate::from_wire::<Neighbour>(text.as_bytes()).unwrap(), record);
    }
}
