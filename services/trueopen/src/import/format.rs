//! What every format shares: how a message's id is taken, and how an event gets its own.

use crate::Failure;
use crate::cli::ImportArgs;
use aws_lc_rs::digest;
use engagement::delivery::{DeliveryType, Submitted};
use engagement::{Timestamp, redact, token};
use jiff::tz::TimeZone;
use serde::{Deserialize, Serialize};
use std::collections::VecDeque;

/// The header that names a message before its Message-ID does, where a server logs headers.
pub(super) const HEADER: &str = "x-trueopen-message-id";
/// How many events back another may look the same and be another.
const RECENT: usize = 256;

/// How files are read.
pub(super) struct Reading {
    pub(super) zone: TimeZone,
    local_part: bool,
}

/// The events that were made last, by their content: the second of two that look the same gets another id, the same one when
/// it is read again.
#[derive(Debug, Default, Clone, Serialize, Deserialize)]
pub(super) struct Recent(VecDeque<String>);

impl Reading {
    pub(super) fn new(args: &ImportArgs) -> Result<Self, Failure> {
        let zone =
            TimeZone::get(&args.tz).map_err(|_| format!("--tz {}: there is no such time zone", args.tz))?;
        Ok(Self { zone, local_part: args.local_part })
    }

    #[cfg(test)]
    pub(super) fn plain() -> Self {
        Self { zone: TimeZone::UTC, local_part: false }
    }

    /// The message's id out of a Message-ID: without its brackets, or the part before the last @ alone.
    pub(super) fn message_id(&self, message_id: &str) -> Result<String, String> {
        let id = message_id.trim().trim_start_matches('<').trim_end_matches('>');
        let id = if self.local_part { id.rsplit_once('@').map_or(id, |(local, _)| local) } else { id };
        match id.len() {
            0 => Err("the message id is empty".to_owned()),
            bytes if bytes > token::ID_BYTES => Err(format!(
                "the message id has {bytes} bytes, {} at most; --local-part may help",
                token::ID_BYTES
            )),
            _ => Ok(id.to_owned()),
        }
    }
}

/// An event made of an original, which is kept without addresses.
pub(super) fn event(
    kind: DeliveryType,
    message_id: String,
    at: Timestamp,
    original: &str,
    recent: &mut Recent,
) -> Submitted {
    let original = redact::addresses(original);
    let event_id = recent.id(&[kind.as_str(), &message_id, &at.to_string(), &original]);
    Submitted {
        kind,
        message_id,
        at,
        recipient_domain: String::new(),
        tracked: true,
        mx_host: None,
        smtp_code: None,
        enhanced_code: None,
        diagnostic: None,
        campaign: None,
        recipient_id: None,
        event_id: Some(event_id),
        original: Some(original),
        verdict: None,
    }
}

impl Recent {
    /// The id of an event: a hash of its content, without addresses, and of how many of the last ones looked the same.
    fn id(&mut self, parts: &[&str]) -> String {
        let hash = digest::digest(&digest::SHA256, parts.join("\0").as_bytes());
        let hash: String = hash.as_ref()[..16].iter().map(|byte| format!("{byte:02x}")).collect();
        let same = self.0.iter().filter(|known| **known == hash).count();
        self.0.push_back(hash.clone());
        if self.0.len() > RECENT {
            self.0.pop_front();
        }
        if same == 0 { format!("i-{hash}") } else { format!("i-{hash}-{same}") }
    }
}

/// The domain of an address; empty where it is none.
pub(super) fn domain(address: &str) -> String {
    let address = address.trim().trim_end_matches('>');
    address.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()).unwrap_or_default()
}

/// A code that is one: three numbers.
pub(super) fn enhanced(text: &str) -> Option<String> {
    let code = text.trim().split([' ', '(']).next().unwrap_or_default();
    let numbers = code.split('.').filter(|part| part.len() <= 3 && part.parse::<u16>().is_ok()).count();
    (numbers == 3 && code.split('.').count() == 3).then(|| code.to_owned())
}

/// The reply code at the start of a text, after `smtp;` where that stands first.
pub(super) fn smtp_code(text: &str) -> Option<u16> {
    let text = text.trim_start();
    let text = text
        .split_once(';')
        .filter(|(kind, _)| kind.eq_ignore_ascii_case("smtp"))
        .map_or(text, |(_, rest)| rest);
    let code = text.trim_start().get(..3)?.parse().ok()?;
    (200..600).contains(&code).then_some(code)
}
