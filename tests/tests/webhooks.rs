//! Mail providers' webhooks end to end: their own opens and clicks are judged like ours and stand in reports and timelines.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{System, wait_until};
use engagement::Timestamp;
use reqwest::Method;
use serde_json::{Value, json};
use std::collections::BTreeSet;
use std::time::SystemTime;

const PERSON: &str = "Mozilla/5.0 (Macintosh; Intel Mac OS X 10_15_7) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

async fn post(system: &System, provider: &str, body: &Value) -> Value {
    let url = format!("{}/v1/accounts/demo/webhooks/{provider}", system.told("reporting API"));
    let request = reqwest::Client::new().post(url).basic_auth(provider, Some("0123456789abcdef"));
    let answer = request.body(body.to_string()).send().await.unwrap();
    assert!(answer.status().is_success(), "{answer:?}");
    answer.json().await.unwrap()
}

#[tokio::test]
async fn providers_opens_and_clicks_are_judged_and_reported() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    for provider in ["postmark", "sparkpost"] {
        let secret = json!({"secret": format!("{provider}:0123456789abcdef"), "opens_and_clicks": true});
        let path = format!("/v1/accounts/demo/webhooks/{provider}");
        let (status, answer) = system.api().send(Method::PUT, &path, &secret).await;
        assert!(status.is_success(), "{answer}");
    }
    let now = Timestamp::from_clock(SystemTime::now());
    let ago = |seconds: i64| now.plus_millis(-1000 * seconds);

    // Postmark's documents, of a person: delivered, opened, one link followed twice.
    let postmark = |record: &str, time: &str, seconds: i64| {
        let mut told = json!({"RecordType": record, "MessageStream": "outbound", "MessageID": "883953f4-6105-42a2-a16a-77a8eac79483",
            "Metadata": {"trueopen_message_id": "m-person", "trueopen_campaign": "autumn"}, "Recipient": "john@example.com",
            "UserAgent": PERSON, "OriginalLink": "https://example.com/your-results?u=john", "Geo": {"IP": "188.2.95.4", "Country": "Serbia"}});
        told[time] = json!(ago(seconds).to_string());
        told
    };
    for told in [
        postmark("Delivery", "DeliveredAt", 900),
        postmark("Open", "ReceivedAt", 600),
        postmark("Click", "ReceivedAt", 590),
        postmark("Click", "ReceivedAt", 500),
        // Sent again by Postmark.
        postmark("Click", "ReceivedAt", 590),
    ] {
        let taken = post(&system, "postmark", &told).await;
        assert_eq!(taken["bad"], json!([]), "{taken}");
    }
    // SparkPost's batch, of a scanner: six links of a mail within a second, from the agent of a person's browser.
    let sparkpost = |kind: &str, number: i64, name: &str| {
        let time = ago(600).millis() / 1000;
        json!({"msys": {"track_event": {"type": kind, "event_id": format!("9235692769381385{number}"), "message_id": "000443ee14578172be22",
            "initial_pixel": false, "injection_time": ago(1200).to_string(), "ip_address": "203.0.113.9", "user_agent": PERSON,
            "rcpt_meta": {"trueopen_message_id": "m-scanned", "trueopen_campaign": "autumn"}, "rcpt_to": "recipient@example.com",
            "target_link_name": name, "target_link_url": format!("https://example.com/{number}"), "timestamp": time.to_string()}}})
    };
    let batch: Vec<Value> = (0..6).map(|number| sparkpost("click", number, "pricing")).collect();
    for _ in 0..2 {
        let taken = post(&system, "sparkpost", &json!(batch)).await;
        assert_eq!((&taken["hits"], &taken["bad"]), (&json!(6), &json!([])), "{taken}");
    }

    let all = |summary: &Value| {
        let clicks = &summary["clicks"];
        let count = |who: &str| clicks[who]["total"].as_u64().unwrap();
        count("human") + count("automated") + count("unknown") == 8
            && clicks["automated"]["total"] == 6
            && summary["delivered"] == 1
    };
    let summary = wait_until(|| async { system.api().summary("?campaign=autumn").await }, all).await;
    assert_eq!(summary["opens"]["human"]["total"], 1, "{summary}");
    assert_eq!(summary["clicks"]["human"], json!({"total": 2, "unique": 1}), "{summary}");
    assert_eq!(summary["clicks"]["automated"]["unique"], 1, "six links at once are nobody's");
    let links = system.api().json("/v1/accounts/demo/reports/breakdown?by=link&campaign=autumn").await;
    let labels: Vec<_> = links["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["label"].as_str().unwrap().to_owned())
        .collect();
    assert_eq!(labels, ["", "pricing"], "{links}");
    let timeline: Value = system.api().timeline("m-person").await.json().await.unwrap();
    let events = timeline["events"].as_array().unwrap();
    assert_eq!(events.len(), 4, "{timeline}");
    assert!(timeline.to_string().contains("\":provider\":\"postmark\""), "{timeline}");
    for private in ["john", "your-results", "https:"] {
        assert!(!timeline.to_string().contains(private), "{private} in {timeline}");
    }
    // What Postmark told is kept with each, of the delivery and of the hits alike.
    for (event, record) in events.iter().zip(["Delivery", "Open", "Click", "Click"]) {
        let original = event["evidence"]["original"].as_str().or(event["original"].as_str()).unwrap();
        let original: Value = serde_json::from_str(original).unwrap();
        assert_eq!((&original["RecordType"], &original["Recipient"]), (&json!(record), &json!("[address]")));
    }
    // Corrections don't bring it again, and it is there all the same.
    let timeline: Value = system.api().timeline("m-scanned").await.json().await.unwrap();
    let events = timeline["events"].as_array().unwrap();
    let corrected = events.iter().filter(|event| event["verdict"]["revision"].as_u64() > Some(1)).count();
    assert!(events.len() == 6 && corrected > 0, "{timeline}");
    let told = |event: &Value| {
        let original: Value = serde_json::from_str(event["evidence"]["original"].as_str().unwrap()).unwrap();
        original["event_id"].as_str().unwrap().to_owned()
    };
    let ids: BTreeSet<String> = events.iter().map(told).collect();
    assert_eq!(ids, (0..6).map(|number| format!("9235692769381385{number}")).collect(), "{timeline}");
    assert!(
        !timeline.to_string().contains("recipient@") && !timeline.to_string().contains("https:"),
        "{timeline}"
    );
    // Counted one way by the API and another by the recount.
    let verified = system.command(&["verify"]).output();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    system.stop();
}
