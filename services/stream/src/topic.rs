//! Topics and their consumers.
//!
//! The contract, which every backing keeps and `tests/contract` holds it to:
//! - `append` answers once the record is durable.
//! - Records of one key are delivered in the order in which their appends were answered.
//! - A group gets every record at least once, from its last committed position on; after a restart or a rewind, what
//!   was delivered and not committed comes again.
//! - Over a journal a record leaves the topic only when every group has committed past it; over Kafka when the topic's
//!   own retention ends, which the start checks.

use journal::{Journal, Reader};

use crate::error::{AppendError, GroupError, OpenError, ReadError};
use crate::follower::Follower;
use crate::kafka::{KafkaConsumer, KafkaTopic};
use crate::record::{Delivered, Record, decode, encode, encoded_length};
use crate::worker::Worker;

/// A chunk of [`Topic::append_all`] ends at so many records or bytes, whichever comes first.
const CHUNK_RECORDS: usize = 1024;
const CHUNK_BYTES: usize = 1 << 20;

/// How a topic is opened over a journal.
#[derive(Debug, Clone)]
pub struct TopicConfig {
    /// The topic's name; it becomes the journal's.
    pub name: String,
    /// The journal behind it. Its `name` and `consumers` are set from this configuration.
    pub journal: journal::Config,
    /// The consumer groups: a record is kept until each of them has committed past it.
    pub groups: Vec<String>,
}

/// A named, ordered sequence of keyed records. Clones are handles of the same topic.
#[derive(Clone)]
pub struct Topic {
    name: String,
    backing: Backing,
}

#[derive(Clone)]
enum Backing {
    Journal(Journal),
    Kafka(KafkaTopic),
}

impl Topic {
    /// Opens or makes a topic over a journal.
    ///
    /// # Errors
    /// When the journal can't be opened.
    pub fn open(config: TopicConfig) -> Result<Topic, OpenError> {
        let TopicConfig { name, journal, groups } = config;
        let journal = journal::Config { name: name.clone(), consumers: groups, ..journal };
        match Journal::open(journal) {
            Ok((journal, _recovery)) => Ok(Topic::over_journal(name, journal)),
            Err(error) => Err(OpenError::Journal { topic: name, error }),
        }
    }

    /// A topic over a journal that is open already, whose registered consumers are the groups.
    pub fn over_journal(name: impl Into<String>, journal: Journal) -> Topic {
        Topic { name: name.into(), backing: Backing::Journal(journal) }
    }

