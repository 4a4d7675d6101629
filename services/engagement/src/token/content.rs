//! What is sealed in a token, and its bytes.
//!
//! Three bytes of bit fields (second of the day, kind, flags), the three ids, the domain, and for a click the link.
//! The bytes are as few as they can be because they stand in every URL of every mail.

use crate::hit::Kind;
use crate::time::Timestamp;

/// The most bytes that an id of the sender's may have.
pub const ID_BYTES: usize = 64;
/// The most bytes that a recipient domain may have (RFC 1035).
const DOMAIN_BYTES: usize = 253;
/// The most bytes that a destination may have.
const DESTINATION_BYTES: usize = 4096;
/// The length byte that says "16 bytes, a UUID in lower-case text".
const UUID_MARK: u8 = 255;

const FLAG_HTTPS: u32 = 1;
const FLAG_LABEL: u32 = 2;

/// What a token is about.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Content {
    /// Open, click, unsubscribe or trap.
    pub kind: Kind,
    /// The sender's id of the message: one mail to one recipient. 1 to 64 bytes.
    pub message_id: String,
    /// The sender's id of the recipient, never an address. At most 64 bytes.
    pub recipient_id: String,
    /// The sender's campaign. At most 64 bytes.
    pub campaign: String,
    /// The domain of the recipient's address. At most 253 bytes.
    pub recipient_domain: String,
    /// When the mail was sent, to the second; its day chooses the key.
    pub sent_at: Timestamp,
    /// Where a click leads; `Some` exactly for clicks.
    pub link: Option<Link>,
}

/// The link of a click token.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Link {
    /// The destination: http or https, at most 4096 bytes.
    pub destination: String,
    /// Which link of the mail, from 0.
    pub index: u16,
    /// How many links the mail has.
    pub count: u16,
    /// The sender's label; at most 64 bytes.
    pub label: Option<String>,
}

/// Which part of a content is out of its bounds.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ContentError {
    /// A field is longer than its bound, in bytes.
    #[error("{field} has {bytes} bytes, {most} at most")]
    TooLong {
        /// The field's name.
        field: &'static str,
        /// How many bytes it has.
        bytes: usize,
        /// How many it may have.
        most: usize,
    },
    /// A message id is needed.
    #[error("message_id is empty")]
    NoMessage,
    /// The recipient id is an address; tokens never carry one.
    #[error("recipient_id holds an @: give your own id of the recipient or a keyed hash, never an address")]
    Address,
    /// The recipient domain is not a domain.
    #[error("recipient_domain is not a domain name")]
    Domain,
    /// The destination is not an absolute http or https URL.
    #[error("the destination is not an absolute http or https URL")]
    Destination,
    /// A click without a link, or a link where there is none.
    #[error("a click has a link, and nothing else has one")]
    Link,
    /// An index past the count.
    #[error("link index {index} is not below the count of {count} links")]
    Index {
        /// The link's index.
        index: u16,
        /// The mail's links.
        count: u16,
    },
}

impl Content {
    /// Checks every bound.
    ///
    /// # Errors
    /// The first [`ContentError`].
    pub fn check(&self) -> Result<(), ContentError> {
        if self.message_id.is_empty() {
            return Err(ContentError::NoMessage);
        }
        bound("message_id", &self.message_id, ID_BYTES)?;
        bound("recipient_id", &self.recipient_id, ID_BYTES)?;
        bound("campaign", &self.campaign, ID_BYTES)?;
        bound("recipient_domain", &self.recipient_domain, DOMAIN_BYTES)?;
        if self.recipient_id.contains('@') {
            return Err(ContentError::Address);
        }
        if !self.recipient_domain.chars().all(|c| c.is_alphanumeric() || c == '-' || c == '.' || c == '_') {
            return Err(ContentError::Domain);
        }
        match (&self.link, self.kind) {
            (Some(link), Kind::Click) => link.check(),
            (None, Kind::Open | Kind::Unsubscribe | Kind::Trap) => Ok(()),
            _ => Err(ContentError::Link),
        }
    }

    pub(super) fn encode(&self) -> Vec<u8> {
        let mut out = Vec::with_capacity(128);
        let mut flags = 0;
        let mut destination = "";
        if let Some(link) = &self.link {
            let https = link.destination.strip_prefix("https://");
            flags |= if https.is_some() { FLAG_HTTPS } else { 0 };
            flags |= if link.label.is_some() { FLAG_LABEL } else { 0 };
            destination = https.or_else(|| link.destination.strip_prefix("http://")).unwrap_or_default();
        }
        let bits = self.sent_at.second_of_day() << 7 | kind_bits(self.kind) << 4 | flags;
        out.extend_from_slice(&bits.to_be_bytes()[1..]);
        put_id(&mut out, &self.message_id);
        put_id(&mut out, &self.recipient_id);
        put_id(&mut out, &self.campaign);
        if let Some(link) = &self.link {
            put_text(&mut out, &self.recipient_domain);
            put_varint(&mut out, link.index.into());
            put_varint(&mut out, link.count.into());
            if let Some(label) = &link.label {
                put_text(&mut out, label);
            }
            out.extend_from_slice(destination.as_bytes());
        } else {
            out.extend_from_slice(self.recipient_domain.as_bytes());
        }
        out
    }

