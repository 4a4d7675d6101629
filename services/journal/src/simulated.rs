//! A disk in memory that behaves as badly as a real one may, for tests.
//!
//! Until a file is synced, a power loss keeps an arbitrary selection of its written pages and cuts; until a folder is
//! synced, it keeps an arbitrary first part of the creations, moves and removals. A failed sync forgets what it should
//! have kept: the bytes can still be read, and a later sync succeeds without them, as on Linux. The disk can be full,
//! cut writes short, refuse them, and lose power after so many operations. A page is small here, so that small tests tear.

use std::collections::BTreeMap;
use std::io;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use crate::storage::{Storage, StorageFile};

const PAGE: usize = 48;

/// The disk. Clones are the same disk.
#[derive(Clone, Default)]
pub struct SimulatedDisk {
    world: Arc<Mutex<World>>,
}

#[derive(Default)]
struct World {
    /// Rises with every power loss; files opened before are dead.
    generation: u64,
    files: BTreeMap<u64, Contents>,
    next_file: u64,
    names: BTreeMap<String, u64>,
    names_on_disk: BTreeMap<String, u64>,
    name_changes: Vec<NameChange>,
    capacity: Option<u64>,
    failing_syncs: u32,
    failing_writes: u32,
    operations_left: Option<u64>,
    unreadable: Option<String>,
    off: bool,
    random: u64,
}

#[derive(Default, Clone)]
struct Contents {
    now: Vec<u8>,
    on_disk: Vec<u8>,
    unsynced: Vec<Change>,
}

#[derive(Clone)]
enum Change {
    Write(usize, Vec<u8>),
    Truncate(usize),
}

enum NameChange {
    Link(String, u64),
    Move(String, String),
    Unlink(String),
}

impl SimulatedDisk {
    /// An empty disk of any size.
    pub fn new() -> SimulatedDisk {
        SimulatedDisk::default()
    }

    /// Bytes that fit in all files together; `None` for no limit.
    pub fn set_capacity(&self, bytes: Option<u64>) {
        self.world().capacity = bytes;
    }

    /// The next syncs fail and lose what they should have kept.
    pub fn fail_syncs(&self, count: u32) {
        self.world().failing_syncs = count;
    }

    /// The next writes fail half-way.
    pub fn fail_writes(&self, count: u32) {
        self.world().failing_writes = count;
    }

    /// This file can't be read until another one, or none, is named.
    pub fn set_unreadable(&self, path: Option<&str>) {
        self.world().unreadable = path.map(str::to_owned);
    }

    /// The power goes after so many more changing operations.
    pub fn power_off_after(&self, operations: u64) {
        self.world().operations_left = Some(operations);
    }

    /// The power goes now: everything fails until [`SimulatedDisk::power_on`].
    pub fn power_off(&self) {
        self.world().off = true;
    }

    /// Whether the power is off.
    pub fn is_off(&self) -> bool {
        self.world().off
    }

    /// The power returns, after a loss at this moment at the latest. `seed` decides what of the unsynced is kept,
    /// here and by failed syncs from now on.
    /// Planned failures are forgotten; the capacity stays.
    pub fn power_on(&self, seed: u64) {
        let world = &mut *self.world();
        world.random = seed | 1;
        world.generation += 1;
        (world.off, world.operations_left) = (false, None);
        (world.failing_syncs, world.failing_writes) = (0, 0);
        let changes = std::mem::take(&mut world.name_changes);
        let kept = world.random() as usize % (changes.len() + 1);
        for change in &changes[..kept] {
            change.apply(&mut world.names_on_disk);
        }
        world.names = world.names_on_disk.clone();
        let ids: Vec<u64> = world.files.keys().copied().collect();
        for id in ids {
            let unsynced = world.files.get_mut(&id).map(|file| std::mem::take(&mut file.unsynced));
            world.keep_some(id, unsynced.unwrap_or_default());
            if let Some(file) = world.files.get_mut(&id) {
                file.now = file.on_disk.clone();
            }
        }
        let named: Vec<u64> = world.names.values().copied().collect();
        world.files.retain(|id, _| named.contains(id));
    }

    /// The names of all files.
    pub fn names(&self) -> Vec<String> {
        self.world().names.keys().cloned().collect()
    }

    /// A file's bytes; empty when there is none.
    pub fn bytes(&self, path: &str) -> Vec<u8> {
        let world = self.world();
        world
            .names
            .get(path)
            .and_then(|id| world.files.get(id))
            .map(|file| file.now.clone())
            .unwrap_or_default()
    }

    /// Puts a file there, durably, as a fault or a person might.
    pub fn put(&self, path: &str, bytes: &[u8]) {
        let mut world = self.world();
        let id = world.new_file();
        world
            .files
            .insert(id, Contents { now: bytes.to_vec(), on_disk: bytes.to_vec(), unsynced: Vec::new() });
        world.names.insert(path.to_owned(), id);
        world.names_on_disk.insert(path.to_owned(), id);
    }

