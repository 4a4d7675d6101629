//! Proofs and single traits of each provider's documents; what every published one becomes is in `tests/reporting/webhooks`.

use super::*;
use serde_json::json;

/// <https://github.com/sendgrid/sendgrid-python/blob/main/test/unit/test_eventwebhook.py>: key, signature, time and body.
const SENDGRID_KEY: &str = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAE83T4O/n84iotIvIW4mdBgQ/7dAfSmpqIM8kF9mN1flpVKS3GRqe62gw+2fNNRaINXvVpiglSI8eNEc6wEA3F+g==";
const SENDGRID_SIGNATURE: &str =
    "MEUCIGHQVtGj+Y3LkG9fLcxf3qfI10QysgDWmMOVmxG0u6ZUAiEAyBiXDWzM+uOe5W0JuG+luQAbPIqHh89M15TluLtEZtM=";
const SENDGRID_TIME: &str = "1600112502";
const SENDGRID_BODY: &str = concat!(
    r#"[{"email":"hello@world.com","event":"dropped","reason":"Bounced Address","#,
    r#""sg_event_id":"ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA","#,
    r#""sg_message_id":"LRzXl_NHStOGhQ4kofSm_A.filterdrecv-p3mdw1-756b745b58-kmzbl-18-5F5FC76C-9.0","#,
    r#""smtp-id":"<LRzXl_NHStOGhQ4kofSm_A@ismtpd0039p1iad1.sendgrid.net>","timestamp":1600112492}]"#,
    "\r\n"
);

