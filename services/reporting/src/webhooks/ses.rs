//! Amazon SES's events as SNS delivers them
//! (<https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-contents.html>); the proof is SNS's, see [`super::sns`].

use super::engaged::{self, Shown};
use super::{Item, Left, Provider, Reader, Told, codes, domain, event, fitting, said, text, time, verdict};
use engagement::delivery::DeliveryType;
use engagement::{Kind, token};
use serde_json::Value;

/// The events of a notification's message: one for each recipient that it tells of.
pub(crate) fn read(message: &str, notification_id: &str, reader: &Reader) -> Vec<Item> {
    let Ok(told) = serde_json::from_str::<Value>(message) else { return vec![Item::Bad("Message")] };
    let kind = match text(&told, "/eventType") {
        "" => text(&told, "/notificationType"),
        kind => kind,
    };
    let delivery = |kind, part| (Told::Delivery(kind), part);
    let (kind, part) = match kind {
        "Open" => (Told::Engagement(Kind::Open), "open"),
        "Click" => (Told::Engagement(Kind::Click), "click"),
        "Send" => delivery(DeliveryType::Sent, "send"),
        "Delivery" => delivery(DeliveryType::Delivered, "delivery"),
        "DeliveryDelay" => delivery(DeliveryType::Deferred, "deliveryDelay"),
        "Bounce" => match text(&told, "/bounce/bounceSubType") {
            // SES did not try.
            "Suppressed" | "OnAccountSuppressionList" => delivery(DeliveryType::Dropped, "bounce"),
            _ => delivery(DeliveryType::Bounced, "bounce"),
        },
        "Complaint" if text(&told, "/complaint/complaintSubType") == "OnAccountSuppressionList" => {
            delivery(DeliveryType::Dropped, "complaint")
        }
        // A report that takes one back.
        "Complaint" if text(&told, "/complaint/complaintFeedbackType") == "not-spam" => {
            return vec![Item::Ignored(Left::Other)];
        }
        "Complaint" => delivery(DeliveryType::Complained, "complaint"),
        "Reject" => delivery(DeliveryType::Dropped, "reject"),
        "Rendering Failure" => delivery(DeliveryType::Dropped, "failure"),
        "Subscription" if !leaves(&told) => return vec![Item::Ignored(Left::Other)],
        "Subscription" => delivery(DeliveryType::Unsubscribed, "subscription"),
        "" => return vec![Item::Bad("eventType")],
        _ => return vec![Item::Ignored(Left::Other)],
    };
    let part = told.get(part).unwrap_or(&Value::Null);
    let at = time(part.get("timestamp")).or_else(|| time(told.pointer("/mail/timestamp")));
    let Some(at) = at else { return vec![Item::Bad("timestamp")] };
    let id = text(&told, "/mail/messageId");
    if id.is_empty() {
        return vec![Item::Bad("mail.messageId")];
    }
    let destinations = told.pointer("/mail/destination").and_then(Value::as_array);
    let many = destinations.is_some_and(|all| all.len() > 1);
    // Neither an open nor a subscription says who of several it was.
    if many && matches!(kind, Told::Engagement(_) | Told::Delivery(DeliveryType::Unsubscribed)) {
        return vec![Item::Ignored(Left::Recipients)];
    }
    let recipients = recipients(part).unwrap_or_else(|| {
        let all = destinations.into_iter().flatten().filter_map(Value::as_str);
        all.map(|address| (address, &Value::Null)).collect()
    });
    let of = [text(part, "/bounceType"), text(part, "/bounceSubType")];
    let whole = of.join("/");
    let words = [whole.as_str(), of[0], text(part, "/delayType")];
    let one = |(index, (address, detail)): (usize, (&str, &Value))| {
        if kind == Told::Delivery(DeliveryType::Bounced) && automatic(part, detail) {
            return Item::Ignored(Left::AutoReply);
        }
        // One mail of SES may go to several, and a message of ours is one mail to one recipient.
        let own = if many {
            fitting(&format!("{}-{id}", reader.hashed(address)), token::ID_BYTES)
        } else {
            fitting(id, token::ID_BYTES)
        };
        let mut event = event(kind, own, at, &told);
        event.recipient_domain = domain(address);
        let diagnostic =
            [text(detail, "/diagnosticCode"), text(part, "/smtpResponse"), text(part, "/reason")];
        let diagnostic = diagnostic.into_iter().find(|text| !text.is_empty()).unwrap_or_default();
        codes(&mut event, None, text(detail, "/status"), diagnostic);
        if let Some(code) = diagnostic.get(..3).and_then(|code| code.parse::<u16>().ok()) {
            event.smtp_code = Some(code).filter(|code| (200..600).contains(code));
        }
        verdict(&mut event, Provider::Ses, &words);
        event.event_id = Some(format!("ses-{}-{index}", fitting(notification_id, 100)));
        said(|name| told.pointer("/mail/tags")?.get(name)?.get(0)?.as_str(), &mut event);
        let Told::Engagement(kind) = kind else { return Item::Event(Box::new(event)) };
        let shown = Shown {
            provider: Provider::Ses,
            kind,
            ip: text(part, "/ipAddress"),
            agent: text(part, "/userAgent"),
            url: text(part, "/link"),
            label: text(part, "/linkTags/trueopen_label/0"),
            sent_at: time(told.pointer("/mail/timestamp")),
            // SNS may tell twice under two ids of its own; what is told is the same.
            id: "",
            told: &told,
        };
        engaged::item(event, &shown, reader)
    };
    recipients.into_iter().enumerate().map(one).collect()
}

