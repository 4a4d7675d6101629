//! An oracle: it mints ids, sends hits at a steady rate, notes which were answered, and kills things meanwhile; takes the
//! broker away for a while, then the engine. In the end nothing that was answered is missing, nothing stands twice, nothing
//! stands that nobody sent, no (event, revision) says two things, what could not be used is a dead letter, and the counters
//! add up. `SOAK_SECONDS` says for how long, `SOAK_SEED` which turns it takes. An outage is an eighth of that, two minutes at most.

use crate::place::{Place, TURN, engine, engine_at};
use crate::steady;
use acceptance::{Broker, Stage, kcat_lines, wait_until};
use embedded::Engine;
use rustix::process::{Pid, Signal, kill_process};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::{Duration, Instant};
use stream::{Cluster, Found, KafkaConfig, Record, Topic, TopicSpec};

/// Hits a second.
const RATE: u64 = 25;
/// Records of no use of each kind that are put into a topic.
const POISON: u64 = 5;
const OUTAGE: Duration = Duration::from_secs(120);

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

fn spec(name: &str) -> TopicSpec {
    TopicSpec {
        name: name.to_owned(),
        partitions: 3,
        replication: 1,
        settings: BTreeMap::new(),
        at_least: BTreeMap::new(),
        same_partitions: None,
    }
}

/// A look from outside, by clients of its own.
struct Outside(Cluster);

impl Outside {
    fn new(broker: &str) -> Self {
        let config = KafkaConfig { client_id: "oracle".to_owned(), ..KafkaConfig::new(broker) };
        Self(Cluster::new(config).unwrap())
    }

    async fn topic(&self, name: &str) -> Topic {
        self.0.open(&[spec(name)], &[]).await.unwrap().remove(0)
    }

    async fn all(&self, name: &str) -> Vec<Found> {
        let (mut scan, mut all) = (self.0.scan(&spec(name)).await.unwrap(), Vec::new());
        while let Some(found) = scan.next().await.unwrap() {
            all.extend(found);
        }
        all
    }

    /// The places of all dead letters.
    async fn dead_letters(&self) -> HashMap<String, BTreeSet<(u64, u64)>> {
        let mut places: HashMap<String, BTreeSet<(u64, u64)>> = HashMap::new();
        for found in self.all("deadletter").await {
            let letter: serde_json::Value = serde_json::from_slice(&found.record.unwrap().payload).unwrap();
            let place = (letter["partition"].as_u64().unwrap(), letter["offset"].as_u64().unwrap());
            places.entry(letter["topic"].as_str().unwrap().to_owned()).or_default().insert(place);
        }
        places
    }

    /// How many verdicts there are beyond the first of an event; fails when one revision says two things.
    async fn corrections(&self) -> u64 {
        let mut said: HashMap<(String, u64), Vec<u8>> = HashMap::new();
        for found in self.all("engagement.classified").await {
            let payload = found.record.unwrap().payload;
            let Ok(verdict) = serde_json::from_slice::<serde_json::Value>(&payload) else { continue };
            let (Some(event), Some(revision)) =
                (verdict["event_id"].as_str(), verdict["verdict"]["revision"].as_u64())
            else {
                continue;
            };
            let before = said.insert((event.to_owned(), revision), payload.to_vec());
            assert!(
                before.as_ref().is_none_or(|before| *before == payload),
                "{event} revision {revision} says {:?} and {:?}",
                String::from_utf8_lossy(&before.unwrap_or_default()),
                String::from_utf8_lossy(&payload)
            );
        }
        said.keys().filter(|(_, revision)| *revision > 1).count() as u64
    }
}

