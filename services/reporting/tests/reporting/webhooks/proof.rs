//! Requests as each provider sends them, proven by keys of ours.

use super::{PATH, TOPIC, now, signed};
use crate::world::World;
use aws_lc_rs::hmac;
use aws_lc_rs::rand::SystemRandom;
use aws_lc_rs::signature::{ECDSA_P256_SHA256_ASN1_SIGNING, EcdsaKeyPair, KeyPair as _};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engagement::Timestamp;
use reporting::Config;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::sync::LazyLock;
use std::sync::atomic::{AtomicU32, Ordering};
use std::time::SystemTime;

pub(super) const PROVIDERS: [&str; 5] = ["ses", "sendgrid", "mailgun", "postmark", "sparkpost"];
/// The most bytes of a body in these tests.
pub(super) const BYTES: usize = 20_000;
const MAILGUN: &str = "key-3ax6xnjp29jd6fds4gc373sgvjxteol0";
/// What stands before the point in a P-256 key as SubjectPublicKeyInfo.
const SPKI: [u8; 26] = [
    0x30, 0x59, 0x30, 0x13, 0x06, 0x07, 0x2a, 0x86, 0x48, 0xce, 0x3d, 0x02, 0x01, 0x06, 0x08, 0x2a, 0x86,
    0x48, 0xce, 0x3d, 0x03, 0x01, 0x07, 0x03, 0x42, 0x00,
];
static SENDGRID: LazyLock<EcdsaKeyPair> =
    LazyLock::new(|| EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap());

/// A request: headers and a body.
#[derive(Clone)]
pub(super) struct Sent {
    pub(super) headers: Vec<(&'static str, String)>,
    pub(super) body: String,
}

/// How a request is proven.
#[derive(Clone, Copy, PartialEq)]
pub(super) enum Proof {
    Good,
    /// By another key or password.
    Forged,
    /// Signed so many hours ago.
    Old(i64),
}

/// A world whose account takes all providers' webhooks.
pub(super) async fn all() -> World {
    let world = World::with(Config { webhook_bytes: BYTES, ..Config::default() }).await;
    let point = STANDARD.encode([&SPKI[..], SENDGRID.public_key().as_ref()].concat());
    let secrets = [TOPIC, &point, MAILGUN, "postmark:0123456789abcdef", "sparkpost:0123456789abcdef"];
    for (provider, secret) in PROVIDERS.into_iter().zip(secrets) {
        let put = world.give(Method::PUT, &format!("{PATH}/{provider}"), json!({"secret": secret})).await;
        assert_eq!(put.0, StatusCode::OK, "{}", put.1);
    }
    world
}

/// What a provider sends of a document of its own.
pub(super) fn sent(provider: &str, document: &Value, proof: Proof) -> Sent {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let number = COUNT.fetch_add(1, Ordering::Relaxed);
    let hours = if let Proof::Old(hours) = proof { hours } else { 0 };
    let at = Timestamp::from_clock(SystemTime::now()).plus_millis(-hours * 3_600_000);
    let stamp = (at.millis() / 1000).to_string();
    let plain = document.to_string();
    match provider {
        "ses" => {
            let certificate = if proof == Proof::Forged { "forged" } else { "good" };
            let told = signed(
                json!({"Type": "Notification", "MessageId": format!("22b80b92-{number}"), "TopicArn": TOPIC, "Message": plain,
                "Timestamp": if hours == 0 { now() } else { at.to_string() }, "SignatureVersion": "2",
                "SigningCertURL": format!("https://sns.us-east-1.amazonaws.com/{certificate}.pem")}),
            );
            Sent { headers: Vec::new(), body: told.to_string() }
        }
        "sendgrid" => {
            let other = EcdsaKeyPair::generate(&ECDSA_P256_SHA256_ASN1_SIGNING).unwrap();
            let key = if proof == Proof::Forged { &other } else { &*SENDGRID };
            let signature = key.sign(&SystemRandom::new(), format!("{stamp}{plain}").as_bytes()).unwrap();
            let headers = vec![
                ("x-twilio-email-event-webhook-signature", STANDARD.encode(signature)),
                ("x-twilio-email-event-webhook-timestamp", stamp),
            ];
            Sent { headers, body: plain }
        }
        "mailgun" => {
            let secret = if proof == Proof::Forged { "another" } else { MAILGUN };
            let nonce = format!("a8ce0edb2dd8301dee6c2405235584e45aa91d1e9f979f3d{number}");
            let key = hmac::Key::new(hmac::HMAC_SHA256, secret.as_bytes());
            let tag = hmac::sign(&key, format!("{stamp}{nonce}").as_bytes());
            let tag: String = tag.as_ref().iter().map(|byte| format!("{byte:02x}")).collect();
            let told = json!({"signature": {"timestamp": stamp, "token": nonce, "signature": tag}, "event-data": document});
            Sent { headers: Vec::new(), body: told.to_string() }
        }
        _ => {
            let end = if proof == Proof::Forged { "X" } else { "f" };
            let basic = STANDARD.encode(format!("{provider}:0123456789abcde{end}"));
            Sent { headers: vec![("authorization", format!("Basic {basic}"))], body: plain }
        }
    }
}

/// The status and the answer.
pub(super) async fn post(world: &World, provider: &str, sent: &Sent) -> (StatusCode, Value) {
    let mut request = reqwest::Client::new().post(format!("{}{PATH}/{provider}", world.url));
    for (name, value) in &sent.headers {
        request = request.header(*name, value);
    }
    let answer = request.body(sent.body.clone()).send().await.unwrap();
    (answer.status(), answer.json().await.unwrap())
}

/// What became of a provider's requests until now, as the metric counts it.
pub(super) async fn counted(world: &World, provider: &str) -> BTreeMap<String, u64> {
    let text = world.get("/v1/metrics").await.text().await.unwrap();
    let lines = text.lines().filter_map(|line| {
        let (labels, count) =
            line.strip_prefix("trueopen_reporting_webhook_requests_total{")?.split_once("} ")?;
        let label = |name: &str| Some(labels.split_once(&format!("{name}=\""))?.1.split_once('"')?.0);
        (label("provider")? == provider)
            .then(|| Some((label("outcome")?.to_owned(), count.parse().ok()?)))
            .flatten()
    });
    lines.collect()
}
