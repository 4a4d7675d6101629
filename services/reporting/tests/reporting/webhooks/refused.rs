//! What is forged, replayed, reordered, cut or too large, of each provider, and what the metric says of it.

use super::proof::{BYTES, PROVIDERS, Proof, Sent, all, counted, post, sent};
use super::{PATH, TOPIC, alone, events, notification, now, signed};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeSet;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};

/// Two delivered messages, in one document of a provider that sends batches, else in two.
fn delivered(provider: &str) -> Vec<Value> {
    let one = |id: &str| match provider {
        "ses" => {
            json!({"eventType": "Delivery", "mail": {"messageId": id, "destination": ["jane@example.com"], "timestamp": now()},
            "delivery": {"timestamp": now(), "recipients": ["jane@example.com"], "smtpResponse": "250 OK"}})
        }
        "sendgrid" => {
            json!({"event": "delivered", "sg_event_id": id, "sg_message_id": format!("{id}.f"), "timestamp": 1513299569,
            "email": "jane@example.com", "response": "250 OK"})
        }
        "mailgun" => {
            json!({"event": "delivered", "id": id, "timestamp": 1377208314.17, "recipient": "jane@example.com",
            "message": {"headers": {"message-id": id}}})
        }
        "postmark" => json!({"RecordType": "Delivery", "MessageID": id, "Recipient": "jane@example.com",
            "DeliveredAt": "2019-11-05T16:33:54.9070259Z", "Details": "Test delivery webhook details"}),
        _ => {
            json!({"msys": {"message_event": {"type": "delivery", "event_id": id, "message_id": id, "rcpt_to": "jane@example.com",
            "timestamp": "1454442600"}}})
        }
    };
    match provider {
        "sendgrid" | "sparkpost" => vec![json!([one("a"), one("b")])],
        _ => vec![one("a"), one("b")],
    }
}

/// Why a request of each provider is refused: proven by another key; signed 25 hours ago; with the proof of another body; cut
/// off. Basic authentication knows neither time nor body: who has the password may say anything at any time.
const REFUSALS: [(&str, [Option<&str>; 4]); 5] = [
    ("ses", [Some("certificate"), Some("time"), Some("signature"), Some("malformed")]),
    ("sendgrid", [Some("signature"), Some("time"), Some("signature"), Some("signature")]),
    ("mailgun", [Some("signature"), Some("time"), Some("replay"), Some("malformed")]),
    ("postmark", [Some("signature"), None, None, Some("malformed")]),
    ("sparkpost", [Some("signature"), None, None, Some("malformed")]),
];

#[tokio::test(flavor = "multi_thread")]
async fn each_providers_refusals_are_answered_and_counted_by_reason() {
    let _alone = alone().await;
    let world = all().await;
    let mut durable = 0;
    for (provider, [forged, old, other, cut]) in REFUSALS {
        let document = &delivered(provider)[0];
        let good = sent(provider, document, Proof::Good);
        let changed = good.body.replace("jane@", "john@");
        let half = (0..good.body.len() / 2).rev().find(|end| good.body.is_char_boundary(*end)).unwrap();
        let with = |body: &str| Sent { body: body.to_owned(), ..good.clone() };
        let bare = Sent {
            headers: Vec::new(),
            body: good.body.replace("signature", "other").replace("Signature", "Other"),
        };
        let requests = [
            ("good", good.clone(), Some("accepted")),
            ("the same again", good.clone(), Some("accepted")),
            ("forged", sent(provider, document, Proof::Forged), forged),
            ("unproven", bare, Some("signature")),
            ("old", sent(provider, document, Proof::Old(25)), old),
            ("another body", with(&changed), other),
            ("cut", with(&good.body[..half]), cut),
            ("empty", with(""), cut),
            ("oversized", with(&"x".repeat(BYTES + 1)), Some("too_large")),
        ];
        for (what, request, outcome) in requests {
            let outcome = outcome.unwrap_or("accepted");
            let before = counted(&world, provider).await;
            let (status, answer) = post(&world, provider, &request).await;
            let expected = match outcome {
                "accepted" => StatusCode::OK,
                "malformed" => StatusCode::BAD_REQUEST,
                "too_large" => StatusCode::PAYLOAD_TOO_LARGE,
                _ => StatusCode::UNAUTHORIZED,
            };
            assert_eq!(status, expected, "{provider}, {what}: {answer}");
            let mut after = before;
            *after.entry(outcome.to_owned()).or_default() += 1;
            assert_eq!(counted(&world, provider).await, after, "{provider}, {what}");
            durable += answer["accepted"].as_u64().unwrap_or(0);
        }
    }
    let events = events(&world, usize::try_from(durable).unwrap()).await;
    let ids: BTreeSet<_> = events.iter().map(|event| &event.event_id).collect();
    // What was told twice has one id. Two batches of two, three single ones.
    assert_eq!(ids.len(), 7, "{ids:?}");
}

