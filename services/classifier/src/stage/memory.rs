//! What a restart reads again: a topic whose position stays behind everything that is still live.

use super::live::HOLD_MS;
use std::collections::VecDeque;
use std::time::Duration;
use stream::{Consumer, Delivered, GroupError, ReadError};

/// So many records at most stay behind the position; beyond that the oldest are let go, and a restart won't know them.
const MOST_RECORDS: u64 = 5_000_000;

/// A consumer that commits a record only when record times have gone on by [`HOLD_MS`] since it was read.
pub(super) struct Memory {
    consumer: Consumer,
    /// What was read and not committed: the partition, the next offset, the newest record time then, how many records.
    held: VecDeque<(u32, u64, i64, u64)>,
    records: u64,
    /// What the topic counts as unread and does not deliver: it skips numbers after a crash.
    phantoms: u64,
}

impl Memory {
    pub(super) fn new(consumer: Consumer) -> Self {
        Self { consumer, held: VecDeque::new(), records: 0, phantoms: 0 }
    }

    /// How many records there are that were not read yet.
    fn unread(&self) -> u64 {
        self.consumer.lag().saturating_sub(self.records).saturating_sub(self.phantoms)
    }

    /// The next of the records that there are; `None` when none comes for `patience`, for then the count of them was
    /// too high. Cancel-safe.
    pub(super) async fn next_there(
        &mut self,
        records: usize,
        bytes: usize,
        patience: Duration,
    ) -> Option<Result<Vec<Delivered>, ReadError>> {
        if self.unread() == 0 {
            return None;
        }
        let next = tokio::time::timeout(patience, self.consumer.next(records, bytes)).await;
        if next.is_err() {
            self.phantoms += self.unread();
        }
        next.ok()
    }

    /// Waits for records. Cancel-safe.
    pub(super) async fn next(&mut self, records: usize, bytes: usize) -> Result<Vec<Delivered>, ReadError> {
        self.consumer.next(records, bytes).await
    }

    /// Notes that a batch was dealt with when `newest` was the newest record time, and commits what is old enough.
    pub(super) fn hold(&mut self, batch: &[Delivered], newest: i64) -> Result<(), GroupError> {
        for (partition, next_offset) in super::ends(batch) {
            let count = batch.iter().filter(|delivered| delivered.partition == partition).count() as u64;
            self.held.push_back((partition, next_offset, newest, count));
            self.records += count;
        }
        while self.records > MOST_RECORDS
            || self.held.front().is_some_and(|(_, _, then, _)| newest.saturating_sub(*then) > HOLD_MS)
        {
            self.let_go()?;
        }
        Ok(())
    }

    /// Commits all that was read; says whether there was anything.
    pub(super) fn forget(&mut self) -> Result<bool, GroupError> {
        let any = !self.held.is_empty();
        while !self.held.is_empty() {
            self.let_go()?;
        }
        Ok(any)
    }

    fn let_go(&mut self) -> Result<(), GroupError> {
        if let Some((partition, next_offset, _, count)) = self.held.pop_front() {
            self.records -= count;
            self.consumer.commit(partition, next_offset)?;
        }
        Ok(())
    }
}
