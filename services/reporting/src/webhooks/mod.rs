//! What mail providers report of themselves, as delivery events.
//!
//! Each provider is a file: how its requests prove where they come from, and what its documents say. All of it is pure, time
//! and certificates come in as arguments. Invariants: nothing is read before the proof holds; what is kept of a document
//! went through [`engagement::redact::document`]; the same document gives the same event ids, so repeats are harmless.
//!
//! Opens and clicks that the provider saw become hits where the account wants them ([`engaged`]).
//!
//! The message id is what the sender put into the mail under [`MESSAGE_ID`]: a message tag (SES), unique argument (SendGrid),
//! variable (Mailgun), metadata (Postmark, SparkPost). Without it the provider's own id of the message stands in.

mod chain;
pub(crate) mod engaged;
pub(crate) mod fetch;
mod mailgun;
pub(crate) mod oauth;
mod postmark;
pub(crate) mod secret;
mod seen;
mod sendgrid;
mod ses;
pub(crate) mod sns;
mod sparkpost;
#[cfg(test)]
mod tests;

use aws_lc_rs::{digest, hmac};
use engaged::Engaged;
use engagement::Timestamp;
use engagement::delivery::{DeliveryType, Submitted};
use engagement::{Kind, bounce, redact, token};
use serde_json::Value;

/// Where a sender says its own id of a message.
pub(crate) const MESSAGE_ID: &str = "trueopen_message_id";
/// Where it says the campaign.
const CAMPAIGN: &str = "trueopen_campaign";
/// Where it says its id of the recipient.
const RECIPIENT_ID: &str = "trueopen_recipient_id";
/// How long a signed request stays good: longer than providers try again. Mailgun's, whose signature covers no body, has
/// less.
const WINDOW_MILLIS: i64 = 24 * 3_600_000;

/// A mail provider whose webhooks are understood.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Provider {
    Ses,
    SendGrid,
    Mailgun,
    Postmark,
    SparkPost,
}

impl Provider {
    pub(crate) const ALL: [Self; 5] =
        [Self::Ses, Self::SendGrid, Self::Mailgun, Self::Postmark, Self::SparkPost];

    /// The name in URLs, tables and labels.
    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Ses => "ses",
            Self::SendGrid => "sendgrid",
            Self::Mailgun => "mailgun",
            Self::Postmark => "postmark",
            Self::SparkPost => "sparkpost",
        }
    }

    /// The provider of a name.
    pub(crate) fn parse(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|provider| provider.as_str() == name)
    }

    /// What is wrong with a secret that the account gives, if anything: the shape alone can be checked.
    pub(crate) fn check_secret(self, secret: &str) -> Result<(), &'static str> {
        let fits = match self {
            Self::Ses => secret.starts_with("arn:aws") && secret.contains(":sns:"),
            Self::SendGrid => sendgrid::key(secret).is_some(),
            Self::Mailgun => !secret.is_empty() && secret.is_ascii(),
            Self::Postmark | Self::SparkPost => secret
                .split_once(':')
                .is_some_and(|(user, password)| !user.is_empty() && password.len() >= 16),
        };
        if fits && secret.len() <= 1024 {
            return Ok(());
        }
        Err(match self {
            Self::Ses => "is the ARN of the SNS topic, such as arn:aws:sns:us-east-1:123456789012:mail",
            Self::SendGrid => {
                "is the verification key that SendGrid shows for its signed event webhook, in base64"
            }
            Self::Mailgun => "is Mailgun's HTTP webhook signing key",
            Self::Postmark | Self::SparkPost => {
                "is user:password as in the webhook's URL or basic authentication, the password of 16 characters or more"
            }
        })
    }
}

/// Why a request is refused. The label goes into a metric; the client learns only that it is refused.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Refused {
    /// The proof is missing or wrong.
    #[error("signature")]
    Signature,
    /// Signed long ago, or far ahead.
    #[error("time")]
    Time,
    /// A token that signed something else before.
    #[error("replay")]
    Replay,
    /// The certificate's URL is none of Amazon's.
    #[error("certificate_url")]
    CertificateUrl,
    /// The certificate can't be had now.
    #[error("certificate_unavailable")]
    CertificateUnavailable,
    /// The certificate is not SNS's, leads to none of Amazon's roots, or is out of its time.
    #[error("certificate")]
    Certificate,
    /// Another topic than the account's.
    #[error("topic")]
    Topic,
    /// Not the provider's JSON.
    #[error("malformed")]
    Malformed,
}

