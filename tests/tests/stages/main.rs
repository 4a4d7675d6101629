//! Beyond one machine: each stage a process of its own, joined by a real Kafka broker and a real ClickHouse engine.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

mod compose;
mod deadletter;
mod failover;
mod fanout;
mod oracle;
mod place;
mod refused;
mod steady;
mod takeover;

use acceptance::{Api, Broker, Stage, free_port, wait_until};
use embedded::Engine;
use engagement::Timestamp;
use place::{Place, TURN, engine};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long the broker is away while hits go on.
const AWAY: Duration = Duration::from_secs(15);

/// Opens the pixels of some messages, each once, and notes how long the slowest reader waited.
async fn open(pixels: &[String]) -> Duration {
    let mut slowest = Duration::ZERO;
    for pixel in pixels {
        let asked = Instant::now();
        assert_eq!(reqwest::get(pixel).await.unwrap().status(), 200);
        slowest = slowest.max(asked.elapsed());
    }
    slowest
}

/// Whether a stage is not ready, and says why in these words.
async fn says(stage: &Stage, text: &str) -> bool {
    let (status, told) = stage.readiness().await;
    status == 503 && told.contains(text)
}

async fn opens(api: &Api) -> (u64, u64) {
    let summary = api.get("/v1/accounts/demo/reports/summary?suppress=none").await;
    let summary: Value = summary.json().await.unwrap();
    let count = |name: &str| summary["opens"][name].as_u64().unwrap_or(0);
    (count("total"), count("unique"))
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn hits_are_reported_exactly_once_whatever_dies() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(mut broker) = Broker::start(&dir.path().join("kafka")) else { return };
    let engine = engine(dir.path()).await;
    let place = Place::new(dir.path(), &broker.address(), &engine);
    let told = place.command(&["migrate"]);
    assert!(told.contains("made topics") && told.contains("engagement.raw"), "{told}");
    let told = place.command(&["migrate"]);
    assert!(!told.contains("made topics") && told.contains("as they have to be"), "{told}");
    let api = place.demo();

    let mut track = place.start("track");
    track.ready().await;
    let (mut classify, mut load, mut report) =
        (place.start("classify"), place.start("load"), place.start("report"));
    for stage in [&mut classify, &mut load, &mut report] {
        stage.ready().await;
    }
    let mut pixels = Vec::new();
    for number in 0..100 {
        let mail = api.links(&format!("message-{number}"), &[]).await;
        pixels.push(mail["pixel_url"].as_str().unwrap().to_owned());
    }

    // Processes die between hits.
    open(&pixels[..20]).await;
    wait_until(|| opens(&api), |count| *count == (20, 20)).await;
    classify.kill();
    open(&pixels[20..30]).await;
    classify.restart();
    open(&pixels[30..40]).await;
    load.kill();
    open(&pixels[40..50]).await;
    load.restart();
    wait_until(|| opens(&api), |count| *count == (50, 50)).await;

    // The broker is away, and readers and senders notice nothing.
    broker.kill();
    let back = Instant::now() + AWAY;
    let mut slowest = Duration::ZERO;
    for pixel in &pixels[50..] {
        slowest = slowest.max(open(std::slice::from_ref(pixel)).await);
        tokio::time::sleep(AWAY / 60).await;
    }
    let delivered = json!({"type": "delivered", "message_id": "message-99", "at": "2026-11-20T10:00:00Z",
        "recipient_domain": "example.org"});
    let (status, answer) = api.events(&delivered.to_string()).await;
    assert_eq!((status.as_u16(), &answer["accepted"]), (202, &json!(1)), "{answer}");
    tokio::time::sleep(back.saturating_duration_since(Instant::now())).await;
    assert!(slowest < AWAY / 2, "a reader waited {slowest:?}, as for a broker");
    assert_eq!(track.readiness().await.0, 200, "the tracker needs no broker");
    assert_eq!(classify.readiness().await.0, 503, "the classifier says that it has none");
    track.kill();
    track.restart();
    broker.restart();

    wait_until(|| opens(&api), |count| *count == (100, 100)).await;
    wait_until(
        || async { api.timeline("message-99").await.text().await.unwrap() },
        |timeline| timeline.contains("\"delivered\"") && timeline.contains("\"open\""),
    )
    .await;
    // Received, and nothing left on the way.
    wait_until(|| track.metric("trueopen_stream_forward_waiting_records"), |waiting| *waiting == 0.0).await;
    assert_eq!(load.metric("trueopen_loader_dead_lettered_records_total").await, 0.0);
    assert_eq!(opens(&api).await, (100, 100));
    judged_again(&place, &engine).await;
    for stage in [track, classify, load, report] {
        stage.stop();
    }
    engine.stop().await.unwrap();
}

