//! The records in hand: rows to insert, letters to set aside, and how far the position may move when both are durable.

use crate::dead::Dead;
use crate::retention::Retention;
use crate::table::{Table, Unreadable};
use bytes::Bytes;
use stream::Delivered;

/// A record that became a row, with all that a dead letter needs should the row be refused.
pub(crate) struct Source {
    pub(crate) partition: u32,
    pub(crate) offset: u64,
    pub(crate) key: Vec<u8>,
    pub(crate) original: Bytes,
}

/// Records of one topic, in order.
pub(crate) struct Batch<T: Table> {
    /// The rows.
    pub(crate) rows: Vec<T::Row>,
    /// Where each row came from.
    pub(crate) sources: Vec<Source>,
    /// What can't become a row.
    pub(crate) dead: Vec<Dead>,
    /// For each partition, the number after its last record.
    pub(crate) ends: Vec<(u32, u64)>,
    bytes: usize,
}

impl<T: Table> Default for Batch<T> {
    fn default() -> Self {
        Self { rows: Vec::new(), sources: Vec::new(), dead: Vec::new(), ends: Vec::new(), bytes: 0 }
    }
}

impl<T: Table> Batch<T> {
    /// How many records it holds.
    pub(crate) fn records(&self) -> usize {
        self.rows.len() + self.dead.len()
    }

    pub(crate) fn is_empty(&self) -> bool {
        self.records() == 0
    }

    /// Bytes of its records.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }

    /// Takes a record of `topic`.
    pub(crate) fn take(&mut self, delivered: Delivered, topic: &str, retention: &mut Retention) {
        let Delivered { partition, offset, record } = delivered;
        // A partition's records come in order, so its last one is the furthest.
        match self.ends.iter_mut().find(|(known, _)| *known == partition) {
            Some(end) => end.1 = offset + 1,
            None => self.ends.push((partition, offset + 1)),
        }
        let (key, original, row) = match record {
            Ok(record) => {
                let row = row::<T>(&record.payload, retention);
                (record.key, record.payload, row)
            }
            Err(undecodable) => (Vec::new(), undecodable.bytes.clone(), Err(undecodable.into())),
        };
        self.bytes += key.len() + original.len();
        let source = Source { partition, offset, key, original };
        match row {
            Ok(row) => {
                self.rows.push(row);
                self.sources.push(source);
            }
            Err(error) => self.dead.push(Dead::new(topic, source, error.label(), error.to_string())),
        }
    }
}

fn row<T: Table>(payload: &[u8], retention: &mut Retention) -> Result<T::Row, Unreadable> {
    let record: T::Record = engagement::from_wire(payload)?;
    let days = retention.days(T::account(&record));
    Ok(T::row(record, days)?)
}
