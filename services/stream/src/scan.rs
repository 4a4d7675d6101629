//! Everything that a topic holds at one time, for people who look and commands that search: no group, no position.

use crate::error::ReadError;
use crate::kafka::KafkaScan;
use crate::record::{Record, Undecodable, decode};
use journal::Look;
use std::io;
use std::path::Path;

/// So many records of a journal at most come in one go.
const AT_ONCE: usize = 1024;

/// A record where it lies.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Found {
    /// Where it is; always 0 over a journal.
    pub partition: u32,
    /// Its number in the partition.
    pub offset: u64,
    /// When it was appended, in milliseconds since 1970, where the backing says so.
    pub appended_ms: Option<i64>,
    /// The record.
    pub record: Result<Record, Undecodable>,
}

/// The records of a topic, oldest first in each partition, up to what was there when the scan came to the end.
pub struct Scan(Source);

enum Source {
    Journal(Look),
    Kafka(KafkaScan),
}

impl Scan {
    /// What lies in the folder of a topic's journal, whoever holds the journal.
    ///
    /// # Errors
    /// When the folder can't be listed.
    pub fn of_journal(dir: &Path) -> io::Result<Self> {
        Look::at(dir).map(|look| Self(Source::Journal(look)))
    }

    pub(crate) fn over_kafka(scan: KafkaScan) -> Self {
        Self(Source::Kafka(scan))
    }

    /// Some more records, or `None` when there are no more.
    ///
    /// # Errors
    /// [`ReadError::Backing`].
    pub async fn next(&mut self) -> Result<Option<Vec<Found>>, ReadError> {
        let look = match &mut self.0 {
            Source::Journal(look) => look,
            Source::Kafka(scan) => return scan.next().await,
        };
        let entries: Result<Vec<_>, _> = look.take(AT_ONCE).collect();
        let entries = entries.map_err(|error| ReadError::Backing(error.to_string()))?;
        let found = |entry: journal::Entry| Found {
            partition: 0,
            offset: entry.sequence,
            appended_ms: i64::try_from(entry.appended_ms).ok(),
            record: decode(&entry.payload),
        };
        Ok(Some(entries.into_iter().map(found).collect::<Vec<_>>()).filter(|found| !found.is_empty()))
    }

    /// Places so far that could not be read; over Kafka there are none.
    pub fn skipped(&self) -> u64 {
        match &self.0 {
            Source::Journal(look) => look.skipped(),
            Source::Kafka(_) => 0,
        }
    }
}
