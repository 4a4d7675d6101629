//! What no stage could use, and the way back: over Kafka, over a data directory, and beside a running `up`.

use crate::place::{Place, TURN, engine};
use acceptance::{Api, Broker, Program, System, wait_until};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use engagement::neighbour::{Ground, Hashed};
use engagement::{AccountNumber, DeadLetter, Kind, Neighbour, Timestamp, message_key, to_wire};
use serde_json::{Value, json};
use std::path::Path;
use stream::{Cluster, JournalConfig, KafkaConfig, Record, Topic, TopicConfig, TopicSpec};

const PREFIX: &str = "letters.";

/// A hit of `demo`, as a tracker writes it.
fn hit(message: &str, version: u32) -> Record {
    let event = format!("019340f0-0000-7000-8000-{:012x}", message.bytes().map(u64::from).sum::<u64>());
    let payload = json!({"v": version, "event_id": event, "account_number": 1, "kind": "open",
        "received_at": "2026-11-20T09:00:00Z", "message_id": message, "recipient_domain": "example.org",
        "sent_at": "2026-11-20T08:00:00Z", "method": "GET", "ip": "192.0.2.7", "ua": "Mozilla/5.0", "headers": {}});
    Record { key: message_key(AccountNumber(1), message), payload: payload.to_string().into() }
}

/// The letter of a hit that some older program could not read and this one can.
fn letter(message: &str, offset: u64) -> Record {
    let hit = hit(message, 1);
    let letter = DeadLetter {
        v: DeadLetter::VERSION,
        reason: "wire version 1 is newer than the 0 this program reads".to_owned(),
        topic: "engagement.raw".to_owned(),
        partition: 0,
        offset,
        at: None,
        original_base64: STANDARD.encode(&hit.payload),
    };
    Record { key: hit.key, payload: to_wire(&letter).into() }
}

