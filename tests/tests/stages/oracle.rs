//! An oracle: it mints ids, sends hits at a steady rate, notes which were answered, and kills things meanwhile. In the end
//! nothing that was answered is missing, nothing stands twice, nothing stands that nobody sent, and what could not be
//! used is a dead letter. `SOAK_SECONDS` says for how long, `SOAK_SEED` which turns it takes.

use crate::place::{Place, TURN, engine};
use acceptance::{Broker, wait_until};
use embedded::Engine;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stream::{Cluster, KafkaConfig, Record, Topic, TopicSpec};

/// Hits a second.
const RATE: u64 = 25;
/// Records of no use that are put into each of two topics.
const POISON: u64 = 5;

fn number(variable: &str, otherwise: u64) -> u64 {
    std::env::var(variable).ok().map_or(otherwise, |text| text.parse().unwrap())
}

/// A small generator, so that a run can be repeated by its seed.
struct Turns(u64);

impl Turns {
    fn below(&mut self, bound: u64) -> u64 {
        self.0 ^= self.0 << 13;
        self.0 ^= self.0 >> 7;
        self.0 ^= self.0 << 17;
        self.0 % bound
    }
}

/// Sends each hit once; the messages whose hit was answered.
async fn send(pixels: Vec<(String, String)>, stop: Arc<AtomicBool>) -> (BTreeSet<String>, BTreeSet<String>) {
    let client = reqwest::Client::builder().timeout(Duration::from_secs(5)).build().unwrap();
    let (mut sent, mut answered) = (BTreeSet::new(), BTreeSet::new());
    let mut turn = tokio::time::interval(Duration::from_millis(1000 / RATE));
    for (message, pixel) in pixels {
        turn.tick().await;
        if stop.load(Ordering::Relaxed) {
            break;
        }
        sent.insert(message.clone());
        let asked = client.get(pixel).send().await;
        if let Ok(answer) = asked
            && answer.status() == 200
            && answer.bytes().await.is_ok()
        {
            answered.insert(message);
        }
    }
    (sent, answered)
}

/// How many events ClickHouse holds of each message; empty while it can't say.
async fn stored(engine: &Engine) -> BTreeMap<String, u64> {
    let question = "SELECT message_id, uniqExact(event_id) FROM events GROUP BY message_id FORMAT TSV";
    let asked = reqwest::Client::new().post(engine.url()).basic_auth(engine.user(), Some(engine.password()));
    let Ok(answer) = asked.body(question).send().await else { return BTreeMap::new() };
    if !answer.status().is_success() {
        return BTreeMap::new();
    }
    let text = answer.text().await.unwrap_or_default();
    let row = |line: &str| {
        let (message, count) = line.split_once('\t')?;
        Some((message.to_owned(), count.parse().ok()?))
    };
    text.lines().filter_map(row).collect()
}

async fn topics(broker: &str) -> Vec<Topic> {
    let cluster =
        Cluster::new(KafkaConfig { client_id: "oracle".to_owned(), ..KafkaConfig::new(broker) }).unwrap();
    let spec = |name: &str| TopicSpec {
        name: name.to_owned(),
        partitions: 3,
        replication: 1,
        settings: BTreeMap::new(),
        at_least: BTreeMap::new(),
        same_partitions: None,
    };
    cluster
        .open(&["engagement.raw", "engagement.classified", "deadletter"].map(spec), &["oracle"])
        .await
        .unwrap()
}

