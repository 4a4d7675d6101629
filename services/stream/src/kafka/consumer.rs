//! One member of a consumer group.

use super::context::Consuming;
use super::topic::Shared;
use crate::error::{GroupError, ReadError};
use crate::metrics;
use crate::record::{Delivered, Record};
use bytes::Bytes;
use futures_util::FutureExt as _;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::{CommitMode, Consumer as _, StreamConsumer};
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::{Arc, Mutex};
use std::time::Duration;

/// A consumer of a closed topic ends when nothing has come for so long, should it not know that it has everything.
const DRAINED: Duration = Duration::from_secs(3);
/// How long a place may take to be changed; librdkafka does this by itself, without a broker.
const SEEK: Duration = Duration::from_secs(5);

pub(crate) struct KafkaConsumer {
    shared: Arc<Shared>,
    group: String,
    /// Always there until it is dropped.
    inner: Option<StreamConsumer<Consuming>>,
}

impl KafkaConsumer {
    pub(super) fn join(shared: Arc<Shared>, group: &str) -> Result<Self, String> {
        let config = shared.config.consumer(group, &shared.full_name);
        let context = Consuming {
            reach: Arc::clone(&shared.reach),
            group: group.to_owned(),
            topic: shared.full_name.clone(),
            places: Mutex::default(),
        };
        let joined = StreamConsumer::from_config_and_context(&config, context);
        let inner = joined.and_then(|inner| inner.subscribe(&[&shared.full_name]).map(|()| inner));
        let inner = Some(inner.map_err(|error| error.to_string())?);
        Ok(Self { shared, group: group.to_owned(), inner })
    }

    fn inner(&self) -> &StreamConsumer<Consuming> {
        self.inner.as_ref().expect("taken by drop alone")
    }

    pub(crate) async fn next(
        &mut self,
        max_records: usize,
        max_bytes: usize,
    ) -> Result<Vec<Delivered>, ReadError> {
        let mut closed = self.shared.closed.subscribe();
        let inner = self.inner();
        let mut taken = Vec::new();
        let mut bytes = 0;
        while taken.is_empty() {
            let ends = closed.borrow_and_update().clone();
            if ends.as_ref().is_some_and(|ends| self.has_all(ends)) {
                return Err(ReadError::Closed);
            }
            let received = tokio::select! {
                biased;
                received = inner.recv() => received,
                changed = closed.changed() => match changed {
                    Ok(()) => continue,
                    Err(_) => return Err(ReadError::Closed),
                },
                () = tokio::time::sleep(DRAINED), if ends.is_some() => return Err(ReadError::Closed),
            };
            match received {
                Ok(message) => bytes += self.take(&message, &mut taken),
                Err(error) if passes(&error) => tracing::debug!(%error, "reading goes on"),
                Err(error) => return Err(ReadError::Backing(error.to_string())),
            }
        }
        while taken.len() < max_records && bytes < max_bytes {
            // What else comes here than a message comes again.
            let Some(Ok(message)) = inner.recv().now_or_never() else { break };
            bytes += self.take(&message, &mut taken);
        }
        Ok(taken)
    }

    fn take(&self, message: &BorrowedMessage<'_>, taken: &mut Vec<Delivered>) -> usize {
        // Both are never negative in a message that was delivered.
        let partition = u32::try_from(message.partition()).unwrap_or(0);
        let offset = u64::try_from(message.offset()).unwrap_or(0);
        let key = message.key().unwrap_or_default().to_vec();
        let payload = Bytes::copy_from_slice(message.payload().unwrap_or_default());
        let length = key.len() + payload.len();
        let mut places = self.inner().context().places();
        let place = places.entry(partition).or_default();
        if place.first.is_some() && offset > place.end {
            place.gap = Some((place.gap.map_or(place.end, |(from, _)| from), offset));
        }
        place.first.get_or_insert(offset);
        place.end = place.end.max(offset + 1);
        drop(places);
        taken.push(Delivered { partition, offset, record: Ok(Record { key, payload }) });
        length
    }

    /// Whether everything that was there when the topic was closed was delivered, as far as it is this member's.
    fn has_all(&self, ends: &[u64]) -> bool {
        let places = self.inner().context().places();
        let mut assigned = places.iter().filter(|(_, place)| place.assigned).peekable();
        let nothing = ends.iter().all(|end| *end == 0);
        let of = |partition: u32| ends.get(partition as usize).copied().unwrap_or(0);
        nothing
            || (assigned.peek().is_some() && assigned.all(|(partition, place)| place.end >= of(*partition)))
    }

    pub(crate) fn commit(&self, topic: &str, partition: u32, next_offset: u64) -> Result<(), GroupError> {
        let mut places = self.inner().context().places();
        let end = places.get(&partition).map_or(0, |place| place.end);
        let offset = i64::try_from(next_offset).ok().filter(|_| next_offset <= end);
        let (Some(offset), true) = (offset, partition < self.shared.partitions) else {
            return Err(GroupError::NoSuchOffset { topic: topic.to_owned(), partition, offset: next_offset });
        };
        let mut list = TopicPartitionList::new();
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        let stored = list
            .add_partition_offset(&self.shared.full_name, number, Offset::Offset(offset))
            .and_then(|()| self.inner().store_offsets(&list));
        match stored {
            Ok(()) => {
                if let Some(place) = places.get_mut(&partition) {
                    place.committed = Some(place.committed.unwrap_or(0).max(next_offset));
                }
            }
            // The partition is another member's by now: it gets these records again, and repeats are harmless.
            Err(error) => {
                metrics::LATE_COMMITS.with_label_values(&[&self.shared.full_name, &self.group]).inc();
                tracing::debug!(partition, %error, "a position came too late");
            }
        }
        Ok(())
    }

    pub(crate) fn lag(&self) -> u64 {
        self.inner().context().places().values().map(super::context::Place::lag).sum()
    }

    /// Goes back to where the group stands, or to the oldest records.
    pub(crate) fn rewind(&mut self, to_oldest: bool) {
        let places = self.inner().context().places().clone();
        for (partition, place) in places.into_iter().filter(|(_, place)| place.assigned) {
            let offset = match (to_oldest, place.committed.or(place.first)) {
                (true, _) => Offset::Beginning,
                (false, Some(offset)) => Offset::Offset(i64::try_from(offset).unwrap_or(i64::MAX)),
                (false, None) => continue,
            };
            let number = i32::try_from(partition).unwrap_or(i32::MAX);
            if let Err(error) = self.inner().seek(&self.shared.full_name, number, offset, SEEK) {
                tracing::warn!(partition, %error, "a place could not be changed back");
            }
        }
    }
}

/// Whether a read error is librdkafka's own business, which it mends by itself and says elsewhere.
pub(super) fn passes(error: &KafkaError) -> bool {
    matches!(
        error.rdkafka_error_code(),
        Some(
            RDKafkaErrorCode::AllBrokersDown
                | RDKafkaErrorCode::BrokerTransportFailure
                | RDKafkaErrorCode::OperationTimedOut
                | RDKafkaErrorCode::PollExceeded
                | RDKafkaErrorCode::Resolve
        )
    )
}

impl Drop for KafkaConsumer {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        self.shared.leave(move || {
            // Leaving commits what was stored as well; this one waits for the answer.
            if let Err(error) = inner.commit_consumer_state(CommitMode::Sync)
                && error.rdkafka_error_code() != Some(RDKafkaErrorCode::NoOffset)
            {
                tracing::debug!(%error, "positions were not saved at the end, some records come again");
            }
            drop(inner);
        });
    }
}
