//! What librdkafka tells a worker: which partitions are its own, in order, and under which generation of the group.
//!
//! The partitions that a rebalance brings are not read at once: librdkafka is told "none for now", and each is begun by
//! name at a known place when its worker starts it. The group's metadata is taken in the callbacks alone, while nothing
//! can change: a transaction under it is refused as soon as the group has moved on without this member having heard.

use super::context::{Reach, log};
use crate::metrics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{
    BaseConsumer, Consumer as _, ConsumerContext, ConsumerGroupMetadata, RebalanceProtocol,
};
use rdkafka::error::KafkaError;
use rdkafka::statistics::Statistics;
use rdkafka::types::RDKafkaRespErr;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::{AtomicBool, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use tokio::sync::Notify;

/// A change of what is this worker's, in the order in which it came.
#[derive(Debug)]
pub(super) enum Change {
    Assigned(Vec<u32>),
    Revoked(Vec<u32>),
}

/// A partition that is this worker's.
#[derive(Debug, Default)]
pub(super) struct Own {
    /// Which assignment this is; no two have the same number.
    pub(super) turn: u64,
    /// Whether it is read.
    pub(super) started: bool,
    /// The place of the next record to come.
    pub(super) next: u64,
    /// One past what was finished.
    pub(super) done: u64,
    /// One past the newest record that is known.
    pub(super) high: u64,
    /// Everything before it was handed out, or is no record but the mark of a transaction.
    pub(super) read_to: u64,
    /// A gap before a record that came: from and to.
    pub(super) gap: Option<(u64, u64)>,
}

#[derive(Default)]
pub(super) struct Standing {
    turns: u64,
    pub(super) own: BTreeMap<u32, Own>,
    pub(super) changes: VecDeque<Change>,
    /// How often the group told something.
    pub(super) told: u64,
    pub(super) membership: Option<Arc<ConsumerGroupMetadata>>,
}

impl Standing {
    /// Begins an assignment of a partition.
    pub(super) fn begin(&mut self, partition: u32) {
        self.turns += 1;
        self.own.insert(partition, Own { turn: self.turns, ..Own::default() });
    }
}

pub(super) struct Working {
    pub(super) reach: Arc<Reach>,
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) standing: Mutex<Standing>,
    /// Told when there is a change.
    pub(super) changed: Notify,
    pub(super) leaving: AtomicBool,
}

impl Working {
    pub(super) fn standing(&self) -> MutexGuard<'_, Standing> {
        self.standing.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn count(&self, kind: &str, partitions: &[u32]) {
        let count = partitions.len();
        metrics::REBALANCES.with_label_values(&[&self.topic, &self.group, kind]).inc_by(count as u64);
        if count > 0 {
            tracing::info!(group = %self.group, topic = %self.topic, partitions = count, "partitions {kind}");
        }
    }

    fn change(&self, consumer: &BaseConsumer<Self>, change: Change) {
        let leaving = self.leaving.load(Ordering::Relaxed);
        // Asked outside the lock: it waits for librdkafka's own thread.
        let membership = if leaving { None } else { consumer.group_metadata() };
        let membership = membership.filter(|_| !consumer.assignment_lost()).map(Arc::new);
        let mut standing = self.standing();
        standing.told += 1;
        standing.membership = membership;
        match &change {
            Change::Assigned(partitions) => partitions.iter().for_each(|one| standing.begin(*one)),
            Change::Revoked(partitions) => {
                for partition in partitions {
                    standing.own.remove(partition);
                }
            }
        }
        standing.changes.push_back(change);
        drop(standing);
        self.changed.notify_one();
    }
}

impl ClientContext for Working {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reach.trouble(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.reach.heard(&statistics);
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let mut standing = self.standing();
        for (partition, told) in &topic.partitions {
            let Ok(partition) = u32::try_from(*partition) else { continue };
            let Some(own) = standing.own.get_mut(&partition).filter(|own| own.started) else { continue };
            own.high = own.high.max(u64::try_from(told.hi_offset).unwrap_or(0));
            if told.fetchq_cnt == 0 {
                own.read_to = u64::try_from(told.next_offset).unwrap_or(0);
            }
            super::lost::in_gap(&self.topic, &self.group, own.gap.take(), told.lo_offset);
        }
    }
}

impl ConsumerContext for Working {
    fn rebalance(&self, consumer: &BaseConsumer<Self>, kind: RDKafkaRespErr, list: &mut TopicPartitionList) {
        let partitions: Vec<u32> =
            list.elements().iter().filter_map(|one| u32::try_from(one.partition()).ok()).collect();
        match kind {
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__ASSIGN_PARTITIONS => {
                self.count("assigned", &partitions);
                if let Err(error) = consumer.incremental_assign(&TopicPartitionList::new()) {
                    tracing::warn!(group = %self.group, %error, "an assignment was not taken");
                }
                self.change(consumer, Change::Assigned(partitions));
            }
            RDKafkaRespErr::RD_KAFKA_RESP_ERR__REVOKE_PARTITIONS => {
                self.count("revoked", &partitions);
                let mut read = TopicPartitionList::new();
                let standing = self.standing();
                for partition in &partitions {
                    if standing.own.get(partition).is_some_and(|own| own.started) {
                        read.add_partition(&self.topic, i32::try_from(*partition).unwrap_or(i32::MAX));
                    }
                }
                drop(standing);
                // What is ours ends before the group hears that it did.
                self.change(consumer, Change::Revoked(partitions));
                let given_back = match consumer.rebalance_protocol() {
                    RebalanceProtocol::Cooperative => consumer.incremental_unassign(&read),
                    _ => consumer.unassign(),
                };
                if let Err(error) = given_back {
                    tracing::warn!(group = %self.group, %error, "partitions were not given back");
                }
            }
            other => {
                tracing::warn!(group = %self.group, topic = %self.topic, code = ?other, "rebalance failed, trying again");
            }
        }
    }
}

/// A list of one partition at a place.
pub(super) fn at(topic: &str, partition: u32, offset: Offset) -> TopicPartitionList {
    let mut list = TopicPartitionList::new();
    let number = i32::try_from(partition).unwrap_or(i32::MAX);
    if let Err(error) = list.add_partition_offset(topic, number, offset) {
        tracing::debug!(partition, %error, "a place could not be named");
    }
    list
}
