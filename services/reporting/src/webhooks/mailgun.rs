//! Mailgun's webhooks, signed with HMAC-SHA-256 over a time and a token
//! (<https://documentation.mailgun.com/docs/mailgun/user-manual/events/webhooks>). The signature does not cover the body, so a
//! token that signed another body before is refused.

use super::engaged::{self, Shown};
use super::{
    Item, Left, Provider, Reader, Refused, Told, codes, domain, event, event_id, fitting, in_time, said,
    text, time,
};
use aws_lc_rs::{digest, hmac};
use engagement::delivery::DeliveryType;
use engagement::{Kind, Timestamp, token};
use serde_json::Value;
use std::collections::{HashMap, VecDeque};
use std::sync::{Mutex, PoisonError};

/// How many tokens are remembered; beyond it the oldest are forgotten, and the window in time alone guards them.
const TOKENS: usize = 100_000;

/// Tokens that were seen, each with the hash of the body it came with.
#[derive(Default)]
pub(crate) struct Seen(Mutex<Tokens>);

#[derive(Default)]
struct Tokens {
    body_of: HashMap<[u8; 32], [u8; 32]>,
    order: VecDeque<[u8; 32]>,
}

impl Seen {
    /// Whether a token is new, or came with this very body before.
    fn allows(&self, key: [u8; 32], body: [u8; 32]) -> bool {
        let mut seen = self.0.lock().unwrap_or_else(PoisonError::into_inner);
        if let Some(before) = seen.body_of.get(&key) {
            return *before == body;
        }
        seen.body_of.insert(key, body);
        seen.order.push_back(key);
        if seen.order.len() > TOKENS
            && let Some(oldest) = seen.order.pop_front()
        {
            seen.body_of.remove(&oldest);
        }
        true
    }
}

/// The signature, its time, and that its token signed nothing else.
pub(super) fn verify(
    document: &Value,
    body: &[u8],
    secret: &str,
    now: Timestamp,
    seen: &Seen,
) -> Result<(), Refused> {
    let (stamp, nonce) = (text(document, "/signature/timestamp"), text(document, "/signature/token"));
    let tag = unhex(text(document, "/signature/signature")).ok_or(Refused::Signature)?;
    if nonce.is_empty() {
        return Err(Refused::Signature);
    }
    let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
    hmac::verify(&key, format!("{stamp}{nonce}").as_bytes(), &tag).map_err(|_| Refused::Signature)?;
    in_time(stamp.parse::<i64>().map_err(|_| Refused::Signature)?.saturating_mul(1000), now)?;
    let hash = |bytes: &[u8]| -> [u8; 32] {
        let digest = digest::digest(&digest::SHA256, bytes);
        digest.as_ref().try_into().expect("SHA-256 has 32 bytes")
    };
    let token = hash(format!("{secret}\0{nonce}").as_bytes());
    if seen.allows(token, hash(body)) { Ok(()) } else { Err(Refused::Replay) }
}

/// The one event of a document.
pub(super) fn read(document: &Value, reader: &Reader) -> Item {
    let Some(told) = document.get("event-data") else { return Item::Bad("event-data") };
    let suppressed = text(told, "/reason").starts_with("suppress");
    let kind = match (text(told, "/event"), text(told, "/severity")) {
        ("accepted", _) => Told::Delivery(DeliveryType::Sent),
        ("delivered", _) => Told::Delivery(DeliveryType::Delivered),
        ("failed", _) if suppressed => Told::Delivery(DeliveryType::Dropped),
        ("failed", "temporary") => Told::Delivery(DeliveryType::Deferred),
        ("failed", _) => Told::Delivery(DeliveryType::Bounced),
        ("rejected", _) => Told::Delivery(DeliveryType::Dropped),
        ("complained", _) => Told::Delivery(DeliveryType::Complained),
        ("unsubscribed", _) => Told::Delivery(DeliveryType::Unsubscribed),
        ("opened", _) => Told::Engagement(Kind::Open),
        ("clicked", _) => Told::Engagement(Kind::Click),
        ("", _) => return Item::Bad("event"),
        _ => return Item::Ignored(Left::Other),
    };
    let Some(at) = time(told.get("timestamp")) else { return Item::Bad("timestamp") };
    let id = text(told, "/message/headers/message-id");
    let named = text(told, "/user-variables/trueopen_message_id");
    if id.is_empty() && named.is_empty() {
        return Item::Bad("message id");
    }
    let mut event = event(kind, fitting(id, token::ID_BYTES), at, told);
    event.recipient_domain = match text(told, "/recipient-domain") {
        "" => domain(text(told, "/recipient")),
        domain => domain.to_lowercase(),
    };
    let status = told.get("delivery-status").unwrap_or(&Value::Null);
    event.mx_host = Some(text(status, "/mx-host")).filter(|host| !host.is_empty()).map(str::to_owned);
    let said_why = [text(status, "/message"), text(status, "/description"), text(told, "/reject/reason")];
    let diagnostic = said_why.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    // Mailgun's own codes, such as 605 for a suppressed recipient, are none of SMTP's.
    let code = status.get("code").and_then(Value::as_u64);
    codes(&mut event, code, text(status, "/enhanced-code"), diagnostic);
    event.event_id = event_id("mailgun", text(told, "/id"), &[text(told, "/event"), id, &at.to_string()]);
    said(|name| told.get("user-variables")?.get(name)?.as_str(), &mut event);
    let Told::Engagement(kind) = kind else { return Item::Event(Box::new(event)) };
    let shown = Shown {
        provider: Provider::Mailgun,
        kind,
        ip: text(told, "/ip"),
        agent: text(told, "/client-info/user-agent"),
        url: text(told, "/url"),
        label: "",
        sent_at: None,
        id: text(told, "/id"),
        told,
    };
    engaged::item(event, &shown, reader)
}

fn unhex(text: &str) -> Option<Vec<u8>> {
    let digit = |byte: u8| char::from(byte).to_digit(16).and_then(|digit| u8::try_from(digit).ok());
    text.as_bytes().chunks(2).map(|pair| Some(digit(pair[0])? * 16 + digit(*pair.get(1)?)?)).collect()
}