    pub(crate) fn over_kafka(name: String, topic: KafkaTopic) -> Topic {
        Topic { name, backing: Backing::Kafka(topic) }
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// How many partitions it has; 1 over a journal.
    pub fn partitions(&self) -> u32 {
        match &self.backing {
            Backing::Journal(_) => 1,
            Backing::Kafka(topic) => topic.partitions(),
        }
    }

    /// Appends a record; it is durable when this returns `Ok`. It is on its way from the first poll on, even if the
    /// future is dropped then.
    ///
    /// # Errors
    /// See [`AppendError`].
    pub async fn append(&self, record: Record) -> Result<(), AppendError> {
        let appended = match &self.backing {
            Backing::Journal(journal) => journal.append(encode(&record)).await,
            Backing::Kafka(topic) => return topic.append(&[record]).await,
        };
        appended.map(drop).map_err(|error| AppendError::of_journal(&self.name, error))
    }

    /// Appends records in order, many to a sync; all are durable on `Ok`.
    ///
    /// # Errors
    /// See [`AppendError`]. Any part of the records may be durable then, from the first on.
    pub async fn append_all(&self, records: Vec<Record>) -> Result<(), AppendError> {
        match &self.backing {
            Backing::Journal(_) => self.append_encoded(records.iter().map(encode).collect()).await.map(drop),
            Backing::Kafka(topic) => topic.append(&records).await,
        }
    }

    /// Appends encoded records to the journal behind; their numbers. Without a journal it is closed.
    pub(crate) async fn append_encoded(&self, records: Vec<Vec<u8>>) -> Result<Vec<u64>, AppendError> {
        let Backing::Journal(journal) = &self.backing else {
            return Err(AppendError::Closed { topic: self.name.clone() });
        };
        let mut numbers = Vec::with_capacity(records.len());
        let (mut chunk, mut bytes) = (Vec::new(), 0);
        let mut records = records.into_iter().peekable();
        while let Some(record) = records.next() {
            bytes += record.len();
            chunk.push(record);
            if chunk.len() >= CHUNK_RECORDS || bytes >= CHUNK_BYTES || records.peek().is_none() {
                let count = chunk.len() as u64;
                let appended = journal.append_all(std::mem::take(&mut chunk)).await;
                let first = appended.map_err(|error| AppendError::of_journal(&self.name, error))?;
                numbers.extend(first..first + count);
                bytes = 0;
            }
        }
        Ok(numbers)
    }

    /// Whether a record is short enough for the topic.
    ///
    /// # Errors
    /// [`AppendError::TooLarge`].
    pub fn takes(&self, record: &Record) -> Result<(), AppendError> {
        let (bytes, limit) = match &self.backing {
            Backing::Journal(journal) => (encoded_length(record), journal.max_record_bytes()),
            Backing::Kafka(topic) => (record.key.len() + record.payload.len(), topic.record_limit()),
        };
        if bytes > limit {
            return Err(AppendError::TooLarge { topic: self.name.clone(), bytes, limit });
        }
        Ok(())
    }

    pub(crate) fn kafka(&self) -> Option<&KafkaTopic> {
        match &self.backing {
            Backing::Journal(_) => None,
            Backing::Kafka(topic) => Some(topic),
        }
    }

    /// A worker of a group; to be called within a tokio runtime.
    ///
    /// # Errors
    /// When the group is not among those that the topic was opened with; over Kafka also when
    /// [`KafkaConfig::instance`](crate::KafkaConfig::instance) is not set.
    pub fn worker(&self, group: &str) -> Result<Worker, GroupError> {
        match &self.backing {
            Backing::Journal(journal) => {
                self.registered(journal, group)?;
                Ok(Worker::over_journal(&self.name, group, journal))
            }
            Backing::Kafka(topic) => {
                Ok(Worker::over_kafka(&self.name, group, topic.worker(&self.name, group)?))
            }
        }
    }

    /// A follower with the positions of a group. Over Kafka these are beside those of [`Topic::consumer`].
    ///
    /// # Errors
    /// When the group is not among those that the topic was opened with.
    pub fn follower(&self, group: &str) -> Result<Follower, GroupError> {
        match &self.backing {
            Backing::Journal(journal) => {
                self.registered(journal, group)?;
                Ok(Follower::over_journal(&self.name, group, journal))
            }
            Backing::Kafka(topic) => {
                Ok(Follower::over_kafka(&self.name, group, topic.follower(&self.name, group)?))
            }
        }
    }

    fn registered(&self, journal: &Journal, group: &str) -> Result<(), GroupError> {
        if journal.is_registered(group) {
            return Ok(());
        }
        Err(GroupError::Unknown { topic: self.name.clone(), group: group.to_owned() })
    }

    /// A consumer of a group, from the group's last committed position on. Over a journal every consumer of a group
    /// gets all records; use one at a time. Over Kafka the consumers of a group share the partitions; to be called
    /// within a tokio runtime.
    ///
    /// # Errors
    /// When the group is not among those that the topic was opened with.
    pub fn consumer(&self, group: &str) -> Result<Consumer, GroupError> {
        let journal = match &self.backing {
            Backing::Journal(journal) => journal,
            Backing::Kafka(topic) => {
                let source = Source::Kafka(topic.consumer(&self.name, group)?);
                return Ok(Consumer { topic: self.name.clone(), group: group.to_owned(), source });
            }
        };
        self.registered(journal, group)?;
        let reader = journal.reader(journal.position(group).unwrap_or(0));
        let source = Source::Journal { journal: journal.clone(), reader };
        Ok(Consumer { topic: self.name.clone(), group: group.to_owned(), source })
    }

    /// Whether records are taken, for readiness; `Err` says why not.
    ///
    /// # Errors
    /// The reason, as text for an operator.
    pub fn healthy(&self) -> Result<(), String> {
        match &self.backing {
            Backing::Journal(journal) => journal.healthy().map_err(|reason| reason.to_string()),
            Backing::Kafka(topic) => topic.healthy(),
        }
    }

    /// Finishes what was appended, saves the positions and releases the backing. Consumers get what is left and then
    /// [`ReadError::Closed`]; over Kafka, what was in their partitions at the close.
    pub async fn close(self) {
        match self.backing {
            Backing::Journal(journal) => journal.close().await,
            Backing::Kafka(topic) => topic.close().await,
        }
    }
}

/// Delivers a topic's records to one group.
pub struct Consumer {
    topic: String,
    group: String,
    source: Source,
}

enum Source {
    Journal { journal: Journal, reader: Reader },
    Kafka(KafkaConsumer),
}

impl Consumer {
    /// Waits for records and returns at least one, at most `max_records`, and not more than about `max_bytes` unless the
    /// first alone is longer. Cancel-safe. The records share the memory they were read into: copy what is kept.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn next(&mut self, max_records: usize, max_bytes: usize) -> Result<Vec<Delivered>, ReadError> {
        let reader = match &mut self.source {
            Source::Journal { reader, .. } => reader,
            Source::Kafka(consumer) => return consumer.next(max_records, max_bytes).await,
        };
        match reader.next(max_records, max_bytes).await {
            Ok(entries) => Ok(entries.into_iter().map(delivered).collect()),
            Err(journal::ReadError::Closed) => Err(ReadError::Closed),
            Err(error) => Err(ReadError::Backing(error.to_string())),
        }
    }

