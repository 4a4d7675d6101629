//! The one thread that writes. It takes all appends that wait, writes them at once, syncs once and answers them all;
//! there is no timer, so load makes batches and quiet gives latency.

use std::fs::File;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::Instant;

use tokio::sync::{oneshot, watch};

use crate::clean;
use crate::error::{AppendError, Reason};
use crate::frame::{self, FRAME_HEADER};
use crate::queue::Pending;
use crate::shared::Shared;
use crate::storage::is_full;
use crate::writer::Writer;

/// A group is written once it has so many bytes, even when more waits.
const GROUP_BYTES: usize = 4 << 20;
/// A group, and so a batch, has at most so many records.
pub(crate) const GROUP_RECORDS: usize = 1 << 16;
/// The writer and what it knows.
pub(crate) struct Owner {
    pub(crate) shared: Arc<Shared>,
    end: watch::Sender<u64>,
    pub(crate) writer: Writer,
    pub(crate) next_sequence: u64,
    buffer: Vec<u8>,
    upkeep_at: Instant,
    /// Held until the owner ends; `None` on a simulated disk.
    _lock: Option<File>,
}

/// The answers that are due to one group, each with the first sequence of its batch.
type Answers = Vec<(u64, oneshot::Sender<Result<u64, AppendError>>)>;

impl Owner {
    pub(crate) fn new(
        shared: Arc<Shared>,
        end: watch::Sender<u64>,
        next_sequence: u64,
        lock: Option<File>,
    ) -> Owner {
        let now = Instant::now();
        let writer = Writer::Shut { probes: 0, probe_at: now };
        let upkeep_at = now + shared.config.upkeep_every;
        let mut owner =
            Owner { shared, end, writer, next_sequence, buffer: Vec::new(), upkeep_at, _lock: lock };
        // A disk that can't be written now doesn't stop the start: readers can be served, and it may recover.
        owner.begin_segment();
        owner
    }

    /// Works until the queue is closed and empty.
    pub(crate) fn run(mut self) {
        let _ending = Ending(Arc::clone(&self.shared));
        loop {
            let patience = self.upkeep_at.saturating_duration_since(Instant::now());
            let taken = self.shared.queue.take(patience);
            let done = taken.closing && taken.batches.is_empty();
            self.commit(taken.batches);
            if done || !taken.upkeep.is_empty() || Instant::now() >= self.upkeep_at {
                self.upkeep();
                self.upkeep_at = Instant::now() + self.shared.config.upkeep_every;
            }
            for asked in taken.upkeep {
                // Whoever asked may have gone.
                let _ = asked.send(());
            }
            if done {
                self.end_cleanly();
                return;
            }
        }
    }

    fn commit(&mut self, batches: Vec<Pending>) {
        let mut batches = batches.into_iter().peekable();
        while batches.peek().is_some() {
            if let Err(refusal) = self.make_ready() {
                for batch in batches {
                    self.refuse(batch, refusal.clone());
                }
                return;
            }
            let mut answers = Answers::new();
            let mut sequence = self.next_sequence;
            let now_ms = self.shared.now_ms();
            let mut used = self.bytes();
            self.buffer.clear();
            while let Some(batch) = batches.next_if(|batch| {
                let records = (sequence - self.next_sequence) as usize + batch.records.as_slice().len();
                records <= GROUP_RECORDS && self.fits_group(batch)
            }) {
                if !self.fits_quota(&mut used, framed_length(&batch)) {
                    self.refuse(batch, AppendError::Full);
                    continue;
                }
                answers.push((sequence, batch.answer));
                for record in batch.records.as_slice() {
                    frame::write(&mut self.buffer, sequence, now_ms, record);
                    sequence += 1;
                }
            }
            if !answers.is_empty() {
                self.write_group(answers, sequence, now_ms);
            }
        }
    }

    fn fits_group(&self, batch: &Pending) -> bool {
        self.buffer.is_empty() || self.buffer.len() + framed_length(batch) <= GROUP_BYTES
    }