impl Refused {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Signature => "signature",
            Self::Time => "time",
            Self::Replay => "replay",
            Self::CertificateUrl => "certificate_url",
            Self::CertificateUnavailable => "certificate_unavailable",
            Self::Certificate => "certificate",
            Self::Topic => "topic",
            Self::Malformed => "malformed",
        }
    }
}

/// What one item of a document came to.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) enum Item {
    /// A delivery event.
    Event(Box<Submitted>),
    /// An open or a click that reached the provider's tracker.
    Hit(Box<Engaged>),
    /// Something that is counted and left.
    Ignored(Left),
    /// An item that can't be read; the text names what is missing, never a value.
    Bad(&'static str),
}

/// Why an item is left.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Left {
    /// Neither a delivery event nor an open or a click, such as a change of the provider's settings.
    Other,
    /// An open or a click without the client's address or agent: nobody could say who made it.
    NoEvidence,
    /// An open or a click of a mail to several recipients: nobody could say whose.
    Recipients,
    /// The second pixel of a mail of which the first is counted.
    SecondPixel,
    /// An answer of a person's machine, such as an out-of-office reply: the mail arrived.
    AutoReply,
    /// The account does not want this provider's opens and clicks.
    Off,
}

impl Left {
    pub(crate) fn label(self) -> &'static str {
        match self {
            Self::Other => "no_delivery_event",
            Self::NoEvidence => "no_address_or_agent",
            Self::Recipients => "several_recipients",
            Self::SecondPixel => "second_pixel",
            Self::AutoReply => "auto_reply",
            Self::Off => "opens_and_clicks_off",
        }
    }
}

/// What an item tells of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Told {
    Delivery(DeliveryType),
    Engagement(Kind),
}

/// The headers of a request that prove things, in lower case.
pub(crate) struct Request<'a> {
    pub(crate) header: &'a dyn Fn(&str) -> Option<String>,
    pub(crate) body: &'a [u8],
}

/// What reading a document takes besides the document.
pub(crate) struct Reader {
    /// Hashes addresses where one document tells of several recipients under one id.
    pub(crate) key: hmac::Key,
}

impl Reader {
    /// A number below 2^16 that stands for texts.
    fn number(&self, texts: &[&str]) -> u16 {
        let tag = hmac::sign(&self.key, texts.join("\0").as_bytes());
        u16::from_be_bytes([tag.as_ref()[0], tag.as_ref()[1]])
    }

    fn hashed(&self, text: &str) -> String {
        hex(&hmac::sign(&self.key, text.to_ascii_lowercase().as_bytes()).as_ref()[..8])
    }
}

/// What a request of a provider but SES holds, after its proof. SES needs a certificate, see [`sns`].
pub(crate) fn read(
    provider: Provider,
    request: &Request<'_>,
    secret: &str,
    now: Timestamp,
    reader: &Reader,
    replay: &Seen,
) -> Result<Vec<Item>, Refused> {
    match provider {
        Provider::Ses => Err(Refused::Malformed),
        Provider::SendGrid => {
            sendgrid::verify(request, secret, now)?;
            sendgrid::read(&json(request.body)?, reader)
        }
        Provider::Mailgun => {
            let document = json(request.body)?;
            mailgun::verify(&document, request.body, secret, now, replay)?;
            Ok(vec![mailgun::read(&document, reader)])
        }
        Provider::Postmark => {
            authorized(request, secret, None)?;
            postmark::read(&json(request.body)?, reader)
        }
        Provider::SparkPost => {
            authorized(request, secret, Some(now))?;
            sparkpost::read(&json(request.body)?, reader)
        }
    }
}

pub(crate) use seen::Seen;
pub(crate) use ses::read as read_ses;

/// Basic authentication, or with `tokens` one of our own tokens.
fn authorized(request: &Request<'_>, secret: &str, tokens: Option<Timestamp>) -> Result<(), Refused> {
    use base64::Engine as _;
    let header = (request.header)("authorization").ok_or(Refused::Signature)?;
    let (scheme, given) = header.split_once(' ').ok_or(Refused::Signature)?;
    if let Some(now) = tokens.filter(|_| scheme.eq_ignore_ascii_case("bearer")) {
        return oauth::check(given.trim(), secret, now);
    }
    let given =
        base64::engine::general_purpose::STANDARD.decode(given.trim()).map_err(|_| Refused::Signature)?;
    let good = scheme.eq_ignore_ascii_case("basic") && oauth::same(&given, secret.as_bytes());
    if good { Ok(()) } else { Err(Refused::Signature) }
}

