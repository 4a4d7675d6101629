//! Appends over Kafka: handed over in order, answered together.

use super::cluster::ClusterError;
use super::context::{Producing, Reach};
use super::settings::KafkaConfig;
use crate::error::AppendError;
use crate::metrics;
use crate::partition::partition;
use crate::record::Record;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::error::RDKafkaErrorCode;
use rdkafka::producer::{BaseRecord, Producer as _, ThreadedProducer};
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::{Arc, Mutex, PoisonError, RwLock};
use std::time::{Duration, Instant};
use tokio::sync::Notify;

/// The pause before a record is handed over again to a producer whose queue is full.
const FULL_PAUSE: Duration = Duration::from_millis(5);

/// Records that are answered together.
#[derive(Debug)]
pub(super) struct Pending {
    left: AtomicUsize,
    error: Mutex<Option<RDKafkaErrorCode>>,
    done: Notify,
}

impl Pending {
    fn new(records: usize) -> Arc<Self> {
        Arc::new(Self { left: AtomicUsize::new(records), error: Mutex::new(None), done: Notify::new() })
    }

    pub(super) fn delivered(&self, error: Option<RDKafkaErrorCode>) {
        if let Some(error) = error {
            self.error.lock().unwrap_or_else(PoisonError::into_inner).get_or_insert(error);
        }
        if self.left.fetch_sub(1, Ordering::AcqRel) == 1 {
            self.done.notify_one();
        }
    }

    async fn wait(&self) -> Result<(), RDKafkaErrorCode> {
        while self.left.load(Ordering::Acquire) > 0 {
            self.done.notified().await;
        }
        self.error.lock().unwrap_or_else(PoisonError::into_inner).map_or(Ok(()), Err)
    }
}

type Live = ThreadedProducer<Producing>;

/// The one producer of a cluster.
pub(super) struct Producer {
    config: KafkaConfig,
    reach: Arc<Reach>,
    live: RwLock<Live>,
}

impl Producer {
    pub(super) fn new(config: KafkaConfig, reach: Arc<Reach>) -> Result<Self, ClusterError> {
        let live = RwLock::new(make(&config, &reach)?);
        Ok(Self { config, reach, live })
    }

    pub(super) fn live(&self) -> Live {
        self.live.read().unwrap_or_else(PoisonError::into_inner).clone()
    }

    /// Appends records in order; all are with every in-sync replica on `Ok`.
    pub(super) async fn append(
        &self,
        topic: &str,
        partitions: u32,
        records: &[Record],
    ) -> Result<(), AppendError> {
        let limit = self.config.record_limit();
        let length = |record: &Record| record.key.len() + record.payload.len();
        if let Some(record) = records.iter().find(|record| length(record) > limit) {
            return Err(AppendError::TooLarge { topic: topic.to_owned(), bytes: length(record), limit });
        }
        if records.is_empty() {
            return Ok(());
        }
        let live = self.live();
        let appended = self.hand_over(&live, topic, partitions, records).await;
        let appended = match appended {
            Ok(pending) => pending.wait().await,
            Err(error) => Err(error),
        };
        let Err(code) = appended else {
            metrics::APPENDED.with_label_values(&[topic]).inc_by(records.len() as u64);
            return Ok(());
        };
        self.replace_if_fatal(&live);
        let topic_name = topic.to_owned();
        let error = match code {
            RDKafkaErrorCode::QueueFull => AppendError::Busy { topic: topic_name },
            RDKafkaErrorCode::MessageSizeTooLarge | RDKafkaErrorCode::InvalidRecord => {
                let bytes = records.iter().map(length).max().unwrap_or(0);
                AppendError::TooLarge { topic: topic_name, bytes, limit: limit.min(bytes.saturating_sub(1)) }
            }
            _ => AppendError::Disabled { topic: topic_name },
        };
        metrics::APPEND_FAILURES.with_label_values(&[topic, error.reason()]).inc();
        tracing::debug!(topic, %code, "append failed");
        Err(error)
    }

    async fn hand_over(
        &self,
        live: &Live,
        topic: &str,
        partitions: u32,
        records: &[Record],
    ) -> Result<Arc<Pending>, RDKafkaErrorCode> {
        let pending = Pending::new(records.len());
        let deadline = Instant::now() + self.config.append_limit;
        for record in records {
            let number = i32::try_from(partition(&record.key, partitions)).unwrap_or(0);
            loop {
                let message = BaseRecord::with_opaque_to(topic, Arc::clone(&pending))
                    .partition(number)
                    .key(record.key.as_slice())
                    .payload(&record.payload[..]);
                let Err((error, _)) = live.send(message) else { break };
                let code = error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail);
                if code != RDKafkaErrorCode::QueueFull || Instant::now() > deadline {
                    return Err(code);
                }
                tokio::time::sleep(FULL_PAUSE).await;
            }
        }
        Ok(pending)
    }

    /// An idempotent producer that lost its place refuses everything from then on: another takes its place.
    fn replace_if_fatal(&self, failed: &Live) {
        let Some((code, reason)) = failed.client().fatal_error() else { return };
        let mut live = self.live.write().unwrap_or_else(PoisonError::into_inner);
        if live.client().fatal_error().is_none() {
            return;
        }
        tracing::warn!(%code, %reason, "kafka producer failed for good, making another");
        match make(&self.config, &self.reach) {
            Ok(made) => *live = made,
            Err(error) => tracing::error!(%error, "kafka producer could not be made"),
        }
    }

    /// Waits until everything that was handed over is answered, not for ever.
    pub(super) fn flush(&self) {
        if let Err(error) = self.live().flush(self.config.append_limit) {
            tracing::debug!(%error, "flush ended early");
        }
    }
}

fn make(config: &KafkaConfig, reach: &Arc<Reach>) -> Result<Live, ClusterError> {
    Live::from_config_and_context(&config.producer(), Producing(Arc::clone(reach)))
        .map_err(ClusterError::of_config)
}
