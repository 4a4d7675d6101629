//! Unsubscribing by POST: what is suspect is flagged, can be reversed, and counts again when that is taken back.

use crate::facts::{Hit, insert_hits, millis};
use crate::world::{DEMO, OTHER, World};
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use store::Scope;
use uuid::Uuid;

const AT: &str = "2026-03-10T09:05:00.250Z";

fn post(number: u128, message: &str, who: (&'static str, &str)) -> Hit {
    Hit {
        event_id: Uuid::from_u128(number),
        revision: 1,
        kind: "unsubscribe",
        at: millis(AT),
        message_id: message.to_owned(),
        campaign: "winter".to_owned(),
        recipient_domain: "a.example".to_owned(),
        sent_at: millis("2026-03-10T09:00:00Z"),
        method: "POST",
        actor: who.0,
        source: who.1.to_owned(),
        client: "",
        link: (None, ""),
    }
}

/// One by a machine's verdict, one flagged by a correction, one a reader's; and another account's.
async fn seeded() -> World {
    let world = World::new().await;
    let client = world.connection.client();
    let own = ("unknown", "unknown");
    let machine = post(1, "m-machine", ("automated", "barracuda"));
    insert_hits(&client, DEMO, &[machine, post(2, "m-flagged", own), post(3, "m-reader", own)]).await;
    insert_hits(&client, OTHER, &[post(4, "m-machine", ("automated", "barracuda"))]).await;
    let reasons = json!([
        {"rule": "one_click_unsubscribe", "source": "unknown", "confidence": 0.0, "evidence": "POST"},
        {"rule": "suspect_unsubscribe", "source": "scanner_burst", "confidence": 0.6, "evidence": "in a scan"}]);
    let correction = "INSERT INTO events SELECT * REPLACE(2 AS revision, {reasons: String} AS reasons)
                      FROM events WHERE message_id = 'm-flagged'";
    client.query_raw(correction).param("reasons", reasons.to_string()).execute().await.unwrap();
    world
}

async fn unsubscribed(world: &World) -> Value {
    let path = "/v1/accounts/demo/reports/summary?from=2026-03-10&to=2026-03-11";
    let series = "/v1/accounts/demo/reports/timeseries?from=2026-03-10&to=2026-03-11&interval=day";
    let counted = world.json(path).await["unsubscribed"].clone();
    let buckets = world.json(series).await;
    assert_eq!(buckets["rows"][0]["unsubscribed"], counted, "{buckets}");
    counted
}

fn path(number: u128, what: &str) -> String {
    format!("/v1/accounts/demo/unsubscribes/{}/{what}", Uuid::from_u128(number))
}

#[tokio::test(flavor = "multi_thread")]
async fn what_is_suspect_is_listed_reversed_and_put_in_force_again() {
    let world = seeded().await;
    let all = world.json("/v1/accounts/demo/unsubscribes?from=2026-03-01&to=2026-04-01").await;
    assert_eq!(all["unsubscribes"].as_array().unwrap().len(), 3);
    assert_eq!(all["truncated"], false);
    let suspect =
        world.json("/v1/accounts/demo/unsubscribes?from=2026-03-01&to=2026-04-01&suspect=true").await;
    let suspect: Vec<_> = suspect["unsubscribes"]
        .as_array()
        .unwrap()
        .iter()
        .map(|one| (one["message_id"].as_str().unwrap(), one["reasons"][0]["rule"].as_str().unwrap()))
        .collect();
    assert_eq!(suspect, [("m-machine", "agent"), ("m-flagged", "suspect_unsubscribe")]);

    for (filter, found) in [
        ("campaign=winter", 3),
        ("campaign=summer", 0),
        ("recipient_domain=A.example.", 3),
        ("recipient_domain=b.example", 0),
        ("mailbox_provider=gmail", 0),
    ] {
        let path = format!("/v1/accounts/demo/unsubscribes?from=2026-03-01&to=2026-04-01&{filter}");
        assert_eq!(world.json(&path).await["unsubscribes"].as_array().unwrap().len(), found, "{filter}");
    }

    let timeline = async |message: &str| {
        let timeline = world.json(&format!("/v1/accounts/demo/messages/{message}/timeline")).await;
        timeline["events"][0]["unsubscribe"].clone()
    };
    let flagged = timeline("m-flagged").await;
    assert_eq!((&flagged["suspect"], &flagged["reversed_at"]), (&json!(true), &json!(null)));
    assert_eq!(flagged["reasons"][0]["evidence"], "in a scan");
    assert_eq!(timeline("m-reader").await, json!({"suspect": false, "reasons": [], "reversed_at": null}));

    // It takes effect until it is reversed; a repeat changes nothing.
    assert_eq!(unsubscribed(&world).await, 3);
    let (status, first) = world.give(Method::POST, &path(2, "reverse"), Value::Null).await;
    assert_eq!((status, first["reversed_at"].is_string()), (StatusCode::OK, true));
    let (status, again) = world.give(Method::POST, &path(2, "reverse"), Value::Null).await;
    assert_eq!((status, &again["reversed_at"]), (StatusCode::OK, &first["reversed_at"]));
    assert_eq!(unsubscribed(&world).await, 2);
    assert_eq!(timeline("m-flagged").await["reversed_at"], first["reversed_at"]);
    world.give(Method::POST, &path(1, "reverse"), Value::Null).await;
    assert_eq!(unsubscribed(&world).await, 1);

    // And back.
    let (status, restored) = world.give(Method::POST, &path(2, "restore"), Value::Null).await;
    assert_eq!((status, &restored["reversed_at"]), (StatusCode::OK, &json!(null)));
    assert_eq!(unsubscribed(&world).await, 2);

    let log = world.json("/v1/accounts/demo/audit").await;
    let actions: Vec<_> = log["entries"]
        .as_array()
        .unwrap()
        .iter()
        .map(|entry| entry["action"].as_str().unwrap())
        .filter(|action| action.starts_with("unsubscribe."))
        .collect();
    assert_eq!(actions, ["unsubscribe.restore", "unsubscribe.reverse", "unsubscribe.reverse"]);
    assert!(!log.to_string().contains("m-flagged"));
}

#[tokio::test(flavor = "multi_thread")]
async fn a_readers_word_another_accounts_and_nobodys_are_not_reversed() {
    let world = seeded().await;
    let (status, problem) = world.give(Method::POST, &path(3, "reverse"), Value::Null).await;
    assert_eq!(status, StatusCode::CONFLICT, "{problem}");
    for number in [4, 5] {
        let (status, _) = world.give(Method::POST, &path(number, "reverse"), Value::Null).await;
        assert_eq!(status, StatusCode::NOT_FOUND);
    }
    let (status, _) = world.give(Method::POST, "/v1/accounts/demo/unsubscribes/x/reverse", Value::Null).await;
    assert_eq!(status, StatusCode::NOT_FOUND);
    let reader = world.key(&[Scope::ReportsRead]).await;
    let refused = world.send(Method::POST, &path(2, "reverse"), Some(&reader), None).await;
    assert_eq!(refused.status(), StatusCode::FORBIDDEN);
    let other = world.send(Method::POST, &path(2, "reverse"), Some(&world.other_admin), None).await;
    assert_eq!(other.status(), StatusCode::NOT_FOUND);
    for wrong in ["suspect=maybe", "limit=0", "limit=1001", "colour=1", "from=yesterday"] {
        let response = world.get(&format!("/v1/accounts/demo/unsubscribes?{wrong}")).await;
        assert_eq!(response.status(), StatusCode::BAD_REQUEST, "{wrong}");
    }
    assert_eq!(unsubscribed(&world).await, 3);
}