    /// Notes that the group has dealt with everything before `next_offset` of a partition. Returns at once; a position
    /// that is lost in a crash costs duplicates.
    ///
    /// # Errors
    /// When there is no such place.
    pub fn commit(&self, partition: u32, next_offset: u64) -> Result<(), GroupError> {
        let journal = match &self.source {
            Source::Journal { journal, .. } => journal,
            Source::Kafka(consumer) => return consumer.commit(&self.topic, partition, next_offset),
        };
        let topic = || self.topic.clone();
        let no_such_offset = || GroupError::NoSuchOffset { topic: topic(), partition, offset: next_offset };
        if partition != 0 {
            return Err(no_such_offset());
        }
        journal.commit(&self.group, next_offset).map_err(|error| match error {
            journal::CommitError::UnknownConsumer => {
                GroupError::Unknown { topic: topic(), group: self.group.clone() }
            }
            journal::CommitError::BeyondEnd { .. } => no_such_offset(),
        })
    }

    /// Records that were appended and not committed by the group. Over Kafka those of this member's partitions, as
    /// the brokers said about a second ago.
    pub fn lag(&self) -> u64 {
        match &self.source {
            Source::Journal { journal, .. } => journal.unread(journal.position(&self.group).unwrap_or(0)),
            Source::Kafka(consumer) => consumer.lag(),
        }
    }

    /// Goes back to the last committed position: what was delivered since then comes again.
    pub fn rewind(&mut self) {
        match &mut self.source {
            Source::Journal { journal, reader } => reader.seek(journal.position(&self.group).unwrap_or(0)),
            Source::Kafka(consumer) => consumer.rewind(false),
        }
    }

    /// Goes back to the oldest record. The committed position stays, so retention is not held up.
    pub fn rewind_to_oldest(&mut self) {
        match &mut self.source {
            Source::Journal { reader, .. } => reader.seek(0),
            Source::Kafka(consumer) => consumer.rewind(true),
        }
    }

    /// The group it delivers to.
    pub fn group(&self) -> &str {
        &self.group
    }
}

pub(crate) fn delivered(entry: journal::Entry) -> Delivered {
    Delivered { partition: 0, offset: entry.sequence, record: decode(&entry.payload) }
}
