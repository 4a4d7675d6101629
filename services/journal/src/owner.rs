//! The one thread that writes. It takes all appends that wait, writes them at once, syncs once and answers them all;
//! there is no timer, so load makes batches and quiet gives latency.
//!
//! It fails shut: after a failed sync, or a failed write that can't be taken back, nothing more is written to that
//! segment. The numbers of what was written there are not used again, since those records may reappear after a restart.
//! A new segment is begun once a probe (a fresh file, written and synced) succeeds. The disk is probed while idle too,
//! for an unready service gets no traffic that could ask for it.

use std::fs::File;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;
use std::time::{Duration, Instant};

use tokio::sync::{oneshot, watch};

use crate::clean;
use crate::config::Config;
use crate::error::{AppendError, Reason};
use crate::frame::{self, FRAME_HEADER, SEGMENT_HEADER, SEGMENT_VERSION};
use crate::queue::Pending;
use crate::shared::{Segment, Shared, path};
use crate::storage::{StorageFile, is_full};

/// A group is written once it has so many bytes, even when more waits.
const GROUP_BYTES: usize = 4 << 20;
/// A group, and so a batch, has at most so many records.
pub(crate) const GROUP_RECORDS: usize = 1 << 16;
const PROBE: &str = "probe";
const PROBE_BYTES: usize = 64 << 10;
/// Back-off stops doubling at 2⁴ times `Config::probe_after`.
const MOST_DOUBLINGS: u32 = 4;

/// The writer and what it knows.
pub(crate) struct Owner {
    shared: Arc<Shared>,
    end: watch::Sender<u64>,
    writer: Writer,
    next_sequence: u64,
    buffer: Vec<u8>,
    upkeep_at: Instant,
    /// Held until the owner ends; `None` on a simulated disk.
    _lock: Option<File>,
}

enum Writer {
    Open(Active),
    Shut { probes: u32, probe_at: Instant },
}

/// The segment that is written.
struct Active {
    segment: Arc<Segment>,
    file: Arc<dyn StorageFile>,
    length: u64,
}

impl Active {
    /// Removes what a failed write left behind its last good byte. Synced, or else a power loss could bring back
    /// records whose numbers are about to be used again, in this segment or in the next.
    fn take_back(&self) -> io::Result<()> {
        self.file.truncate(self.length)?;
        self.file.sync()
    }
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

    /// Leaves a segment open that can take a group, or says why not.
    fn make_ready(&mut self) -> Result<(), AppendError> {
        match &self.writer {
            Writer::Open(active) => {
                let config = &self.shared.config;
                if active.length >= config.segment_bytes.max(SEGMENT_HEADER as u64 + 1) {
                    self.begin_segment();
                }
            }
            Writer::Shut { .. } => self.probe_when_due(),
        }
        match (&self.writer, self.shared.condition()) {
            (Writer::Open(_), _) => Ok(()),
            (Writer::Shut { .. }, Some(Reason::DiskFull)) => Err(AppendError::Full),
            (Writer::Shut { .. }, _) => Err(AppendError::Disabled),
        }
    }

    /// Begins the next segment. On a full disk the present one stays; on any other failure the journal is shut.
    fn begin_segment(&mut self) {
        match self.create_segment() {
            Ok(active) => {
                let mut catalogue = self.shared.catalogue();
                // An empty segment of the same base, left by an earlier run, was replaced.
                catalogue.segments.retain(|segment| segment.base != active.segment.base);
                catalogue.segments.push_back(Arc::clone(&active.segment));
                drop(catalogue);
                self.writer = Writer::Open(active);
                self.writable();
            }
            Err(error) if is_full(&error) => {
                self.unwritable(Reason::DiskFull);
                if let Writer::Shut { .. } = self.writer {
                    self.back_off();
                }
            }
            Err(error) => self.shut("beginning a segment", &error),
        }
    }

    fn create_segment(&self) -> io::Result<Active> {
        let storage = &self.shared.storage;
        let (base, previous_end, now_ms) = (self.next_sequence, self.shared.end(), self.shared.now_ms());
        let unfinished = format!("{}.new", path(base));
        remove_if_there(self.shared.as_ref(), &unfinished)?;
        let file = storage.create(&unfinished)?;
        file.write_at(&frame::segment_header(SEGMENT_VERSION, base, previous_end, now_ms), 0)?;
        file.sync()?;
        // From here on the old segment must not be written again, not even when the disk is only full: a file with the
        // next numbers may be there.
        let named = storage.rename(&unfinished, &path(base)).and_then(|()| storage.sync_folder(""));
        named.map_err(io::Error::other)?;
        let length = SEGMENT_HEADER as u64;
        Ok(Active { segment: Segment::new(base, previous_end, now_ms, length), file, length })
    }