fn letters(listed: &str) -> Vec<Value> {
    listed.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

async fn opens(api: &Api) -> u64 {
    let answer = api.get("/v1/accounts/demo/reports/summary?suppress=none").await;
    let summary: Value = answer.json().await.unwrap_or_default();
    summary["opens"]["total"].as_u64().unwrap_or(0)
}

async fn topic(broker: &str, name: &str) -> Topic {
    let config = KafkaConfig { topic_prefix: PREFIX.to_owned(), ..KafkaConfig::new(broker) };
    let spec = TopicSpec {
        name: name.to_owned(),
        partitions: 3,
        replication: 1,
        settings: Default::default(),
        at_least: Default::default(),
        same_partitions: None,
    };
    Cluster::new(config).unwrap().open(&[spec], &[]).await.unwrap().remove(0)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_kafka_a_record_is_set_aside_and_put_back_once() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::shared() else { return };
    let engine = engine(dir.path()).await;
    let place = Place::new(dir.path(), &broker, &engine).with("TRUEOPEN_KAFKA__TOPIC_PREFIX", PREFIX);
    place.command(&["migrate"]);
    assert_eq!(place.command(&["deadletter", "list"]), "0 dead letters, 0 of them not replayed");
    let api = place.demo();
    let stages = place.start_all().await;

    // A hit of a newer program, and one that is longer than the brokers take.
    let raw = topic(&broker, "engagement.raw").await;
    raw.append(hit("from-the-future", 2)).await.unwrap();
    Broker::alter_topic(&broker, &format!("{PREFIX}engagement.raw"), "max.message.bytes=2500");
    let pixel = api.links("too-long", &[]).await["pixel_url"].as_str().unwrap().to_owned();
    let mut request = reqwest::Client::new().get(pixel).header("user-agent", "Mozilla/5.0");
    for (number, name) in [
        "accept",
        "accept-language",
        "dnt",
        "from",
        "origin",
        "priority",
        "purpose",
        "save-data",
        "sec-ch-ua",
        "sec-ch-ua-mobile",
        "sec-ch-ua-platform",
        "sec-fetch-dest",
        "sec-fetch-mode",
        "sec-fetch-site",
        "sec-purpose",
        "via",
        "x-moz",
        "x-purpose",
        "x-requested-with",
    ]
    .into_iter()
    .enumerate()
    {
        // Nothing that compression makes short.
        let mut noise = 0x9e37_79b9_7f4a_7c15_u64.wrapping_mul(number as u64 + 1);
        let bytes: Vec<u8> = (0..180)
            .map(|_| {
                noise ^= noise << 13;
                noise ^= noise >> 7;
                noise ^= noise << 17;
                noise.to_le_bytes()[3]
            })
            .collect();
        request = request.header(name, STANDARD.encode(bytes));
    }
    assert_eq!(request.send().await.unwrap().status(), 200, "the reader is served all the same");
    let listed = || async { place.command(&["deadletter", "list", "--json"]) };
    let both = letters(&wait_until(listed, |listed| listed.lines().count() == 2).await);
    let of = |all: &[Value], reason: &str| {
        let found = all.iter().filter(|letter| letter["reason"].as_str().unwrap().contains(reason));
        found.cloned().collect::<Vec<_>>()
    };
    let newer = of(&both, "wire version 2 is newer").remove(0);
    let long = of(&both, "exceeds the limit").remove(0);
    assert_eq!((&newer["topic"], &newer["times"]), (&json!("engagement.raw"), &json!(1)));
    assert!(newer["set_aside_at"].is_string() && newer["replayed_at"].is_null(), "{newer}");
    assert!(long["bytes"].as_u64().unwrap() > 2500 && long["cut_from"].is_null(), "{long}");

    // What was in them is shown to who asks alone.
    let plain = place.command(&["deadletter", "list"]) + &place.command(&["deadletter", "list", "--json"]);
    let shown = place.command(&["deadletter", "list", "--show"]);
    for content in ["from-the-future", "192.0.2.7"] {
        assert!(!plain.contains(content), "{plain}");
        assert!(shown.contains(content), "{shown}");
    }
    for (filter, count) in [
        (["--reason", "newer"], 1),
        (["--topic", "delivery"], 0),
        (["--since", "1h"], 2),
        (["--since", "2099-01-01T00:00:00Z"], 0),
        (["--id", long["id"].as_str().unwrap()], 1),
    ] {
        let listed = place.command(&["deadletter", "list", "--json", filter[0], filter[1]]);
        assert_eq!(listed.lines().count(), count, "{filter:?}: {listed}");
    }

    // A topic that takes less than is promised is refused here as at every start; with room again, each goes back. The one
    // that still can't be read is set aside again, at another place, and the first is noted as replayed.
    let refused = place.output(&["deadletter", "replay", "--all"]);
    let said = String::from_utf8_lossy(&refused.stderr).into_owned();
    assert!(!refused.status.success() && said.contains("max.message.bytes = 2500"), "{said}");
    Broker::alter_topic(&broker, &format!("{PREFIX}engagement.raw"), "max.message.bytes=1048588");
    let replayed = || async { place.output(&["deadletter", "replay", "--reason", "newer"]) };
    let told = wait_until(replayed, |output| output.status.success()).await;
    assert_eq!(String::from_utf8_lossy(&told.stdout).trim(), "replayed 1 dead letters");
    let three = letters(&wait_until(listed, |listed| listed.lines().count() == 3).await);
    let mut newer_ones = of(&three, "wire version 2 is newer");
    newer_ones.retain(|letter| letter["replayed_at"].is_string());
    assert_eq!(newer_ones.len(), 1);
    assert_eq!(newer_ones[0]["id"], newer["id"]);

    // The hit is in the reports, once, however often it is put back.
    let id = long["id"].as_str().unwrap();
    assert_eq!(place.command(&["deadletter", "replay", "--id", id]), "replayed 1 dead letters");
    wait_until(|| opens(&api), |opens| *opens == 1).await;
    let told = place.command(&["deadletter", "replay", "--id", id]);
    assert_eq!(told, "replayed 0 dead letters, 1 were replayed before (--again repeats them)");
    assert_eq!(place.command(&["deadletter", "replay", "--id", id, "--again"]), "replayed 1 dead letters");
    let after = api.links("after", &[]).await["pixel_url"].as_str().unwrap().to_owned();
    reqwest::get(after).await.unwrap();
    wait_until(|| opens(&api), |opens| *opens == 2).await;
    let log: String = stages.iter().map(acceptance::Stage::log).collect();
    assert!(!log.contains("from-the-future") && !log.contains("too-long"), "{log}");
    for stage in stages {
        stage.stop();
    }
    raw.close().await;
    engine.stop().await.unwrap();
}

/// Puts letters into the journal of a data directory that nothing runs on.
async fn put(data: &Path, letters: Vec<Record>) {
    let journal = JournalConfig::new("deadletter", data.join("journal/deadletter"));
    let topic = Topic::open(TopicConfig { name: "deadletter".to_owned(), journal, groups: vec![] }).unwrap();
    topic.append_all(letters).await.unwrap();
    topic.close().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn over_a_data_directory_it_works_beside_up_and_without_it() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let run = |arguments: &[&str]| {
        let output = Program::new(&data, arguments).output();
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap())
    };
    let (_, said) = run(&["deadletter", "list"]);
    assert!(said.contains("--data-dir") && said.lines().count() == 1, "{said}");
    System::start(&data).stop();
    // Three that can be put back; one that was cut, one from nowhere, two that name nobody.
    let broken = |reason: &str, topic: &str, original: &str| {
        let letter = DeadLetter {
            v: DeadLetter::VERSION,
            reason: reason.to_owned(),
            topic: topic.to_owned(),
            partition: 0,
            offset: 9,
            at: None,
            original_base64: STANDARD.encode(original),
        };
        Record { key: Vec::new(), payload: to_wire(&letter).into() }
    };
    // What other messages' hits are compared with, from a stage that could not read it; its key was not kept.
    let of = Hashed::of(AccountNumber(1), "network", b"203.0.113");
    let neighbour = Neighbour {
        v: Neighbour::VERSION,
        account_number: AccountNumber(1),
        ground: Ground::Client,
        of,
        address: Some(of),
        message_id: "m-1".to_owned(),
        reader: of,
        kind: Kind::Click,
        link_index: None,
        link_count: None,
        received_at: Timestamp::parse("2026-11-20T09:00:00Z").unwrap(),
    };
    let neighbour = String::from_utf8(to_wire(&neighbour)).unwrap();
    let no_letter = Record { key: Vec::new(), payload: "no letter".into() };
    put(
        &data,
        vec![
            letter("m-1", 1),
            letter("m-2", 2),
            letter("m-2", 2),
            broken("too long (the first bytes of 900)", "engagement.raw", "{"),
            broken("x", "elsewhere", "{}"),
            broken("x", "delivery", "\u{2}abc"),
            broken("x", "engagement.neighbours", &neighbour),
            broken("y", "engagement.neighbours", "\u{2}abc"),
            no_letter,
        ],
    )
    .await;

    let (listed, said) = run(&["deadletter", "list", "--json"]);
    assert_eq!(listed.lines().count(), 7, "{listed}");
    assert!(said.contains("1 records there are no dead letters"), "{said}");
    let (_, said) = run(&["deadletter", "replay"]);
    assert!(said.contains("say which"), "{said}");
    let first = letters(&listed).into_iter().find(|letter| letter["offset"] == 1).unwrap()["id"].clone();
    let (told, _) = run(&["deadletter", "replay", "--id", first.as_str().unwrap()]);
    assert_eq!(told.trim(), "replayed 1 dead letters", "nothing runs, so the command holds the directory");

    let system = System::start(&data);
    let api = system.api();
    wait_until(|| opens(&api), |opens| *opens == 1).await;
    let (told, said) = run(&["deadletter", "replay", "--all"]);
    assert_eq!(
        told.trim(),
        "replayed 2 dead letters, 1 were replayed before (--again repeats them)",
        "{said}"
    );
    for why in [
        "only the first of its 900 bytes",
        "no topic of ours",
        "its key is not known",
        "its hit was classified without it",
        "4 dead letters could not",
    ] {
        assert!(said.contains(why), "{said}");
    }
    wait_until(|| opens(&api), |opens| *opens == 2).await;
    let (told, _) = run(&["deadletter", "replay", "--all", "--again"]);
    assert_eq!(told.trim(), "replayed 3 dead letters");
    let (listed, _) = run(&["deadletter", "list"]);
    assert!(
        listed.contains("7 dead letters, 4 of them not replayed") && listed.contains("(written 2 times)"),
        "{listed}"
    );
    // Behind the repeats, so that they had their time.
    reqwest::get(api.links("m-3", &[]).await["pixel_url"].as_str().unwrap()).await.unwrap();
    wait_until(|| opens(&api), |opens| *opens == 3).await;
    assert!(std::fs::exists(data.join("control.sock")).unwrap());
    system.stop();
}