/// The places of all dead letters, until there are so many.
async fn dead_letters(topic: &Topic, wanted: usize) -> HashMap<String, BTreeSet<(u64, u64)>> {
    let mut consumer = topic.consumer("oracle").unwrap();
    let mut places: HashMap<String, BTreeSet<(u64, u64)>> = HashMap::new();
    while places.values().map(BTreeSet::len).sum::<usize>() < wanted {
        let next = tokio::time::timeout(Duration::from_secs(60), consumer.next(100, 1 << 20)).await;
        for delivered in next.expect("dead letters arrive").unwrap() {
            let letter: serde_json::Value =
                serde_json::from_slice(&delivered.record.unwrap().payload).unwrap();
            let place = (letter["partition"].as_u64().unwrap(), letter["offset"].as_u64().unwrap());
            places.entry(letter["topic"].as_str().unwrap().to_owned()).or_default().insert(place);
        }
    }
    places
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_is_missing_and_nothing_is_doubled() {
    let (seconds, seed) = (number("SOAK_SECONDS", 40), number("SOAK_SEED", 20_261_121));
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(mut broker) = Broker::start(&dir.path().join("kafka")) else { return };
    let engine = engine(dir.path()).await;
    let place = Place::new(dir.path(), &broker.address(), &engine);
    place.command(&["migrate"]);
    let api = place.demo();
    let mut stages = ["track", "classify", "load"].map(|stage| place.start(stage));
    stages[0].ready().await;
    let mut report = place.start("report");
    report.ready().await;
    let mut pixels = Vec::new();
    for number in 0..seconds * RATE {
        let message = format!("soak-{number}");
        let pixel = api.links(&message, &[]).await["pixel_url"].as_str().unwrap().to_owned();
        pixels.push((message, pixel));
    }
    let topics = topics(&broker.address()).await;
    let no_use = |number: u64| Record { key: vec![u8::try_from(number).unwrap()], payload: "no hit".into() };
    for topic in &topics[..2] {
        topic.append_all((0..POISON).map(no_use).collect()).await.unwrap();
    }

    let stop = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(send(pixels, Arc::clone(&stop)));
    let mut turns = Turns(seed);
    let killed = Mutex::new(Vec::new());
    let end = Instant::now() + Duration::from_secs(seconds);
    while Instant::now() < end && !sending.is_finished() {
        tokio::time::sleep(Duration::from_millis(1000 + turns.below(2000))).await;
        let away = Duration::from_millis(turns.below(4000));
        let victim = usize::try_from(turns.below(5)).unwrap();
        killed.lock().unwrap().push(["track", "classify", "load", "broker", "engine"][victim]);
        match victim {
            3 => {
                broker.kill();
                tokio::time::sleep(away).await;
                broker.restart();
            }
            4 => {
                // Its supervisor starts it again.
                let id =
                    engine.pid().and_then(|id| rustix::process::Pid::from_raw(i32::try_from(id).unwrap()));
                if let Some(id) = id {
                    let _ = rustix::process::kill_process(id, rustix::process::Signal::KILL);
                }
            }
            stage => {
                stages[stage].kill();
                tokio::time::sleep(away).await;
                stages[stage].restart();
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let (sent, answered) = sending.await.unwrap();
    let said =
        format!("seed {seed}, {} of {} hits answered, killed {:?}", answered.len(), sent.len(), killed);
    assert!(answered.len() > sent.len() / 2, "{said}");

    for stage in &mut stages {
        stage.ready().await;
    }
    let missing =
        |stored: &BTreeMap<String, u64>| answered.iter().filter(|one| !stored.contains_key(*one)).count();
    let found = wait_until(|| stored(&engine), |stored| missing(stored) == 0).await;
    // What was not answered may have been kept all the same, but nothing that nobody sent, and nothing twice.
    for (message, count) in &found {
        assert!(sent.contains(message), "{message} was never sent; {said}");
        assert_eq!(*count, 1, "{message}; {said}");
    }
    let summary = wait_until(
        || async { api.get("/v1/accounts/demo/reports/summary?suppress=none").await.status().as_u16() },
        |status| *status == 200,
    );
    summary.await;
    let opens = api.summary("?suppress=none").await["opens"].clone();
    assert_eq!(opens["total"], found.len(), "{said}");
    assert_eq!(opens["unique"], found.len(), "{said}");
    let letters = dead_letters(&topics[2], usize::try_from(2 * POISON).unwrap()).await;
    for topic in ["engagement.raw", "engagement.classified"] {
        assert_eq!(letters[topic].len() as u64, POISON, "{letters:?}");
    }
    println!("{said}; {} stored", found.len());
    for topic in topics {
        topic.close().await;
    }
    for stage in stages {
        stage.stop();
    }
    report.stop();
    engine.stop().await.unwrap();
}
