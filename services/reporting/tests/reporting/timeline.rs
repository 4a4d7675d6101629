//! The timeline of one message.

use crate::facts::{Delivery, Hit, insert_deliveries, insert_hits, millis};
use crate::world::{DEMO, OTHER, World, problem};
use reqwest::StatusCode;
use serde_json::json;
use uuid::Uuid;

fn hit(number: u128, message: &str, kind: &'static str, at: &str) -> Hit {
    Hit {
        event_id: Uuid::from_u128(number),
        revision: 1,
        kind,
        at: millis(at),
        message_id: message.to_owned(),
        campaign: "winter".to_owned(),
        recipient_domain: "a.example".to_owned(),
        sent_at: millis("2026-03-10T09:00:00Z"),
        method: "GET",
        actor: "human",
        source: "chrome".to_owned(),
        client: "Chrome",
        link: if kind == "click" { (Some(1), "book") } else { (None, "") },
    }
}

fn delivery(id: &str, kind: &'static str, at: &str) -> Delivery {
    Delivery {
        message_id: "m/1 ü".to_owned(),
        event_id: id.to_owned(),
        kind,
        at: millis(at),
        received_at: millis(at) + 5,
        campaign: String::new(),
        recipient_domain: String::new(),
        tracked: true,
        bounce_class: if kind == "bounced" { "hard" } else { "" },
        bounce_reason: if kind == "bounced" { "no_such_user" } else { "" },
        mx_host: "mx.example",
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn everything_is_told_in_order() {
    let world = World::new().await;
    let client = world.connection.client();
    let message = "m/1 ü";
    let first = hit(7, message, "click", "2026-03-10T09:05:00.250Z");
    let corrected =
        Hit { revision: 3, actor: "automated", source: "scanner_burst".to_owned(), ..first.clone() };
    let between = Hit { revision: 2, actor: "unknown", source: "generic_client".to_owned(), ..first.clone() };
    let open = hit(9, message, "open", "2026-03-10T09:04:00Z");
    insert_hits(&client, DEMO, &[corrected.clone(), first.clone(), open.clone(), between, first.clone()])
        .await;
    insert_hits(&client, DEMO, &[first]).await;
    insert_hits(&client, OTHER, &[hit(11, message, "open", "2026-03-10T09:06:00Z")]).await;
    let delivered = delivery("b", "delivered", "2026-03-10T09:04:00Z");
    insert_deliveries(&client, DEMO, &[delivered.clone(), delivery("a", "sent", "2026-03-10T09:00:00Z")])
        .await;
    insert_deliveries(&client, DEMO, &[delivered]).await;

    let path = "/v1/accounts/demo/messages/m%2F1%20%C3%BC/timeline";
    let timeline = world.json(path).await;
    assert_eq!((&timeline["account"], &timeline["message_id"]), (&json!("demo"), &json!(message)));
    assert_eq!(
        (&timeline["campaign"], &timeline["recipient_domain"]),
        (&json!("winter"), &json!("a.example"))
    );
    let events = timeline["events"].as_array().unwrap();
    let order: Vec<_> = events.iter().map(|event| event["type"].as_str().unwrap()).collect();
    assert_eq!(order, ["sent", "delivered", "open", "click"]);
    assert_eq!((&events[1]["record"], &events[1]["mx_host"]), (&json!("delivery"), &json!("mx.example")));
    let click = &events[3];
    assert_eq!((&click["record"], &click["at"]), (&json!("hit"), &json!("2026-03-10T09:05:00.250Z")));
    assert_eq!(
        (&click["link_index"], &click["link_count"], &click["label"]),
        (&json!(1), &json!(3), &json!("book"))
    );
    assert_eq!(click["verdict"]["actor"], "automated");
    assert_eq!(click["provisional"], false, "it is long ago");
    assert_eq!((&click["verdict"]["revision"], &click["verdict"]["current"]), (&json!(3), &json!(true)));
    assert_eq!(click["verdict"]["confidence"], json!(0.9));
    assert_eq!(click["verdict"]["reasons"][0]["rule"], "agent");
    let revisions = click["revisions"].as_array().unwrap();
    let told: Vec<_> = revisions
        .iter()
        .map(|verdict| (verdict["revision"].as_u64().unwrap(), verdict["current"].as_bool().unwrap()))
        .collect();
    assert_eq!(told, [(1, false), (2, false), (3, true)]);
    assert_eq!(revisions[0]["source"], "chrome");
    assert_eq!(click["evidence"]["ip"], "192.0.2.7");
    assert_eq!(click["evidence"]["headers"]["accept"], "*/*");
    assert_eq!(click["evidence"]["original"], r#"{"told":"by a provider"}"#, "of the first revision");

    // Who read it is written down, and which message only as a hash.
    world.json(path).await;
    let log = world.json("/v1/accounts/demo/audit").await;
    let reads: Vec<_> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .filter(|entry| entry["action"] == "timeline.read")
        .collect();
    assert_eq!(reads.len(), 2);
    assert_eq!(reads[0]["detail"], reads[1]["detail"]);
    assert!(!log.to_string().contains("m/1") && reads[0]["detail"].as_str().unwrap().len() > 32);
}

#[tokio::test(flavor = "multi_thread")]
async fn evidence_past_its_time_is_not_shown() {
    let world = World::new().await;
    let client = world.connection.client();
    // The engine empties it when it next merges; until then it is there and must not show.
    client.query("SYSTEM STOP TTL MERGES events").execute().await.unwrap();
    insert_hits(&client, DEMO, &[hit(1, "m-old", "open", "2026-03-10T09:04:00Z")]).await;
    let timeline = world.json("/v1/accounts/demo/messages/m-old/timeline").await;
    let open = &timeline["events"][0];
    assert_eq!((&open["evidence"], &open["verdict"]["source"]), (&json!(null), &json!("chrome")));
    let shown = timeline.to_string();
    assert!(!["192.0.2.7", "Agent/1", "by a provider"].iter().any(|evidence| shown.contains(evidence)));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_message_of_nobody_or_of_others_is_not_found() {
    let world = World::new().await;
    insert_hits(&world.connection.client(), OTHER, &[hit(1, "theirs", "open", "2026-03-10T09:04:00Z")]).await;
    let mut answers = Vec::new();
    for message in ["theirs", "nobodys", &"x".repeat(500)] {
        let response = world.get(&format!("/v1/accounts/demo/messages/{message}/timeline")).await;
        answers.push(problem(response).await);
    }
    assert_eq!(answers[0].0, StatusCode::NOT_FOUND);
    assert!(answers.iter().all(|answer| *answer == answers[0]));
    let log = world.json("/v1/accounts/demo/audit").await;
    assert_eq!(log["entries"], json!([]));
    let (status, document) = problem(world.get("/v1/accounts/demo/messages/m/timeline?from=1").await).await;
    assert_eq!((status, &document["errors"][0]["parameter"]), (StatusCode::BAD_REQUEST, &json!("from")));
}
