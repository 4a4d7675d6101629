//! A consumer whose output and position become durable together.
//!
//! The contract, for a stage that keeps a memory of each partition:
//! - A partition begins with [`News::Assigned`] and gives no records before [`Worker::start`]; it ends with
//!   [`News::Revoked`]. News come in order with the records, so what is remembered of a partition can be made and dropped
//!   in step. Over a journal partition 0 is assigned once and stays.
//! - [`Worker::finish`] writes outputs and moves positions. Over Kafka that is one transaction that carries the group's
//!   generation: of a partition that went to another member nothing is ever visible. Over a journal it is appends and then
//!   the position, so a crash costs repeats.
//! - At [`News::Assigned`] every transaction of an earlier owner of the partition has ended, and its position is known
//!   (offsets are fetched with `require_stable`). Whoever then reads a topic that the owners wrote, up to where it ended
//!   *after* that ([`Follower`](crate::Follower)), has read all that any of them said, and none of them says any more.

use crate::error::{AppendError, GroupError, ReadError};
use crate::kafka::KafkaWorker;
use crate::record::{Delivered, Record, encode};
use crate::topic::{Topic, delivered};
use journal::{Journal, Reader};

/// What a worker hears.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum News {
    /// Partitions are this worker's from now on. Each gives records once it is started.
    Assigned(Vec<Assigned>),
    /// Partitions are no longer this worker's, or begin again after work on them was undone. What was not finished is
    /// somebody else's, or comes again.
    Revoked(Vec<u32>),
    /// Records of started partitions, at least one.
    Records(Vec<Delivered>),
}

/// A partition at its beginning.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Assigned {
    /// Which.
    pub partition: u32,
    /// The first record that comes.
    pub position: u64,
    /// One past the newest record then: what comes from here on was written later.
    pub end: u64,
}

/// A record to be written.
#[derive(Clone)]
pub struct Output<'a> {
    /// Where to.
    pub topic: &'a Topic,
    /// The partition of the worker's topic on whose account it is written.
    pub source: u32,
    /// What.
    pub record: Record,
}

/// What became of outputs.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Finished {
    /// Where each output is now; `None` for those of partitions that are not this worker's any more, which were left out.
    pub offsets: Vec<Option<u64>>,
}