fn json(body: &[u8]) -> Result<Value, Refused> {
    serde_json::from_slice(body).map_err(|_| Refused::Malformed)
}

/// Within the window around now.
fn in_time(at: i64, now: Timestamp) -> Result<(), Refused> {
    if (now.millis() - at).abs() <= WINDOW_MILLIS { Ok(()) } else { Err(Refused::Time) }
}

/// The text at a JSON pointer, empty where there is none.
fn text<'a>(value: &'a Value, pointer: &str) -> &'a str {
    value.pointer(pointer).and_then(Value::as_str).unwrap_or_default()
}

/// A time as the provider writes it: RFC 3339, seconds since 1970 as a number or a text.
fn time(value: Option<&Value>) -> Option<Timestamp> {
    match value? {
        Value::String(text) if text.contains('T') => Timestamp::parse(text).ok(),
        Value::String(text) => seconds(text.parse().ok()?),
        Value::Number(number) => seconds(number.as_f64()?),
        _ => None,
    }
}

fn seconds(seconds: f64) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "out of range becomes an edge, which is refused")]
    Timestamp::from_millis((seconds * 1000.0).round() as i64).ok()
}

/// An event with nothing said yet. An open or a click begins as one too: whose it is, is told alike.
fn event(told: Told, message_id: String, at: Timestamp, original: &Value) -> Submitted {
    let (kind, kept) = match told {
        Told::Delivery(kind) => (kind, Some(redact::document(original).to_string())),
        Told::Engagement(_) => (DeliveryType::Delivered, None),
    };
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
        event_id: None,
        original: kept,
        verdict: None,
    }
}

/// The domain of an address; empty where it is none.
fn domain(address: &str) -> String {
    let address = address.trim().trim_end_matches('>');
    address.rsplit_once('@').map(|(_, domain)| domain.to_lowercase()).unwrap_or_default()
}

/// What the sender put into the mail, or nothing. `values` looks a name up.
fn said<'a>(values: impl Fn(&str) -> Option<&'a str>, event: &mut Submitted) {
    let own = |name| values(name).filter(|text| !text.is_empty() && text.len() <= token::ID_BYTES);
    if let Some(id) = own(MESSAGE_ID) {
        event.message_id = id.to_owned();
    }
    event.campaign = own(CAMPAIGN).map(str::to_owned);
    event.recipient_id = own(RECIPIENT_ID).filter(|id| !id.contains('@')).map(str::to_owned);
}

/// Codes as they come, where they are codes at all.
fn codes(event: &mut Submitted, smtp: Option<u64>, enhanced: &str, diagnostic: &str) {
    event.smtp_code = smtp.and_then(|code| u16::try_from(code).ok()).filter(|code| (200..600).contains(code));
    let plain = |code: &&str| code.len() <= 16 && code.split('.').count() == 3;
    event.enhanced_code = Some(enhanced).filter(plain).map(str::to_owned);
    event.diagnostic = Some(diagnostic).filter(|text| !text.is_empty()).map(str::to_owned);
}

/// What the provider itself makes of a refusal, the finest word first.
fn verdict(event: &mut Submitted, provider: Provider, words: &[&str]) {
    event.verdict = bounce::told(provider.as_str(), words);
}

/// An id that fits: itself, or a hash where it is too long.
fn fitting(id: &str, most: usize) -> String {
    let id = id.trim().trim_start_matches('<').trim_end_matches('>');
    if id.len() <= most { id.to_owned() } else { hashed(&[id]) }
}

/// The event's id by the provider, or a hash of what makes it this event.
fn event_id(provider: &str, own: &str, parts: &[&str]) -> Option<String> {
    let id = if own.is_empty() { hashed(parts) } else { fitting(own, 100) };
    Some(format!("{provider}-{id}"))
}

fn hashed(parts: &[&str]) -> String {
    hex(&digest::digest(&digest::SHA256, parts.join("\0").as_bytes()).as_ref()[..16])
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? * 16 + digit(*pair.get(1)?)?)).collect()
}
