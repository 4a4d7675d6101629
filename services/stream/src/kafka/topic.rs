//! One topic over Kafka.

use super::consumer::KafkaConsumer;
use super::context::Reach;
use super::ends::Ends as PartitionEnds;
use super::follower::KafkaFollower;
use super::producer::Producer;
use super::settings::KafkaConfig;
use super::worker::KafkaWorker;
use crate::error::{AppendError, GroupError};
use crate::metrics;
use crate::partition::partition;
use crate::record::Record;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::Producer as _;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::JoinHandle;
use std::time::Duration;
use tokio::sync::watch;

/// How long brokers may take to say where a topic ends when it is closed.
const ANSWER: Duration = Duration::from_secs(2);
/// How long consumers may take to leave their groups when the topic is closed.
const LEAVE: Duration = Duration::from_secs(10);

/// Where each partition ended when the topic was closed; `None` while it is open.
pub(super) type Ends = Option<Arc<Vec<u64>>>;

/// Handles of one topic share this.
#[derive(Clone)]
pub(crate) struct KafkaTopic {
    shared: Arc<Shared>,
}

pub(super) struct Shared {
    pub(super) full_name: String,
    pub(super) partitions: u32,
    pub(super) groups: Vec<String>,
    pub(super) config: KafkaConfig,
    pub(super) producer: Arc<Producer>,
    pub(super) reach: Arc<Reach>,
    pub(super) ends: Arc<PartitionEnds>,
    pub(super) closed: watch::Sender<Ends>,
    /// Consumers that are leaving their groups.
    leaving: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
    /// Counts a transaction that was not committed at once; `of` is one of the topics that it wrote to.
    pub(super) fn note_failure(&self, of: &str, outcome: &str, code: RDKafkaErrorCode) {
        metrics::TRANSACTION_FAILURES.with_label_values(&[self.full_name.as_str(), outcome]).inc();
        tracing::debug!(topic = %self.full_name, of, outcome, %code, "a transaction was not committed at once");
    }

    /// Runs something that may wait for brokers where it holds nobody up.
    pub(super) fn leave(&self, leaving: impl FnOnce() + Send + 'static) {
        let thread = std::thread::Builder::new().name("kafka-leaving".to_owned()).spawn(leaving);
        match thread {
            Ok(thread) => self.leaving.lock().unwrap_or_else(PoisonError::into_inner).push(thread),
            Err(error) => tracing::warn!(%error, "a consumer left its group without a word"),
        }
    }
}

impl KafkaTopic {
    pub(crate) fn partitions(&self) -> u32 {
        self.shared.partitions
    }

    pub(super) fn new(
        full_name: String,
        partitions: u32,
        groups: Vec<String>,
        config: KafkaConfig,
        producer: Arc<Producer>,
        reach: Arc<Reach>,
        ends: Arc<PartitionEnds>,
    ) -> Self {
        let closed = watch::Sender::new(None);
        let leaving = Mutex::new(Vec::new());
        let shared = Shared { full_name, partitions, groups, config, producer, reach, ends, closed, leaving };
        Self { shared: Arc::new(shared) }
    }

    pub(crate) async fn append(&self, records: &[Record]) -> Result<(), AppendError> {
        let shared = &self.shared;
        if shared.closed.borrow().is_some() {
            return Err(AppendError::Closed { topic: shared.full_name.clone() });
        }
        shared.producer.append(&shared.full_name, shared.partitions, records).await
    }

    pub(crate) fn consumer(&self, topic: &str, group: &str) -> Result<KafkaConsumer, GroupError> {
        self.registered(topic, group)?;
        KafkaConsumer::join(Arc::clone(&self.shared), group).map_err(refused(topic, group))
    }

    pub(crate) fn worker(&self, topic: &str, group: &str) -> Result<KafkaWorker, GroupError> {
        self.registered(topic, group)?;
        let KafkaConfig { client_id, instance, .. } = &self.shared.config;
        let nameless = || "the process has no instance name for its transactions".to_owned();
        let instance = instance.as_ref().ok_or_else(nameless).map_err(refused(topic, group))?;
        let id = format!("{client_id}.{group}.{instance}");
        KafkaWorker::new(Arc::clone(&self.shared), group, id).map_err(refused(topic, group))
    }

    pub(crate) fn follower(&self, topic: &str, group: &str) -> Result<KafkaFollower, GroupError> {
        self.registered(topic, group)?;
        KafkaFollower::new(Arc::clone(&self.shared), group).map_err(refused(topic, group))
    }

    fn registered(&self, topic: &str, group: &str) -> Result<(), GroupError> {
        if self.shared.groups.iter().any(|known| known == group) {
            return Ok(());
        }
        Err(GroupError::Unknown { topic: topic.to_owned(), group: group.to_owned() })
    }

    /// The longest record that is taken: key and payload.
    pub(crate) fn record_limit(&self) -> usize {
        self.shared.config.record_limit()
    }

    /// Its name at the brokers.
    pub(super) fn full_name(&self) -> &str {
        &self.shared.full_name
    }

    /// Where a record goes.
    pub(super) fn partition(&self, record: &Record) -> u32 {
        partition(&record.key, self.shared.partitions)
    }

    pub(crate) fn healthy(&self) -> Result<(), String> {
        self.shared.reach.check()
    }

    pub(crate) async fn close(self) {
        let shared = Arc::clone(&self.shared);
        let ends = tokio::task::spawn_blocking(move || {
            shared.producer.flush();
            let live = shared.producer.live();
            let end = |partition: u32| {
                let number = i32::try_from(partition).unwrap_or(i32::MAX);
                let asked = live.client().fetch_watermarks(&shared.full_name, number, ANSWER);
                // Without an answer nothing is waited for: it comes to the next consumer of the group.
                asked.ok().and_then(|(_, high)| u64::try_from(high).ok()).unwrap_or(0)
            };
            let known = shared.reach.check().is_ok();
            (0..shared.partitions).map(|partition| if known { end(partition) } else { 0 }).collect::<Vec<_>>()
        })
        .await;
        self.shared.closed.send_replace(Some(Arc::new(ends.unwrap_or_default())));
        let leaving: Vec<_> =
            std::mem::take(&mut *self.shared.leaving.lock().unwrap_or_else(PoisonError::into_inner));
        let left = tokio::task::spawn_blocking(move || {
            for thread in leaving {
                let _ = thread.join();
            }
        });
        if tokio::time::timeout(LEAVE, left).await.is_err() {
            tracing::warn!(topic = %self.shared.full_name, "consumers could not leave their groups in time");
        }
    }
}

fn refused(topic: &str, group: &str) -> impl FnOnce(String) -> GroupError {
    let (topic, group) = (topic.to_owned(), group.to_owned());
    |reason| GroupError::Refused { topic, group, reason }
}
