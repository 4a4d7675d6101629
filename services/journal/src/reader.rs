//! Reads durable records in order, from any position, while others append.
//!
//! A reader never passes what is synced. It steps over numbers that were never used and over places that were set
//! aside. Records share the buffer they were read in (up to 4 MiB): copy what is kept for long.

use std::sync::Arc;

use bytes::Bytes;
use tokio::runtime::Handle;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::error::ReadError;
use crate::scan::{Found, Scanner};
use crate::set_aside::Reason;
use crate::shared::{Segment, Shared};

const SMALLEST_READ: usize = 64 << 10;
const LARGEST_READ: usize = 4 << 20;
/// At the tail a read comes from the page cache and is small; what is larger goes to a thread that may block.
const READ_IN_PLACE: u64 = 1 << 20;

/// One record.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Entry {
    /// Its number.
    pub sequence: u64,
    /// When it was appended, in milliseconds since 1970, by the clock of the machine.
    pub appended_ms: u64,
    /// The bytes that were appended.
    pub payload: Bytes,
}

/// Reads from a position on. Independent of other readers; made by [`Journal::reader`](crate::Journal::reader).
pub struct Reader {
    shared: Arc<Shared>,
    end: watch::Receiver<u64>,
    position: u64,
    place: Place,
}

/// Where a reader stands. While a read is under way on another thread, that thread has the cursor; the reader keeps
/// hold of it across cancelled calls, so that no work is lost.
enum Place {
    Here(Option<Cursor>),
    Reading(JoinHandle<Advanced>),
}

struct Cursor {
    segment: Arc<Segment>,
    scanner: Scanner,
    /// A record that was read and not yet handed out.
    next: Option<Entry>,
}

struct Advanced {
    cursor: Option<Cursor>,
    position: u64,
    outcome: Result<(), ReadError>,
}

impl Reader {
    pub(crate) fn new(shared: Arc<Shared>, from: u64) -> Reader {
        let mut reader = Reader { end: shared.end.clone(), shared, position: 0, place: Place::Here(None) };
        reader.seek(from);
        reader
    }

    /// The sequence that will be read next; what a consumer commits after it has dealt with all before.
    pub fn position(&self) -> u64 {
        self.position
    }

    /// Goes to another position, clamped like [`Journal::reader`](crate::Journal::reader)'s.
    pub fn seek(&mut self, to: u64) {
        let (start, end) = (self.shared.start(), self.shared.end());
        self.place = Place::Here(None);
        self.position = to;
        if !(start..=end).contains(&to) {
            self.position = start;
            // 0 is how one asks for the oldest.
            if to != 0 {
                self.clamped(to, start);
            }
        }
    }

    /// Waits for records and returns at least one, at most `max_records`, and not more than `max_bytes` of payload
    /// unless the first alone is longer. Cancel-safe: a dropped call loses nothing.
    pub async fn next(&mut self, max_records: usize, max_bytes: usize) -> Result<Vec<Entry>, ReadError> {
        loop {
            let end = *self.end.borrow_and_update();
            let arrived = self.finish_reading().await?;
            let entries = self.take(max_records, max_bytes);
            if !entries.is_empty() {
                return Ok(entries);
            }
            if self.position < end {
                // A read that arrived with nothing stood at the tail, where reading on is cheap.
                if self.is_cold() && !arrived {
                    self.start_reading(max_bytes);
                    continue;
                }
                self.read_here(max_bytes)?;
                let entries = self.take(max_records, max_bytes);
                if !entries.is_empty() {
                    return Ok(entries);
                }
            }
            self.end.changed().await.map_err(|_| ReadError::Closed)?;
        }
    }

    /// As [`Reader::next`] without waiting: empty when there is nothing yet. Reads on the calling thread.
    pub fn try_next(&mut self, max_records: usize, max_bytes: usize) -> Result<Vec<Entry>, ReadError> {
        if let Place::Reading(_) = self.place {
            // A cancelled `next` left a read behind; without waiting it can only be done again.
            self.place = Place::Here(None);
        }
        let entries = self.take(max_records, max_bytes);
        if !entries.is_empty() || self.position >= self.shared.end() {
            return Ok(entries);
        }
        self.read_here(max_bytes)?;
        Ok(self.take(max_records, max_bytes))
    }

    /// Hands out what is in memory, and nothing past the published end: the owner moves a segment's limit a moment before
    /// the end, and a record between the two could not be committed yet.
    fn take(&mut self, max_records: usize, max_bytes: usize) -> Vec<Entry> {
        let mut entries = Vec::new();
        let end = self.shared.end();
        let Place::Here(Some(cursor)) = &mut self.place else {
            return entries;
        };
        let mut bytes = 0;
        while entries.len() < max_records.max(1) {
            let entry = match cursor.next.take() {
                Some(entry) => entry,
                None => match cursor.scanner.buffered(cursor.segment.limit()) {
                    Some((frame, payload)) => {
                        Entry { sequence: frame.sequence, appended_ms: frame.appended_ms, payload }
                    }
                    None => break,
                },
            };
            if entry.sequence < self.position {
                continue;
            }
            if entry.sequence >= end {
                cursor.next = Some(entry);
                break;
            }
            if !entries.is_empty() && bytes + entry.payload.len() > max_bytes {
                cursor.next = Some(entry);
                break;
            }
            bytes += entry.payload.len();
            self.position = entry.sequence + 1;
            entries.push(entry);
        }
        self.shared.metrics.read.inc_by(entries.len() as u64);
        entries
    }

