//! The providers' own published opens and clicks, each named with its page.

use super::super::{mailgun, postmark, read_ses, sendgrid, sparkpost};
use super::*;
use aws_lc_rs::hmac;
use engagement::AccountId;
use serde_json::{Value, json};

fn reader() -> Reader {
    Reader { key: hmac::Key::new(hmac::HMAC_SHA256, b"test") }
}

fn at(text: &str) -> Timestamp {
    Timestamp::parse(text).unwrap()
}

fn account() -> Account {
    Account {
        number: AccountNumber(1),
        id: AccountId::new("demo").unwrap(),
        created_at: at("2020-01-01T00:00:00Z"),
    }
}

fn engaged(item: Item) -> Engaged {
    match item {
        Item::Hit(engaged) => *engaged,
        other => panic!("a hit was expected, not {other:?}"),
    }
}

fn hit(item: Item) -> Hit {
    engaged(item).hit(&account(), at("2026-11-22T00:00:00Z")).unwrap()
}

fn only(mut items: Vec<Item>) -> Item {
    assert_eq!(items.len(), 1);
    items.remove(0)
}

/// Nothing of the hit names the recipient, the destination or the mail; its original is there all the same.
fn private(hit: &Hit) -> Value {
    let text = serde_json::to_string(hit).unwrap();
    for personal in
        ["recipient@", "john@", "alice@", "example@", "http", "/confirm", "Subject", "subject", "Summer"]
    {
        assert!(!text.contains(personal), "{personal} in {text}");
    }
    serde_json::from_str(hit.original.as_ref().unwrap()).unwrap()
}

/// <https://docs.aws.amazon.com/ses/latest/dg/event-publishing-retrieving-sns-examples.html>
fn ses(part: &str, told: &Value) -> Value {
    let (event, mail) = (
        part[..1].to_uppercase() + &part[1..],
        json!({"timestamp": "2017-08-09T21:59:49.927Z",
        "source": "sender@example.com", "messageId": "EXAMPLE7c191be45-e9aedb9a-02f9-4d12-a87d-dd0099a07f8a-000000",
        "destination": ["recipient@example.com"], "commonHeaders": {"subject": "Message sent from Amazon SES"},
        "tags": {"ses:source-ip": ["192.0.2.0"], "trueopen_message_id": ["m-3"], "trueopen_campaign": ["autumn"]}}),
    );
    json!({"eventType": event, "mail": mail, part: told})
}

#[test]
fn ses_tells_of_opens_and_clicks_of_one_recipient() {
    let open = ses(
        "open",
        &json!({"ipAddress": "192.0.2.1", "timestamp": "2017-08-09T22:00:19.652Z",
        "userAgent": "Mozilla/5.0 (iPhone; CPU iPhone OS 10_3_3 like Mac OS X) AppleWebKit/603.3.8 (KHTML, like Gecko) Mobile/14G60"}),
    );
    let read = |told: &Value, id: &str| only(read_ses(&told.to_string(), id, &reader()));
    let opened = hit(read(&open, "one"));
    assert_eq!(
        (opened.kind, opened.message_id.as_str(), opened.campaign.as_str()),
        (Kind::Open, "m-3", "autumn")
    );
    assert_eq!(
        (opened.received_at, opened.sent_at),
        (at("2017-08-09T22:00:19.652Z"), at("2017-08-09T21:59:49.927Z"))
    );
    assert_eq!(opened.request.ip, Some("192.0.2.1".parse().unwrap()));
    assert!(opened.request.ua.ends_with("Mobile/14G60") && opened.recipient_domain == "example.com");
    assert_eq!((opened.request.provider(), opened.request.headers.get(LINK)), (Some("ses"), None));
    let original = private(&opened);
    assert_eq!(original["mail"]["destination"], json!(["[address]"]));
    assert_eq!(
        (&original["eventType"], &original["open"]["ipAddress"]),
        (&json!("Open"), &json!("192.0.2.1"))
    );
    // Told again by another message of SNS it is the same hit, byte for byte.
    assert_eq!(hit(read(&open, "two")), opened);

    let click = ses(
        "click",
        &json!({"ipAddress": "192.0.2.1",
        "link": "http://docs.aws.amazon.com/ses/latest/DeveloperGuide/send-email-smtp.html",
        "linkTags": {"samplekey0": ["samplevalue0"], "trueopen_label": ["pricing"]}, "timestamp": "2017-08-09T23:51:25.570Z",
        "userAgent": "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/60.0.3112.90 Safari/537.36"}),
    );
    let clicked = hit(read(&click, "one"));
    assert_eq!(
        (clicked.kind, clicked.label.as_deref(), clicked.link_index),
        (Kind::Click, Some("pricing"), None)
    );
    assert_eq!(private(&clicked)["click"]["linkTags"]["trueopen_label"], json!(["pricing"]));
    // Another link of the mail has another number, the same link the same.
    let mut other = click.clone();
    other["click"]["link"] = json!("https://example.com/");
    let number = |told: &Value| hit(read(told, "x")).request.headers[LINK].clone();
    assert_eq!(number(&click), clicked.request.headers[LINK]);
    assert_ne!(number(&other), number(&click));

    let mut several = open.clone();
    several["mail"]["destination"] = json!(["a@example.com", "b@example.com"]);
    assert_eq!(read(&several, "x"), Item::Ignored(Left::Recipients));
    let bare = ses("open", &json!({"timestamp": "2017-08-09T22:00:19.652Z"}));
    assert_eq!(read(&bare, "x"), Item::Ignored(Left::NoEvidence));
}

