//! Mails out and delivery events in.

use crate::world::{BASE, DEMO, World, problem, ring};
use engagement::delivery::DeliveryEvent;
use engagement::token::{self, Content};
use engagement::{Kind, from_wire, message_key};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};

fn opened(url: &Value, path: &str) -> Content {
    let token = url.as_str().unwrap().strip_prefix(BASE).unwrap().strip_prefix(path).unwrap();
    token::open_with_ring(&ring(), "localhost", &token::parse(token).0.unwrap()).unwrap()
}

#[tokio::test(flavor = "multi_thread")]
async fn links_hold_what_was_asked_for() {
    let world = World::new().await;
    let wanted = json!({"message_id": "m-1", "campaign": "winter", "recipient_id": "r-1",
        "recipient_domain": "Clinic.example", "sent_at": "2026-03-10T09:00:00Z",
        "links": [{"url": "https://a.example/x?y=1#z", "label": "book"}, {"url": "HTTP://b.example"}]});
    let (status, urls) = world.give(Method::POST, "/v1/accounts/demo/links", wanted).await;
    assert_eq!(status, StatusCode::OK, "{urls}");
    let pixel = opened(&urls["pixel_url"], "/o/");
    assert_eq!(
        (pixel.kind, pixel.message_id.as_str(), pixel.campaign.as_str()),
        (Kind::Open, "m-1", "winter")
    );
    assert_eq!((pixel.recipient_id.as_str(), pixel.recipient_domain.as_str()), ("r-1", "clinic.example"));
    assert_eq!(pixel.sent_at.to_string(), "2026-03-10T09:00:00.000Z");
    let first = opened(&urls["links"][0]["tracked_url"], "/c/").link.unwrap();
    assert_eq!((first.destination.as_str(), first.index, first.count), ("https://a.example/x?y=1#z", 0, 2));
    assert_eq!(first.label.as_deref(), Some("book"));
    let second = opened(&urls["links"][1]["tracked_url"], "/c/").link.unwrap();
    assert_eq!((second.destination.as_str(), second.index, second.label), ("http://b.example", 1, None));
    assert_eq!(urls["links"][1]["url"], "http://b.example");
    assert_eq!(opened(&urls["unsubscribe_url"], "/u/").kind, Kind::Unsubscribe);
    assert_eq!(
        urls["headers"]["List-Unsubscribe"],
        format!("<{}>", urls["unsubscribe_url"].as_str().unwrap())
    );
    assert_eq!(urls["headers"]["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
}

#[tokio::test(flavor = "multi_thread")]
async fn what_can_not_be_linked_is_named() {
    let world = World::new().await;
    let link = |url: &str| json!({"message_id": "m", "links": [{"url": "https://a.example"}, {"url": url}]});
    for (wanted, pointer) in [
        (json!({"message_id": ""}), "/message_id"),
        (json!({"message_id": "m".repeat(65)}), "/message_id"),
        (json!({"message_id": "m", "recipient_id": "jane@clinic.example"}), "/recipient_id"),
        (json!({"message_id": "m", "recipient_domain": "no domain"}), "/recipient_domain"),
        (link("javascript:alert(1)"), "/links/1/url"),
        (link("ftp://a.example"), "/links/1/url"),
        (link("/relative"), "/links/1/url"),
        (link(""), "/links/1/url"),
        (
            json!({"message_id": "m", "links": [{"url": "https://a.example", "label": "x".repeat(65)}]}),
            "/links/0/label",
        ),
        (json!({"message_id": "m", "links": vec![json!({"url": "https://a.example"}); 1001]}), "/links"),
    ] {
        let (status, problem) = world.give(Method::POST, "/v1/accounts/demo/links", wanted).await;
        assert_eq!(
            (status, &problem["errors"][0]["pointer"]),
            (StatusCode::BAD_REQUEST, &json!(pointer)),
            "{problem}"
        );
    }
    for (wanted, named) in [
        (json!({}), "message_id"),
        (json!({"message_id": "m", "colour": 1}), "colour"),
        (json!({"message_id": "m", "sent_at": "0001-01-01T00:00:00Z"}), "2000"),
        (json!({"message_id": "m", "sent_at": "soon"}), "RFC 3339"),
    ] {
        let (status, problem) = world.give(Method::POST, "/v1/accounts/demo/links", wanted).await;
        assert_eq!(status, StatusCode::BAD_REQUEST);
        assert!(problem["detail"].as_str().unwrap().contains(named), "{problem}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_mail_is_instrumented() {
    let world = World::new().await;
    let html = "<p>Dear reader</p>\r\n<a href='https://a.example/?a=1&amp;b=2' data-label=\"book\">x</a>\
        <a href=\"mailto:a@clinic.example\">y</a></body>";
    let wanted = json!({"message_id": "m-2", "html": html});
    let (status, mail) = world.give(Method::POST, "/v1/accounts/demo/instrument", wanted).await;
    assert_eq!(status, StatusCode::OK, "{mail}");
    let link = &mail["links"][0];
    assert_eq!((&link["url"], &link["label"]), (&json!("https://a.example/?a=1&b=2"), &json!("book")));
    assert_eq!(opened(&link["tracked_url"], "/c/").link.unwrap().count, 1);
    assert_eq!((mail["links"].as_array().unwrap().len(), &mail["left_alone"]), (1, &json!(1)));
    let tracked = mail["html"].as_str().unwrap();
    let back = tracked.replace(link["tracked_url"].as_str().unwrap(), "https://a.example/?a=1&amp;b=2");
    let (before, rest) = back.split_once("<img src=\"").unwrap();
    let (pixel, after) = rest.split_once('"').unwrap();
    assert_eq!(pixel, mail["pixel_url"].as_str().unwrap());
    let (_, after) = after.split_once('>').unwrap();
    assert_eq!(format!("{before}{after}"), html, "everything else stays byte for byte");
    assert!(mail["headers"]["List-Unsubscribe"].as_str().unwrap().starts_with("<http"));
}

#[tokio::test(flavor = "multi_thread")]
async fn only_an_account_that_wants_traps_gets_them() {
    let world = World::new().await;
    let mail = json!({"message_id": "m-3", "links": [{"url": "https://a.example"}]});
    let links = "/v1/accounts/demo/links";
    let (_, urls) = world.give(Method::POST, links, mail.clone()).await;
    assert_eq!(urls.get("trap"), None, "{urls}");
    let settings = "/v1/accounts/demo/settings";
    let (status, answer) = world.give(Method::PUT, settings, json!({"trap_links": true})).await;
    assert_eq!(status, StatusCode::OK, "{answer}");
    let (_, urls) = world.give(Method::POST, links, mail).await;
    let trap = opened(&urls["trap"]["url"], "/c/");
    assert_eq!((trap.kind, trap.message_id.as_str(), trap.link), (Kind::Trap, "m-3", None));
    let html = urls["trap"]["html"].as_str().unwrap();
    assert!(html.contains(urls["trap"]["url"].as_str().unwrap()) && html.contains("display:none"));
    assert_eq!(opened(&urls["links"][0]["tracked_url"], "/c/").link.unwrap().count, 1);

    let wanted = json!({"message_id": "m-3", "html": "<body>Hi</body>"});
    let (_, mail) = world.give(Method::POST, "/v1/accounts/demo/instrument", wanted).await;
    assert!(mail["html"].as_str().unwrap().contains(mail["trap"]["html"].as_str().unwrap()), "{mail}");
    assert!(mail["links"].as_array().unwrap().is_empty());
}

#[tokio::test(flavor = "multi_thread")]
async fn delivery_events_are_durable_line_by_line() {
    let world = World::new().await;
    let body = [
        r#"{"type":"sent","message_id":"m-1","at":"2026-03-10T09:00:00Z","recipient_domain":"A.example"}"#,
        r#"{"type":"bounced","message_id":"m-1","at":"2026-03-10T09:00:01Z","smtp_code":550,"enhanced_code":"5.1.1","diagnostic":"550 <jane@a.example> unknown"}"#,
        "not json",
        "",
        r#"{"type":"posted","message_id":"m-1","at":"2026-03-10T09:00:00Z"}"#,
        r#"{"type":"sent","message_id":"m-2","at":"9999-03-10T09:00:00Z"}"#,
        r#"{"type":"sent","message_id":"m-2","at":"2026-03-10T09:00:00Z","recipient_id":"jane@a.example"}"#,
        r#"{"type":"delivered","message_id":"m-2","at":"2026-03-10T09:00:00Z","tracked":false}"#,
    ];
    let path = "/v1/accounts/demo/events";
    let response = world.send(Method::POST, path, Some(&world.admin), Some(body.join("\n"))).await;
    assert_eq!(response.status(), StatusCode::ACCEPTED);
    let answer: Value = response.json().await.unwrap();
    assert_eq!(answer["accepted"], 3);
    let rejected = answer["rejected"].as_array().unwrap();
    let lines: Vec<_> = rejected.iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(lines, [3, 5, 6, 7]);
    for (line, named) in rejected.iter().zip(["expected", "posted", "time", "recipient_id"]) {
        assert!(line["error"].as_str().unwrap().contains(named), "{line}");
    }
    let mut consumer = world.topic.consumer("loader").unwrap();
    let records = consumer.next(10, 1 << 20).await.unwrap();
    let events: Vec<DeliveryEvent> = records
        .into_iter()
        .map(|record| {
            let record = record.record.unwrap();
            let event: DeliveryEvent = from_wire(&record.payload).unwrap();
            assert_eq!(record.key, message_key(DEMO, &event.message_id));
            event
        })
        .collect();
    assert_eq!(events.len(), 3);
    assert_eq!((events[0].account_number, events[0].account.as_str()), (DEMO, "demo"));
    assert_eq!(events[0].recipient_domain, "a.example");
    assert_eq!(events[1].diagnostic.as_deref(), Some("550 <[address]> unknown"));
    assert!(!events[2].tracked);

    // A topic that takes nothing: the sender is told to come back.
    world.topic.clone().close().await;
    let refused = world.send(Method::POST, path, Some(&world.admin), Some(body[0].to_owned())).await;
    assert!(refused.headers().contains_key("retry-after"));
    assert_eq!(problem(refused).await.0, StatusCode::SERVICE_UNAVAILABLE);
}