/// Records that the loader can do nothing with: no record, of a newer program, without what a verdict has to say.
fn poison_of_the_loader(number: u64) -> Vec<Record> {
    let payloads = ["no verdict", r#"{"v":2,"event_id":"x"}"#, r#"{"v":1,"event_id":"x"}"#];
    let key = vec![u8::try_from(number).unwrap()];
    payloads.map(|payload| Record { key: key.clone(), payload: payload.into() }).into()
}

/// What the counters of processes that are at rest have to say.
async fn balanced([track, classify, load]: &[Stage; 3]) {
    let classified = || async {
        let of = |name: &'static str| classify.metric(name);
        (
            of("trueopen_classifier_consumed_records_total").await,
            of("trueopen_classifier_classified_records_total").await
                + of("trueopen_classifier_dead_lettered_records_total").await
                + of("trueopen_classifier_repeated_records_total").await,
        )
    };
    wait_until(classified, |(taken, done)| taken == done).await;
    let loaded = || async {
        let of = |name: &'static str| load.metric(name);
        (
            of("trueopen_loader_consumed_records_total").await,
            of("trueopen_loader_loaded_records_total").await
                + of("trueopen_loader_dead_lettered_records_total").await,
        )
    };
    wait_until(loaded, |(taken, done)| taken == done).await;
    let of = |name: &'static str| track.metric(name);
    wait_until(|| of("trueopen_stream_forward_waiting_records"), |waiting| *waiting == 0.0).await;
    assert_eq!(
        of("trueopen_tracker_received_hits_total").await,
        of("trueopen_tracker_journaled_hits_total").await + of("trueopen_tracker_refused_hits_total").await
    );
}

fn kill_engine(engine: &Engine) {
    if let Some(id) = engine.pid().and_then(|id| Pid::from_raw(i32::try_from(id).unwrap())) {
        let _ = kill_process(id, Signal::KILL);
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_answered_is_missing_and_nothing_is_doubled() {
    let (seconds, seed) = (number("SOAK_SECONDS", 70), number("SOAK_SEED", 20_261_121));
    let outage = OUTAGE.min(Duration::from_secs(seconds / 8));
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(mut broker) = Broker::start(&dir.path().join("kafka")) else { return };
    let mut engine = engine(dir.path()).await;
    let place = Place::new(dir.path(), &broker.address(), &engine);
    place.command(&["migrate"]);
    let api = place.demo();
    let mut stages = ["track", "classify", "load"].map(|stage| place.start(stage));
    stages[0].ready().await;
    let mut report = place.start("report");
    report.ready().await;
    let mails = steady::mails(&api, "soak", seconds * RATE).await;
    let outside = Outside::new(&broker.address());
    let raw = outside.topic("engagement.raw").await;
    let no_use = |number: u64| Record { key: vec![u8::try_from(number).unwrap()], payload: "no hit".into() };
    raw.append_all((0..POISON).map(no_use).collect()).await.unwrap();
    let classified = outside.topic("engagement.classified").await;
    classified.append_all((0..POISON).flat_map(poison_of_the_loader).collect()).await.unwrap();
    let delivery = outside.topic("delivery").await;
    delivery.append_all((0..POISON).map(no_use).collect()).await.unwrap();

    let stop = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(steady::send(mails, RATE, Arc::clone(&stop)));
    let asked = steady::Place::of(&engine);
    let mut turns = Turns(seed);
    let mut killed = Vec::new();
    let began = Instant::now();
    let end = began + Duration::from_secs(seconds);
    let mut outages = vec!["engine away", "broker away"];
    while Instant::now() < end && !sending.is_finished() {
        // The long outages come a quarter and a half into the run.
        let due = began + Duration::from_secs(seconds) * (3 - u32::try_from(outages.len()).unwrap()) / 4;
        if !outages.is_empty() && Instant::now() > due {
            let outage_of = outages.pop().unwrap();
            killed.push(outage_of);
            if outage_of == "broker away" {
                broker.kill();
                tokio::time::sleep(outage).await;
                broker.restart();
            } else {
                kill_engine(&engine);
                let address = engine.url().trim_start_matches("http://").parse().unwrap();
                // Killed, so its stop is no clean one.
                let _ = engine.stop().await;
                tokio::time::sleep(outage).await;
                engine = engine_at(dir.path(), address).await;
            }
            continue;
        }
        tokio::time::sleep(Duration::from_millis(1000 + turns.below(2000))).await;
        let away = Duration::from_millis(turns.below(4000));
        let victim = usize::try_from(turns.below(5)).unwrap();
        killed.push(["track", "classify", "load", "broker", "engine"][victim]);
        match victim {
            3 => {
                broker.kill();
                tokio::time::sleep(away).await;
                broker.restart();
            }
            // Its supervisor starts it again.
            4 => kill_engine(&engine),
            stage => {
                stages[stage].kill();
                tokio::time::sleep(away).await;
                stages[stage].restart();
            }
        }
    }
    stop.store(true, Ordering::Relaxed);
    let sent = sending.await.unwrap();
    let said = format!("seed {seed}, {} of {} hits answered, killed {killed:?}", sent.answers(), sent.hits());
    assert!(outages.is_empty(), "{said}");
    assert!(sent.answers() > sent.hits() / 2, "{said}");

    for stage in &mut stages {
        stage.ready().await;
    }
    let stored = wait_until(|| asked.stored(), |stored| steady::missing(&sent, stored) == 0).await;
    assert_eq!(steady::spurious(&sent, &stored), [""; 0], "{said}");
    let summary =
        || async { api.get("/v1/accounts/demo/reports/summary?suppress=none").await.status().as_u16() };
    wait_until(summary, |status| *status == 200).await;
    let summary = steady::reported(&api, stored.values().sum()).await;
    assert_eq!(summary["opens"]["unique"], summary["opens"]["total"], "{said}");

    // Dead letters: each poison record is one, and nothing else is.
    let expected: BTreeMap<&str, usize> =
        [("delivery", 1), ("engagement.classified", 3), ("engagement.raw", 1)].into();
    let expected: BTreeMap<&str, usize> = expected
        .into_iter()
        .map(|(topic, kinds)| (topic, kinds * usize::try_from(POISON).unwrap()))
        .collect();
    let letters = wait_until(
        || outside.dead_letters(),
        |letters| letters.values().map(BTreeSet::len).sum::<usize>() >= expected.values().sum(),
    )
    .await;
    let found: BTreeMap<&str, usize> =
        letters.iter().map(|(topic, places)| (topic.as_str(), places.len())).collect();
    assert_eq!(found, expected, "{said}");
    if let Some(lines) = kcat_lines(&broker.address(), "deadletter") {
        assert!(lines.len() >= expected.values().sum(), "another client sees {} of them", lines.len());
        assert!(lines.iter().all(|line| line.contains("\"reason\"")), "{lines:?}");
    }
    let corrections = outside.corrections().await;
    assert!(corrections > 0, "nothing was corrected; {said}");
    balanced(&stages).await;
    let fault = "SELECT count() FROM (SELECT event_id FROM events GROUP BY event_id, revision \
        HAVING uniqExact(actor, source, confidence, reasons, ruleset, message_id, received_at) > 1)";
    assert_eq!(asked.ask(fault).await.unwrap().trim(), "0", "{said}");
    println!(
        "{said}; {} stored, {corrections} corrections, the slowest answer {:?}",
        stored.values().sum::<u64>(),
        sent.slowest
    );
    for topic in [raw, classified, delivery] {
        topic.close().await;
    }
    for stage in stages {
        stage.stop();
    }
    report.stop();
    engine.stop().await.unwrap();
}