/// <https://www.twilio.com/docs/sendgrid/for-developers/tracking-events/event>
#[test]
fn sendgrid_tells_of_opens_and_clicks() {
    let told = json!([
        {"email": "example@test.com", "timestamp": 1513299569, "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>", "event": "open",
            "category": "cat facts", "sg_event_id": "FOTFFO0ecsBE-zxFXfs6WA==", "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
            "useragent": "Mozilla/4.0 (compatible; MSIE 6.1; Windows XP; .NET CLR 1.1.4322; .NET CLR 2.0.50727)", "ip": "255.255.255.255"},
        {"email": "example@test.com", "timestamp": 1513299569, "smtp-id": "<14c5d75ce93.dfd.64b469@ismtpd-555>", "event": "click",
            "category": "cat facts", "sg_event_id": "kCAi1KttyQdEKHhdC-nuEA==", "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0",
            "useragent": "Mozilla/4.0 (compatible; MSIE 6.1; Windows XP; .NET CLR 1.1.4322; .NET CLR 2.0.50727)", "ip": "255.255.255.255",
            "url": "http://www.sendgrid.com/"}]);
    let mut items = sendgrid::read(&told, &reader()).unwrap();
    let (clicked, opened) = (hit(items.remove(1)), hit(items.remove(0)));
    assert_eq!((opened.kind, clicked.kind), (Kind::Open, Kind::Click));
    // Without the sender's own id, the message is the one of SendGrid's delivery events.
    let delivered = json!([{"email": "example@test.com", "timestamp": 1513299569, "event": "delivered", "sg_event_id": "x",
        "sg_message_id": "14c5d75ce93.dfd.64b469.filter0001.16648.5515E0B88.0"}]);
    let Item::Event(delivered) = only(sendgrid::read(&delivered, &reader()).unwrap()) else { panic!() };
    assert_eq!((&opened.message_id, &clicked.message_id), (&delivered.message_id, &delivered.message_id));
    assert!(opened.event_id != clicked.event_id && opened.event_id.get_version_num() == 7);
    assert_eq!(opened.sent_at, opened.received_at, "SendGrid does not say when it was sent");
    assert_eq!(private(&opened)["sg_event_id"], "FOTFFO0ecsBE-zxFXfs6WA==");
    assert_eq!(private(&clicked)["email"], "[address]");
    let mut bare = told;
    bare[0].as_object_mut().unwrap().remove("ip");
    bare[1]["useragent"] = json!("");
    let left = Item::Ignored(Left::NoEvidence);
    assert_eq!(sendgrid::read(&bare, &reader()).unwrap(), [left.clone(), left]);
}

