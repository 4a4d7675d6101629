//! Which segment is written, and the way back when none can be: beginning segments, failing shut, probing.
//!
//! It fails shut: after a failed sync, or a failed write that can't be taken back, nothing more is written to that
//! segment. The numbers of what was written there are not used again, since those records may reappear after a restart.
//! A new segment is begun once a probe (a fresh file, written and synced) succeeds. The disk is probed while idle too,
//! for an unready service gets no traffic that could ask for it.

use std::io;
use std::sync::Arc;
use std::time::{Duration, Instant};

use crate::config::Config;
use crate::error::{AppendError, Reason};
use crate::frame::{self, FRAME_HEADER, SEGMENT_HEADER, SEGMENT_VERSION};
use crate::owner::Owner;
use crate::shared::{Segment, Shared, path};
use crate::storage::{StorageFile, is_full};

const PROBE: &str = "probe";
const PROBE_BYTES: usize = 64 << 10;
/// Back-off stops doubling at 2⁴ times `Config::probe_after`.
const MOST_DOUBLINGS: u32 = 4;

/// Where the next group goes.
pub(crate) enum Writer {
    /// To the end of this segment.
    Open(Active),
    /// Nowhere, until a probe succeeds.
    Shut { probes: u32, probe_at: Instant },
}

/// The segment that is written.
pub(crate) struct Active {
    pub(crate) segment: Arc<Segment>,
    pub(crate) file: Arc<dyn StorageFile>,
    pub(crate) length: u64,
}

impl Active {
    /// Removes what a failed write left behind its last good byte. Synced, or else a power loss could bring back
    /// records whose numbers are about to be used again, in this segment or in the next.
    pub(crate) fn take_back(&self) -> io::Result<()> {
        self.file.truncate(self.length)?;
        self.file.sync()
    }
}

impl Owner {
    /// Leaves a segment open that can take a group, or says why not.
    pub(crate) fn make_ready(&mut self) -> Result<(), AppendError> {
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
    pub(crate) fn begin_segment(&mut self) {
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

    /// Writes nothing more to the open segment. The first reason is logged; it stands until the way back is found.
    pub(crate) fn shut(&mut self, operation: &'static str, error: &io::Error) {
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

    pub(crate) fn probe_when_due(&mut self) {
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

    /// Closes a segment that has become old, so that retention can drop it.
    pub(crate) fn roll_old(&mut self) {
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
    pub(crate) fn recover_idle(&mut self) {
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
    pub(crate) fn has_room(&self) -> bool {
        let Config { max_bytes, max_record_bytes, .. } = self.shared.config;
        let room = (FRAME_HEADER + max_record_bytes) as u64;
        self.bytes() + room.min(max_bytes / 16) <= max_bytes
    }

    pub(crate) fn unwritable(&self, reason: Reason) {
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

    pub(crate) fn writable(&self) {
        if self.shared.set_condition(None).is_some() {
            tracing::warn!(journal = %self.shared.config.name, "journal takes records again");
        }
    }
}

fn remove_if_there(shared: &Shared, path: &str) -> io::Result<()> {
    match shared.storage.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => Err(error),
        _ => Ok(()),
    }
}