    fn fits_quota(&self, used: &mut u64, length: usize) -> bool {
        let wanted = (self.buffer.len() + length) as u64;
        let max_bytes = self.shared.config.max_bytes;
        if *used + wanted <= max_bytes {
            return true;
        }
        self.shared.drop_segments();
        *used = self.bytes();
        let fits = *used + wanted <= max_bytes;
        if !fits {
            self.unwritable(Reason::QuotaReached);
        }
        fits
    }

    /// Writes, syncs and answers what is in the buffer: records up to `next`, exclusively.
    fn write_group(&mut self, answers: Answers, next: u64, now_ms: u64) {
        let Writer::Open(active) = &mut self.writer else {
            return self.answer(answers, Err(AppendError::Disabled), 0);
        };
        let count = next - self.next_sequence;
        let written = active.length + self.buffer.len() as u64;
        if let Err(error) = active.file.write_at(&self.buffer, active.length) {
            if is_full(&error) && active.take_back().is_ok() {
                self.unwritable(Reason::DiskFull);
                return self.answer(answers, Err(AppendError::Full), count);
            }
            active.segment.bytes.store(written, Ordering::Relaxed);
            self.next_sequence = next;
            self.shut("write", &error);
            return self.answer(answers, Err(AppendError::Disabled), count);
        }
        let started = Instant::now();
        let synced = active.file.sync();
        active.segment.bytes.store(written, Ordering::Relaxed);
        if let Err(error) = synced {
            self.next_sequence = next;
            self.shut("sync", &error);
            return self.answer(answers, Err(AppendError::Disabled), count);
        }
        active.length = written;
        active.segment.limit.store(written, Ordering::Release);
        let metrics = &self.shared.metrics;
        metrics.sync_seconds.observe(started.elapsed().as_secs_f64());
        metrics.group_records.observe(count as f64);
        metrics.appended.inc_by(count);
        self.shared.times().note(self.next_sequence, now_ms);
        self.next_sequence = next;
        self.end.send_replace(next);
        if self.shared.condition() != Some(Reason::QuotaReached) || self.has_room() {
            self.writable();
        }
        self.answer(answers, Ok(()), count);
    }

    /// What is due now and then, loaded or idle.
    fn upkeep(&mut self) {
        self.roll_old();
        self.shared.save_positions();
        self.shared.drop_segments();
        self.shared.set_aside.sweep(self.shared.now_ms());
        self.recover_idle();
        self.shared.show();
    }

    /// Leaves word that the last segment is on disk as it looks, if it is.
    fn end_cleanly(&self) {
        if let Writer::Open(active) = &self.writer
            && let Err(error) = clean::note(self.shared.storage.as_ref(), &active.segment)
        {
            tracing::warn!(journal = %self.shared.config.name, %error, "clean end not noted, numbers will be skipped");
        }
    }

    /// What all segments take.
    pub(crate) fn bytes(&self) -> u64 {
        self.shared.catalogue().bytes()
    }

    fn refuse(&self, batch: Pending, error: AppendError) {
        self.shared.metrics.refused(&error, batch.records.as_slice().len());
        // Whoever asked may have gone.
        let _ = batch.answer.send(Err(error));
    }

    fn answer(&self, answers: Answers, outcome: Result<(), AppendError>, records: u64) {
        if let Err(error) = &outcome {
            self.shared.metrics.refused(error, records as usize);
        }
        for (sequence, answer) in answers {
            // Whoever asked may have gone; the record is as durable as it would be otherwise.
            let _ = answer.send(outcome.clone().map(|()| sequence));
        }
    }
}

fn framed_length(batch: &Pending) -> usize {
    batch.records.as_slice().iter().map(|record| FRAME_HEADER + record.len()).sum()
}

/// Runs however the thread ends, so that nobody waits for an answer that can't come.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        let reason = if self.0.queue.is_closing() { Reason::Closed } else { Reason::OwnerEnded };
        if reason == Reason::OwnerEnded {
            tracing::error!(journal = %self.0.config.name, "the journal's owner thread ended unexpectedly");
        }
        self.0.set_condition(Some(reason));
        for batch in self.0.queue.end() {
            self.0.metrics.refused(&AppendError::Closed, batch.records.as_slice().len());
            let _ = batch.answer.send(Err(AppendError::Closed));
        }
    }
}