#[tokio::test(flavor = "multi_thread")]
async fn events_in_another_order_are_the_same_events() {
    let _alone = alone().await;
    let world = all().await;
    for provider in PROVIDERS {
        let mut documents = delivered(provider);
        let ways: [Vec<Sent>; 2] = [(); 2].map(|()| {
            let way = documents.iter().map(|document| sent(provider, document, Proof::Good)).collect();
            documents.reverse();
            for batch in documents.iter_mut().filter_map(Value::as_array_mut) {
                batch.reverse();
            }
            way
        });
        // SNS gives each message an id, and the same message the same id.
        let ways =
            if provider == "ses" { [ways[0].clone(), ways[0].iter().rev().cloned().collect()] } else { ways };
        for way in &ways {
            for sent in way {
                assert_eq!(post(&world, provider, sent).await.0, StatusCode::OK);
            }
        }
    }
    let events = events(&world, 4 * PROVIDERS.len()).await;
    for told in events.chunks(4) {
        let id = |place: usize| (&told[place].event_id, &told[place].message_id);
        assert_eq!((id(0), id(1)), (id(3), id(2)));
        assert_ne!(id(0), id(1));
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn the_other_reasons_are_counted_too() {
    let _alone = alone().await;
    let world = all().await;
    let resigned = |name: &str, value: Value| {
        let mut told = notification();
        told[name] = value;
        signed(told).to_string()
    };
    let certificate =
        |host_and_path: &str| resigned("SigningCertURL", json!(format!("https://{host_and_path}")));
    for (body, reason) in [
        (certificate("sns.us-east-1.amazonaws.com.evil.example/good.pem"), "certificate_url"),
        (certificate("sns.us-east-1.amazonaws.com/gone.pem"), "certificate_unavailable"),
        (certificate("sns.us-east-1.amazonaws.com/expired.pem"), "certificate"),
        (resigned("TopicArn", json!(TOPIC.replace("mail", "other"))), "topic"),
    ] {
        let mut expected = counted(&world, "ses").await;
        post(&world, "ses", &Sent { headers: Vec::new(), body }).await;
        *expected.entry(reason.to_owned()).or_default() += 1;
        assert_eq!(counted(&world, "ses").await, expected, "{reason}");
    }
    // An account that there is not, one that takes none, and a body whose end never comes.
    let mut expected = counted(&world, "postmark").await;
    for account in ["nobody", "other"] {
        let path = format!("/v1/accounts/{account}/webhooks/postmark");
        let answer = world.send(Method::POST, &path, None, Some("{}".to_owned())).await;
        assert_eq!(answer.status(), StatusCode::UNAUTHORIZED);
    }
    *expected.entry("unknown".to_owned()).or_default() += 2;
    let mut stream = tokio::net::TcpStream::connect(world.url.trim_start_matches("http://")).await.unwrap();
    let head = format!("POST {PATH}/postmark HTTP/1.1\r\nhost: localhost\r\ncontent-length: 100\r\n\r\n{{");
    stream.write_all(head.as_bytes()).await.unwrap();
    stream.shutdown().await.unwrap();
    let _ = stream.read_to_end(&mut Vec::new()).await;
    *expected.entry("cut".to_owned()).or_default() += 1;
    crate::support::until("the request that was cut is counted", || async {
        counted(&world, "postmark").await == expected
    })
    .await;
}

#[tokio::test(flavor = "multi_thread")]
async fn mailguns_tokens_are_good_once_over_a_restart_and_for_nine_hours() {
    let _alone = alone().await;
    let world = all().await;
    let document = &delivered("mailgun")[0];
    for (hours, status) in
        [(8, StatusCode::OK), (10, StatusCode::UNAUTHORIZED), (-1, StatusCode::UNAUTHORIZED)]
    {
        let told = post(&world, "mailgun", &sent("mailgun", document, Proof::Old(hours))).await;
        assert_eq!(told.0, status, "signed {hours} hours ago: {}", told.1);
    }
    let captured = sent("mailgun", document, Proof::Good);
    assert_eq!(post(&world, "mailgun", &captured).await.0, StatusCode::OK);
    let world = world.started_again().await;
    let abused = Sent { body: captured.body.replace("delivered", "complained"), ..captured.clone() };
    assert_eq!(post(&world, "mailgun", &abused).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&world, "mailgun", &captured).await.0, StatusCode::OK, "Mailgun itself, once more");
}
