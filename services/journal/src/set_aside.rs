//! Bytes that can't be read as records are copied to `set-aside/`, never dropped in silence: damaged places, frames
//! and whole segments of a newer version. One file a place, named by segment, offset, time and reason, so that a
//! place met again (by another reader, or after a restart) is not copied again.
//!
//! Bounded by age and by bytes, since the copies may hold evidence.

use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::config::Config;
use crate::metrics::Metrics;
use crate::storage::{Storage, StorageFile};

const FOLDER: &str = "set-aside";
const UNFINISHED: &str = ".new";
const CHUNK: u64 = 1 << 20;

/// Why bytes were set aside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Reason {
    Damaged,
    UnknownVersion,
    UnknownSegment,
}

impl Reason {
    fn word(self) -> &'static str {
        match self {
            Reason::Damaged => "damaged",
            Reason::UnknownVersion => "unknown_version",
            Reason::UnknownSegment => "unknown_segment",
        }
    }
}

struct Kept {
    name: String,
    base: u64,
    offset: u64,
    time_ms: u64,
    bytes: u64,
}

/// The folder and what is in it.
pub(crate) struct SetAside {
    storage: Arc<dyn Storage>,
    metrics: Arc<Metrics>,
    journal: String,
    keep_ms: u64,
    max_bytes: u64,
    kept: Mutex<Vec<Kept>>,
}

impl SetAside {
    pub(crate) fn open(
        storage: Arc<dyn Storage>,
        metrics: Arc<Metrics>,
        config: &Config,
    ) -> io::Result<SetAside> {
        storage.create_folder(FOLDER)?;
        let mut kept = Vec::new();
        for name in storage.list(FOLDER)? {
            if name.ends_with(UNFINISHED) {
                // Best effort: the place it was copied from is met and copied again.
                let _ = storage.remove(&format!("{FOLDER}/{name}"));
            } else if let Some(mut found) = parse(&name) {
                found.bytes =
                    storage.open(&format!("{FOLDER}/{name}")).and_then(|file| file.length()).unwrap_or(0);
                kept.push(found);
            }
        }
        Ok(SetAside {
            storage,
            metrics,
            journal: config.name.clone(),
            keep_ms: u64::try_from(config.set_aside_keep.as_millis()).unwrap_or(u64::MAX),
            max_bytes: config.set_aside_bytes,
            kept: Mutex::new(kept),
        })
    }

    /// Copies a place of a segment, durably, unless it was copied before.
    pub(crate) fn copy(
        &self,
        file: &dyn StorageFile,
        base: u64,
        (offset, length): (u64, u64),
        reason: Reason,
        now_ms: u64,
    ) -> io::Result<()> {
        let mut kept = self.lock();
        if kept.iter().any(|known| known.base == base && known.offset == offset) {
            return Ok(());
        }
        let name = name(base, offset, now_ms, reason);
        let unfinished = format!("{FOLDER}/{name}{UNFINISHED}");
        let copy = || -> io::Result<()> {
            let target = self.storage.create(&unfinished)?;
            let mut copied = 0;
            while copied < length {
                let mut buffer = vec![0; CHUNK.min(length - copied) as usize];
                let count = file.read_at(&mut buffer, offset + copied)?;
                if count == 0 {
                    break;
                }
                target.write_at(&buffer[..count], copied)?;
                copied += count as u64;
            }
            target.sync()?;
            self.storage.rename(&unfinished, &format!("{FOLDER}/{name}"))?;
            self.storage.sync_folder(FOLDER)
        };
        if let Err(error) = copy() {
            let _ = self.storage.remove(&unfinished);
            return Err(error);
        }
        kept.push(Kept { name, base, offset, time_ms: now_ms, bytes: length });
        self.note(base, offset, length, reason);
        Ok(())
    }

    /// Moves a whole segment that this program can't read.
    pub(crate) fn take_segment(&self, path: &str, base: u64, length: u64, now_ms: u64) -> io::Result<()> {
        let name = name(base, 0, now_ms, Reason::UnknownSegment);
        self.storage.rename(path, &format!("{FOLDER}/{name}"))?;
        self.lock().push(Kept { name, base, offset: 0, time_ms: now_ms, bytes: length });
        self.note(base, 0, length, Reason::UnknownSegment);
        Ok(())
    }

    /// Removes what is too old, and the oldest of what is too much.
    pub(crate) fn sweep(&self, now_ms: u64) {
        let mut kept = self.lock();
        kept.sort_by_key(|one| one.time_ms);
        let mut total: u64 = kept.iter().map(|one| one.bytes).sum();
        kept.retain(|one| {
            let old = now_ms.saturating_sub(one.time_ms) > self.keep_ms;
            if !old && total <= self.max_bytes {
                return true;
            }
            match self.storage.remove(&format!("{FOLDER}/{}", one.name)) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return true,
                _ => {}
            }
            total -= one.bytes;
            self.metrics.set_aside_dropped(if old { "age" } else { "quota" });
            if !old {
                tracing::error!(journal = %self.journal, bytes = one.bytes, "set-aside copy dropped before its time because of the quota");
            }
            false
        });
    }

    fn note(&self, base: u64, offset: u64, length: u64, reason: Reason) {
        self.metrics.set_aside(reason.word());
        tracing::error!(
            journal = %self.journal, segment = base, offset, bytes = length, reason = reason.word(),
            "unreadable bytes set aside"
        );
    }

    fn lock(&self) -> MutexGuard<'_, Vec<Kept>> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

fn name(base: u64, offset: u64, time_ms: u64, reason: Reason) -> String {
    format!("{base:020}-{offset:020}-{time_ms:013}.{}", reason.word())
}

fn parse(name: &str) -> Option<Kept> {
    let mut parts = name.split('.').next()?.split('-').map(|part| part.parse::<u64>().ok());
    let (base, offset, time_ms) = (parts.next()??, parts.next()??, parts.next()??);
    Some(Kept { name: name.to_owned(), base, offset, time_ms, bytes: 0 })
}
