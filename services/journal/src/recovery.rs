//! What a start finds on disk. Content never stops a start: a torn tail is cut, damage and newer versions are set
//! aside, an unreadable segment is stepped over. Only the last segment is read through; older ones were synced
//! before their successor was made, and readers check what they read.
//!
//! What the last segment shows after an unclean end may differ from what is on disk: after a failed sync the system
//! shows bytes, or a cut, that a power loss undoes, and syncing again does not help. So a start that doesn't follow a
//! clean end gives out no number that a lost group may have had.

use std::collections::VecDeque;
use std::io;
use std::sync::Arc;
use std::sync::atomic::Ordering;

use crate::clean;
use crate::error::OpenError;
use crate::frame::{self, FRAME_HEADER, Header, SEGMENT_HEADER};
use crate::owner::GROUP_RECORDS;
use crate::scan::{Found, Scanner};
use crate::set_aside::{Reason, SetAside};
use crate::shared::{Segment, Times, parse_path, path};
use crate::storage::{Storage, StorageFile};

const CHUNK: usize = 4 << 20;

/// What was found at the start.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Recovery {
    /// Segment files that can be read.
    pub segments: usize,
    /// Bytes of a torn tail that were cut. They were never answered as durable.
    pub torn_bytes: u64,
    /// Damaged or unknown places in the last segment, and unknown segments. Copies lie in `set-aside/`.
    pub set_aside: usize,
    /// Segments that the disk refused to read. They are kept, and readers try again.
    pub unreadable: usize,
    /// Positions that were damaged or beyond the end; their consumers begin at the oldest record.
    pub positions_lost: usize,
    /// One past the newest record found.
    pub end: u64,
}

/// The state a journal starts from.
pub(crate) struct Recovered {
    pub(crate) report: Recovery,
    pub(crate) segments: VecDeque<Arc<Segment>>,
    pub(crate) times: Times,
    /// The next record's number must not be below this.
    pub(crate) floor: u64,
}

/// Reads what is there.
pub(crate) fn recover(
    storage: &Arc<dyn Storage>,
    set_aside: &SetAside,
    journal: &str,
    now_ms: u64,
) -> Result<Recovered, OpenError> {
    let folder = |operation| move |error| OpenError::Folder { operation, error };
    let names = storage.list("").map_err(folder("list"))?;
    let mut bases: Vec<u64> = names.iter().filter_map(|name| parse_path(name)).collect();
    bases.sort_unstable();

    let mut found = Recovered {
        report: Recovery::default(),
        segments: VecDeque::new(),
        times: Times::default(),
        floor: 0,
    };
    for base in bases {
        if let Err(error) = found.segment(storage.as_ref(), set_aside, base, now_ms) {
            tracing::error!(journal, segment = base, %error, "segment can't be read, kept for later");
            found.report.unreadable += 1;
            // Its length is unknown; readers stop at the file's own end.
            let segment = Segment::new(base, base, now_ms, u64::from(u32::MAX));
            segment.bytes.store(0, Ordering::Relaxed);
            found.segments.push_back(segment);
        }
    }
    found.report.segments = found.segments.len();
    found.floor = found.floor.max(found.report.end);
    if let Some(last) = found.segments.back().cloned() {
        found.report.end = found.report.end.max(last.base);
        found.floor = found.floor.max(last.base);
        if let Err(error) = found.last(storage, set_aside, &last, now_ms) {
            tracing::error!(journal, segment = last.base, %error, "last segment can't be read to its end");
            found.report.unreadable += 1;
            // Nobody knows how many records it holds, but a frame is at least a header long.
            found.floor = found.floor.max(last.base + last.limit() / FRAME_HEADER as u64 + 1);
        }
        found.floor = found.floor.max(found.report.end);
        if !clean::matches(storage.as_ref(), &last) {
            found.floor += GROUP_RECORDS as u64;
        }
    }
    clean::forget(storage.as_ref());
    Ok(found)
}

impl Recovered {
    fn segment(
        &mut self,
        storage: &dyn Storage,
        set_aside: &SetAside,
        base: u64,
        now_ms: u64,
    ) -> io::Result<()> {
        let file = storage.open(&path(base))?;
        let length = file.length()?;
        let mut header = [0; SEGMENT_HEADER];
        let count = file.read_at(&mut header, 0)?;
        let (previous_end, created_ms) = match frame::parse_header(&header[..count], base) {
            Header::Known { previous_end, created_ms } => (previous_end, created_ms),
            Header::Newer => {
                // It may hold up to one record a byte, and its numbers must not be given out again.
                self.floor = self.floor.max(base + length);
                self.report.set_aside += 1;
                return set_aside.take_segment(&path(base), base, length, now_ms);
            }
            Header::Bad if count == 0 => (base, now_ms),
            Header::Bad => {
                // The frames carry all that reading needs. What can't be copied now stays where it is.
                self.report.set_aside += 1;
                let _ = set_aside.copy(file.as_ref(), base, (0, count as u64), Reason::Damaged, now_ms);
                (base, now_ms)
            }
        };
        self.segments.push_back(Segment::new(base, previous_end, created_ms, length));
        Ok(())
    }

    /// Walks through the last segment, finds its end and cuts what was torn.
    fn last(
        &mut self,
        storage: &Arc<dyn Storage>,
        set_aside: &SetAside,
        last: &Segment,
        now_ms: u64,
    ) -> io::Result<()> {
        let file = storage.open(&last.path())?;
        let length = file.length()?;
        let mut scanner = Scanner::new(Arc::clone(&file), last.base);
        loop {
            match scanner.next(length, CHUNK)? {
                Found::Frame { frame, .. } => {
                    self.report.end = frame.sequence + 1;
                    self.times.note(frame.sequence, frame.appended_ms);
                }
                Found::Unknown { offset, length } => {
                    self.report.end = scanner.expected();
                    self.aside(
                        set_aside,
                        file.as_ref(),
                        last.base,
                        (offset, length),
                        Reason::UnknownVersion,
                        now_ms,
                    );
                }
                Found::Damaged { offset, length, followed: true } => {
                    self.aside(
                        set_aside,
                        file.as_ref(),
                        last.base,
                        (offset, length),
                        Reason::Damaged,
                        now_ms,
                    );
                }
                Found::Damaged { offset, followed: false, .. } => {
                    self.report.torn_bytes = length - offset;
                    // Whether or not the cut succeeds, nobody reads beyond it.
                    last.limit.store(offset, Ordering::Release);
                    file.truncate(offset)?;
                    last.bytes.store(offset, Ordering::Relaxed);
                }
                Found::End => break,
            }
        }
        // After a kill the last group may sit in memory only: make durable what readers are about to be given.
        file.sync()
    }

    fn aside(
        &mut self,
        set_aside: &SetAside,
        file: &dyn StorageFile,
        base: u64,
        place: (u64, u64),
        reason: Reason,
        now_ms: u64,
    ) {
        self.report.set_aside += 1;
        // What can't be copied now stays where it is; the readers that come upon it try again.
        let _ = set_aside.copy(file, base, place, reason, now_ms);
    }
}
