//! SparkPost's event webhooks (<https://developers.sparkpost.com/api/webhooks/>), with the basic authentication that is set on
//! the webhook. A batch is a list, each item wrapped in `msys` and the group of its type.

use super::{Item, Reader, Refused, codes, domain, event, event_id, fitting, said, text, time};
use engagement::delivery::DeliveryType;
use engagement::token;
use serde_json::Value;

/// A list of wrapped events. SparkPost tests a webhook with one empty wrapper.
pub(super) fn read(document: &Value, reader: &Reader) -> Result<Vec<Item>, Refused> {
    let list = document.as_array().ok_or(Refused::Malformed)?;
    Ok(list.iter().map(|wrapped| item(wrapped, reader)).collect())
}

fn item(wrapped: &Value, reader: &Reader) -> Item {
    let Some(groups) = wrapped.get("msys").and_then(Value::as_object) else { return Item::Bad("msys") };
    let Some(told) = groups.values().next() else { return Item::Ignored };
    let kind = match text(told, "/type") {
        "injection" => DeliveryType::Sent,
        "delivery" => DeliveryType::Delivered,
        "delay" => DeliveryType::Deferred,
        "bounce" | "out_of_band" => DeliveryType::Bounced,
        "policy_rejection" | "generation_failure" | "generation_rejection" => DeliveryType::Dropped,
        "spam_complaint" => DeliveryType::Complained,
        "list_unsubscribe" | "link_unsubscribe" => DeliveryType::Unsubscribed,
        "" => return Item::Bad("type"),
        _ => return Item::Ignored,
    };
    let Some(at) = time(told.get("timestamp")) else { return Item::Bad("timestamp") };
    let id = text(told, "/message_id");
    let recipient = text(told, "/rcpt_to");
    let metadata = |name: &str| told.get("rcpt_meta")?.get(name)?.as_str();
    if id.is_empty() && metadata(super::MESSAGE_ID).is_none() {
        return Item::Bad("message_id");
    }
    let mut event = event(kind, fitting(id, token::ID_BYTES), at, told);
    event.recipient_domain = domain(recipient);
    let said_why = [text(told, "/raw_reason"), text(told, "/reason")];
    let diagnostic = said_why.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
    let code = text(told, "/error_code").parse().ok();
    codes(&mut event, code, "", diagnostic);
    let parts = [text(told, "/type"), id, &reader.hashed(recipient), &at.to_string()];
    event.event_id = event_id("sparkpost", text(told, "/event_id"), &parts);
    said(metadata, &mut event);
    Item::Event(Box::new(event))
}
