//! Webhooks as providers send them: proven, forged, replayed, cut, too large; what becomes of them in the topic.

mod proof;
mod published;
mod refused;

use crate::world::{World, problem};
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{RSA_PKCS1_SHA256, RsaKeyPair};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engagement::{DeliveryEvent, Timestamp, from_wire};
use reporting::{Config, Fetch, FetchError, Fetched};
use reqwest::{Method, StatusCode};
use rustls_pki_types::CertificateDer;
use rustls_pki_types::pem::PemObject as _;
use serde_json::{Value, json};
use std::sync::Mutex;
use std::time::SystemTime;

const TOPIC: &str = "arn:aws:sns:us-east-1:123456789012:mail";
const PATH: &str = "/v1/accounts/demo/webhooks";

/// What SNS would answer; the confirmations that were asked for.
pub(crate) struct Amazon;
static CONFIRMED: Mutex<Vec<String>> = Mutex::new(Vec::new());

impl Fetch for Amazon {
    fn get<'a>(&'a self, url: &'a url::Url) -> Fetched<'a> {
        Box::pin(async move {
            match url.path() {
                "/good.pem" => Ok(include_bytes!("../sns/certificate.pem").to_vec()),
                "/stranger.pem" => Ok(include_bytes!("../sns/stranger.pem").to_vec()),
                "/expired.pem" => Ok(include_bytes!("../sns/expired.pem").to_vec()),
                "/forged.pem" => Ok(include_bytes!("../sns/forged.pem").to_vec()),
                "/r2m01.cer" => Ok(include_bytes!("../sns/intermediate.der").to_vec()),
                "/" => {
                    CONFIRMED.lock().unwrap().push(url.to_string());
                    Ok(Vec::new())
                }
                _ => Err(FetchError),
            }
        })
    }

    fn roots(&self) -> Vec<CertificateDer<'static>> {
        vec![CertificateDer::from_pem_slice(include_bytes!("../sns/root.pem")).unwrap()]
    }
}

/// The metrics are the process's: who counts, and who is counted, is alone.
async fn alone() -> tokio::sync::MutexGuard<'static, ()> {
    static ALONE: tokio::sync::Mutex<()> = tokio::sync::Mutex::const_new(());
    ALONE.lock().await
}

fn now() -> String {
    Timestamp::from_clock(SystemTime::now()).to_string()
}

/// A message of SNS, signed as its page says (version 2).
fn signed(mut told: Value) -> Value {
    let fields: &[&str] = if told["Type"] == "Notification" {
        &["Message", "MessageId", "Timestamp", "TopicArn", "Type"]
    } else {
        &["Message", "MessageId", "SubscribeURL", "Timestamp", "Token", "TopicArn", "Type"]
    };
    let text: String =
        fields.iter().map(|field| format!("{field}\n{}\n", told[*field].as_str().unwrap())).collect();
    let pem: String = include_str!("../sns/key.pem").lines().filter(|line| !line.starts_with('-')).collect();
    let key = RsaKeyPair::from_pkcs8(&STANDARD.decode(pem).unwrap()).unwrap();
    let mut signature = vec![0; key.public_modulus_len()];
    key.sign(&RSA_PKCS1_SHA256, &SystemRandom::new(), text.as_bytes(), &mut signature).unwrap();
    told["Signature"] = json!(STANDARD.encode(signature));
    told
}

fn notification() -> Value {
    let message = json!({"eventType": "Bounce", "mail": {"messageId": "0100-example", "destination": ["jane@example.com"],
            "timestamp": now(), "tags": {"trueopen_message_id": ["m-ses"]}},
        "bounce": {"bounceType": "Permanent", "timestamp": now(), "bouncedRecipients": [{"emailAddress": "jane@example.com",
            "status": "5.1.1", "diagnosticCode": "smtp; 550 5.1.1 <jane@example.com> user unknown"}]}});
    json!({"Type": "Notification", "MessageId": "22b80b92-fdea-4c2c-8f9d-bdfb0c7bf324", "TopicArn": TOPIC,
        "Message": message.to_string(), "Timestamp": now(), "SignatureVersion": "2",
        "SigningCertURL": "https://sns.us-east-1.amazonaws.com/good.pem"})
}

async fn world(provider: &str, secret: &str) -> World {
    let world = World::with(Config { webhook_bytes: 20_000, ..Config::default() }).await;
    let put = world.give(Method::PUT, &format!("{PATH}/{provider}"), json!({"secret": secret})).await;
    assert_eq!(put.0, StatusCode::OK, "{}", put.1);
    assert_eq!(
        put.1,
        json!({"provider": provider, "path": format!("{PATH}/{provider}"), "secret": "***",
        "opens_and_clicks": false})
    );
    world
}

