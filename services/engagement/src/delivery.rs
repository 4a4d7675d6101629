//! Delivery events: what became of a message on its way, as senders report it and the topic `delivery` carries it.

use crate::bounce::{self, BounceClass, Refusal, Said};
use crate::{AccountId, AccountNumber, Timestamp, WIRE_VERSION, redact, token};
use aws_lc_rs::digest;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// What happened to a message.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum DeliveryType {
    /// Handed to the sending server.
    Sent,
    /// Accepted by the receiving server.
    Delivered,
    /// Refused for now.
    Deferred,
    /// Refused for good.
    Bounced,
    /// The recipient called it spam.
    Complained,
    /// The recipient unsubscribed elsewhere than at our page.
    Unsubscribed,
    /// Never tried, for example because the recipient is on a suppression list.
    Dropped,
}

impl DeliveryType {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Sent => "sent",
            Self::Delivered => "delivered",
            Self::Deferred => "deferred",
            Self::Bounced => "bounced",
            Self::Complained => "complained",
            Self::Unsubscribed => "unsubscribed",
            Self::Dropped => "dropped",
        }
    }
}

/// A delivery event as a sender writes it, one JSON object a line.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
#[serde(deny_unknown_fields)]
pub struct Submitted {
    /// What happened.
    #[serde(rename = "type")]
    pub kind: DeliveryType,
    /// The sender's id of the message, as in its tokens.
    pub message_id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The domain of the recipient's address.
    #[serde(default)]
    pub recipient_domain: String,
    /// Whether the message carries our pixel and links.
    #[serde(default = "yes")]
    pub tracked: bool,
    /// The receiving server's host name.
    #[serde(default)]
    pub mx_host: Option<String>,
    /// The SMTP reply code.
    #[serde(default)]
    pub smtp_code: Option<u16>,
    /// The enhanced status code (RFC 3463).
    #[serde(default)]
    pub enhanced_code: Option<String>,
    /// The server's text; mail addresses in it are redacted before anything is kept.
    #[serde(default)]
    pub diagnostic: Option<String>,
    /// The campaign.
    #[serde(default)]
    pub campaign: Option<String>,
    /// The sender's id of the recipient, never an address.
    #[serde(default)]
    pub recipient_id: Option<String>,
    /// The sender's id of this event; without one, a hash makes repeats harmless.
    #[serde(default)]
    pub event_id: Option<String>,
    /// The line or document that this was made of, kept as evidence; mail addresses in it are redacted before.
    #[serde(default)]
    pub original: Option<String>,
    /// What a mail provider makes of a refusal, see [`bounce::told`]. No sender writes it.
    #[serde(skip)]
    pub verdict: Option<Refusal>,
}

fn yes() -> bool {
    true
}

/// A delivery event on the wire.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeliveryEvent {
    /// The wire version.
    pub v: u32,
    /// The account's number.
    pub account_number: AccountNumber,
    /// The account's name.
    pub account: AccountId,
    /// The id that makes repeats harmless; unique within the account.
    pub event_id: String,
    /// When we took it.
    pub received_at: Timestamp,
    /// What happened.
    #[serde(rename = "type")]
    pub kind: DeliveryType,
    /// The sender's id of the message.
    pub message_id: String,
    /// When it happened.
    pub at: Timestamp,
    /// The domain of the recipient's address, in lower case; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recipient_domain: String,
    /// Whether the message carries our pixel and links.
    #[serde(default = "yes")]
    pub tracked: bool,
    /// The receiving server's host name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub mx_host: Option<String>,
    /// The SMTP reply code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub smtp_code: Option<u16>,
    /// The enhanced status code.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub enhanced_code: Option<String>,
    /// The server's text, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub diagnostic: Option<String>,
    /// Of a bounce: hard, soft, block or undetermined, as judged when it was taken.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounce_class: Option<String>,
    /// Of a bounce or a deferral: why, an id of `schema/bounce-reasons.json`.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub bounce_reason: Option<String>,
    /// What this was made of, redacted.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub original: Option<String>,
    /// The campaign; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub campaign: String,
    /// The sender's id of the recipient; may be empty.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub recipient_id: String,
}

