//! Reads a whole topic once, as no member of any group.

use super::cluster::ClusterError;
use super::settings::KafkaConfig;
use crate::error::ReadError;
use crate::record::Record;
use crate::scan::Found;
use bytes::Bytes;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use rdkafka::error::KafkaError;
use rdkafka::message::Message as _;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeSet;
use std::sync::Arc;
use std::time::{Duration, Instant};

/// How long brokers may be silent.
const SILENCE: Duration = Duration::from_secs(30);
/// How long one look for a record waits.
const POLL: Duration = Duration::from_millis(200);
/// So many records, or so many bytes, at most come in one go.
const AT_ONCE: usize = 1024;
const BYTES_AT_ONCE: usize = 4 << 20;

pub(crate) struct KafkaScan {
    consumer: Arc<BaseConsumer>,
    /// The partitions whose end was not seen yet.
    open: BTreeSet<i32>,
}

impl KafkaScan {
    pub(super) fn begin(config: &KafkaConfig, topic: &str, partitions: u32) -> Result<Self, ClusterError> {
        let mut config = config.consumer("scan", topic);
        // Partitions are taken by hand: the group that is named is never joined and no position is kept in it.
        config.set("enable.auto.commit", "false").set("enable.partition.eof", "true");
        let consumer: BaseConsumer = config.create().map_err(ClusterError::of_config)?;
        let open: BTreeSet<i32> = (0..partitions).filter_map(|number| i32::try_from(number).ok()).collect();
        let mut list = TopicPartitionList::new();
        for partition in &open {
            list.add_partition_offset(topic, *partition, Offset::Beginning)
                .map_err(ClusterError::of_config)?;
        }
        consumer.assign(&list).map_err(ClusterError::of_config)?;
        Ok(Self { consumer: Arc::new(consumer), open })
    }

    pub(crate) async fn next(&mut self) -> Result<Option<Vec<Found>>, ReadError> {
        let began = Instant::now();
        while !self.open.is_empty() {
            let (consumer, open) = (Arc::clone(&self.consumer), self.open.clone());
            let looked = tokio::task::spawn_blocking(move || look(&consumer, open)).await;
            let looked = looked.map_err(|error| ReadError::Backing(error.to_string()))?;
            let (found, open, trouble) = looked;
            let is_further = open.len() < self.open.len();
            self.open = open;
            if !found.is_empty() {
                return Ok(Some(found));
            }
            if !is_further && began.elapsed() > SILENCE {
                let reason = trouble.map_or_else(|| "no answer".to_owned(), |error| error.to_string());
                return Err(ReadError::Backing(format!("kafka: {reason}")));
            }
        }
        Ok(None)
    }
}

/// Takes what comes without a pause: records, the partitions that have more, and what went wrong last.
fn look(consumer: &BaseConsumer, mut open: BTreeSet<i32>) -> (Vec<Found>, BTreeSet<i32>, Option<KafkaError>) {
    let (mut found, mut bytes, mut trouble) = (Vec::new(), 0, None);
    while found.len() < AT_ONCE && bytes < BYTES_AT_ONCE && !open.is_empty() {
        match consumer.poll(POLL) {
            None => break,
            // What comes behind an end that was seen is newer than the scan.
            Some(Ok(message)) if !open.contains(&message.partition()) => {}
            Some(Ok(message)) => {
                let key = message.key().unwrap_or_default().to_vec();
                let payload = Bytes::copy_from_slice(message.payload().unwrap_or_default());
                bytes += key.len() + payload.len();
                found.push(Found {
                    partition: u32::try_from(message.partition()).unwrap_or(0),
                    offset: u64::try_from(message.offset()).unwrap_or(0),
                    appended_ms: message.timestamp().to_millis(),
                    record: Ok(Record { key, payload }),
                });
            }
            Some(Err(KafkaError::PartitionEOF(partition))) => {
                open.remove(&partition);
            }
            Some(Err(error)) => trouble = Some(error),
        }
    }
    (found, open, trouble)
}
