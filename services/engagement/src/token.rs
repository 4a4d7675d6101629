//! Tokens: what a tracking URL carries, sealed. `schema/token.md` is the format; `schema/token-vectors.json` holds it still.
//!
//! A token needs no store: it opens with the account's key of its sending day and nothing else. Its prefix (version,
//! key id, account, day) is clear but authenticated, its content is AES-256-GCM. A token that was minted for a host is
//! bound to it and opens nowhere else.

mod content;
mod error;
mod seal;
#[cfg(test)]
mod tests;
mod text;

pub use content::{Content, ContentError, ID_BYTES, Link};
pub use error::OpenError;
pub use seal::{DayKey, Nonce, Prefix, open, seal};
pub use text::{Parsed, parse};

use crate::AccountNumber;
use crate::keys::KeyRing;

/// Seals a content for an account under the ring's current key.
///
/// `host` is the host name (no port) of the account's own tracking URL; `None` for an account that uses the default.
///
/// # Errors
/// [`ContentError`] names the part of the content that is out of its bounds.
pub fn mint(
    ring: &KeyRing,
    account: AccountNumber,
    host: Option<&str>,
    content: &Content,
    nonce: Nonce,
) -> Result<String, ContentError> {
    let key = DayKey::derive(&ring.current().account(account), content.sent_at.day());
    seal(&key, host, content, nonce)
}

/// Opens a token's text with whichever key of the ring it names. `host` is the host name that was asked, without port.
///
/// # Errors
/// [`OpenError`] says which step refused it.
pub fn open_with_ring(ring: &KeyRing, host: &str, parsed: &Parsed) -> Result<Content, OpenError> {
    let master = ring.find(parsed.prefix.key).ok_or(OpenError::UnknownKey(parsed.prefix.key.0))?;
    let key = DayKey::derive(&master.account(parsed.prefix.account), parsed.prefix.day);
    open(&key, host, parsed)
}