async fn post(world: &World, provider: &str, body: &str) -> reqwest::Response {
    world.send(Method::POST, &format!("{PATH}/{provider}"), None, Some(body.to_owned())).await
}

/// The delivery events in the topic, so many.
async fn events(world: &World, count: usize) -> Vec<DeliveryEvent> {
    let mut consumer = world.topic.consumer("loader").unwrap();
    let mut events: Vec<DeliveryEvent> = Vec::new();
    while events.len() < count {
        let read = consumer.next(100, 1 << 20).await.unwrap();
        events.extend(read.into_iter().map(|read| from_wire(&read.record.unwrap().payload).unwrap()));
    }
    assert_eq!(events.len(), count);
    events
}

#[tokio::test(flavor = "multi_thread")]
async fn sns_is_believed_by_its_signature_topic_certificate_and_time_alone() {
    let _alone = alone().await;
    let world = world("ses", TOPIC).await;
    let good = signed(notification());
    assert_eq!(post(&world, "ses", &good.to_string()).await.status(), StatusCode::OK);
    let change = |name: &str, value: Value| {
        let mut told = good.clone();
        told[name] = value;
        told.to_string()
    };
    let resigned = |name: &str, value: Value| {
        let mut told = notification();
        told[name] = value;
        signed(told).to_string()
    };
    let forged = [
        change("Message", json!("{\"eventType\":\"Delivery\"}")),
        change("MessageId", json!("another")),
        change("Signature", json!("AAAA")),
        change("SignatureVersion", json!("3")),
        resigned("TopicArn", json!("arn:aws:sns:us-east-1:999999999999:mail")),
        resigned("SigningCertURL", json!("https://sns.us-east-1.amazonaws.com.evil.example/good.pem")),
        resigned("SigningCertURL", json!("http://sns.us-east-1.amazonaws.com/good.pem")),
        resigned("SigningCertURL", json!("https://sns.us-east-1.amazonaws.com/stranger.pem")),
        resigned("SigningCertURL", json!("https://sns.us-east-1.amazonaws.com/expired.pem")),
        resigned("SigningCertURL", json!("https://sns.us-east-1.amazonaws.com/forged.pem")),
        resigned("Timestamp", json!("2020-01-01T00:00:00.000Z")),
    ];
    for body in &forged {
        assert_eq!(post(&world, "ses", body).await.status(), StatusCode::UNAUTHORIZED, "{body}");
    }
    let unavailable = resigned("SigningCertURL", json!("https://sns.us-east-1.amazonaws.com/gone.pem"));
    assert_eq!(post(&world, "ses", &unavailable).await.status(), StatusCode::SERVICE_UNAVAILABLE);
    let cut = &good.to_string()[..300];
    assert_eq!(post(&world, "ses", cut).await.status(), StatusCode::BAD_REQUEST);
    assert_eq!(post(&world, "ses", &"x".repeat(20_001)).await.status(), StatusCode::PAYLOAD_TOO_LARGE);
    // The same once more is the same event.
    assert_eq!(post(&world, "ses", &good.to_string()).await.status(), StatusCode::OK);
    let events = events(&world, 2).await;
    assert_eq!((&events[0].event_id, events[0].message_id.as_str()), (&events[1].event_id, "m-ses"));
    assert_eq!(events[0].bounce_reason.as_deref(), Some("no_such_user"));
    assert!(!serde_json::to_string(&events).unwrap().contains("jane@"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_subscription_is_confirmed_only_for_the_accounts_topic_at_sns() {
    let _alone = alone().await;
    let world = world("ses", TOPIC).await;
    let confirmation = |topic: &str, url: &str| {
        signed(
            json!({"Type": "SubscriptionConfirmation", "MessageId": "165545c9-2a5c-472c-8df2-7ff2be2b3b1b", "Token": "2336412f37",
            "TopicArn": topic, "Message": "You have chosen to subscribe", "SubscribeURL": url, "Timestamp": now(),
            "SignatureVersion": "2", "SigningCertURL": "https://sns.us-east-1.amazonaws.com/good.pem"}),
        )
    };
    let url = "https://sns.us-east-1.amazonaws.com/?Action=ConfirmSubscription&Token=2336412f37";
    for (topic, url) in [
        ("arn:aws:sns:us-east-1:999999999999:mail", url),
        (TOPIC, "https://169.254.169.254/latest/meta-data"),
        (TOPIC, "https://evil.example/?Action=ConfirmSubscription"),
    ] {
        let refused = post(&world, "ses", &confirmation(topic, url).to_string()).await;
        assert_eq!(refused.status(), StatusCode::UNAUTHORIZED);
    }
    assert!(CONFIRMED.lock().unwrap().is_empty());
    assert_eq!(post(&world, "ses", &confirmation(TOPIC, url).to_string()).await.status(), StatusCode::OK);
    assert_eq!(*CONFIRMED.lock().unwrap(), [url]);
}

#[tokio::test(flavor = "multi_thread")]
async fn an_account_takes_what_it_was_told_to_and_shows_no_secret() {
    let _alone = alone().await;
    let key = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0";
    let world = world("mailgun", key).await;
    let stamp = Timestamp::from_clock(SystemTime::now()).millis() / 1000;
    let sign = |secret: &str, nonce: &str| {
        let tag = hmac::sign(
            &hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes()),
            format!("{stamp}{nonce}").as_bytes(),
        );
        let hex: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
        json!({"timestamp": stamp.to_string(), "token": nonce, "signature": hex})
    };
    let body = |signature: Value, id: &str, event: &str| {
        json!({"signature": signature, "event-data": {"event": event, "id": id, "timestamp": stamp, "recipient": "jane@example.com",
            "message": {"headers": {"message-id": "20130503182626.18666.16540@example.com"}}}})
        .to_string()
    };
    // In any order, a delivery before its sending.
    for (nonce, id, event) in [("n1", "b", "delivered"), ("n2", "a", "accepted"), ("n3", "c", "opened")] {
        let answer = post(&world, "mailgun", &body(sign(key, nonce), id, event)).await;
        assert_eq!(answer.status(), StatusCode::OK);
        let answer: Value = answer.json().await.unwrap();
        assert_eq!(answer["accepted"], u8::from(event != "opened"), "{answer}");
    }
    assert_eq!(
        post(&world, "mailgun", &body(sign(key, "n1"), "z", "complained")).await.status(),
        401,
        "a token again"
    );
    assert_eq!(post(&world, "mailgun", &body(sign("wrong", "n4"), "z", "delivered")).await.status(), 401);
    assert_eq!(post(&world, "sendgrid", "[]").await.status(), 401, "not set up");
    let nobody =
        world.send(Method::POST, "/v1/accounts/nobody/webhooks/mailgun", None, Some("{}".to_owned())).await;
    assert_eq!(problem(nobody).await.0, StatusCode::UNAUTHORIZED);
    assert_eq!(post(&world, "outlook", "{}").await.status(), StatusCode::NOT_FOUND);
    let told = events(&world, 2).await;
    assert_eq!(told.iter().map(|event| event.kind.as_str()).collect::<Vec<_>>(), ["delivered", "sent"]);

    // No output and no table holds the secret; another account sees nothing; taken back, it is refused at once.
    assert_eq!(world.json(PATH).await["webhooks"][0]["secret"], "***");
    let stored: String = world
        .connection
        .client()
        .query("SELECT toString(groupArray(sealed)) FROM webhooks")
        .fetch_one()
        .await
        .unwrap();
    assert!(!stored.contains(key) && stored.len() > 40, "{stored}");
    let theirs = world.send(Method::GET, PATH, Some(&world.other_admin), None).await;
    assert_eq!(theirs.status(), StatusCode::NOT_FOUND);
    for secret in [json!({"secret": ""}), json!({"secret": "ä"}), json!({"key": "x"})] {
        let (status, answer) = world.give(Method::PUT, &format!("{PATH}/mailgun"), secret).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{answer}");
    }
    let gone = world.send(Method::DELETE, &format!("{PATH}/mailgun"), Some(&world.admin), None).await;
    assert_eq!(gone.status(), StatusCode::NO_CONTENT);
    assert_eq!(post(&world, "mailgun", &body(sign(key, "n5"), "d", "delivered")).await.status(), 401);
    assert_eq!(world.json(PATH).await["webhooks"], json!([]));
}

#[tokio::test(flavor = "multi_thread")]
async fn webhooks_live_on_the_copy_when_the_database_is_away() {
    let _alone = alone().await;
    let world = world("postmark", "postmark:0123456789abcdef").await.without_database().await;
    let told = json!({"RecordType": "Delivery", "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483", "Recipient": "jane@example.com",
        "DeliveredAt": now(), "Details": "Test delivery webhook details"});
    let client = reqwest::Client::new();
    let send = |password: &'static str| {
        let url = format!("{}{PATH}/postmark", world.url);
        client.post(url).basic_auth("postmark", Some(password)).body(told.to_string()).send()
    };
    assert_eq!(send("0123456789abcdef").await.unwrap().status(), StatusCode::OK);
    assert_eq!(send("0123456789abcdeX").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(events(&world, 1).await[0].message_id, "883953f4-6105-42a2-a16a-77a8eac79483");
}

#[tokio::test(flavor = "multi_thread")]
async fn opens_and_clicks_become_hits_for_those_who_ask() {
    let _alone = alone().await;
    let secret = "sparkpost:0123456789abcdef";
    let world = world("sparkpost", secret).await;
    let stamp = Timestamp::from_clock(SystemTime::now()).millis() / 1000;
    let told = |kind: &str, id: &str| {
        json!({"msys": {"track_event": {"type": kind, "event_id": id, "message_id": "000443ee14578172be22", "timestamp": stamp.to_string(),
            "rcpt_meta": {"trueopen_message_id": "m-9"}, "rcpt_to": "jane@example.com", "ip_address": "192.0.2.7",
            "target_link_url": "https://example.com/?u=jane", "user_agent": "Mozilla/5.0 (Macintosh)"}}})
    };
    let bare = json!({"msys": {"track_event": {"type": "open", "event_id": "x", "message_id": "y", "timestamp": stamp.to_string()}}});
    let body = json!([told("open", "1"), told("click", "2"), bare, {"msys": {"message_event": {"type": "delivery", "event_id": "3",
        "message_id": "y", "timestamp": stamp.to_string()}}}]);
    let send = async || {
        let request = reqwest::Client::new().post(format!("{}{PATH}/sparkpost", world.url));
        let answer = request
            .basic_auth("sparkpost", Some("0123456789abcdef"))
            .body(body.to_string())
            .send()
            .await
            .unwrap();
        assert_eq!(answer.status(), StatusCode::OK);
        answer.json::<Value>().await.unwrap()
    };
    let off = json!({"accepted": 1, "hits": 0, "ignored": 3, "ignored_because": {"no_address_or_agent": 1, "opens_and_clicks_off": 2}, "bad": []});
    assert_eq!(send().await, off);
    let on = json!({"secret": secret, "opens_and_clicks": true});
    let (status, answer) = world.give(Method::PUT, &format!("{PATH}/sparkpost"), on).await;
    assert_eq!((status, &answer["opens_and_clicks"]), (StatusCode::OK, &json!(true)));
    assert_eq!(world.json(PATH).await["webhooks"][0]["opens_and_clicks"], true);
    let taken = json!({"accepted": 1, "hits": 2, "ignored": 1, "ignored_because": {"no_address_or_agent": 1}, "bad": []});
    assert_eq!(send().await, taken);
    assert_eq!(send().await, taken, "a repeat is taken and is the same");
    let mut consumer = world.hits.consumer("classifier").unwrap();
    let mut hits: Vec<engagement::Hit> = Vec::new();
    while hits.len() < 4 {
        let read = consumer.next(100, 1 << 20).await.unwrap();
        hits.extend(read.into_iter().map(|read| {
            let record = read.record.unwrap();
            let hit: engagement::Hit = from_wire(&record.payload).unwrap();
            assert_eq!(record.key, engagement::message_key(hit.account_number, "m-9"));
            hit
        }));
    }
    assert_eq!((&hits[0], &hits[1]), (&hits[2], &hits[3]));
    assert_eq!((hits[0].kind, hits[1].kind), (engagement::Kind::Open, engagement::Kind::Click));
    assert!(!serde_json::to_string(&hits).unwrap().contains("jane"));
}

#[tokio::test(flavor = "multi_thread")]
async fn sparkpost_may_ask_for_a_token_first() {
    let _alone = alone().await;
    let world = world("sparkpost", "sparkpost:0123456789abcdef").await;
    let client = reqwest::Client::new();
    let ask = |password: &str, provider: &str| {
        let body =
            json!({"client_id": "sparkpost", "client_secret": password, "grant_type": "client_credentials"});
        client.post(format!("{}{PATH}/{provider}/token", world.url)).json(&body).send()
    };
    let given = ask("0123456789abcdef", "sparkpost").await.unwrap();
    assert_eq!(given.status(), StatusCode::OK);
    let given: Value = given.json().await.unwrap();
    assert_eq!((&given["token_type"], &given["expires_in"]), (&json!("Bearer"), &json!(3600)));
    let token = given["access_token"].as_str().unwrap();
    assert_eq!(ask("0123456789abcdeX", "sparkpost").await.unwrap().status(), StatusCode::UNAUTHORIZED);
    assert_eq!(ask("0123456789abcdef", "postmark").await.unwrap().status(), StatusCode::NOT_FOUND);
    let post = |token: &str| {
        let body = json!([{"msys": {"message_event": {"type": "delivery", "event_id": "1", "message_id": "y", "timestamp": "1454442600"}}}]);
        client.post(format!("{}{PATH}/sparkpost", world.url)).bearer_auth(token).json(&body).send()
    };
    assert_eq!(post(token).await.unwrap().status(), StatusCode::OK);
    assert_eq!(post(&format!("{token}0")).await.unwrap().status(), StatusCode::UNAUTHORIZED);
    // Another secret ends every token.
    world
        .give(Method::PUT, &format!("{PATH}/sparkpost"), json!({"secret": "sparkpost:fedcba9876543210"}))
        .await;
    assert_eq!(post(token).await.unwrap().status(), StatusCode::UNAUTHORIZED);
}
