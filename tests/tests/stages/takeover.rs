//! Classifiers die, sleep, come and go in the middle of bursts over twelve partitions. In the end each event's verdict is
//! what it would be had all been judged at once, no revision says two things, and the reports recount.

use crate::place::{Place, TURN, engine};
use acceptance::{Broker, wait_until};
use classifier::{Ruleset, classify_file};
use engagement::{AccountNumber, Classified, from_wire, message_key};
use serde_json::{Value, json};
use std::collections::{BTreeMap, BTreeSet};
use std::time::Duration;
use stream::{Cluster, KafkaConfig, Record, Topic, TopicSpec};

const PARTITIONS: u32 = 12;
const MESSAGES: u32 = 120;
/// Clicks of a scanner's burst; they reach the topic in as many parts.
const CLICKS: u32 = 8;
/// How long the test waits between two parts.
const BETWEEN: Duration = Duration::from_millis(1500);
const START: i64 = 1_795_000_000_000;
const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

fn time(millis: i64) -> engagement::Timestamp {
    engagement::Timestamp::from_millis(START + millis).unwrap()
}

/// One hit of a message: click `number` of a burst. Each message has a reader, a network and a domain of its own, so that
/// nothing shows across messages.
fn hit(message: u32, number: u32) -> Value {
    json!({"v": 1, "event_id": format!("019a0000-0000-7000-8000-{message:06x}{number:06x}"), "account_number": 1,
        "account": "demo", "kind": "click", "received_at": time(i64::from(message) * 100 + i64::from(number) * 50),
        "message_id": format!("m-{message}"), "recipient_id": format!("r-{message}"), "campaign": "autumn",
        "recipient_domain": format!("d{message}.example"), "sent_at": time(-7_200_000), "link_index": number,
        "link_count": CLICKS + 1, "method": "GET", "ip": format!("62.{}.{}.7", message / 250, message % 250),
        "ua": CHROME, "headers": {}})
}

/// Every third message was delivered a little before its burst.
fn delivered_at(message: u32) -> Option<engagement::Timestamp> {
    message.is_multiple_of(3).then(|| time(i64::from(message) * 100 - 20_000))
}

fn record(message: u32, payload: &Value) -> Record {
    Record {
        key: message_key(AccountNumber(1), &format!("m-{message}")),
        payload: payload.to_string().into(),
    }
}

/// The actor and the source of each event, as they are when all is judged at once.
fn expected() -> BTreeMap<String, (String, String)> {
    let mut lines = String::new();
    for message in 0..MESSAGES {
        for number in 0..CLICKS {
            let mut hit = hit(message, number);
            hit["delivered_at"] = json!(delivered_at(message));
            lines += &format!("{hit}\n");
        }
    }
    let mut judged = Vec::new();
    let summary = classify_file(lines.as_bytes(), &mut judged, &Ruleset::builtin()).unwrap();
    assert_eq!(summary.bad, []);
    let judged = String::from_utf8(judged).unwrap();
    let verdicts = judged.lines().map(|line| serde_json::from_str::<Value>(line).unwrap());
    let text = |value: &Value| value.as_str().unwrap().to_owned();
    verdicts
        .map(|verdict| (text(&verdict["event_id"]), (text(&verdict["actor"]), text(&verdict["source"]))))
        .collect()
}

async fn topics(broker: &str) -> Vec<Topic> {
    let cluster = Cluster::new(KafkaConfig::new(broker)).unwrap();
    let spec = |name: &str| TopicSpec {
        name: name.to_owned(),
        partitions: PARTITIONS,
        replication: 1,
        settings: BTreeMap::new(),
        at_least: BTreeMap::new(),
        same_partitions: None,
    };
    let names = ["engagement.raw", "engagement.classified", "delivery"];
    cluster.open(&names.map(spec), &["test"]).await.unwrap()
}

