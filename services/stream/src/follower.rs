//! Reads named partitions of a topic, whoever else does: what a [`Worker`](crate::Worker) has to know beside its own records.
//!
//! Over Kafka its positions lie in a group that nobody joins, so they outlive whoever wrote them and move with the
//! partition; they are hints for where to begin. Over a journal they are the group's position, which retention waits for.

use crate::error::{GroupError, ReadError};
use crate::kafka::KafkaFollower;
use crate::record::Delivered;
use crate::topic::delivered;
use journal::{Journal, Reader};

/// What a follower read.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Followed {
    /// Records, in order within each partition.
    pub records: Vec<Delivered>,
    /// Partitions that have been read, these records included, to where they ended when they were assigned, and nothing
    /// before that end is undecided. Said once an assignment.
    pub reached: Vec<u32>,
}

/// Delivers partitions that are assigned to it by name.
pub struct Follower {
    topic: String,
    group: String,
    source: Source,
}

enum Source {
    Journal { journal: Journal, followed: Option<Tail> },
    Kafka(Box<KafkaFollower>),
}

/// A journal that is read.
struct Tail {
    reader: Reader,
    end: u64,
    reached: bool,
}

impl Follower {
    pub(crate) fn over_journal(topic: &str, group: &str, journal: &Journal) -> Self {
        let source = Source::Journal { journal: journal.clone(), followed: None };
        Self { topic: topic.to_owned(), group: group.to_owned(), source }
    }

    pub(crate) fn over_kafka(topic: &str, group: &str, follower: KafkaFollower) -> Self {
        Self { topic: topic.to_owned(), group: group.to_owned(), source: Source::Kafka(Box::new(follower)) }
    }

    /// Delivers partitions from their positions on. Their ends are looked up after this call. To be called within a tokio
    /// runtime.
    pub fn assign(&mut self, partitions: &[u32]) {
        match &mut self.source {
            Source::Journal { journal, followed } => {
                if partitions.contains(&0) {
                    let reader = journal.reader(journal.position(&self.group).unwrap_or(0));
                    journal.note_read(&self.group, reader.position());
                    *followed = Some(Tail { reader, end: journal.end(), reached: false });
                }
            }
            Source::Kafka(follower) => follower.assign(partitions),
        }
    }

    /// Delivers nothing more of these partitions.
    pub fn release(&mut self, partitions: &[u32]) {
        match &mut self.source {
            Source::Journal { journal, followed } => {
                if partitions.contains(&0) {
                    // Who reads nothing has nothing unread.
                    journal.note_read(&self.group, u64::MAX);
                    *followed = None;
                }
            }
            Source::Kafka(follower) => follower.release(partitions),
        }
    }

    /// Waits for records or for an end. Cancel-safe.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn next(&mut self, max_records: usize, max_bytes: usize) -> Result<Followed, ReadError> {
        let tail = match &mut self.source {
            Source::Journal { journal, followed: Some(tail) } => {
                // Who asks for more has dealt with what it was given.
                journal.note_read(&self.group, tail.reader.position());
                tail
            }
            Source::Journal { followed: None, .. } => return std::future::pending().await,
            Source::Kafka(follower) => return follower.next(max_records, max_bytes).await,
        };
        let read = if tail.reached {
            tail.reader.next(max_records, max_bytes).await
        } else {
            // Others have their turn between the batches of a long way.
            tokio::task::yield_now().await;
            tail.reader.try_next(max_records, max_bytes)
        };
        let entries = match read {
            Ok(entries) => entries,
            Err(journal::ReadError::Closed) => return Err(ReadError::Closed),
            Err(error) => return Err(ReadError::Backing(error.to_string())),
        };
        let records: Vec<_> = entries.into_iter().map(delivered).collect();
        let mut reached = Vec::new();
        // Numbers that were never used may stand before the end, so that nothing more comes says as much.
        if !tail.reached && (records.is_empty() || tail.reader.position() >= tail.end) {
            tail.reached = true;
            reached.push(0);
        }
        Ok(Followed { records, reached })
    }

    /// Notes that reading may begin at `next_offset` of a partition from now on. Returns at once; one that is lost costs
    /// reading more. A partition need not be assigned.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn commit(&self, partition: u32, next_offset: u64) -> Result<(), GroupError> {
        let no_such =
            || GroupError::NoSuchOffset { topic: self.topic.clone(), partition, offset: next_offset };
        match &self.source {
            Source::Journal { journal, .. } => {
                if partition != 0 {
                    return Err(no_such());
                }
                journal.commit(&self.group, next_offset).map_err(|_| no_such())
            }
            Source::Kafka(follower) => follower.commit(partition, next_offset).map_err(|()| no_such()),
        }
    }

    /// Begins behind everything there is from now on, so that a journal whose space is short may drop it. Over Kafka
    /// nothing waits for positions, and none changes.
    pub fn forget(&self) {
        if let Source::Journal { journal, .. } = &self.source
            && let Err(error) = journal.commit(&self.group, journal.end())
        {
            tracing::warn!(topic = %self.topic, %error, "a position could not be given up");
        }
    }
}