/// <https://documentation.mailgun.com/docs/mailgun/user-manual/events/events>
#[test]
fn mailgun_tells_of_opens_and_clicks() {
    let told = |event: &str| {
        json!({"event-data": {"event": event, "id": "Ase7i2zsRYeDXztHGENqRA", "timestamp": 1521243339.873676, "log-level": "info",
            "message": {"headers": {"message-id": "20130503182626.18666.16540@samples.mailgun.org"}}, "recipient": "alice@example.com",
            "recipient-domain": "example.com", "ip": "50.56.129.169", "url": "http://mailgun.com",
            "geolocation": {"country": "US", "region": "CA", "city": "San Francisco"}, "tags": [], "user-variables": {},
            "client-info": {"client-os": "Linux", "device-type": "desktop", "client-name": "Chrome", "client-type": "browser",
                "user-agent": "Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.31 (KHTML, like Gecko) Chrome/26.0.1410.43 Safari/537.31"}}})
    };
    let opened = hit(mailgun::read(&told("opened"), &reader()));
    assert_eq!((opened.kind, opened.request.provider()), (Kind::Open, Some("mailgun")));
    assert_eq!(opened.received_at, at("2018-03-16T23:35:39.874Z"));
    assert_eq!(
        (opened.recipient_domain.as_str(), opened.request.ip),
        ("example.com", Some("50.56.129.169".parse().unwrap()))
    );
    let clicked = hit(mailgun::read(&told("clicked"), &reader()));
    assert!(clicked.kind == Kind::Click && clicked.request.headers.contains_key(LINK));
    assert_eq!(private(&clicked)["geolocation"]["city"], "San Francisco");
    let mut bare = told("opened");
    bare["event-data"]["client-info"] = json!({});
    assert_eq!(mailgun::read(&bare, &reader()), Item::Ignored(Left::NoEvidence));
}

/// <https://postmarkapp.com/developer/webhooks/open-tracking-webhook> and `…/click-webhook`
#[test]
fn postmark_tells_of_opens_and_clicks() {
    let told = |record: &str| {
        json!({"RecordType": record, "MessageStream": "outbound", "FirstOpen": true, "ClickLocation": "HTML",
            "Client": {"Name": "Chrome 35.0.1916.153", "Company": "Google", "Family": "Chrome"}, "Platform": "WebMail",
            "OS": {"Name": "OS X 10.7 Lion", "Company": "Apple Computer, Inc.", "Family": "OS X 10"},
            "UserAgent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_7_5) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/35.0.1916.153 Safari/537.36",
            "OriginalLink": "https://example.com/confirm-your-address",
            "Geo": {"CountryISOCode": "RS", "Country": "Serbia", "Zip": "21000", "Coords": "45.2517,19.8369", "IP": "188.2.95.4"},
            "MessageID": "00000000-0000-0000-0000-000000000000", "Metadata": {"a_key": "a_value", "trueopen_message_id": "m-5"},
            "ReceivedAt": "2017-10-25T15:21:11.9065619Z", "Tag": "welcome-email", "Recipient": "john@example.com"})
    };
    let opened = hit(only(postmark::read(&told("Open"), &reader()).unwrap()));
    assert_eq!((opened.kind, opened.message_id.as_str()), (Kind::Open, "m-5"));
    assert_eq!(opened.received_at, at("2017-10-25T15:21:11.906Z"));
    assert_eq!(private(&opened)["Tag"], "welcome-email");
    let clicked = hit(only(postmark::read(&told("Click"), &reader()).unwrap()));
    assert_eq!((clicked.kind, clicked.request.ip), (Kind::Click, Some("188.2.95.4".parse().unwrap())));
    assert_eq!(private(&clicked)["Recipient"], "[address]");
    // It has no ids of its own: the same document is the same hit, another moment another.
    assert_eq!(hit(only(postmark::read(&told("Click"), &reader()).unwrap())), clicked);
    let mut later = told("Click");
    later["ReceivedAt"] = json!("2017-10-25T15:21:12Z");
    assert_ne!(hit(only(postmark::read(&later, &reader()).unwrap())).event_id, clicked.event_id);
    let mut bare = told("Open");
    bare["Geo"] = json!({});
    assert_eq!(postmark::read(&bare, &reader()).unwrap(), [Item::Ignored(Left::NoEvidence)]);
}

