//! Postmark's webhooks (<https://postmarkapp.com/developer/webhooks/webhooks-overview>). Postmark signs nothing: the proof is
//! the user and password of the webhook's own basic authentication.

use super::{Item, Refused, codes, domain, event, event_id, fitting, said, text, time};
use engagement::delivery::DeliveryType;
use engagement::token;
use serde_json::Value;

/// One event a document.
pub(super) fn read(told: &Value) -> Result<Vec<Item>, Refused> {
    if !told.is_object() {
        return Err(Refused::Malformed);
    }
    Ok(vec![item(told)])
}

fn item(told: &Value) -> Item {
    let record = text(told, "/RecordType");
    let (kind, at) = match (record, text(told, "/Type")) {
        ("Delivery", _) => (DeliveryType::Delivered, "DeliveredAt"),
        // Postmark goes on trying.
        ("Bounce", "Transient") => (DeliveryType::Deferred, "BouncedAt"),
        // Nothing was refused: answers of people and their machines.
        ("Bounce", "AutoResponder" | "AddressChange" | "ChallengeVerification" | "Subscribe") => {
            return Item::Ignored;
        }
        ("Bounce", "Unsubscribe") => (DeliveryType::Unsubscribed, "BouncedAt"),
        ("Bounce", "SpamComplaint") | ("SpamComplaint", _) => (DeliveryType::Complained, "BouncedAt"),
        ("Bounce", "ManuallyDeactivated" | "TemplateRenderingFailed" | "SMTPApiError") => {
            (DeliveryType::Dropped, "BouncedAt")
        }
        ("Bounce", _) => (DeliveryType::Bounced, "BouncedAt"),
        ("SubscriptionChange", _) if told.get("SuppressSending") == Some(&Value::Bool(true)) => {
            match text(told, "/SuppressionReason") {
                // A bounce or a complaint was told by itself.
                "HardBounce" | "SpamComplaint" => return Item::Ignored,
                _ => (DeliveryType::Unsubscribed, "ChangedAt"),
            }
        }
        ("", _) => return Item::Bad("RecordType"),
        _ => return Item::Ignored,
    };
    let Some(at) = time(told.get(at)) else { return Item::Bad("time") };
    let id = text(told, "/MessageID");
    if id.is_empty() && text(told, "/Metadata/trueopen_message_id").is_empty() {
        return Item::Bad("MessageID");
    }
    let mut event = event(kind, fitting(id, token::ID_BYTES), at, told);
    let recipient = [text(told, "/Recipient"), text(told, "/Email")];
    event.recipient_domain = domain(recipient.into_iter().find(|text| !text.is_empty()).unwrap_or_default());
    codes(&mut event, None, "", text(told, "/Details"));
    let own = told.get("ID").and_then(Value::as_u64).map(|id| format!("{record}-{id}")).unwrap_or_default();
    event.event_id = event_id("postmark", &own, &[record, id, &at.to_string()]);
    said(|name| told.get("Metadata")?.get(name)?.as_str(), &mut event);
    Item::Event(Box::new(event))
}
