//! Named read positions. They are hints: one that is lost, damaged or impossible becomes the oldest record, which costs
//! duplicates and never events.
//!
//! A commit only changes memory. The owner writes changed positions in its upkeep, at close, and before it drops a
//! segment; retention looks at what is on disk, never at what is only in memory.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::storage::{Storage, is_full};

const FOLDER: &str = "positions";
const UNFINISHED: &str = ".new";
const MAGIC: [u8; 8] = *b"JRNLPOS\x01";
const LENGTH: usize = 20;

#[derive(Default, Clone)]
struct Position {
    registered: bool,
    committed: Option<u64>,
    on_disk: Option<u64>,
    /// What it has dealt with in this life, where that is further than where it would begin again.
    read: Option<u64>,
}

/// All positions of one journal.
pub(crate) struct Positions {
    storage: Arc<dyn Storage>,
    entries: Mutex<BTreeMap<String, Position>>,
}

/// What was found at a start.
pub(crate) struct Loaded {
    pub(crate) positions: Positions,
    /// Positions that were damaged or beyond the end.
    pub(crate) lost: usize,
    /// One past every number that a position names: numbering must not fall behind it, or a consumer that was ahead
    /// of a lost record would later skip a new one.
    pub(crate) floor: u64,
}

impl Positions {
    /// Reads all positions; `end` is one past the newest record that recovery found.
    pub(crate) fn load(storage: Arc<dyn Storage>, consumers: &[String], end: u64) -> Loaded {
        let mut entries: BTreeMap<String, Position> = BTreeMap::new();
        let (mut lost, mut floor) = (0, 0);
        for name in storage.list(FOLDER).unwrap_or_default() {
            if name.ends_with(UNFINISHED) {
                // Best effort: an unfinished file is never read.
                let _ = storage.remove(&format!("{FOLDER}/{name}"));
                continue;
            }
            let position = read(storage.as_ref(), &name);
            floor = floor.max(position.unwrap_or(0));
            let believed = position.filter(|position| *position <= end);
            if believed.is_none() {
                lost += 1;
            }
            entries.insert(name, Position { committed: believed, on_disk: believed, ..Position::default() });
        }
        for name in consumers {
            entries.entry(name.clone()).or_default().registered = true;
        }
        Loaded { positions: Positions { storage, entries: Mutex::new(entries) }, lost, floor }
    }

    /// What a consumer committed last, if that is known.
    pub(crate) fn get(&self, name: &str) -> Option<u64> {
        self.lock().get(name).and_then(|position| position.committed)
    }

    /// Takes a position of a registered consumer; one that lies behind the present one changes nothing.
    pub(crate) fn commit(&self, name: &str, sequence: u64) -> bool {
        match self.lock().get_mut(name) {
            Some(position) if position.registered => {
                position.committed = position.committed.max(Some(sequence));
                true
            }
            _ => false,
        }
    }

    /// Notes how far a registered consumer has read in this life, whatever it commits. Nothing waits for that.
    pub(crate) fn note_read(&self, name: &str, sequence: u64) {
        if let Some(position) = self.lock().get_mut(name) {
            position.read = Some(sequence);
        }
    }

    /// Every registered consumer with what it has dealt with; one that has no position has dealt with nothing.
    pub(crate) fn dealt_with(&self) -> Vec<(String, u64)> {
        let entries = self.lock();
        let registered = entries.iter().filter(|(_, position)| position.registered);
        let furthest = |position: &Position| position.committed.max(position.read).unwrap_or(0);
        registered.map(|(name, position)| (name.clone(), furthest(position))).collect()
    }

    /// The position on disk that is furthest behind, of the registered consumers. `None` when there are none.
    pub(crate) fn slowest_on_disk(&self) -> Option<u64> {
        let entries = self.lock();
        entries.values().filter(|position| position.registered).map(|p| p.on_disk.unwrap_or(0)).min()
    }

    /// Makes every changed position durable.
    pub(crate) fn save(&self) -> io::Result<()> {
        let changed: Vec<(String, u64)> = {
            let entries = self.lock();
            let changed = entries.iter().filter(|(_, position)| position.committed != position.on_disk);
            changed.filter_map(|(name, position)| Some((name.clone(), position.committed?))).collect()
        };
        if changed.is_empty() {
            return Ok(());
        }
        for (name, sequence) in &changed {
            self.write(name, *sequence)?;
        }
        self.storage.sync_folder(FOLDER)?;
        let mut entries = self.lock();
        for (name, sequence) in changed {
            if let Some(position) = entries.get_mut(&name) {
                position.on_disk = Some(sequence);
            }
        }
        Ok(())
    }

    fn write(&self, name: &str, sequence: u64) -> io::Result<()> {
        let path = format!("{FOLDER}/{name}");
        let unfinished = format!("{path}{UNFINISHED}");
        let bytes = encode(sequence);
        let written = replace(self.storage.as_ref(), &unfinished, &bytes);
        match written {
            Ok(()) => self.storage.rename(&unfinished, &path),
            // On a full disk only retention can make room, and it needs the position on disk: overwrite the old one
            // in place, which needs no new space. If that tears, the position is lost, which costs duplicates.
            Err(error) if is_full(&error) => {
                let _ = self.storage.remove(&unfinished);
                let file = self.storage.open(&path).map_err(|_| error)?;
                file.write_at(&bytes, 0)?;
                file.sync()
            }
            Err(error) => Err(error),
        }
    }

    fn lock(&self) -> MutexGuard<'_, BTreeMap<String, Position>> {
        self.entries.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Makes the folder.
pub(crate) fn prepare(storage: &dyn Storage) -> io::Result<()> {
    storage.create_folder(FOLDER)
}

/// Whether a consumer's name can name a file everywhere.
pub(crate) fn is_valid_name(name: &str) -> bool {
    (1..=64).contains(&name.len())
        && name.bytes().all(|byte| byte.is_ascii_alphanumeric() || byte == b'-' || byte == b'_')
}

fn replace(storage: &dyn Storage, path: &str, bytes: &[u8]) -> io::Result<()> {
    match storage.remove(path) {
        Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
        _ => {}
    }
    let file = storage.create(path)?;
    file.write_at(bytes, 0)?;
    file.sync()
}

fn read(storage: &dyn Storage, name: &str) -> Option<u64> {
    let mut bytes = [0; LENGTH];
    let count =
        storage.open(&format!("{FOLDER}/{name}")).and_then(|file| file.read_at(&mut bytes, 0)).ok()?;
    let sequence = u64::from_le_bytes(bytes[8..16].try_into().ok()?);
    (count == LENGTH && bytes == encode(sequence)).then_some(sequence)
}

/// A position's file.
pub(crate) fn encode(sequence: u64) -> [u8; LENGTH] {
    let mut bytes = [0; LENGTH];
    bytes[..8].copy_from_slice(&MAGIC);
    bytes[8..16].copy_from_slice(&sequence.to_le_bytes());
    let checksum = crc32c::crc32c(&bytes[..16]);
    bytes[16..].copy_from_slice(&checksum.to_le_bytes());
    bytes
}
