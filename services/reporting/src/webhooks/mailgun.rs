//! Mailgun's webhooks, signed with HMAC-SHA-256 over a time and a token
//! (<https://documentation.mailgun.com/docs/mailgun/user-manual/events/webhooks>). The signature does not cover the body, so a
//! token that signed another body before is refused ([`super::seen`]), and a signature is good for no longer than Mailgun's
//! retries need it.

use super::engaged::{self, Shown};
use super::{
    Item, Left, Provider, Reader, Refused, Seen, Told, codes, domain, event, event_id, fitting, said, text,
    time, unhex, verdict,
};
use aws_lc_rs::{digest, hmac};
use engagement::delivery::DeliveryType;
use engagement::{Kind, Timestamp, token};
use serde_json::Value;

/// How old a signature may be. Mailgun tries again for eight hours
/// (<https://documentation.mailgun.com/docs/mailgun/user-manual/webhooks/webhook-retries>) and does not say that it signs each try anew.
const OLD_MILLIS: i64 = 9 * 3_600_000;
/// How far ahead its clock may be.
const AHEAD_MILLIS: i64 = 5 * 60_000;

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
    let signed = stamp.parse::<i64>().map_err(|_| Refused::Signature)?.saturating_mul(1000);
    let age = now.millis().saturating_sub(signed);
    if !(-AHEAD_MILLIS..=OLD_MILLIS).contains(&age) {
        return Err(Refused::Time);
    }
    let hash = |bytes: &[u8]| {
        let digest = digest::digest(&digest::SHA256, bytes);
        std::array::from_fn(|place| digest.as_ref()[place])
    };
    let token = hash(format!("{secret}\0{nonce}").as_bytes());
    if seen.allows(token, hash(body), now) { Ok(()) } else { Err(Refused::Replay) }
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
    let words = [text(told, "/reason"), text(status, "/bounce-type"), text(told, "/severity")];
    verdict(&mut event, Provider::Mailgun, &words);
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