    pub(super) fn decode(day: u16, bytes: &[u8]) -> Option<Self> {
        let mut rest = bytes;
        let head = take(&mut rest, 3)?;
        let bits = u32::from_be_bytes([0, head[0], head[1], head[2]]);
        let kind = kind_of(bits >> 4 & 7)?;
        let sent_at = Timestamp::from_day(day, bits >> 7).ok()?;
        let message_id = take_id(&mut rest)?;
        let recipient_id = take_id(&mut rest)?;
        let campaign = take_id(&mut rest)?;
        let mut link = None;
        let recipient_domain = if kind == Kind::Click {
            let domain = take_text(&mut rest)?;
            let index = u16::try_from(take_varint(&mut rest)?).ok()?;
            let count = u16::try_from(take_varint(&mut rest)?).ok()?;
            let label = if bits & FLAG_LABEL == 0 { None } else { Some(take_text(&mut rest)?) };
            let scheme = if bits & FLAG_HTTPS == 0 { "http://" } else { "https://" };
            let destination = format!("{scheme}{}", std::str::from_utf8(rest).ok()?);
            link = Some(Link { destination, index, count, label });
            domain
        } else {
            std::str::from_utf8(rest).ok()?.to_owned()
        };
        let content = Self { kind, message_id, recipient_id, campaign, recipient_domain, sent_at, link };
        content.check().ok()?;
        Some(content)
    }
}

impl Link {
    /// A link to a destination as a sender wrote it, brought into the one form that tokens carry: scheme in lower
    /// case, and where the text holds bytes that no URL may hold, those percent-encoded as browsers do.
    ///
    /// # Errors
    /// [`ContentError::Destination`] for anything but an absolute http or https URL.
    pub fn new(
        destination: &str,
        index: u16,
        count: u16,
        label: Option<String>,
    ) -> Result<Self, ContentError> {
        let text = destination.trim();
        let parsed = url::Url::parse(text).map_err(|_| ContentError::Destination)?;
        let scheme = parsed.scheme();
        let written = text.get(..scheme.len() + 3).unwrap_or_default();
        if !(scheme == "http" || scheme == "https")
            || !parsed.has_host()
            || !written.eq_ignore_ascii_case(&format!("{scheme}://"))
        {
            return Err(ContentError::Destination);
        }
        let destination = if text.bytes().all(|b| b.is_ascii_graphic()) {
            format!("{scheme}{}", &text[scheme.len()..])
        } else {
            parsed.to_string()
        };
        let link = Self { destination, index, count, label };
        link.check()?;
        Ok(link)
    }

    fn check(&self) -> Result<(), ContentError> {
        bound("destination", &self.destination, DESTINATION_BYTES)?;
        let rest =
            self.destination.strip_prefix("https://").or_else(|| self.destination.strip_prefix("http://"));
        if rest.is_none_or(|rest| rest.is_empty() || !rest.bytes().all(|b| b.is_ascii_graphic())) {
            return Err(ContentError::Destination);
        }
        if let Some(label) = &self.label {
            bound("label", label, ID_BYTES)?;
        }
        if self.index >= self.count {
            return Err(ContentError::Index { index: self.index, count: self.count });
        }
        Ok(())
    }
}

fn bound(field: &'static str, value: &str, most: usize) -> Result<(), ContentError> {
    if value.len() > most {
        return Err(ContentError::TooLong { field, bytes: value.len(), most });
    }
    Ok(())
}

fn kind_bits(kind: Kind) -> u32 {
    match kind {
        Kind::Open => 0,
        Kind::Click => 1,
        Kind::Unsubscribe => 2,
        Kind::Trap => 3,
    }
}

fn kind_of(bits: u32) -> Option<Kind> {
    [Kind::Open, Kind::Click, Kind::Unsubscribe, Kind::Trap].get(bits as usize).copied()
}

fn put_id(out: &mut Vec<u8>, id: &str) {
    if let Some(uuid) = canonical_uuid(id) {
        out.push(UUID_MARK);
        out.extend_from_slice(uuid.as_bytes());
    } else {
        put_text(out, id);
    }
}

/// The UUID of a text that is exactly its lower-case, hyphenated form, so that decoding gives the same text back.
fn canonical_uuid(id: &str) -> Option<uuid::Uuid> {
    if id.len() != 36 || id.bytes().any(|b| b.is_ascii_uppercase()) {
        return None;
    }
    uuid::Uuid::try_parse(id).ok()
}

fn put_text(out: &mut Vec<u8>, text: &str) {
    out.push(u8::try_from(text.len()).expect("checked: at most 253 bytes"));
    out.extend_from_slice(text.as_bytes());
}

pub(super) fn put_varint(out: &mut Vec<u8>, mut value: u32) {
    while value >= 0x80 {
        out.push(u8::try_from(value & 0x7f).expect("seven bits") | 0x80);
        value >>= 7;
    }
    out.push(u8::try_from(value).expect("below 0x80"));
}

/// Reads a LEB128 number of 32 bits in its shortest form, so that one value has one writing.
pub(super) fn take_varint(rest: &mut &[u8]) -> Option<u32> {
    let mut value = 0_u64;
    for shift in (0..35).step_by(7) {
        let byte = take(rest, 1)?[0];
        value |= u64::from(byte & 0x7f) << shift;
        if byte & 0x80 == 0 {
            let shortest = byte != 0 || shift == 0;
            return if shortest { u32::try_from(value).ok() } else { None };
        }
    }
    None
}

pub(super) fn take<'a>(rest: &mut &'a [u8], count: usize) -> Option<&'a [u8]> {
    let (head, tail) = rest.split_at_checked(count)?;
    *rest = tail;
    Some(head)
}

fn take_text(rest: &mut &[u8]) -> Option<String> {
    let length = take(rest, 1)?[0];
    Some(std::str::from_utf8(take(rest, length.into())?).ok()?.to_owned())
}

fn take_id(rest: &mut &[u8]) -> Option<String> {
    if rest.first() == Some(&UUID_MARK) {
        let bytes = take(rest, 17)?;
        return uuid::Uuid::from_slice(&bytes[1..]).ok().map(|uuid| uuid.to_string());
    }
    take_text(rest)
}