/// Why a submitted event is refused. The text names the field, never its value.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SubmitError {
    /// An id is missing.
    #[error("message_id is empty")]
    NoMessage,
    /// A field is longer than its bound.
    #[error("{field} has {bytes} bytes, {most} at most")]
    TooLong {
        /// The field.
        field: &'static str,
        /// Its bytes.
        bytes: usize,
        /// Its bound.
        most: usize,
    },
    /// An address where an id belongs.
    #[error("recipient_id holds an @: give your own id of the recipient or a keyed hash, never an address")]
    Address,
    /// An address where a domain belongs.
    #[error("recipient_domain is not a domain name")]
    Domain,
    /// Not a three-digit reply code.
    #[error("smtp_code is not between 200 and 599")]
    SmtpCode,
    /// More than a day ahead of now.
    #[error("at lies more than a day in the future")]
    Future,
}

/// The most bytes that a server's text, or an original, is kept with; the rest is cut.
const DIAGNOSTIC_BYTES: usize = 2048;
const DAY_MILLIS: i64 = 86_400_000;

impl Submitted {
    /// Checks an event and brings it into its wire form; `now` is when it was received.
    ///
    /// # Errors
    /// [`SubmitError`] names the field that is wrong.
    pub fn accept(
        self,
        account_number: AccountNumber,
        account: AccountId,
        now: Timestamp,
    ) -> Result<DeliveryEvent, SubmitError> {
        self.check(now)?;
        let event_id = self.event_id.clone().unwrap_or_else(|| self.hashed_id(account_number));
        let diagnostic = self.diagnostic.map(|text| cut(redact::addresses(&text)));
        let said = Said {
            enhanced_code: self.enhanced_code.as_deref(),
            smtp_code: self.smtp_code,
            diagnostic: diagnostic.as_deref(),
            verdict: self.verdict,
        };
        let (bounce_class, bounce_reason) = judged(self.kind, &said);
        Ok(DeliveryEvent {
            v: WIRE_VERSION,
            account_number,
            account,
            event_id,
            received_at: now,
            kind: self.kind,
            message_id: self.message_id,
            at: self.at,
            recipient_domain: self.recipient_domain.trim_end_matches('.').to_lowercase(),
            tracked: self.tracked,
            mx_host: self.mx_host.map(|host| host.trim_end_matches('.').to_lowercase()),
            smtp_code: self.smtp_code,
            enhanced_code: self.enhanced_code,
            diagnostic,
            bounce_class: bounce_class.map(|class| class.as_str().to_owned()),
            bounce_reason: bounce_reason.map(str::to_owned),
            original: self.original.map(|text| cut(redact::addresses(&text))),
            campaign: self.campaign.unwrap_or_default(),
            recipient_id: self.recipient_id.unwrap_or_default(),
        })
    }

    fn check(&self, now: Timestamp) -> Result<(), SubmitError> {
        if self.message_id.is_empty() {
            return Err(SubmitError::NoMessage);
        }
        for (field, value, most) in [
            ("message_id", Some(&self.message_id), token::ID_BYTES),
            ("recipient_domain", Some(&self.recipient_domain), 253),
            ("mx_host", self.mx_host.as_ref(), 253),
            ("enhanced_code", self.enhanced_code.as_ref(), 16),
            ("campaign", self.campaign.as_ref(), token::ID_BYTES),
            ("recipient_id", self.recipient_id.as_ref(), token::ID_BYTES),
            ("event_id", self.event_id.as_ref(), 128),
        ] {
            let bytes = value.map_or(0, String::len);
            if bytes > most {
                return Err(SubmitError::TooLong { field, bytes, most });
            }
        }
        if self.recipient_id.as_ref().is_some_and(|id| id.contains('@')) {
            return Err(SubmitError::Address);
        }
        if !self.recipient_domain.chars().all(|c| c.is_alphanumeric() || "-._".contains(c)) {
            return Err(SubmitError::Domain);
        }
        if self.smtp_code.is_some_and(|code| !(200..600).contains(&code)) {
            return Err(SubmitError::SmtpCode);
        }
        if self.at.since(now) > DAY_MILLIS {
            return Err(SubmitError::Future);
        }
        Ok(())
    }