    fn world(&self) -> MutexGuard<'_, World> {
        self.world.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn file(&self, world: &World, id: u64) -> Arc<dyn StorageFile> {
        Arc::new(SimulatedFile { disk: self.clone(), id, generation: world.generation })
    }
}

impl World {
    fn random(&mut self) -> u64 {
        // xorshift64: enough to choose what a power loss keeps.
        self.random ^= self.random << 13;
        self.random ^= self.random >> 7;
        self.random ^= self.random << 17;
        self.random >> 8
    }

    fn new_file(&mut self) -> u64 {
        self.next_file += 1;
        self.next_file
    }

    fn check_power(&self) -> io::Result<()> {
        if self.off { Err(io::Error::other("the power is off")) } else { Ok(()) }
    }

    fn begin_change(&mut self) -> io::Result<()> {
        if let Some(left) = &mut self.operations_left {
            *left = left.saturating_sub(1);
            self.off |= *left == 0;
        }
        self.check_power()
    }

    fn id(&self, path: &str) -> io::Result<u64> {
        self.check_power()?;
        self.names.get(path).copied().ok_or_else(|| io::ErrorKind::NotFound.into())
    }

    fn change_name(&mut self, change: NameChange) {
        change.apply(&mut self.names);
        self.name_changes.push(change);
    }

    fn used(&self) -> u64 {
        self.files.values().map(|file| file.now.len() as u64).sum()
    }

    /// Carries an arbitrary selection of changes to the disk, page by page.
    fn keep_some(&mut self, id: u64, changes: Vec<Change>) {
        let mut pages = Vec::new();
        for change in changes {
            match change {
                Change::Truncate(length) => pages.push(Change::Truncate(length)),
                Change::Write(offset, bytes) => {
                    for (index, page) in bytes.chunks(PAGE).enumerate() {
                        pages.push(Change::Write(offset + index * PAGE, page.to_vec()));
                    }
                }
            }
        }
        // Mostly a first part is kept; sometimes there are gaps in it, and sometimes its last page is cut.
        let kept = self.random() as usize % (pages.len() + 1);
        let gaps = self.random().is_multiple_of(3);
        for (index, page) in pages.into_iter().take(kept).enumerate() {
            if gaps && self.random().is_multiple_of(4) {
                continue;
            }
            let cut = self.random() as usize;
            let page = match page {
                Change::Write(offset, bytes) if index + 1 == kept => {
                    Change::Write(offset, bytes[..cut % (bytes.len() + 1)].to_vec())
                }
                page => page,
            };
            if let Some(file) = self.files.get_mut(&id) {
                page.apply(&mut file.on_disk);
            }
        }
    }
}

impl Change {
    fn apply(&self, bytes: &mut Vec<u8>) {
        match self {
            Change::Truncate(length) => bytes.truncate(*length),
            Change::Write(offset, written) => {
                let end = offset + written.len();
                if bytes.len() < end {
                    bytes.resize(end, 0);
                }
                bytes[*offset..end].copy_from_slice(written);
            }
        }
    }
}

impl NameChange {
    fn apply(&self, names: &mut BTreeMap<String, u64>) {
        match self {
            NameChange::Link(path, id) => {
                names.insert(path.clone(), *id);
            }
            NameChange::Move(from, to) => {
                if let Some(id) = names.remove(from) {
                    names.insert(to.clone(), id);
                }
            }
            NameChange::Unlink(path) => {
                names.remove(path);
            }
        }
    }

    fn touches(&self, folder: &str) -> bool {
        match self {
            NameChange::Link(path, _) | NameChange::Unlink(path) => parent(path) == folder,
            NameChange::Move(from, to) => parent(from) == folder || parent(to) == folder,
        }
    }
}

fn parent(path: &str) -> &str {
    path.rsplit_once('/').map_or("", |(folder, _)| folder)
}

impl Storage for SimulatedDisk {
    fn create_folder(&self, _folder: &str) -> io::Result<()> {
        self.world().check_power()
    }

    fn create(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        let mut world = self.world();
        world.begin_change()?;
        if world.names.contains_key(path) {
            return Err(io::ErrorKind::AlreadyExists.into());
        }
        let id = world.new_file();
        world.files.insert(id, Contents::default());
        world.change_name(NameChange::Link(path.to_owned(), id));
        Ok(self.file(&world, id))
    }

    fn open(&self, path: &str) -> io::Result<Arc<dyn StorageFile>> {
        let world = self.world();
        let id = world.id(path)?;
        Ok(self.file(&world, id))
    }

    fn rename(&self, from: &str, to: &str) -> io::Result<()> {
        let mut world = self.world();
        world.begin_change()?;
        world.id(from)?;
        world.change_name(NameChange::Move(from.to_owned(), to.to_owned()));
        Ok(())
    }

