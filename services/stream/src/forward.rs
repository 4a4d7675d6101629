//! From one topic to another, in order: a journal on this machine into Kafka.
//!
//! - The position moves only behind records that the target confirmed, so a stop, a crash or an outage at any point costs
//!   repeats, never records.
//! - What the target refuses for now is tried again for as long as it takes, and nothing overtakes it; the journal is
//!   the buffer meanwhile, within its quota.
//! - What can never go on is set aside with its reason, never dropped.
//! - Journaled = forwarded + set aside + waiting, on the counters.

use crate::error::{AppendError, GroupError, ReadError};
use crate::metrics;
use crate::record::{Delivered, Record};
use crate::topic::{Consumer, Topic};
use std::future::Future;
use std::time::Duration;
use tokio::sync::watch;
use tokio::time::Instant;

/// When to end, once that is known.
type Until = watch::Receiver<Option<Instant>>;

/// How a forwarder works.
#[derive(Debug, Clone)]
pub struct ForwardConfig {
    /// So many records at most are on their way together. More would take longer to repeat after a stop.
    pub batch_records: usize,
    /// About so many bytes at most are on their way together.
    pub batch_bytes: usize,
    /// The first pause after a refusal; it doubles up to `retry_cap`.
    pub retry_first: Duration,
    /// The longest pause.
    pub retry_cap: Duration,
    /// After a stop was asked for, what waits goes on for so long, unless the target refuses it; the rest stays in its
    /// journal for the next start.
    pub stop_limit: Duration,
}

impl Default for ForwardConfig {
    fn default() -> Self {
        Self {
            batch_records: 4096,
            batch_bytes: 4 << 20,
            retry_first: Duration::from_millis(50),
            retry_cap: Duration::from_secs(1),
            stop_limit: Duration::from_secs(5),
        }
    }
}

/// Makes the record that says what could not go on and why.
pub type SetAside = Box<dyn Fn(&Delivered, &str) -> Record + Send + Sync>;