/// Stored events, as an earlier ruleset might have judged them, are judged again by the process that holds the partitions: what
/// it says of them goes over Kafka into the same table, where both rulesets' verdicts stay. The hits have no agent, so today's rules
/// say that they can't be told.
async fn judged_again(place: &Place, engine: &Engine) {
    let past = "INSERT INTO events SELECT * REPLACE (generateUUIDv7() AS event_id, received_at - INTERVAL 2 DAY AS received_at,
        'human' AS actor, 'chrome' AS source, '[]' AS reasons, 'an earlier one' AS ruleset) FROM events";
    execute(engine, past).await;
    let count = "SELECT countIf(revision = 1 AND ruleset = 'an earlier one' AND actor = 'human'),
            countIf(revision = 2 AND ruleset != 'an earlier one' AND actor = 'unknown'), count()
        FROM events WHERE received_at < now() - INTERVAL 1 DAY FORMAT TSV";
    assert_eq!(execute(engine, count).await.trim(), "100\t0\t100");
    let at = |days: i64| {
        let now = Timestamp::from_clock(std::time::SystemTime::now());
        now.plus_millis(-days * 86_400_000).to_string()
    };
    let (from, to) = (at(3), at(1));
    let command = ["reclassify", "--from", &from, "--to", &to];
    let said = place.command(&command);
    assert!(said.contains("100 events judged: 100 changed, 0 stay"), "{said}");
    wait_until(|| execute(engine, count), |rows| rows.trim() == "100\t100\t200").await;
    let said = place.command(&command);
    assert!(said.contains("100 events judged: 0 changed, 100 stay"), "{said}");
}

/// A statement run in the engine; its answer.
async fn execute(engine: &Engine, statement: &str) -> String {
    let request =
        reqwest::Client::new().post(engine.url()).basic_auth(engine.user(), Some(engine.password()));
    let response = request.body(statement.to_owned()).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{text}");
    text
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_missing_at_the_start_is_said_and_waited_for() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let engine = engine(dir.path()).await;
    // No broker at all: the tracker serves, the classifier waits and says why, once.
    let nowhere = format!("127.0.0.1:{}", free_port());
    let place = Place::new(dir.path(), &nowhere, &engine);
    let mut track = place.start("track");
    track.ready().await;
    let pixel = format!("http://{}/o/x.gif", place.variable("TRUEOPEN_TRACKER__LISTEN"));
    assert_eq!(reqwest::get(pixel).await.unwrap().status(), 200);
    let classify = place.start("classify");
    wait_until(|| says(&classify, "no kafka broker answers"), |said| *said).await;
    assert!(classify.log().contains("waiting for kafka"));
    track.stop();
    classify.stop();

    // A broker without the topics, and making them forbidden.
    let Some(broker) = Broker::start(&dir.path().join("kafka")) else { return };
    let address = broker.address();
    let place = Place::new(dir.path(), &address, &engine).with("TRUEOPEN_KAFKA__CREATE_TOPICS", "false");
    let classify = place.start("classify");
    wait_until(|| says(&classify, "kafka has no topic engagement.raw"), |said| *said).await;
    // Made after all, it goes on by itself.
    let allowed = place.with("TRUEOPEN_KAFKA__CREATE_TOPICS", "true");
    allowed.command(&["migrate"]);
    let mut classify = classify;
    classify.ready().await;
    classify.stop();

    // Too few copies for what is promised.
    let promised = place.with("TRUEOPEN_KAFKA__MIN_INSYNC_REPLICAS", "2");
    let classify = promised.start("classify");
    wait_until(|| says(&classify, "min.insync.replicas = 1, at least 2 is needed"), |said| *said).await;
    classify.stop();
    engine.stop().await.unwrap();
}
