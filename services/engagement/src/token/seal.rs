//! Sealing and opening: the prefix, the associated data and AES-256-GCM.

use super::content::{Content, ContentError, put_varint, take, take_varint};
use super::error::OpenError;
use super::text::Parsed;
use crate::AccountNumber;
use crate::keys::{AccountKey, KeyId};
use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, UnboundKey};
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

const VERSION: u8 = 1;
const FLAG_HOST: u8 = 1;

/// The clear, authenticated start of a token.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub struct Prefix {
    /// Whether the token is bound to the host it was minted for.
    pub host_bound: bool,
    /// Which master key.
    pub key: KeyId,
    /// Which account.
    pub account: AccountNumber,
    /// The sending day, since 1970, in UTC.
    pub day: u16,
}

impl Prefix {
    fn encode(self) -> Vec<u8> {
        let mut out = vec![VERSION << 4 | if self.host_bound { FLAG_HOST } else { 0 }, self.key.0];
        put_varint(&mut out, self.account.0);
        out.extend_from_slice(&self.day.to_be_bytes());
        out
    }

    /// Reads a prefix off the front of `rest`.
    pub(super) fn decode(rest: &mut &[u8]) -> Result<Self, OpenError> {
        let first = take(rest, 1).ok_or(OpenError::Shape)?[0];
        if first >> 4 != VERSION || first & 0xf > FLAG_HOST {
            return Err(OpenError::Version(first >> 4));
        }
        let key = KeyId(take(rest, 1).ok_or(OpenError::Shape)?[0]);
        let account = AccountNumber(take_varint(rest).ok_or(OpenError::Shape)?);
        let day = take(rest, 2).ok_or(OpenError::Shape)?;
        Ok(Self {
            host_bound: first & FLAG_HOST != 0,
            key,
            account,
            day: u16::from_be_bytes([day[0], day[1]]),
        })
    }
}

/// A nonce: 96 random bits for one sealing, never used twice.
#[derive(Debug)]
pub struct Nonce([u8; NONCE_LEN]);

impl Nonce {
    /// Takes 12 bytes from a cryptographic source of randomness.
    #[must_use]
    pub const fn from_random(bytes: [u8; NONCE_LEN]) -> Self {
        Self(bytes)
    }
}

/// The key that seals and opens the tokens of one account and one sending day. Worth keeping: deriving it costs more
/// than opening a token.
#[derive(Debug)]
pub struct DayKey {
    key: LessSafeKey,
    id: KeyId,
    account: AccountNumber,
    day: u16,
}

impl DayKey {
    /// Derives the key of a day.
    #[must_use]
    pub fn derive(account: &AccountKey, day: u16) -> Self {
        let bytes = account.day(day);
        let unbound = UnboundKey::new(&AES_256_GCM, &bytes[..]).expect("the key has 32 bytes");
        Self { key: LessSafeKey::new(unbound), id: account.id, account: account.account, day }
    }
}

/// Seals a content under a day's key, bound to `host` where one is given.
///
/// # Errors
/// [`ContentError`] for a content out of its bounds.
pub fn seal(
    key: &DayKey,
    host: Option<&str>,
    content: &Content,
    nonce: Nonce,
) -> Result<String, ContentError> {
    content.check()?;
    assert_eq!(content.sent_at.day(), key.day, "the day's key is derived from the content's day");
    let prefix = Prefix { host_bound: host.is_some(), key: key.id, account: key.account, day: key.day };
    let head = prefix.encode();
    let mut sealed = content.encode();
    let bytes = nonce.0;
    key.key
        .seal_in_place_append_tag(
            aws_lc_rs::aead::Nonce::assume_unique_for_key(bytes),
            Aad::from(associated(&head, host)),
            &mut sealed,
        )
        .expect("a content is far below the 64 GiB that GCM takes");
    let mut token = head;
    token.extend_from_slice(&bytes);
    token.extend_from_slice(&sealed);
    Ok(URL_SAFE_NO_PAD.encode(token))
}

/// Opens a parsed token with its day's key. `host` is the host name that was asked, without port.
///
/// # Errors
/// [`OpenError::Seal`] when anything was changed or the host is another; [`OpenError::Content`] for a faulty minter.
pub fn open(key: &DayKey, host: &str, parsed: &Parsed) -> Result<Content, OpenError> {
    let prefix = parsed.prefix;
    if (key.id, key.account, key.day) != (prefix.key, prefix.account, prefix.day) {
        return Err(OpenError::Seal);
    }
    let bound = prefix.host_bound.then_some(host);
    let mut sealed = parsed.sealed.clone();
    let plain = key
        .key
        .open_in_place(
            aws_lc_rs::aead::Nonce::assume_unique_for_key(parsed.nonce),
            Aad::from(associated(&prefix.encode(), bound)),
            &mut sealed,
        )
        .map_err(|_| OpenError::Seal)?;
    Content::decode(prefix.day, plain).ok_or(OpenError::Content)
}

/// What is authenticated beside the content: the prefix, and the host in lower case where the token is bound to one.
fn associated(prefix: &[u8], host: Option<&str>) -> Vec<u8> {
    let mut out = prefix.to_vec();
    if let Some(host) = host {
        out.extend(host.bytes().map(|b| b.to_ascii_lowercase()));
    }
    out
}