/// Why a forwarder ended without having been asked to.
#[derive(Debug, thiserror::Error)]
pub enum ForwardError {
    /// A position could not be moved.
    #[error("the journal's position: {0}")]
    Position(#[from] GroupError),
    /// The target was closed under it, or the dead-letter topic refuses even what is set aside.
    #[error(transparent)]
    Append(#[from] AppendError),
}

/// Takes records from one topic to another.
pub struct Forwarder {
    from: Consumer,
    to: Topic,
    dead_letter: Topic,
    set_aside: SetAside,
    config: ForwardConfig,
}

impl Forwarder {
    /// From a consumer to a topic; what can't go on goes to `dead_letter` as `set_aside` writes it.
    pub fn new(
        from: Consumer,
        to: Topic,
        dead_letter: Topic,
        set_aside: SetAside,
        config: ForwardConfig,
    ) -> Self {
        Self { from, to, dead_letter, set_aside, config }
    }

    /// Forwards until `shutdown` ends or the source is closed and empty.
    ///
    /// # Errors
    /// [`ForwardError`]: only what trying again can't mend.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ForwardError> {
        let stop_limit = self.config.stop_limit;
        let (tell, until) = watch::channel(None);
        let work = self.forward(until);
        tokio::pin!(work);
        tokio::select! {
            biased;
            ended = &mut work => return ended,
            () = shutdown => { tell.send_replace(Some(Instant::now() + stop_limit)); }
        }
        work.await
    }

    /// Forwards for ever; once there is an end, until then, a refusal, or nothing is left.
    async fn forward(mut self, mut until: Until) -> Result<(), ForwardError> {
        let mut failures = 0;
        loop {
            self.show();
            let end = *until.borrow_and_update();
            if end.is_some_and(|end| self.from.lag() == 0 || Instant::now() > end) {
                return Ok(());
            }
            let next = tokio::select! {
                biased;
                next = self.from.next(self.config.batch_records, self.config.batch_bytes) => next,
                _ = until.changed() => continue,
            };
            match next {
                Ok(batch) => {
                    failures = 0;
                    if !self.pass_on(&batch, &until).await? {
                        return Ok(());
                    }
                }
                Err(ReadError::Closed) => return Ok(()),
                Err(ReadError::Backing(reason)) => {
                    failures += 1;
                    if failures == 1 {
                        tracing::warn!(topic = self.to.name(), %reason, "can't read the journal, trying again");
                    }
                    tokio::select! {
                        () = tokio::time::sleep(self.pause(failures)) => {}
                        _ = until.changed() => {}
                    }
                }
            }
        }
    }

    /// Makes a batch durable in the target, then moves the position behind it. `false`: refused after a stop was asked
    /// for, so it stays in its journal.
    async fn pass_on(&self, batch: &[Delivered], until: &Until) -> Result<bool, ForwardError> {
        // Runs of readable records go together; what is none goes aside in its place, so order is kept.
        for run in batch.chunk_by(|one, other| one.record.is_ok() && other.record.is_ok()) {
            let records: Vec<Record> = run.iter().filter_map(|one| one.record.clone().ok()).collect();
            if records.is_empty() {
                for delivered in run {
                    let reason = delivered.record.as_ref().err().map(ToString::to_string).unwrap_or_default();
                    if !self.put_aside(delivered, "undecodable", &reason, until).await? {
                        return Ok(false);
                    }
                }
            } else {
                match self.append(&self.to, &records, until).await? {
                    Appended::All => self.count(records.len()),
                    Appended::Refused => return Ok(false),
                    // One of them is too long, and the answer doesn't say which: each goes alone.
                    Appended::TooLarge { .. } => {
                        for (delivered, record) in run.iter().zip(records) {
                            match self.append(&self.to, &[record], until).await? {
                                Appended::All => self.count(1),
                                Appended::Refused => return Ok(false),
                                Appended::TooLarge { reason } => {
                                    if !self.put_aside(delivered, "too_large", &reason, until).await? {
                                        return Ok(false);
                                    }
                                }
                            }
                        }
                    }
                }
            }
        }
        let mut ends: Vec<(u32, u64)> = Vec::new();
        for delivered in batch {
            match ends.iter_mut().find(|(partition, _)| *partition == delivered.partition) {
                Some(end) => end.1 = delivered.offset + 1,
                None => ends.push((delivered.partition, delivered.offset + 1)),
            }
        }
        for (partition, next_offset) in ends {
            self.from.commit(partition, next_offset)?;
        }
        Ok(true)
    }

    async fn append(&self, to: &Topic, records: &[Record], until: &Until) -> Result<Appended, ForwardError> {
        let mut failures = 0;
        loop {
            self.show();
            match to.append_all(records.to_vec()).await {
                Ok(()) => {
                    if failures > 0 {
                        tracing::info!(
                            topic = to.name(),
                            waiting = self.from.lag(),
                            "records are taken again"
                        );
                    }
                    return Ok(Appended::All);
                }
                Err(refused @ AppendError::TooLarge { .. }) => {
                    return Ok(Appended::TooLarge { reason: refused.to_string() });
                }
                Err(refused @ AppendError::Closed { .. }) => return Err(refused.into()),
                Err(refused) => {
                    let mut until = until.clone();
                    if until.borrow_and_update().is_some() {
                        return Ok(Appended::Refused);
                    }
                    failures += 1;
                    if failures == 1 {
                        let reason = refused.reason();
                        tracing::warn!(
                            topic = to.name(),
                            reason,
                            "records wait in the journal, trying again"
                        );
                    }
                    tokio::select! {
                        () = tokio::time::sleep(self.pause(failures)) => {}
                        _ = until.changed() => {}
                    }
                }
            }
        }
    }

    /// `false`: refused after a stop was asked for.
    async fn put_aside(
        &self,
        delivered: &Delivered,
        label: &str,
        reason: &str,
        until: &Until,
    ) -> Result<bool, ForwardError> {
        let record = (self.set_aside)(delivered, reason);
        match self.append(&self.dead_letter, &[record], until).await? {
            Appended::Refused => return Ok(false),
            Appended::TooLarge { reason } => {
                // Nothing is left that could be tried; it stays in the journal for as long as the journal keeps it.
                tracing::error!(
                    topic = self.to.name(),
                    reason,
                    "a record that can't go on is too long to be set aside"
                );
            }
            Appended::All => tracing::warn!(
                topic = self.to.name(),
                reason = label,
                "a record went to the dead-letter topic"
            ),
        }
        metrics::SET_ASIDE.with_label_values(&[self.to.name(), label]).inc();
        Ok(true)
    }

    fn count(&self, records: usize) {
        metrics::FORWARDED.with_label_values(&[self.to.name()]).inc_by(records as u64);
    }

    fn show(&self) {
        let waiting = i64::try_from(self.from.lag()).unwrap_or(i64::MAX);
        metrics::WAITING.with_label_values(&[self.to.name()]).set(waiting);
    }

    fn pause(&self, failures: u32) -> Duration {
        let doubled = self.config.retry_first.saturating_mul(1 << failures.saturating_sub(1).min(16));
        doubled.min(self.config.retry_cap)
    }
}

enum Appended {
    All,
    /// Not now.
    Refused,
    /// Never.
    TooLarge {
        reason: String,
    },
}
