//! SparkPost's event webhooks (<https://developers.sparkpost.com/api/webhooks/>), with the authentication that is set on
//! the webhook: basic, or OAuth 2.0 with tokens of ours ([`super::oauth`]). A batch is a list, each item wrapped in `msys` and the group of its type.

use super::engaged::{self, Shown};
use super::{
    Item, Left, Provider, Reader, Refused, Told, codes, domain, event, event_id, fitting, said, text, time,
    verdict,
};
use engagement::delivery::DeliveryType;
use engagement::{Kind, token};
use serde_json::Value;

/// A list of wrapped events. SparkPost tests a webhook with one empty wrapper.
pub(super) fn read(document: &Value, reader: &Reader) -> Result<Vec<Item>, Refused> {
    let list = document.as_array().ok_or(Refused::Malformed)?;
    Ok(list.iter().map(|wrapped| item(wrapped, reader)).collect())
}

fn item(wrapped: &Value, reader: &Reader) -> Item {
    let Some(groups) = wrapped.get("msys").and_then(Value::as_object) else { return Item::Bad("msys") };
    let Some(told) = groups.values().next() else { return Item::Ignored(Left::Other) };
    let kind = match text(told, "/type") {
        "injection" => Told::Delivery(DeliveryType::Sent),
        "delivery" => Told::Delivery(DeliveryType::Delivered),
        "delay" => Told::Delivery(DeliveryType::Deferred),
        "bounce" | "out_of_band" => match text(told, "/bounce_class") {
            // An auto-reply, a challenge: the mail arrived.
            "60" | "100" => return Item::Ignored(Left::AutoReply),
            // A request to subscribe.
            "80" => return Item::Ignored(Left::Other),
            "90" => Told::Delivery(DeliveryType::Unsubscribed),
            _ => Told::Delivery(DeliveryType::Bounced),
        },
        "policy_rejection" | "generation_failure" | "generation_rejection" => {
            Told::Delivery(DeliveryType::Dropped)
        }
        "spam_complaint" => Told::Delivery(DeliveryType::Complained),
        "list_unsubscribe" | "link_unsubscribe" => Told::Delivery(DeliveryType::Unsubscribed),
        // A mail has a pixel at its top, where that was asked for, and one at its end: the first that it has counts.
        "open" | "amp_open" if told.get("initial_pixel") == Some(&Value::Bool(true)) => {
            return Item::Ignored(Left::SecondPixel);
        }
        "open" | "amp_open" | "initial_open" | "amp_initial_open" => Told::Engagement(Kind::Open),
        "click" | "amp_click" => Told::Engagement(Kind::Click),
        "" => return Item::Bad("type"),
        _ => return Item::Ignored(Left::Other),
    };
    let Some(at) = time(told.get("timestamp")) else { return Item::Bad("timestamp") };
    let id = text(told, "/message_id");
    let recipient = text(told, "/rcpt_to");
    let metadata = |name: &str| told.get("rcpt_meta")?.get(name)?.as_str();
    // What was never made into a message has none: its transmission and recipient stand in.
    let unmade = match text(told, "/transmission_id") {
        "" => String::new(),
        transmission => format!("{transmission}-{}", reader.hashed(recipient)),
    };
    let own = if id.is_empty() { &unmade } else { id };
    if own.is_empty() && metadata(super::MESSAGE_ID).is_none() {
        return Item::Bad("message_id");
    }
    let mut event = event(kind, fitting(own, token::ID_BYTES), at, told);
    event.recipient_domain = domain(recipient);
    let said_why = [text(told, "/raw_reason"), text(told, "/reason")];
    let diagnostic = said_why.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let code = text(told, "/error_code").parse().ok();
    codes(&mut event, code, "", diagnostic);
    verdict(&mut event, Provider::SparkPost, &[text(told, "/bounce_class")]);
    let parts = [text(told, "/type"), id, &reader.hashed(recipient), &at.to_string()];
    event.event_id = event_id("sparkpost", text(told, "/event_id"), &parts);
    said(metadata, &mut event);
    let Told::Engagement(kind) = kind else { return Item::Event(Box::new(event)) };
    let shown = Shown {
        provider: Provider::SparkPost,
        kind,
        ip: text(told, "/ip_address"),
        agent: text(told, "/user_agent"),
        url: text(told, "/target_link_url"),
        label: text(told, "/target_link_name"),
        sent_at: time(told.get("injection_time")),
        id: text(told, "/event_id"),
        told,
    };
    engaged::item(event, &shown, reader)
}
