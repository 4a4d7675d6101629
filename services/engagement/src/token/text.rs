//! From the text in a URL to a token's parts, and what trails it.

use super::error::OpenError;
use super::seal::Prefix;
use base64::Engine as _;
use base64::engine::general_purpose::URL_SAFE_NO_PAD;

/// The longest text that is looked at; a click on the longest destination has 6,200.
const MOST_CHARS: usize = 8192;
/// The fewest bytes that nonce, content and tag can have.
const NONCE_BYTES: usize = 12;
const LEAST_SEALED: usize = 16 + 7;

/// A token's parts, not yet opened.
#[derive(Debug, Clone)]
pub struct Parsed {
    /// The clear start.
    pub prefix: Prefix,
    pub(super) nonce: [u8; NONCE_BYTES],
    pub(super) sealed: Vec<u8>,
}

/// Splits the last segment of a URL's path into the token and what trails it.
///
/// What is not base64url ends the token: scanners append `%27`, mailers a bracket. An ending `.gif` belongs to the URL
/// and is no trail. The trail is returned so that it can be kept as evidence.
///
/// # Errors
/// [`OpenError::Shape`] or [`OpenError::Version`]; whether the seal holds is for `open` to say.
pub fn parse(segment: &str) -> (Result<Parsed, OpenError>, &str) {
    let end = segment
        .bytes()
        .position(|b| !(b.is_ascii_alphanumeric() || b == b'-' || b == b'_'))
        .unwrap_or(segment.len());
    let (text, trail) = segment.split_at(end);
    let trail = trail.strip_prefix(".gif").unwrap_or(trail);
    (parts(text), trail)
}

fn parts(text: &str) -> Result<Parsed, OpenError> {
    if text.len() > MOST_CHARS {
        return Err(OpenError::Shape);
    }
    let bytes = URL_SAFE_NO_PAD.decode(text).map_err(|_| OpenError::Shape)?;
    let mut rest = bytes.as_slice();
    let prefix = Prefix::decode(&mut rest)?;
    let (nonce, sealed) = rest.split_first_chunk::<NONCE_BYTES>().ok_or(OpenError::Shape)?;
    if sealed.len() < LEAST_SEALED {
        return Err(OpenError::Shape);
    }
    Ok(Parsed { prefix, nonce: *nonce, sealed: sealed.to_vec() })
}