/// Why nothing was finished.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum FinishError {
    /// Refused. If that is transient, the same call may succeed later: with the same outputs and positions, for they may
    /// be written in part already.
    #[error(transparent)]
    Refused(#[from] AppendError),
    /// Whether it was written can't be known. The partitions begin again: [`News::Revoked`], then [`News::Assigned`].
    #[error("whether the outputs were written can't be known; the partitions begin again")]
    Undone,
    /// A position is none: a defect of the caller.
    #[error(transparent)]
    Position(#[from] GroupError),
}

/// Takes a topic's records for one group and answers with outputs. One at a time over a journal; over Kafka the workers of a
/// group share the partitions.
pub struct Worker {
    topic: String,
    group: String,
    source: Source,
}

enum Source {
    Journal { journal: Journal, reader: Reader, told: bool, started: bool },
    Kafka(Box<KafkaWorker>),
}

impl Worker {
    pub(crate) fn over_journal(topic: &str, group: &str, journal: &Journal) -> Self {
        let reader = journal.reader(journal.position(group).unwrap_or(0));
        let source = Source::Journal { journal: journal.clone(), reader, told: false, started: false };
        Self { topic: topic.to_owned(), group: group.to_owned(), source }
    }

    pub(crate) fn over_kafka(topic: &str, group: &str, worker: KafkaWorker) -> Self {
        Self { topic: topic.to_owned(), group: group.to_owned(), source: Source::Kafka(Box::new(worker)) }
    }

    /// Waits for news; records as [`Consumer::next`](crate::Consumer::next) gives them. Cancel-safe.
    ///
    /// # Errors
    /// See [`ReadError`].
    pub async fn next(&mut self, max_records: usize, max_bytes: usize) -> Result<News, ReadError> {
        let (journal, reader, told, started) = match &mut self.source {
            Source::Journal { journal, reader, told, started } => (journal, reader, told, started),
            Source::Kafka(worker) => return worker.next(max_records, max_bytes).await,
        };
        if !*told {
            *told = true;
            let assigned = Assigned { partition: 0, position: reader.position(), end: journal.end() };
            return Ok(News::Assigned(vec![assigned]));
        }
        if !*started {
            // Not even the close is heard before the start, which needs nothing that could fail for long.
            return std::future::pending().await;
        }
        // Who asks for more has dealt with what it was given.
        journal.note_read(&self.group, reader.position());
        match reader.next(max_records, max_bytes).await {
            Ok(entries) => Ok(News::Records(entries.into_iter().map(delivered).collect())),
            Err(journal::ReadError::Closed) => Err(ReadError::Closed),
            Err(error) => Err(ReadError::Backing(error.to_string())),
        }
    }

    /// Lets the records of an assigned partition come, from its position on. Of one that is not this worker's any more
    /// nothing comes.
    pub fn start(&mut self, partition: u32) {
        match &mut self.source {
            Source::Journal { started, .. } => *started |= partition == 0,
            Source::Kafka(worker) => worker.start(partition),
        }
    }

    /// Whether a partition is this worker's and its news were heard. Work that another source brings for a partition that is
    /// not may be left: [`Worker::finish`] would.
    pub fn owns(&self, partition: u32) -> bool {
        match &self.source {
            Source::Journal { told, .. } => *told && partition == 0,
            Source::Kafka(worker) => worker.owns(partition),
        }
    }

    /// Writes outputs, in order, and moves positions behind them: everything before `next_offset` of a partition is dealt
    /// with. Every partition that an output is written on account of needs a position, moved or not: over Kafka it is
    /// what fences the output. Nothing else may be asked of the worker meanwhile.
    ///
    /// # Errors
    /// See [`FinishError`].
    pub async fn finish(
        &mut self,
        outputs: &[Output<'_>],
        positions: &[(u32, u64)],
    ) -> Result<Finished, FinishError> {
        let journal = match &mut self.source {
            Source::Journal { journal, .. } => journal,
            Source::Kafka(worker) => return worker.finish(outputs, positions).await,
        };
        let no_such = |partition, offset| {
            let topic = self.topic.clone();
            FinishError::Position(GroupError::NoSuchOffset { topic, partition, offset })
        };
        if let Some((partition, offset)) =
            positions.iter().find(|(partition, offset)| *partition != 0 || *offset > journal.end())
        {
            return Err(no_such(*partition, *offset));
        }
        let mut offsets = vec![None; outputs.len()];
        let mut written: Vec<&str> = Vec::new();
        for output in outputs {
            let name = output.topic.name();
            if written.contains(&name) {
                continue;
            }
            written.push(name);
            let of_topic = || outputs.iter().enumerate().filter(|(_, output)| output.topic.name() == name);
            let records = of_topic().map(|(_, output)| encode(&output.record)).collect();
            let placed = output.topic.append_encoded(records).await?;
            for ((index, _), offset) in of_topic().zip(placed) {
                offsets[index] = Some(offset);
            }
        }
        for (partition, offset) in positions {
            journal.commit(&self.group, *offset).map_err(|_| no_such(*partition, *offset))?;
        }
        Ok(Finished { offsets })
    }

    /// Records that were appended and not finished, in this worker's partitions; over Kafka as the brokers said about a
    /// second ago.
    pub fn lag(&self) -> u64 {
        match &self.source {
            Source::Journal { journal, .. } => journal.unread(journal.position(&self.group).unwrap_or(0)),
            Source::Kafka(worker) => worker.lag(),
        }
    }

    /// Records that were appended and not handed out yet, in this worker's partitions: the lag of one whose positions stay
    /// behind because a start has to read back from there. Over Kafka as the brokers said about a second ago.
    pub fn waiting(&self) -> u64 {
        match &self.source {
            Source::Journal { journal, reader, .. } => journal.unread(reader.position()),
            Source::Kafka(worker) => worker.waiting(),
        }
    }
}