    /// A hash of account, type, message, time and code: the same event sent twice is one event.
    fn hashed_id(&self, account: AccountNumber) -> String {
        let text = format!(
            "{}\0{}\0{}\0{}\0{}\0{}",
            account.0,
            self.kind.as_str(),
            self.message_id,
            self.at.millis(),
            self.smtp_code.map(|code| code.to_string()).unwrap_or_default(),
            self.enhanced_code.as_deref().unwrap_or_default(),
        );
        let hash = digest::digest(&digest::SHA256, text.as_bytes());
        let hex: String = hash.as_ref()[..16].iter().map(|b| format!("{b:02x}")).collect();
        format!("h-{hex}")
    }
}

/// Class and reason of a delivery event: only a bounce is a refusal for good and has a class; a deferral has a reason.
#[must_use]
pub fn judged(kind: DeliveryType, said: &Said<'_>) -> (Option<BounceClass>, Option<&'static str>) {
    if !matches!(kind, DeliveryType::Bounced | DeliveryType::Deferred) {
        return (None, None);
    }
    let refusal = bounce::classify(said);
    ((kind == DeliveryType::Bounced).then_some(refusal.class), Some(refusal.reason))
}

fn cut(mut text: String) -> String {
    if text.len() > DIAGNOSTIC_BYTES {
        let end = (0..=DIAGNOSTIC_BYTES).rev().find(|i| text.is_char_boundary(*i)).unwrap_or(0);
        text.truncate(end);
    }
    text
}

#[cfg(test)]
mod tests {
    use super::*;

    fn accept(json: &str) -> Result<DeliveryEvent, String> {
        let now = Timestamp::parse("2026-11-21T12:00:00Z").unwrap();
        let submitted: Submitted = serde_json::from_str(json).map_err(|e| e.to_string())?;
        submitted.accept(AccountNumber(1), AccountId::new("demo").unwrap(), now).map_err(|e| e.to_string())
    }

    #[test]
    fn repeats_have_one_id_and_other_events_another() {
        let line = r#"{"type":"bounced","message_id":"m","at":"2026-11-21T10:00:00Z","smtp_code":550}"#;
        let id = accept(line).unwrap().event_id;
        assert_eq!(accept(line).unwrap().event_id, id);
        assert_ne!(accept(&line.replace("550", "551")).unwrap().event_id, id);
        assert_ne!(accept(&line.replace("\"m\"", "\"n\"")).unwrap().event_id, id);
        let own = line.replace("\"smtp_code\"", "\"event_id\":\"mine\",\"smtp_code\"");
        assert_eq!(accept(&own).unwrap().event_id, "mine");
    }

    #[test]
    fn addresses_never_come_through() {
        let line = r#"{"type":"bounced","message_id":"m","at":"2026-11-21T10:00:00Z","diagnostic":"550 <jane@example.org> unknown"}"#;
        assert_eq!(accept(line).unwrap().diagnostic.unwrap(), "550 <[address]> unknown");
        let line = r#"{"type":"sent","message_id":"m","at":"2026-11-21T10:00:00Z","recipient_id":"jane@example.org"}"#;
        assert!(accept(line).unwrap_err().contains("recipient_id"));
        let line = r#"{"type":"sent","message_id":"m","at":"2026-11-21T10:00:00Z","recipient_domain":"jane@example.org"}"#;
        assert!(accept(line).unwrap_err().contains("recipient_domain"));
    }

    #[test]
    fn bad_fields_are_named() {
        for (line, named) in [
            (r#"{"type":"opened","message_id":"m","at":"2026-11-21T10:00:00Z"}"#, "opened"),
            (r#"{"type":"sent","at":"2026-11-21T10:00:00Z"}"#, "message_id"),
            (r#"{"type":"sent","message_id":"","at":"2026-11-21T10:00:00Z"}"#, "message_id"),
            (r#"{"type":"sent","message_id":"m","at":"0026-11-21T10:00:00Z"}"#, "2000"),
            (r#"{"type":"sent","message_id":"m","at":"2026-11-23T10:00:00Z"}"#, "future"),
            (r#"{"type":"sent","message_id":"m","at":"2026-11-21T10:00:00Z","smtp_code":99}"#, "smtp_code"),
            (r#"{"type":"sent","message_id":"m","at":"2026-11-21T10:00:00Z","colour":1}"#, "colour"),
        ] {
            let error = accept(line).unwrap_err();
            assert!(error.contains(named), "{error} does not name {named}");
        }
    }
}