    /// Whether the next read should not hold up this thread.
    fn is_cold(&self) -> bool {
        if Handle::try_current().is_err() {
            return false;
        }
        match &self.place {
            Place::Here(Some(cursor)) => {
                let is_last = self.shared.catalogue().after(cursor.segment.base).is_none();
                !is_last || cursor.segment.limit().saturating_sub(cursor.scanner.offset()) > READ_IN_PLACE
            }
            _ => true,
        }
    }

    fn read_here(&mut self, max_bytes: usize) -> Result<(), ReadError> {
        let Place::Here(cursor) = &mut self.place else {
            return Ok(());
        };
        let advanced = advance(&self.shared, cursor.take(), self.position, max_bytes);
        self.arrive(advanced)
    }

    fn start_reading(&mut self, max_bytes: usize) {
        let Place::Here(cursor) = &mut self.place else {
            return;
        };
        let (shared, cursor, position) = (Arc::clone(&self.shared), cursor.take(), self.position);
        let work = tokio::task::spawn_blocking(move || advance(&shared, cursor, position, max_bytes));
        self.place = Place::Reading(work);
    }

    /// Whether a read was under way; it has arrived then.
    async fn finish_reading(&mut self) -> Result<bool, ReadError> {
        let Place::Reading(work) = &mut self.place else {
            return Ok(false);
        };
        match work.await {
            Ok(advanced) => self.arrive(advanced).map(|()| true),
            Err(error) => {
                self.place = Place::Here(None);
                Err(ReadError::Io(std::io::Error::other(error)))
            }
        }
    }

    fn arrive(&mut self, advanced: Advanced) -> Result<(), ReadError> {
        self.position = advanced.position;
        self.place = Place::Here(advanced.cursor);
        advanced.outcome
    }

    fn clamped(&self, from: u64, to: u64) {
        note_clamped(&self.shared, from, to);
    }
}

fn note_clamped(shared: &Shared, from: u64, to: u64) {
    shared.metrics.clamped.inc();
    tracing::warn!(journal = %shared.config.name, from, to, "read position out of range, reading from the oldest");
}

/// Reads on until a record at or behind the position is in memory, or the end is reached. May block.
fn advance(shared: &Shared, cursor: Option<Cursor>, mut position: u64, max_bytes: usize) -> Advanced {
    match walk(shared, cursor, &mut position, max_bytes.clamp(SMALLEST_READ, LARGEST_READ)) {
        Ok(cursor) => Advanced { cursor, position, outcome: Ok(()) },
        // Without a cursor the next call begins at the position again.
        Err(error) => Advanced { cursor: None, position, outcome: Err(error) },
    }
}

fn walk(
    shared: &Shared,
    cursor: Option<Cursor>,
    position: &mut u64,
    chunk: usize,
) -> Result<Option<Cursor>, ReadError> {
    let mut cursor = match cursor {
        Some(cursor) => cursor,
        None => {
            let Some(segment) = shared.catalogue().holding(*position) else {
                return Ok(None);
            };
            let oldest = segment.base.min(shared.end());
            if *position < oldest {
                note_clamped(shared, *position, oldest);
                *position = oldest;
            }
            match enter(shared, segment, position)? {
                Some(cursor) => cursor,
                None => return Ok(None),
            }
        }
    };
    while cursor.next.is_none() {
        // The order matters: a segment with a successor has its final limit.
        let successor = shared.catalogue().after(cursor.segment.base);
        let limit = cursor.segment.limit();
        match cursor.scanner.next(limit, chunk)? {
            Found::Frame { frame, payload } if frame.sequence >= *position => {
                let (sequence, appended_ms) = (frame.sequence, frame.appended_ms);
                cursor.next = Some(Entry { sequence, appended_ms, payload });
            }
            Found::Frame { .. } => {}
            Found::Unknown { offset, length } => {
                set_aside(shared, &cursor, (offset, length), Reason::UnknownVersion)?;
            }
            Found::Damaged { offset, length, .. } => {
                set_aside(shared, &cursor, (offset, length), Reason::Damaged)?;
            }
            Found::End => {
                let Some(successor) = successor else {
                    return Ok(Some(cursor));
                };
                *position = (*position).max(successor.base.min(shared.end()));
                match enter(shared, successor, position)? {
                    Some(next) => cursor = next,
                    None => return Ok(None),
                }
            }
        }
    }
    Ok(Some(cursor))
}

/// Opens a segment. One that retention has dropped meanwhile sends the reader to the oldest.
fn enter(
    shared: &Shared,
    mut segment: Arc<Segment>,
    position: &mut u64,
) -> Result<Option<Cursor>, ReadError> {
    loop {
        match shared.storage.open(&segment.path()) {
            Ok(file) => {
                let scanner = Scanner::new(file, segment.base);
                return Ok(Some(Cursor { segment, scanner, next: None }));
            }
            Err(error) if error.kind() == std::io::ErrorKind::NotFound => {
                let oldest = shared.catalogue().segments.front().cloned();
                let Some(oldest) = oldest.filter(|oldest| oldest.base > segment.base) else {
                    return Err(error.into());
                };
                note_clamped(shared, *position, oldest.base);
                *position = (*position).max(oldest.base.min(shared.end()));
                segment = oldest;
            }
            Err(error) => return Err(error.into()),
        }
    }
}

fn set_aside(shared: &Shared, cursor: &Cursor, place: (u64, u64), reason: Reason) -> Result<(), ReadError> {
    let now = shared.now_ms();
    Ok(shared.set_aside.copy(cursor.scanner.file(), cursor.segment.base, place, reason, now)?)
}
