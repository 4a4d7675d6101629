//! Postmark's webhooks (<https://postmarkapp.com/developer/webhooks/webhooks-overview>). Postmark signs nothing: the proof is
//! the user and password of the webhook's own basic authentication.

use super::engaged::{self, Shown};
use super::{
    Item, Left, Provider, Reader, Refused, Told, codes, domain, event, event_id, fitting, said, text, time,
    verdict,
};
use engagement::delivery::DeliveryType;
use engagement::{Kind, token};
use serde_json::Value;

/// One event a document.
pub(super) fn read(told: &Value, reader: &Reader) -> Result<Vec<Item>, Refused> {
    if !told.is_object() {
        return Err(Refused::Malformed);
    }
    Ok(vec![item(told, reader)])
}

fn item(told: &Value, reader: &Reader) -> Item {
    let record = text(told, "/RecordType");
    let delivery = |kind, at| (Told::Delivery(kind), at);
    let (kind, at) = match (record, text(told, "/Type")) {
        ("Open", _) => (Told::Engagement(Kind::Open), "ReceivedAt"),
        ("Click", _) => (Told::Engagement(Kind::Click), "ReceivedAt"),
        ("Delivery", _) => delivery(DeliveryType::Delivered, "DeliveredAt"),
        // Postmark goes on trying.
        ("Bounce", "Transient") => delivery(DeliveryType::Deferred, "BouncedAt"),
        // Nothing was refused: answers of people and their machines.
        ("Bounce", "AutoResponder" | "ChallengeVerification") => return Item::Ignored(Left::AutoReply),
        ("Bounce", "AddressChange" | "Subscribe" | "OpenRelayTest") => return Item::Ignored(Left::Other),
        ("Bounce", "Unsubscribe") => delivery(DeliveryType::Unsubscribed, "BouncedAt"),
        ("Bounce", "SpamComplaint") | ("SpamComplaint", _) => delivery(DeliveryType::Complained, "BouncedAt"),
        ("Bounce", "ManuallyDeactivated" | "TemplateRenderingFailed" | "SMTPApiError") => {
            delivery(DeliveryType::Dropped, "BouncedAt")
        }
        ("Bounce", _) => delivery(DeliveryType::Bounced, "BouncedAt"),
        ("SubscriptionChange", _) if told.get("SuppressSending") == Some(&Value::Bool(true)) => {
            match text(told, "/SuppressionReason") {
                // A bounce or a complaint was told by itself.
                "HardBounce" | "SpamComplaint" => return Item::Ignored(Left::Other),
                _ => delivery(DeliveryType::Unsubscribed, "ChangedAt"),
            }
        }
        ("", _) => return Item::Bad("RecordType"),
        _ => return Item::Ignored(Left::Other),
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
    verdict(&mut event, Provider::Postmark, &[text(told, "/Type")]);
    let own = told.get("ID").and_then(Value::as_u64).map(|id| format!("{record}-{id}")).unwrap_or_default();
    event.event_id = event_id("postmark", &own, &[record, id, &at.to_string()]);
    said(|name| told.get("Metadata")?.get(name)?.as_str(), &mut event);
    let Told::Engagement(kind) = kind else { return Item::Event(Box::new(event)) };
    let shown = Shown {
        provider: Provider::Postmark,
        kind,
        ip: text(told, "/Geo/IP"),
        agent: text(told, "/UserAgent"),
        url: text(told, "/OriginalLink"),
        label: "",
        sent_at: None,
        // Postmark gives its opens and clicks no ids.
        id: "",
        told,
    };
    engaged::item(event, &shown, reader)
}