/// Whether a bounce is the answer of a person's machine. «If you send an email to a recipient who has an active automatic response
/// rule (such as an "out of the office" message), you might receive this type of notification», says Amazon of `Transient` and
/// `General`, and does not count them either (<https://docs.aws.amazon.com/ses/latest/dg/notification-contents.html#bounce-types>).
/// Whoever refuses a mail says so by a delivery status notification, and what SES gives up on it reports by one; only then are
/// there `reportingMTA`, `action`, `status` and `diagnosticCode`. A bounce of that type with none of them is an answer to a mail
/// that arrived.
fn automatic(bounce: &Value, recipient: &Value) -> bool {
    let general = text(bounce, "/bounceType") == "Transient" && text(bounce, "/bounceSubType") == "General";
    let of_notification = ["/action", "/status", "/diagnosticCode"];
    general
        && text(bounce, "/reportingMTA").is_empty()
        && of_notification.iter().all(|field| text(recipient, field).is_empty())
}

/// Whether a change of subscription leaves: everything, or a topic that was not left before.
fn leaves(told: &Value) -> bool {
    let statuses = |preferences: &str| {
        let list = told.pointer(&format!("/subscription/{preferences}/topicSubscriptionStatus"));
        list.and_then(Value::as_array)
            .into_iter()
            .flatten()
            .filter(|status| text(status, "/subscriptionStatus") == "OptOut")
    };
    let topic = |status| text(status, "/topicName");
    let before: Vec<_> = statuses("oldTopicPreferences").map(topic).collect();
    told.pointer("/subscription/newTopicPreferences/unsubscribeAll") == Some(&Value::Bool(true))
        || statuses("newTopicPreferences").any(|status| !before.contains(&topic(status)))
}

/// The recipients that the event itself names, with what it says of each.
fn recipients<'a>(part: &'a Value) -> Option<Vec<(&'a str, &'a Value)>> {
    let names = ["bouncedRecipients", "complainedRecipients", "delayedRecipients", "recipients"];
    let list = names.iter().find_map(|name| part.get(name)?.as_array())?;
    let address = |entry: &'a Value| entry.as_str().or_else(|| entry.get("emailAddress")?.as_str());
    Some(list.iter().filter_map(|entry| Some((address(entry)?, entry))).collect())
}
