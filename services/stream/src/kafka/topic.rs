//! One topic over Kafka.

use super::consumer::KafkaConsumer;
use super::context::Reach;
use super::producer::Producer;
use super::settings::KafkaConfig;
use crate::error::{AppendError, GroupError};
use crate::record::Record;
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
    pub(super) closed: watch::Sender<Ends>,
    /// Consumers that are leaving their groups.
    leaving: Mutex<Vec<JoinHandle<()>>>,
}

impl Shared {
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
    pub(super) fn new(
        full_name: String,
        partitions: u32,
        groups: Vec<String>,
        config: KafkaConfig,
        producer: Arc<Producer>,
        reach: Arc<Reach>,
    ) -> Self {
        let closed = watch::Sender::new(None);
        let leaving = Mutex::new(Vec::new());
        let shared = Shared { full_name, partitions, groups, config, producer, reach, closed, leaving };
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
        if !self.shared.groups.iter().any(|known| known == group) {
            return Err(GroupError::Unknown { topic: topic.to_owned(), group: group.to_owned() });
        }
        KafkaConsumer::join(Arc::clone(&self.shared), group).map_err(|reason| GroupError::Refused {
            topic: topic.to_owned(),
            group: group.to_owned(),
            reason,
        })
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
