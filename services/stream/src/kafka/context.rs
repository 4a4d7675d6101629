//! What librdkafka tells: whether brokers answer, and its own words.

use super::producer::Pending;
use crate::metrics;
use rdkafka::client::ClientContext;
use rdkafka::config::RDKafkaLogLevel;
use rdkafka::consumer::{BaseConsumer, ConsumerContext, Rebalance};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::DeliveryResult;
use rdkafka::producer::ProducerContext;
use rdkafka::statistics::Statistics;
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// Whether brokers answer, as the clients of one cluster last heard.
#[derive(Default)]
pub(super) struct Reach(Mutex<Reached>);

#[derive(Default)]
struct Reached {
    up: bool,
    /// The last thing that went wrong since a broker last answered.
    trouble: Option<String>,
}

impl Reached {
    fn down(&mut self) {
        if self.up {
            self.up = false;
            let reason = self.trouble.as_deref().unwrap_or_default();
            tracing::warn!(reason, "no kafka broker answers, trying again");
        }
    }
}

impl Reach {
    fn lock(&self) -> MutexGuard<'_, Reached> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn up(&self) {
        let mut reached = self.lock();
        if !reached.up {
            tracing::info!("kafka brokers answer");
        }
        *reached = Reached { up: true, trouble: None };
    }

    pub(super) fn trouble(&self, error: &KafkaError, reason: &str) {
        let down = error.rdkafka_error_code() == Some(RDKafkaErrorCode::AllBrokersDown);
        let mut reached = self.lock();
        // That all are down says less than why the last one is.
        if !down || reached.trouble.is_none() {
            reached.trouble = Some(reason.to_owned());
        }
        if down {
            reached.down();
        }
    }

    /// What the statistics say every second. A connection that merely rests is not down: there was no trouble then.
    pub(super) fn heard(&self, statistics: &Statistics) {
        if statistics.brokers.values().any(|broker| broker.state == "UP") {
            self.up();
        } else {
            let mut reached = self.lock();
            if reached.trouble.is_some() {
                reached.down();
            }
        }
    }

    pub(super) fn last_trouble(&self) -> Option<String> {
        self.lock().trouble.clone()
    }

    pub(super) fn check(&self) -> Result<(), String> {
        let reached = self.lock();
        if reached.up {
            return Ok(());
        }
        Err(reached.trouble.clone().unwrap_or_else(|| "no kafka broker has answered yet".to_owned()))
    }
}

/// librdkafka's words go to the debug log: what an operator needs of them is said once by [`Reach`].
pub(super) fn log(level: RDKafkaLogLevel, facility: &str, message: &str) {
    match level {
        RDKafkaLogLevel::Emerg | RDKafkaLogLevel::Alert | RDKafkaLogLevel::Critical => {
            tracing::error!(facility, "librdkafka: {message}");
        }
        _ => tracing::debug!(facility, "librdkafka: {message}"),
    }
}

/// The producer's side.
pub(super) struct Producing(pub(super) Arc<Reach>);

impl ClientContext for Producing {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.trouble(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.0.heard(&statistics);
    }
}

impl ProducerContext for Producing {
    type DeliveryOpaque = Arc<Pending>;

    fn delivery(&self, result: &DeliveryResult<'_>, pending: Arc<Pending>) {
        match result {
            Ok(_) => {
                self.0.up();
                pending.delivered(None);
            }
            Err((error, _)) => {
                pending.delivered(Some(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)));
            }
        }
    }
}

/// What a consumer knows of one partition.
#[derive(Debug, Default, Clone, Copy)]
pub(super) struct Place {
    /// Whether it is this member's now.
    pub(super) assigned: bool,
    /// The first record that was delivered since it was assigned.
    pub(super) first: Option<u64>,
    /// One past the last record that was delivered, ever.
    pub(super) end: u64,
    /// What was committed here, since it was assigned.
    pub(super) committed: Option<u64>,
    /// What the brokers last said: one past the newest record, or mark of a transaction.
    high: u64,
    /// What librdkafka last said: everything before it was handed out, or is no record.
    read_to: u64,
    /// What the brokers last said: where the group stands.
    group: u64,
    /// A gap before a record that came: from and to.
    pub(super) gap: Option<(u64, u64)>,
}

impl Place {
    pub(super) fn lag(&self) -> u64 {
        if !self.assigned {
            return 0;
        }
        let done = self.committed.unwrap_or(0).max(self.group);
        // Behind the last record may stand marks of transactions, which nobody commits past.
        let done = if done >= self.end { done.max(self.read_to) } else { done };
        self.high.saturating_sub(done)
    }
}

/// The consumer's side.
pub(super) struct Consuming {
    pub(super) reach: Arc<Reach>,
    pub(super) group: String,
    pub(super) topic: String,
    pub(super) places: Mutex<BTreeMap<u32, Place>>,
}

impl Consuming {
    pub(super) fn places(&self) -> MutexGuard<'_, BTreeMap<u32, Place>> {
        self.places.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Consuming {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reach.trouble(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.reach.heard(&statistics);
        let Some(topic) = statistics.topics.get(&self.topic) else { return };
        let mut places = self.places();
        for (partition, told) in &topic.partitions {
            let Ok(partition) = u32::try_from(*partition) else { continue };
            if let Some(place) = places.get_mut(&partition) {
                if told.fetchq_cnt == 0 {
                    place.read_to = u64::try_from(told.next_offset).unwrap_or(0);
                }
                place.high = u64::try_from(told.hi_offset).unwrap_or(place.high);
                place.group = u64::try_from(told.committed_offset.max(told.lo_offset)).unwrap_or(place.group);
                super::lost::in_gap(&self.topic, &self.group, place.gap.take(), told.lo_offset);
            }
        }
    }
}

impl ConsumerContext for Consuming {
    fn pre_rebalance(&self, consumer: &BaseConsumer<Self>, rebalance: &Rebalance<'_>) {
        let (kind, list, assigned) = match rebalance {
            Rebalance::Assign(list) => ("assigned", list, true),
            Rebalance::Revoke(list) => ("revoked", list, false),
            Rebalance::Error(error) => {
                tracing::warn!(group = %self.group, topic = %self.topic, %error, "rebalance failed, trying again");
                return;
            }
        };
        let mut places = self.places();
        for element in list.elements() {
            let Ok(partition) = u32::try_from(element.partition()) else { continue };
            let place = places.entry(partition).or_default();
            *place = Place { assigned, end: place.end, ..Place::default() };
        }
        metrics::REBALANCES.with_label_values(&[&self.topic, &self.group, kind]).inc_by(list.count() as u64);
        if list.count() > 0 {
            tracing::info!(group = %self.group, topic = %self.topic, partitions = list.count(), "partitions {kind}");
        }
        drop(places);
        if assigned {
            super::lost::at_assignment(consumer, &self.topic, &self.group, list);
        }
    }
}