    fn shut(&mut self, operation: &'static str, error: &io::Error) {
        let reason = Reason::Failed { operation, error: error.to_string() };
        if let Writer::Open(_) = self.writer {
            self.shared.metrics.shut.inc();
            self.writer = Writer::Shut { probes: 0, probe_at: Instant::now() };
            tracing::error!(journal = %self.shared.config.name, %reason, "journal shut, records are refused");
            self.shared.set_condition(Some(reason));
        } else {
            self.unwritable(reason);
        }
        self.back_off();
    }

    fn back_off(&mut self) {
        if let Writer::Shut { probes, probe_at } = &mut self.writer {
            let factor = 1 << (*probes).min(MOST_DOUBLINGS);
            *probe_at = Instant::now() + self.shared.config.probe_after * factor;
            *probes += 1;
        }
    }

    fn probe_when_due(&mut self) {
        let Writer::Shut { probe_at, .. } = self.writer else {
            return;
        };
        if Instant::now() < probe_at {
            return;
        }
        match self.probe() {
            Ok(()) => self.begin_segment(),
            Err(error) => {
                // The first reason stays on show; a full disk behind it must not turn into "disabled by a fault".
                tracing::debug!(journal = %self.shared.config.name, %error, "probe failed");
                self.back_off();
            }
        }
    }

    /// Proves that the disk takes and keeps bytes, on a file that has no past.
    fn probe(&self) -> io::Result<()> {
        let storage = &self.shared.storage;
        remove_if_there(self.shared.as_ref(), PROBE)?;
        let file = storage.create(PROBE)?;
        let proven = file.write_at(&vec![0xA5; PROBE_BYTES], 0).and_then(|()| file.sync());
        let removed = storage.remove(PROBE);
        proven.and(removed)
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

    /// Closes a segment that has become old, so that retention can drop it.
    fn roll_old(&mut self) {
        let Writer::Open(active) = &self.writer else {
            return;
        };
        let age = self.shared.now_ms().saturating_sub(active.segment.created_ms);
        let holds_a_record = active.length > SEGMENT_HEADER as u64;
        if holds_a_record && Duration::from_millis(age) >= self.shared.config.segment_age {
            self.begin_segment();
        }
    }

    /// Finds out without demand whether the reason for refusing has gone.
    fn recover_idle(&mut self) {
        match (&self.writer, self.shared.condition()) {
            (Writer::Shut { .. }, _) => self.probe_when_due(),
            (Writer::Open(_), Some(Reason::QuotaReached)) => {
                if self.has_room() {
                    self.writable();
                }
            }
            (Writer::Open(_), Some(Reason::DiskFull)) => {
                if self.probe().is_ok() {
                    self.writable();
                }
            }
            (Writer::Open(_), _) => {}
        }
    }

    /// Whether the quota leaves room for more than another small record, so that readiness doesn't flap.
    fn has_room(&self) -> bool {
        let Config { max_bytes, max_record_bytes, .. } = self.shared.config;
        let room = (FRAME_HEADER + max_record_bytes) as u64;
        self.bytes() + room.min(max_bytes / 16) <= max_bytes
    }

    fn bytes(&self) -> u64 {
        self.shared.catalogue().bytes()
    }

    fn unwritable(&self, reason: Reason) {
        let text = reason.to_string();
        let before = self.shared.condition();
        // While it is shut, the first reason stands.
        let stands = before.is_some() && matches!(self.writer, Writer::Shut { .. });
        if !stands {
            self.shared.set_condition(Some(reason));
        }
        if before.is_none() {
            tracing::error!(journal = %self.shared.config.name, reason = %text, "journal refuses records");
        }
    }

    fn writable(&self) {
        if self.shared.set_condition(None).is_some() {
            tracing::warn!(journal = %self.shared.config.name, "journal takes records again");
        }
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

fn remove_if_there(shared: &Shared, path: &str) -> io::Result<()> {
    match shared.storage.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
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
