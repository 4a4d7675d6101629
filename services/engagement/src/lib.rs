//! What a tracked engagement is and how it is written down: tokens, hits, delivery events, verdicts and their wire format.
//!
//! This crate is pure: no clock, no disk, no network, no async. Time and randomness come in as arguments. Everything
//! that crosses a process boundary is defined here once, carries a version, and refuses what it does not understand
//! with an error that names the field.

pub mod account;
pub mod bounce;
pub mod classified;
pub mod deadletter;
pub mod delivery;
mod event_id;
pub mod hit;
pub mod keys;
pub mod neighbour;
pub mod providers;
pub mod redact;
pub mod sources;
pub mod time;
pub mod token;
pub mod verdict;

pub use account::{AccountId, AccountNumber};
pub use classified::{Classified, Traits};
pub use deadletter::{DeadLetter, Replayed};
pub use delivery::DeliveryEvent;
pub use event_id::EventIds;
pub use hit::{Hit, Kind, Request};
pub use neighbour::{Neighbour, Signal};
pub use time::Timestamp;
pub use verdict::{Actor, Reason, Verdict};

/// The version of the wire format that this program writes. Older ones stay readable.
pub const WIRE_VERSION: u32 = 1;

/// Why a record from a topic can't be read.
#[derive(Debug, thiserror::Error)]
pub enum WireError {
    /// Not JSON, or a field is missing or of the wrong type.
    #[error("not a readable record: {0}")]
    Malformed(#[from] serde_json::Error),
    /// Written by a newer program: to be set aside, never dropped.
    #[error("wire version {found} is newer than the {WIRE_VERSION} this program reads")]
    Newer {
        /// The version that the record carries.
        found: u32,
    },
}

/// Reads a record of type `T` after checking its version field.
///
/// # Errors
/// `Newer` for a version past [`WIRE_VERSION`], `Malformed` for anything that does not parse.
pub fn from_wire<T: serde::de::DeserializeOwned>(bytes: &[u8]) -> Result<T, WireError> {
    #[derive(serde::Deserialize)]
    struct Version {
        v: u32,
    }
    let version: Version = serde_json::from_slice(bytes)?;
    if version.v > WIRE_VERSION {
        return Err(WireError::Newer { found: version.v });
    }
    Ok(serde_json::from_slice(bytes)?)
}

/// Writes a record as the JSON of one wire message.
#[must_use]
pub fn to_wire<T: serde::Serialize>(record: &T) -> Vec<u8> {
    serde_json::to_vec(record).expect("wire types hold only strings, numbers and maps with string keys")
}

/// The key under which everything about one message travels, so that one partition holds all of it in order.
#[must_use]
pub fn message_key(account: AccountNumber, message_id: &str) -> Vec<u8> {
    let mut key = Vec::with_capacity(4 + message_id.len());
    key.extend_from_slice(&account.0.to_be_bytes());
    key.extend_from_slice(message_id.as_bytes());
    key
}
