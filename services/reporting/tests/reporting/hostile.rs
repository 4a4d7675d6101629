//! Wrong and hostile requests: a clear answer each, and no statement is ever made of what was sent.

use crate::facts::{Hit, insert_hits, millis};
use crate::world::{DEMO, World, escaped, problem};
use reporting::Config;
use reqwest::{Method, StatusCode};
use serde_json::{Value, json};
use uuid::Uuid;

const TEXTS: &[&str] = &[
    "' OR 1=1 --",
    "'; DROP TABLE events; --",
    "\\'; DROP TABLE events; --",
    "\\",
    "a\\'b",
    "'",
    "\"",
    "`",
    "{account: UInt32}",
    "{suppress:Array(String)}",
    "? ?fields ??",
    "tab\tnew\nline\r",
    "nul\0nul",
    "\\N",
    "NULL",
    "%27%00",
    "/* x */ -- #",
    "')) UNION ALL SELECT 1 --",
    "漢字 👩‍⚕️ \u{202e}",
];

async fn seeded() -> World {
    let world = World::new().await;
    let at = millis("2026-03-10T09:00:00Z");
    let hit = |number: u128, message: &str, campaign: &str| Hit {
        event_id: Uuid::from_u128(number),
        revision: 1,
        kind: "open",
        at,
        message_id: message.to_owned(),
        campaign: campaign.to_owned(),
        recipient_domain: "a.example".to_owned(),
        sent_at: at,
        method: "GET",
        actor: "human",
        source: "chrome".to_owned(),
        client: "Chrome",
        link: (None, ""),
    };
    let mut hits = vec![hit(1, "plain", "plain")];
    for (index, text) in TEXTS.iter().enumerate() {
        hits.push(hit(100 + index as u128, text, text));
    }
    insert_hits(&world.connection.client(), DEMO, &hits).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn hostile_values_are_values() {
    let world = seeded().await;
    let day = "from=2026-03-10&to=2026-03-11&suppress=none";
    for text in TEXTS {
        let value = escaped(text);
        // As a campaign it is found exactly once, as a domain never.
        let found = world.json(&format!("/v1/accounts/demo/reports/summary?{day}&campaign={value}")).await;
        assert_eq!(found["opens"]["total"], 1, "{text:?}");
        let none =
            world.json(&format!("/v1/accounts/demo/reports/summary?{day}&recipient_domain={value}")).await;
        assert_eq!(none["opens"]["total"], 0, "{text:?}");
        let rows = world
            .json(&format!("/v1/accounts/demo/reports/breakdown?by=client&{day}&campaign={value}"))
            .await;
        assert_eq!(rows["rows"].as_array().unwrap().len(), 1, "{text:?}");
        let timeline = world.json(&format!("/v1/accounts/demo/messages/{value}/timeline")).await;
        assert_eq!(
            (&timeline["message_id"], timeline["events"].as_array().unwrap().len()),
            (&json!(text), 1)
        );
        // Everywhere else it is refused, and the refusal names the place.
        for name in ["from", "to", "suppress", "cohort", "by"] {
            let others = if name == "by" { "" } else { "by=source&" };
            let path = format!("/v1/accounts/demo/reports/breakdown?{others}{name}={value}");
            let (status, document) = problem(world.get(&path).await).await;
            assert_eq!(status, StatusCode::BAD_REQUEST, "{name} {text:?}");
            assert_eq!(document["errors"][0]["parameter"], name, "{text:?}");
        }
        let (status, document) =
            problem(world.get(&format!("/v1/accounts/demo/reports/summary?{value}=1")).await).await;
        assert_eq!((status, &document["errors"][0]["parameter"]), (StatusCode::BAD_REQUEST, &json!(text)));
        let account = world.get(&format!("/v1/accounts/{value}/reports/summary")).await;
        assert_eq!(problem(account).await.0, StatusCode::NOT_FOUND, "{text:?}");
        let key = format!("/v1/accounts/demo/keys/{value}");
        let deleted = world.send(Method::DELETE, &key, Some(&world.admin), None).await;
        assert_eq!(problem(deleted).await.0, StatusCode::NOT_FOUND, "{text:?}");
    }
    let all = world.json(&format!("/v1/accounts/demo/reports/breakdown?by=campaign&{day}")).await;
    assert_eq!(all["rows"].as_array().unwrap().len(), TEXTS.len() + 1);
    let csv = reqwest::Client::new()
        .get(format!("{}/v1/accounts/demo/reports/breakdown?by=campaign&{day}", world.url))
        .bearer_auth(&world.admin)
        .header("accept", "text/csv");
    let csv = csv.send().await.unwrap();
    assert!(csv.headers()["content-type"].to_str().unwrap().starts_with("text/csv"));
    let csv = csv.text().await.unwrap();
    assert!(csv.starts_with("campaign,sent,delivered,") && csv.contains("\r\nplain,0,0,"), "{csv}");
}

#[tokio::test(flavor = "multi_thread")]
async fn wrong_requests_get_problem_documents() {
    let world = World::with(Config { body_bytes: 2000, events_bytes: 1000, ..Config::default() }).await;
    let of = |method: Method, path: &'static str, body: Option<String>| {
        let (world, key) = (&world, world.admin.clone());
        async move { problem(world.send(method, path, Some(&key), body).await).await }
    };
    assert_eq!(of(Method::GET, "/nothing", None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(of(Method::GET, "/v2/accounts", None).await.0, StatusCode::NOT_FOUND);
    assert_eq!(
        of(Method::GET, "/v1/accounts/demo/messages/%ff/timeline", None).await.0,
        StatusCode::NOT_FOUND
    );
    assert_eq!(of(Method::DELETE, "/v1/accounts", None).await.0, StatusCode::METHOD_NOT_ALLOWED);
    assert_eq!(of(Method::PATCH, "/v1/accounts/demo/settings", None).await.0, StatusCode::METHOD_NOT_ALLOWED);
    let allowed = world.send(Method::POST, "/v1/accounts/demo/settings", Some(&world.admin), None).await;
    assert!(allowed.headers()["allow"].to_str().unwrap().contains("PUT"));
    for body in ["", "{", "[]", "null", "{\"id\":1}", "{\"id\":\"x\",\"extra\":1}", "{\"id\":\"x\"} {}"] {
        let (status, _) = of(Method::POST, "/v1/accounts", Some(body.to_owned())).await;
        assert_eq!(status, StatusCode::BAD_REQUEST, "{body}");
    }
    let large = json!({"message_id": "m", "html": "x".repeat(3000)}).to_string();
    let (status, document) = of(Method::POST, "/v1/accounts/demo/instrument", Some(large)).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    assert!(document["detail"].as_str().unwrap().contains("2000 bytes"));
    let (status, _) = of(Method::POST, "/v1/accounts/demo/events", Some("\n".repeat(1001))).await;
    assert_eq!(status, StatusCode::PAYLOAD_TOO_LARGE);
    // Announced or not, what is too large is not taken, and who goes on writing still hears why: what fills no socket's
    // buffers before the answer would prove nothing.
    let pieces = std::iter::repeat_n("x\n".repeat(16 * 1024), 24).map(Ok::<_, std::io::Error>);
    let stream = reqwest::Body::wrap_stream(futures_util::stream::iter(pieces));
    let chunked = reqwest::Client::new().post(format!("{}/v1/accounts/demo/events", world.url));
    let chunked = chunked.bearer_auth(&world.admin).body(stream).send().await.unwrap();
    assert_eq!(problem(chunked).await.0, StatusCode::PAYLOAD_TOO_LARGE);
}

#[tokio::test(flavor = "multi_thread")]
async fn without_the_database_it_says_so_and_mails_go_out() {
    let world = World::new().await.without_database().await;
    for path in [
        "reports/summary",
        "reports/summary?suppress=none",
        "reports/breakdown?by=source",
        "messages/m/timeline",
        "settings",
        "keys",
        "audit",
    ] {
        let response = world.get(&format!("/v1/accounts/demo/{path}")).await;
        assert!(response.headers().contains_key("retry-after"), "{path}");
        let (status, document) = problem(response).await;
        assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{path}");
        let text = document.to_string().to_lowercase();
        for internal in ["clickhouse", "127.0.0.1", "connect", "select", "code"] {
            assert!(!text.contains(internal), "{text} tells of {internal}");
        }
    }
    let (status, urls) =
        world.give(Method::POST, "/v1/accounts/demo/links", json!({"message_id": "m"})).await;
    assert_eq!(status, StatusCode::OK, "{urls}");
    let line = r#"{"type":"sent","message_id":"m","at":"2026-03-10T09:00:00Z"}"#.to_owned();
    let taken = world.send(Method::POST, "/v1/accounts/demo/events", Some(&world.admin), Some(line)).await;
    assert_eq!(taken.status(), StatusCode::ACCEPTED);
    let taken: Value = taken.json().await.unwrap();
    assert_eq!(taken, json!({"accepted": 1, "rejected": []}));
}

#[tokio::test]
async fn a_question_that_asks_too_much_is_told_so() {
    let world = World::with(Config { query_seconds: 1, ..Config::default() }).await;
    // As one over millions of messages: this goes on until the engine gives up.
    let slow = "CREATE OR REPLACE VIEW report_sources AS
        SELECT toString(number) AS id, '' AS class, false AS masked FROM numbers(1000) WHERE sleepEachRow(0.1) = 0
        SETTINGS max_block_size = 1";
    world.connection.client().query(slow).execute().await.unwrap();
    let response = world.get("/v1/accounts/demo/reports/summary").await;
    assert_eq!(response.status(), StatusCode::SERVICE_UNAVAILABLE);
    assert!(response.headers().contains_key("retry-after"));
    let problem: Value = response.json().await.unwrap();
    assert!(problem["detail"].as_str().unwrap().contains("ask for a shorter window"), "{problem}");
}