    fn remove(&self, path: &str) -> io::Result<()> {
        let mut world = self.world();
        world.id(path)?;
        world.begin_change()?;
        world.change_name(NameChange::Unlink(path.to_owned()));
        // Bytes of files without a name are free again at once here; a real disk waits for the last handle.
        let named: Vec<u64> = world.names.values().chain(world.names_on_disk.values()).copied().collect();
        let in_changes: Vec<u64> = world.name_changes.iter().filter_map(NameChange::linked).collect();
        world.files.retain(|id, _| named.contains(id) || in_changes.contains(id));
        Ok(())
    }

    fn list(&self, folder: &str) -> io::Result<Vec<String>> {
        let world = self.world();
        world.check_power()?;
        let inside = world.names.keys().filter(|path| parent(path) == folder);
        Ok(inside.map(|path| path.rsplit('/').next().unwrap_or(path).to_owned()).collect())
    }

    fn sync_folder(&self, folder: &str) -> io::Result<()> {
        let world = &mut *self.world();
        world.begin_change()?;
        world.fail_sync()?;
        let (synced, waiting) =
            std::mem::take(&mut world.name_changes).into_iter().partition(|change| change.touches(folder));
        world.name_changes = waiting;
        let synced: Vec<NameChange> = synced;
        for change in synced {
            change.apply(&mut world.names_on_disk);
        }
        Ok(())
    }
}

impl NameChange {
    fn linked(&self) -> Option<u64> {
        match self {
            NameChange::Link(_, id) => Some(*id),
            _ => None,
        }
    }
}

impl World {
    fn fail_sync(&mut self) -> io::Result<()> {
        if self.failing_syncs > 0 {
            self.failing_syncs -= 1;
            return Err(io::Error::other("simulated sync failure"));
        }
        Ok(())
    }
}

struct SimulatedFile {
    disk: SimulatedDisk,
    id: u64,
    generation: u64,
}

impl SimulatedFile {
    /// Runs something on this file's contents, if the file lives.
    fn with<T>(&self, change: bool, run: impl FnOnce(&mut World, u64) -> io::Result<T>) -> io::Result<T> {
        let world = &mut *self.disk.world();
        if world.generation != self.generation {
            return Err(io::Error::other("opened before the power loss"));
        }
        if change {
            world.begin_change()?
        } else {
            world.check_power()?
        }
        world.files.entry(self.id).or_default();
        run(world, self.id)
    }
}

impl StorageFile for SimulatedFile {
    fn write_at(&self, bytes: &[u8], offset: u64) -> io::Result<()> {
        self.with(true, |world, id| {
            let others = world.used() - world.files[&id].now.len() as u64;
            let room = world.capacity.map_or(u64::MAX, |capacity| capacity.saturating_sub(others + offset));
            let (mut count, mut outcome) = (bytes.len(), Ok(()));
            if (room as usize) < count {
                (count, outcome) = (room as usize, Err(io::ErrorKind::StorageFull.into()));
            } else if world.failing_writes > 0 {
                world.failing_writes -= 1;
                (count, outcome) = (count / 2, Err(io::Error::other("simulated write failure")));
            }
            if count > 0
                && let Some(file) = world.files.get_mut(&id)
            {
                let change = Change::Write(offset as usize, bytes[..count].to_vec());
                change.apply(&mut file.now);
                file.unsynced.push(change);
            }
            outcome
        })
    }

    fn read_at(&self, buffer: &mut [u8], offset: u64) -> io::Result<usize> {
        self.with(false, |world, id| {
            let unreadable = world.unreadable.as_ref().and_then(|path| world.names.get(path));
            if unreadable == Some(&id) {
                return Err(io::Error::other("simulated read failure"));
            }
            let bytes = &world.files[&id].now;
            let from = (offset as usize).min(bytes.len());
            let count = buffer.len().min(bytes.len() - from);
            buffer[..count].copy_from_slice(&bytes[from..from + count]);
            Ok(count)
        })
    }

    fn sync(&self) -> io::Result<()> {
        self.with(true, |world, id| {
            let unsynced =
                world.files.get_mut(&id).map(|file| std::mem::take(&mut file.unsynced)).unwrap_or_default();
            if let Err(error) = world.fail_sync() {
                world.random = world.random.wrapping_add(id) | 1;
                world.keep_some(id, unsynced);
                return Err(error);
            }
            if let Some(file) = world.files.get_mut(&id) {
                for change in unsynced {
                    change.apply(&mut file.on_disk);
                }
            }
            Ok(())
        })
    }

    fn truncate(&self, length: u64) -> io::Result<()> {
        self.with(true, |world, id| {
            if let Some(file) = world.files.get_mut(&id) {
                let change = Change::Truncate(length as usize);
                change.apply(&mut file.now);
                file.unsynced.push(change);
            }
            Ok(())
        })
    }

    fn length(&self) -> io::Result<u64> {
        self.with(false, |world, id| Ok(world.files[&id].now.len() as u64))
    }
}
