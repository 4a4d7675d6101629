//! Topics in a temporary folder, records to put into them, and a loader that runs.
#![allow(dead_code, reason = "each test binary uses a part of it")]
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../../../store/tests/support/mod.rs"]
pub(crate) mod support;

use engagement::{DeadLetter, Timestamp, from_wire};
use loader::{Config, Dependencies, Health, Loader, LoaderError};
use std::time::SystemTime;
use store::{Connection, Directory};
use stream::{JournalConfig, Record, Topic, TopicConfig};
use tempfile::TempDir;
use tokio::task::JoinHandle;
use uuid::Uuid;

pub(crate) const ACCOUNT: u32 = 1;
/// The most bytes that the dead-letter topic takes.
pub(crate) const LONGEST_DEAD_LETTER: usize = 4096;

/// The loader's surroundings.
pub(crate) struct Given {
    pub(crate) connection: Connection,
    pub(crate) classified: Topic,
    pub(crate) delivery: Topic,
    pub(crate) dead_letter: Topic,
    pub(crate) directory: Directory,
    pub(crate) config: Config,
    folder: TempDir,
}

/// A migrated database and empty topics.
pub(crate) async fn given() -> Given {
    given_over(support::migrated().await)
}

/// Empty topics before any database.
pub(crate) fn given_over(connection: Connection) -> Given {
    let folder = tempfile::tempdir().unwrap();
    let topic = |name: &str| {
        let mut journal = JournalConfig::new(name, folder.path().join(name));
        if name == "deadletter" {
            journal.max_record_bytes = LONGEST_DEAD_LETTER;
        }
        Topic::open(TopicConfig { name: name.to_owned(), journal, groups: vec!["loader".to_owned()] })
            .unwrap()
    };
    Given {
        connection,
        classified: topic("engagement.classified"),
        delivery: topic("delivery"),
        dead_letter: topic("deadletter"),
        directory: Directory::load(&folder.path().join("directory.json")),
        config: Config {
            spacing_ms: 20,
            retry_first_ms: 10,
            retry_cap_ms: 100,
            misconfigured_seconds: 1,
            look_seconds: 1,
            ..Config::default()
        },
        folder,
    }
}

/// A loader at work.
pub(crate) struct Running {
    task: JoinHandle<Result<(), LoaderError>>,
    stop: tokio::sync::oneshot::Sender<()>,
    pub(crate) health: Health,
}

impl Running {
    pub(crate) async fn stop(self) {
        drop(self.stop);
        self.task.await.unwrap().unwrap();
    }

    /// As when the process dies.
    pub(crate) async fn kill(self) {
        self.task.abort();
        let _ = self.task.await;
    }
}

impl Given {
    pub(crate) fn start(&self) -> Running {
        let dependencies = Dependencies {
            client: self.connection.client(),
            cluster: self.connection.cluster.clone(),
            directory: self.directory.clone(),
            classified: self.classified.clone(),
            delivery: self.delivery.clone(),
            dead_letter: self.dead_letter.clone(),
        };
        let loader = Loader::build(self.config.clone(), dependencies).unwrap();
        let health = loader.health();
        let (stop, stopped) = tokio::sync::oneshot::channel::<()>();
        let task = tokio::spawn(loader.run(async move { drop(stopped.await) }));
        Running { task, stop, health }
    }

    pub(crate) async fn hits(&self, hits: &[String]) {
        append(&self.classified, hits).await;
    }

    pub(crate) async fn deliveries(&self, events: &[String]) {
        append(&self.delivery, events).await;
    }

    /// Waits until every record of both topics is behind the position.
    pub(crate) async fn loaded(&self) {
        support::until("all records to be loaded", || async {
            let lag = |topic: &Topic| topic.consumer("loader").unwrap().lag();
            lag(&self.classified) == 0 && lag(&self.delivery) == 0
        })
        .await;
    }

    /// Puts the loader's position in both topics back to the beginning.
    pub(crate) fn rewind_to_the_beginning(&self) {
        for topic in [&self.classified, &self.delivery] {
            topic.consumer("loader").unwrap().commit(0, 0).unwrap();
        }
    }

    pub(crate) async fn count(&self, query: &str) -> u64 {
        self.connection.client().query(query).fetch_one().await.unwrap()
    }

    /// Every row of a table as a report sees it, one line each.
    pub(crate) async fn rows(&self, table: &str) -> Vec<String> {
        let query = format!("SELECT toString(tuple(*)) AS line FROM {table} FINAL ORDER BY line");
        self.connection.client().query(&query).fetch_all().await.unwrap()
    }

    /// The dead letters so far, at least so many.
    pub(crate) async fn dead_letters(&self, least: usize) -> Vec<DeadLetter> {
        let mut consumer = self.dead_letter.consumer("loader").unwrap();
        let mut letters = Vec::new();
        while letters.len() < least {
            for delivered in consumer.next(1000, 1 << 30).await.unwrap() {
                letters.push(from_wire(&delivered.record.unwrap().payload).unwrap());
            }
        }
        letters
    }
}

async fn append(topic: &Topic, lines: &[String]) {
    let record = |line: &String| Record { key: b"key".to_vec(), payload: line.clone().into_bytes().into() };
    topic.append_all(lines.iter().map(record).collect()).await.unwrap();
}

pub(crate) fn now() -> Timestamp {
    Timestamp::from_clock(SystemTime::now())
}

pub(crate) fn days_ago(days: i64) -> Timestamp {
    now().plus_millis(-days * 86_400_000)
}

/// A classified hit as the classifier writes it.
pub(crate) fn hit(id: Uuid, message: &str, campaign: &str, received_at: Timestamp, revision: u32) -> String {
    serde_json::json!({
        "v": 1, "event_id": id, "account_number": ACCOUNT, "account": "demo", "kind": "open",
        "received_at": received_at, "message_id": message, "recipient_id": "r", "campaign": campaign,
        "recipient_domain": "example.org", "sent_at": received_at.plus_millis(-60_000),
        "method": "GET", "ip": "192.0.2.7", "ua": "Mozilla/5.0", "headers": {"accept": "image/*"}, "trailing": "%27",
        "client": "Chrome", "original": "{\"event\":\"open\"}",
        "verdict": {"actor": "human", "source": "chrome", "confidence": 0.9, "ruleset": "r1", "revision": revision,
            "reasons": [{"rule": "browser", "source": "chrome", "confidence": 0.9, "evidence": "Chrome"}]},
    })
    .to_string()
}

/// So many different hits.
pub(crate) fn hits(count: usize) -> Vec<String> {
    (0..count).map(|number| hit(Uuid::now_v7(), &format!("m-{}", number / 3), "c", now(), 1)).collect()
}

/// A delivery event as the API writes it.
pub(crate) fn delivery(id: &str, kind: &str, message: &str) -> String {
    serde_json::json!({
        "v": 1, "account_number": ACCOUNT, "account": "demo", "event_id": id, "received_at": now(), "type": kind,
        "message_id": message, "at": now(), "recipient_domain": "example.org", "tracked": true,
        "smtp_code": 550, "enhanced_code": "5.1.1", "diagnostic": "550 user unknown",
    })
    .to_string()
}

/// The gauge of records in hand.
pub(crate) fn waiting(topic: &str) -> i64 {
    let families = prometheus::gather();
    let metrics = families.iter().filter(|family| family.name() == "trueopen_loader_waiting_records");
    metrics
        .flat_map(|family| family.get_metric())
        .filter(|metric| metric.get_label().iter().any(|label| label.value() == topic))
        .map(|metric| metric.get_gauge().get_value() as i64)
        .sum()
}