fn reader() -> Reader {
    Reader { key: hmac::Key::new(hmac::HMAC_SHA256, b"test") }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn asked(
    provider: Provider,
    headers: &[(&str, &str)],
    body: &str,
    secret: &str,
    now: Timestamp,
    seen: &Seen,
) -> Result<Vec<Item>, Refused> {
    let header =
        |name: &str| headers.iter().find(|(known, _)| *known == name).map(|(_, value)| (*value).to_owned());
    read(provider, &Request { header: &header, body: body.as_bytes() }, secret, now, &reader(), seen)
}

fn only(items: Vec<Item>) -> Submitted {
    match items.into_iter().next() {
        Some(Item::Event(event)) => *event,
        other => panic!("an event was expected, not {other:?}"),
    }
}

#[test]
fn sendgrids_published_signature_holds_and_nothing_else_does() {
    let now = at("2020-09-14T19:42:00Z");
    let ask = |key: &str, signature: &str, time: &str, body: &str, now| {
        let headers = [
            ("x-twilio-email-event-webhook-signature", signature),
            ("x-twilio-email-event-webhook-timestamp", time),
        ];
        asked(Provider::SendGrid, &headers, body, key, now, &Seen::default())
    };
    let event = only(ask(SENDGRID_KEY, SENDGRID_SIGNATURE, SENDGRID_TIME, SENDGRID_BODY, now).unwrap());
    assert_eq!((event.kind, event.recipient_domain.as_str()), (DeliveryType::Dropped, "world.com"));
    assert_eq!(
        event.event_id.as_deref(),
        Some("sendgrid-ZHJvcC0xMDk5NDkxOS1MUnpYbF9OSFN0T0doUTRrb2ZTbV9BLTA")
    );
    assert!(
        event.message_id.starts_with("LRzXl_NHStOGhQ4kofSm_A.") && event.message_id.len() <= token::ID_BYTES
    );
    assert_eq!(event.diagnostic.as_deref(), Some("Bounced Address"));
    assert!(!event.original.unwrap().contains("hello@"));
    // The same test's bad key and bad signature, another time, another body, a cut one, none; and all of it a week later.
    let other = "MFkwEwYHKoZIzj0CAQYIKoZIzj0DAQcDQgAEqTxd43gyp8IOEto2LdIfjRQrIbsd4SXZkLW6jDutdhXSJCWHw8REntlo7aNDthvj+y7GjUuFDb/R1NGe1OPzpA==";
    let bad =
        "MEUCIQCtIHJeH93Y+qpYeWrySphQgpNGNr/U+UyUlBkU6n7RAwIgJTz2C+8a8xonZGi6BpSzoQsbVRamr2nlxFDWYNH3j/0=";
    for (key, signature, time, body) in [
        (other, SENDGRID_SIGNATURE, SENDGRID_TIME, SENDGRID_BODY),
        (SENDGRID_KEY, bad, SENDGRID_TIME, SENDGRID_BODY),
        (SENDGRID_KEY, SENDGRID_SIGNATURE, "timestamp", SENDGRID_BODY),
        (SENDGRID_KEY, SENDGRID_SIGNATURE, "1600112503", SENDGRID_BODY),
        (SENDGRID_KEY, SENDGRID_SIGNATURE, SENDGRID_TIME, "payload"),
        (SENDGRID_KEY, SENDGRID_SIGNATURE, SENDGRID_TIME, &SENDGRID_BODY[..100]),
        (SENDGRID_KEY, "", SENDGRID_TIME, SENDGRID_BODY),
        ("", SENDGRID_SIGNATURE, SENDGRID_TIME, SENDGRID_BODY),
    ] {
        assert_eq!(ask(key, signature, time, body, now), Err(Refused::Signature));
    }
    let late =
        ask(SENDGRID_KEY, SENDGRID_SIGNATURE, SENDGRID_TIME, SENDGRID_BODY, at("2020-09-21T19:42:00Z"));
    assert_eq!(late, Err(Refused::Time));
}

#[test]
fn what_sendgrid_does_not_send_is_told_by_its_place() {
    assert_eq!(sendgrid::read(&json!({}), &reader()), Err(Refused::Malformed));
    assert_eq!(
        sendgrid::read(&json!([{}, {"event": "bounce"}]), &reader()).unwrap(),
        [Item::Bad("event"), Item::Bad("timestamp")]
    );
}

/// <https://documentation.mailgun.com/docs/mailgun/user-manual/events/events>, a permanent failure; the signature is made here with
/// a key of ours by the page's rule, since no key is published.
#[test]
fn mailguns_published_event_signed_by_its_rule() {
    let now = at("2013-08-22T19:10:00Z");
    let sign = |stamp: &str, nonce: &str| {
        let key = hmac::Key::new(hmac::HMAC_SHA256, b"key-3ax6xnjp29jd6fds4gc373sgvjxteol0");
        hex(hmac::sign(&key, format!("{stamp}{nonce}").as_bytes()).as_ref())
    };
    let nonce = "a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3de0";
    let document = |stamp: &str, signature: &str, domain: &str| {
        json!({"signature": {"timestamp": stamp, "token": nonce, "signature": signature},
            "event-data": {"event": "failed", "id": "pVqXGJWhTzysS9GpwF2hlQ", "log-level": "error", "severity": "permanent",
                "reason": "bounce", "recipient-domain": domain, "recipient": "recipient@example.com", "timestamp": 1377198389.769129,
                "delivery-status": {"attempt-no": 1, "message": "Relay Not Permitted", "code": 550, "description": ""},
                "message": {"headers": {"to": "recipient@example.com", "subject": "Test Subject",
                    "message-id": "20130822185902.31528.73196@samples.mailgun.org", "from": "John Doe <sender@example.com>"}},
                "user-variables": {"trueopen_message_id": "m-7", "trueopen_recipient_id": "jane@example.com"}}})
        .to_string()
    };
    let seen = Seen::default();
    let ask = |body: &str, now| {
        asked(Provider::Mailgun, &[], body, "key-3ax6xnjp29jd6fds4gc373sgvjxteol0", now, &seen)
    };
    let body = document("1377198389", &sign("1377198389", nonce), "example.com");
    let event = only(ask(&body, now).unwrap());
    assert_eq!(
        (event.kind, event.message_id.as_str(), event.smtp_code),
        (DeliveryType::Bounced, "m-7", Some(550))
    );
    assert_eq!((event.recipient_id, event.at), (None, at("2013-08-22T19:06:29.769Z")));
    assert_eq!(event.event_id.as_deref(), Some("mailgun-pVqXGJWhTzysS9GpwF2hlQ"));
    let original = event.original.unwrap();
    assert!(
        !["Test Subject", "John", "recipient@"].iter().any(|private| original.contains(private)),
        "{original}"
    );
    // The provider tries again: the same document is taken again; its token with another body is not.
    assert!(ask(&body, now).is_ok());
    assert_eq!(ask(&body.replace("permanent", "temporary"), now), Err(Refused::Replay));
    let forged = document("1377198389", &sign("1377198390", nonce), "example.com");
    assert_eq!(ask(&forged, now), Err(Refused::Signature));
    assert_eq!(ask(&document("1377198389", "zz", "x"), now), Err(Refused::Signature));
    assert_eq!(ask(&body, at("2013-08-29T19:10:00Z")), Err(Refused::Time));
    assert_eq!(ask(&body[..200], now), Err(Refused::Malformed));
    assert_eq!(ask("{}", now), Err(Refused::Signature));
}

fn basic_header(text: &str) -> String {
    use base64::Engine as _;
    format!("Basic {}", base64::engine::general_purpose::STANDARD.encode(text))
}

/// <https://postmarkapp.com/developer/webhooks/bounce-webhook>
#[test]
fn postmarks_published_bounce_with_its_password() {
    let bounce = json!({"RecordType": "Bounce", "MessageStream": "outbound", "ID": 4_323_372_036_854_775_807_u64,
        "Type": "HardBounce", "TypeCode": 1, "Name": "Hard bounce", "Tag": "Test",
        "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Metadata": {"a_key": "a_value", "b_key": "b_value"}, "ServerID": 23,
        "Description": "The server was unable to deliver your message (ex: unknown user, mailbox not found).",
        "Details": "Test bounce details", "Email": "john@example.com", "From": "sender@example.com",
        "BouncedAt": "2019-11-05T16:33:54.9070259Z", "DumpAvailable": true, "Inactive": true, "CanActivate": true,
        "Subject": "Test subject", "Content": "<Full dump of bounce>"});
    let secret = "postmark:0123456789abcdef";
    let ask = |header: &str, body: &str| {
        asked(
            Provider::Postmark,
            &[("authorization", header)],
            body,
            secret,
            at("2019-11-05T17:00:00Z"),
            &Seen::default(),
        )
    };
    let event = only(ask(&basic_header(secret), &bounce.to_string()).unwrap());
    assert_eq!((event.kind, event.recipient_domain.as_str()), (DeliveryType::Bounced, "example.com"));
    assert_eq!(event.message_id, "883953f4-6105-42a2-a16a-77a8eac79483");
    assert_eq!(event.event_id.as_deref(), Some("postmark-Bounce-4323372036854775807"));
    assert_eq!(event.at, at("2019-11-05T16:33:54.907Z"));
    let original = event.original.unwrap();
    assert!(
        !["Test subject", "john@", "Full dump"].iter().any(|private| original.contains(private)),
        "{original}"
    );
    for wrong in ["", "Basic !", "Bearer x", &basic_header("postmark:0123456789abcdeX"), &basic_header("")] {
        assert_eq!(ask(wrong, &bounce.to_string()), Err(Refused::Signature), "{wrong}");
    }
    assert_eq!(ask(&basic_header(secret), "[]"), Err(Refused::Malformed));
}

/// <https://developers.sparkpost.com/api/webhooks/#webhooks-get-webhooks-sample-events>
#[test]
fn sparkposts_published_events_with_its_password() {
    let bounce = json!({"type": "bounce", "bounce_class": "1", "campaign_id": "Example Campaign Name", "customer_id": "1",
        "error_code": "554", "event_id": "92356927693813856", "friendly_from": "sender@example.com", "ip_address": "127.0.0.1",
        "message_id": "000443ee14578172be22", "msg_from": "sender@example.com", "rcpt_meta": {"customKey": "customValue"},
        "rcpt_to": "recipient@example.com", "raw_rcpt_to": "recipient@example.com",
        "raw_reason": "MAIL REFUSED - IP (17.99.99.99) is in black list", "reason": "MAIL REFUSED - IP (a.b.c.d) is in black list",
        "routing_domain": "example.com", "subject": "Summer deals are here!", "timestamp": "1454442600"});
    let body = json!([{"msys": {"message_event": bounce}}, {"msys": {}}, {"msys": {"track_event": {"type": "open"}}}, {}]);
    let secret = "sparkpost:0123456789abcdef";
    let ask = |secret_given: &str| {
        let header = basic_header(secret_given);
        let headers = [("authorization", header.as_str())];
        asked(
            Provider::SparkPost,
            &headers,
            &body.to_string(),
            secret,
            at("2016-02-02T20:00:00Z"),
            &Seen::default(),
        )
    };
    let items = ask(secret).unwrap();
    assert_eq!(items[1..], [Item::Ignored(Left::Other), Item::Bad("timestamp"), Item::Bad("msys")]);
    let event = only(items);
    assert_eq!((event.kind, event.smtp_code), (DeliveryType::Bounced, Some(554)));
    assert_eq!((event.message_id.as_str(), event.at), ("000443ee14578172be22", at("2016-02-02T19:50:00Z")));
    let original = event.original.unwrap();
    assert!(!original.contains("Summer") && !original.contains("recipient@"), "{original}");
    assert_eq!(ask("sparkpost:0123456789abcdeX"), Err(Refused::Signature));
}

/// <https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html>
#[test]
fn ses_published_bounce_one_for_each_recipient() {
    let mail = json!({"timestamp": "2017-08-05T00:40:02.012Z", "source": "Sender Name <sender@example.com>",
        "sendingAccountId": "123456789012", "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
        "destination": ["recipient@example.com"], "headersTruncated": false,
        "headers": [{"name": "Subject", "value": "Message sent from Amazon SES"}],
        "commonHeaders": {"to": ["recipient@example.com"], "subject": "Message sent from Amazon SES"},
        "tags": {"ses:configuration-set": ["ConfigSet"], "trueopen_message_id": ["m-3"]}});
    let bounce = json!({"eventType": "Bounce", "bounce": {"bounceType": "Permanent", "bounceSubType": "General",
        "bouncedRecipients": [{"emailAddress": "recipient@example.com", "action": "failed", "status": "5.1.1",
            "diagnosticCode": "smtp; 550 5.1.1 user unknown"}],
        "timestamp": "2017-08-05T00:41:02.669Z", "feedbackId": "01000157c44f053b-61b59c11-9236-11e6-8f96-7be8aexample-000000",
        "reportingMTA": "dsn; mta.example.com"}, "mail": mail});
    let read = |told: &Value| read_ses(&told.to_string(), "sns-id", &reader());
    let event = only(read(&bounce));
    assert_eq!((event.kind, event.message_id.as_str()), (DeliveryType::Bounced, "m-3"));
    assert_eq!((event.enhanced_code.as_deref(), event.at), (Some("5.1.1"), at("2017-08-05T00:41:02.669Z")));
    assert_eq!(
        (event.event_id.as_deref(), event.recipient_domain.as_str()),
        (Some("ses-sns-id-0"), "example.com")
    );
    let original = event.original.unwrap();
    assert!(!original.contains("recipient@") && !original.contains("Message sent"), "{original}");

    let mut several = bounce.clone();
    several["mail"]["tags"] = json!({});
    several["mail"]["destination"] = json!(["a@example.com", "b@example.org"]);
    several["bounce"]["bouncedRecipients"] =
        json!([{"emailAddress": "a@example.com"}, {"emailAddress": "b@example.org"}]);
    let items = read(&several);
    let ids: Vec<_> = items.iter().map(|item| only(vec![item.clone()]).message_id).collect();
    assert!(items.len() == 2 && ids[0] != ids[1] && !ids[0].contains('@'), "{ids:?}");

    // Whose subscription it is can't be told.
    let left = json!({"eventType": "Subscription", "mail": several["mail"],
        "subscription": {"newTopicPreferences": {"unsubscribeAll": true}}});
    assert_eq!(read(&left), [Item::Ignored(Left::Recipients)]);
    assert_eq!(read(&json!({"eventType": "Bounce", "mail": {}})), [Item::Bad("timestamp")]);
    assert_eq!(read_ses("{\"eventType\":", "x", &reader()), [Item::Bad("Message")]);
}

/// The same told again, in another order or cut off.
#[test]
fn batches_told_again_in_any_order_or_cut_make_no_other_events() {
    let now = at("2026-11-22T12:00:00Z");
    let secret = "sparkpost:0123456789abcdef";
    let header = basic_header(secret);
    let headers = [("authorization", header.as_str())];
    let spark = |id: u32| {
        json!({"msys": {"message_event": {"type": "delivery", "event_id": id.to_string(),
        "message_id": format!("m{id}"), "rcpt_to": "a@b.example", "timestamp": "1454442600"}}})
    };
    let postmark = json!({"RecordType": "Delivery", "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Recipient": "john@example.com",
        "DeliveredAt": "2019-11-05T16:33:54.9070259Z", "Details": "Test delivery webhook details"});
    let grid = |id: u32| {
        json!({"event": "delivered", "sg_event_id": id.to_string(), "sg_message_id": format!("m{id}.f"),
        "timestamp": 1513299569, "email": "example@test.com"})
    };
    let read = |provider, body: &str| asked(provider, &headers, body, secret, now, &Seen::default());
    let ids = |items: Vec<Item>| -> std::collections::BTreeSet<_> {
        items.into_iter().map(|item| only(vec![item]).event_id.unwrap()).collect()
    };
    let orders = [json!([spark(1), spark(2), spark(3)]), json!([spark(3), spark(1), spark(2), spark(1)])];
    let [first, other] =
        orders.each_ref().map(|order| ids(read(Provider::SparkPost, &order.to_string()).unwrap()));
    assert!(first.len() == 3 && first == other);
    let orders = [json!([grid(1), grid(2)]), json!([grid(2), grid(1), grid(2)])];
    let [first, other] = orders.each_ref().map(|order| ids(sendgrid::read(order, &reader()).unwrap()));
    assert!(first.len() == 2 && first == other);
    let whole = postmark.to_string();
    let again = || ids(read(Provider::Postmark, &whole).unwrap());
    assert_eq!(again(), again());
    for (provider, whole) in
        [(Provider::Postmark, whole.clone()), (Provider::SparkPost, orders[0].to_string())]
    {
        for length in (0..whole.len()).step_by(7) {
            assert_eq!(
                read(provider, &whole[..length]),
                Err(Refused::Malformed),
                "{provider:?} cut to {length}"
            );
        }
    }
}