/// <https://developers.sparkpost.com/api/webhooks/#header-webhook-event-types>
#[test]
fn sparkpost_tells_of_clicks_and_of_one_pixel_a_mail() {
    let told = |kind: &str, first: bool| {
        json!([{"msys": {"track_event": {"type": kind, "campaign_id": "Example Campaign Name", "click_tracking": true, "customer_id": "1",
            "event_id": "92356927693813856", "friendly_from": "sender@example.com", "initial_pixel": first,
            "injection_time": "2016-04-18T14:25:07.000Z", "ip_address": "127.0.0.1", "message_id": "000443ee14578172be22",
            "rcpt_meta": {"customKey": "customValue"}, "rcpt_to": "recipient@example.com", "raw_rcpt_to": "recipient@example.com",
            "subject": "Summer deals are here!", "target_link_name": "Example Link Name", "target_link_url": "http://example.com",
            "timestamp": "1460989507", "user_agent": "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_10_3) AppleWebKit/537.36"}}}])
    };
    let read = |kind: &str, first| only(sparkpost::read(&told(kind, first), &reader()).unwrap());
    let clicked = hit(read("click", true));
    assert_eq!((clicked.kind, clicked.label.as_deref()), (Kind::Click, Some("Example Link Name")));
    assert_eq!(
        (clicked.received_at, clicked.sent_at),
        (at("2016-04-18T14:25:07Z"), at("2016-04-18T14:25:07Z"))
    );
    assert_eq!(private(&clicked)["rcpt_to"], "[address]");
    assert_eq!(hit(read("initial_open", true)).kind, Kind::Open);
    assert_eq!(read("open", true), Item::Ignored(Left::SecondPixel));
    assert_eq!(hit(read("amp_open", false)).kind, Kind::Open);
}

#[test]
fn what_a_provider_makes_up_is_refused() {
    let told = json!([{"email": "example@test.com", "timestamp": 1513299569, "event": "click", "sg_event_id": "a", "sg_message_id": "b",
        "useragent": "x".repeat(5000), "ip": "192.0.2.7"}]);
    let engaged = engaged(only(sendgrid::read(&told, &reader()).unwrap()));
    assert_eq!(engaged.agent.len(), AGENT_BYTES);
    let early = at("2017-12-15T00:00:00Z");
    assert!(engaged.clone().hit(&account(), early).is_err(), "a window closes by the time of hits");
    assert!(engaged.hit(&account(), at("2017-12-15T00:58:31Z")).is_ok());
    // What the sender put in with the destination is no way around.
    let told = json!([{"email": "example@test.com", "timestamp": 1513299569, "event": "click", "sg_event_id": "a", "sg_message_id": "b",
        "useragent": "Agent/1", "ip": "192.0.2.7", "url": "https://shop.example/results?of=jane", "goes_to": "shop.example/results?of=jane",
        "unsubscribe": "/u?to=https%3A%2F%2Fshop.example%2Fresults", "zz": "x".repeat(5000)}]);
    let hit = hit(only(sendgrid::read(&told, &reader()).unwrap()));
    let original = hit.original.unwrap();
    assert!(original.len() <= 2048 && original.contains("Agent/1"), "the bound of delivery events");
    assert!(!original.contains("results"), "{original}");
    for (text, expected) in [
        ("pricing", Some("pricing")),
        ("", None),
        ("Raw URL", None),
        ("https://example.com/?u=1", None),
        ("jane@example.com", None),
        (&"x".repeat(65), None),
    ] {
        assert_eq!(label(text).as_deref(), expected);
    }
}
