//! SendGrid's event webhook, signed with ECDSA over P-256 and SHA-256
//! (<https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event>). An unsigned one is refused.

use super::engaged::{self, Shown};
use super::{
    Item, Left, Provider, Reader, Refused, Request, Told, codes, domain, event, event_id, fitting, hashed,
    in_time, said, text, time, verdict,
};
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1, UnparsedPublicKey};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engagement::delivery::DeliveryType;
use engagement::{Kind, Timestamp, token};
use serde_json::Value;

/// The bytes of a P-256 key as SubjectPublicKeyInfo; the last 65 are the point.
const SPKI_BYTES: usize = 91;
const POINT_BYTES: usize = 65;

/// The point of a verification key.
pub(super) fn key(secret: &str) -> Option<Vec<u8>> {
    let der = STANDARD.decode(secret.trim()).ok()?;
    let point = der.get(SPKI_BYTES - POINT_BYTES..).filter(|_| der.len() == SPKI_BYTES)?;
    (point[0] == 4).then(|| point.to_vec())
}

/// The signature covers the time and the body's bytes.
pub(super) fn verify(request: &Request<'_>, secret: &str, now: Timestamp) -> Result<(), Refused> {
    let header = |name| (request.header)(name).ok_or(Refused::Signature);
    let signature = header("x-twilio-email-event-webhook-signature")?;
    let stamp = header("x-twilio-email-event-webhook-timestamp")?;
    let signature = STANDARD.decode(signature.trim()).map_err(|_| Refused::Signature)?;
    let key = UnparsedPublicKey::new(&ECDSA_P256_SHA256_ASN1, key(secret).ok_or(Refused::Signature)?);
    let signed = [stamp.as_bytes(), request.body].concat();
    key.verify(&signed, &signature).map_err(|_| Refused::Signature)?;
    in_time(stamp.parse::<i64>().map_err(|_| Refused::Signature)?.saturating_mul(1000), now)
}

/// A list of events.
pub(super) fn read(document: &Value, reader: &Reader) -> Result<Vec<Item>, Refused> {
    Ok(document.as_array().ok_or(Refused::Malformed)?.iter().map(|told| item(told, reader)).collect())
}

fn item(told: &Value, reader: &Reader) -> Item {
    let kind = match text(told, "/event") {
        "processed" => Told::Delivery(DeliveryType::Sent),
        "delivered" => Told::Delivery(DeliveryType::Delivered),
        "deferred" => Told::Delivery(DeliveryType::Deferred),
        "bounce" | "blocked" => Told::Delivery(DeliveryType::Bounced),
        "dropped" => Told::Delivery(DeliveryType::Dropped),
        "spamreport" => Told::Delivery(DeliveryType::Complained),
        "unsubscribe" | "group_unsubscribe" => Told::Delivery(DeliveryType::Unsubscribed),
        "open" => Told::Engagement(Kind::Open),
        "click" => Told::Engagement(Kind::Click),
        "" => return Item::Bad("event"),
        _ => return Item::Ignored(Left::Other),
    };
    let Some(at) = time(told.get("timestamp")) else { return Item::Bad("timestamp") };
    let id = text(told, "/sg_message_id");
    if id.is_empty() && text(told, "/trueopen_message_id").is_empty() {
        return Item::Bad("sg_message_id");
    }
    // One request may send to many, and the part after the first dot tells them apart.
    let own = match id.split_once('.') {
        Some((request, _)) => fitting(&format!("{request}.{}", hashed(&[id])), token::ID_BYTES),
        None => fitting(id, token::ID_BYTES),
    };
    let mut event = event(kind, own, at, told);
    event.recipient_domain = domain(text(told, "/email"));
    let reason = [text(told, "/reason"), text(told, "/response")];
    let diagnostic = reason.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    codes(&mut event, None, text(told, "/status"), diagnostic);
    let words = [text(told, "/bounce_classification"), text(told, "/type"), text(told, "/event")];
    verdict(&mut event, Provider::SendGrid, &words);
    event.event_id =
        event_id("sendgrid", text(told, "/sg_event_id"), &[text(told, "/event"), id, &at.to_string()]);
    said(|name| told.get(name).and_then(Value::as_str), &mut event);
    let Told::Engagement(kind) = kind else { return Item::Event(Box::new(event)) };
    let shown = Shown {
        provider: Provider::SendGrid,
        kind,
        ip: text(told, "/ip"),
        agent: text(told, "/useragent"),
        url: text(told, "/url"),
        label: "",
        sent_at: None,
        id: text(told, "/sg_event_id"),
        told,
    };
    engaged::item(event, &shown, reader)
}