/// All that was said of each event, by revision; a revision that says two things fails.
async fn said(classified: &Topic) -> BTreeMap<String, BTreeMap<u32, Classified>> {
    let mut follower = classified.follower("test").unwrap();
    let partitions: Vec<u32> = (0..PARTITIONS).collect();
    follower.assign(&partitions);
    let mut said: BTreeMap<String, BTreeMap<u32, Classified>> = BTreeMap::new();
    let mut reached = BTreeSet::new();
    while reached.len() < partitions.len() {
        let read = tokio::time::timeout(Duration::from_secs(60), follower.next(1000, 1 << 20)).await;
        let followed = read.expect("the end of the classified topic").unwrap();
        for delivered in followed.records {
            let new: Classified = from_wire(&delivered.record.unwrap().payload).unwrap();
            let of_event = said.entry(new.hit.event_id.to_string()).or_default();
            let known = of_event.entry(new.verdict.revision).or_insert_with(|| new.clone());
            assert_eq!(*known, new, "one revision says two things");
        }
        reached.extend(followed.reached);
    }
    said
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_takes_over_ends_with_the_same_verdicts() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("kafka")) else { return };
    let engine = engine(dir.path()).await;
    let place = Place::new(dir.path(), &broker.address(), &engine)
        .with("TRUEOPEN_KAFKA__PARTITIONS", &PARTITIONS.to_string());
    place.command(&["migrate"]);
    let _api = place.demo();
    let topics = topics(&broker.address()).await;
    let [raw, classified, delivery] = &topics[..] else { panic!("three topics") };
    let mut first = place.start("classify");
    first.ready().await;
    let mut load = place.start("load");
    let mut second = None;

    for number in 0..CLICKS {
        let part = (0..MESSAGES).map(|message| record(message, &hit(message, number)));
        raw.append_all(part.collect()).await.unwrap();
        match number {
            // In the middle of every burst.
            1 => {
                first.kill();
                first.restart();
            }
            2 => {
                let event = |message: u32| {
                    let at = delivered_at(message)?;
                    let event = json!({"v": 1, "account_number": 1, "account": "demo", "event_id": format!("d-{message}"),
                        "received_at": at, "type": "delivered", "message_id": format!("m-{message}"), "at": at,
                        "recipient_domain": format!("d{message}.example")});
                    Some(record(message, &event))
                };
                delivery.append_all((0..MESSAGES).filter_map(event).collect()).await.unwrap();
            }
            3 => second = Some(place.start_beside("classify", "second")),
            // While partitions move, or right after.
            4 => {
                first.kill();
                first.restart();
            }
            // It sleeps past its session and wakes up while others have its partitions.
            5 => {
                first.ready().await;
                let sleeper: &acceptance::Stage = second.as_ref().unwrap();
                sleeper.suspend();
                tokio::time::sleep(Duration::from_secs(9)).await;
                sleeper.resume();
            }
            6 => second.take().unwrap().stop(),
            _ => {}
        }
        tokio::time::sleep(BETWEEN).await;
    }

    let expected = expected();
    assert!(expected.values().any(|(actor, _)| actor == "automated"));
    // What is not yet as it should be: the event, what it is, what it should be.
    let differences = || async {
        let said = said(classified).await;
        let last = |event: &String| {
            let (_, last) = said.get(event)?.last_key_value()?;
            Some((last.verdict.actor.as_str().to_owned(), last.verdict.source.clone()))
        };
        let differs = |(event, verdict): (&String, &(String, String))| {
            let found = last(event);
            (found.as_ref() != Some(verdict)).then(|| (event.clone(), found, verdict.clone()))
        };
        let differing: Vec<_> = expected.iter().filter_map(differs).collect();
        (differing.len(), differing.into_iter().take(5).collect::<Vec<_>>(), said.len())
    };
    let (_, _, events) = wait_until(differences, |(count, _, _)| *count == 0).await;
    assert_eq!(events, expected.len());
    for (event, revisions) in said(classified).await {
        let numbers: Vec<u32> = revisions.keys().copied().collect();
        let count = u32::try_from(numbers.len()).unwrap();
        assert_eq!(numbers, (1..=count).collect::<Vec<_>>(), "{event}");
    }

    load.ready().await;
    let clicks = i64::from(MESSAGES * CLICKS);
    let stored = || async { count(&engine).await };
    wait_until(stored, |count| *count == clicks).await;
    wait_until(|| load.metric("trueopen_loader_lag_records"), |lag| *lag == 0.0).await;
    let verified = || async { place.tried(&["verify", "--account", "demo"]) };
    let (_, told) = wait_until(verified, |(agreed, _)| *agreed).await;
    assert!(told.contains("0 differences"), "{told}");
    for topic in topics {
        topic.close().await;
    }
    first.stop();
    load.stop();
    engine.stop().await.unwrap();
}

/// How many events ClickHouse holds.
async fn count(engine: &embedded::Engine) -> i64 {
    let asked = reqwest::Client::new().post(engine.url()).basic_auth(engine.user(), Some(engine.password()));
    let answer = asked.body("SELECT uniqExact(event_id) FROM events FORMAT TSV").send().await.unwrap();
    answer.text().await.unwrap().trim().parse().unwrap_or(-1)
}
