//! The handle.

use std::fs::{self, File};
use std::path::Path;
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use tokio::sync::watch;

use crate::config::Config;
use crate::error::{AppendError, CommitError, OpenError, Reason};
use crate::metrics::Metrics;
use crate::owner::{GROUP_RECORDS, Owner};
use crate::positions::{self, Loaded, Positions};
use crate::queue::{Append, Queue, Records};
use crate::reader::Reader;
use crate::recovery::{Recovery, recover};
use crate::set_aside::SetAside;
use crate::shared::{Catalogue, Clock, Shared, system_clock};
use crate::storage::{Disk, Storage};

/// An open journal. Clones are handles of the same journal; when the last one goes, it is closed.
#[derive(Clone)]
pub struct Journal {
    handle: Arc<Handle>,
}

struct Handle {
    shared: Arc<Shared>,
    owner: Mutex<Option<JoinHandle<()>>>,
}

/// What a journal holds and whether it takes more.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Stats {
    /// Bytes in all segments.
    pub bytes: u64,
    /// Segment files.
    pub segments: usize,
    /// Records from the oldest to the newest.
    pub records: u64,
    /// Age in seconds of the oldest record, to the second; 0 when there is none.
    pub oldest_age_seconds: u64,
    /// Why no records are taken; `None` when they are.
    pub unwritable: Option<Reason>,
}

impl Journal {
    /// Opens or makes the journal in `config.dir`. What is stored there never stops it, and neither does a disk that
    /// can't be written now: see [`Journal::healthy`].
    ///
    /// # Errors
    /// When another process has it open, a consumer's name is unusable, or the folder can't be made or listed.
    pub fn open(config: Config) -> Result<(Journal, Recovery), OpenError> {
        let lock = lock(&config.dir)?;
        let disk = Arc::new(Disk::new(&config.dir));
        Journal::build(config, disk, system_clock(), Some(lock))
    }

    /// As [`Journal::open`] on any storage and clock (milliseconds since 1970), for tests. `config.dir` is not used.
    ///
    /// # Errors
    /// As [`Journal::open`].
    pub fn open_on(
        config: Config,
        storage: Arc<dyn Storage>,
        clock: Arc<dyn Fn() -> u64 + Send + Sync>,
    ) -> Result<(Journal, Recovery), OpenError> {
        Journal::build(config, storage, clock, None)
    }

    fn build(
        config: Config,
        storage: Arc<dyn Storage>,
        clock: Clock,
        lock: Option<File>,
    ) -> Result<(Journal, Recovery), OpenError> {
        let folder = |operation| move |error| OpenError::Folder { operation, error };
        if let Some(name) = config.consumers.iter().find(|name| !positions::is_valid_name(name)) {
            return Err(OpenError::ConsumerName(name.clone()));
        }
        positions::prepare(storage.as_ref()).map_err(folder("make positions"))?;
        let metrics = Arc::new(Metrics::new(&config.name));
        let set_aside = SetAside::open(Arc::clone(&storage), Arc::clone(&metrics), &config)
            .map_err(folder("make set-aside"))?;
        let recovered = recover(&storage, &set_aside, &config.name, clock())?;
        let mut report = recovered.report;
        let Loaded { positions, lost, floor } =
            Positions::load(Arc::clone(&storage), &config.consumers, report.end);
        report.positions_lost = lost;
        metrics.clamped.inc_by(lost as u64);
        metrics.torn_bytes.inc_by(report.torn_bytes);
        announce(&config.name, &report);

        let (end_sender, end) = watch::channel(report.end);
        let shared = Arc::new(Shared {
            queue: Queue::new(config.queue_records, config.queue_bytes),
            catalogue: Mutex::new(Catalogue { segments: recovered.segments }),
            times: Mutex::new(recovered.times),
            condition: Mutex::new(None),
            config,
            storage,
            clock,
            metrics,
            positions,
            set_aside,
            end,
        });
        shared.set_condition(None);
        let owner = Owner::new(Arc::clone(&shared), end_sender, recovered.floor.max(floor), lock);
        shared.show();
        let owner = thread::Builder::new()
            .name(format!("journal-{}", shared.config.name))
            .spawn(move || owner.run())
            .map_err(OpenError::Thread)?;
        let handle = Arc::new(Handle { shared, owner: Mutex::new(Some(owner)) });
        Ok((Journal { handle }, report))
    }

    /// Hands a record over to be journaled. It is on its way when this returns; the future resolves with its sequence
    /// once it is durable, and may be dropped.
    ///
    /// # Errors
    /// The future's: `Full`, `TooLarge`, `Busy`, `Disabled`, `Closed`. Each is counted.
    pub fn append(&self, record: Vec<u8>) -> Append {
        self.push(Records::One(record))
    }

    /// As [`Journal::append`] for many records with one answer: the first one's sequence, the others follow it. They
    /// are written and synced together, but after a failure any part of them may reappear.
    ///
    /// # Errors
    /// As [`Journal::append`]; one record that is too large refuses all. `TooMany` beyond 65 536 records.
    pub fn append_all(&self, records: Vec<Vec<u8>>) -> Append {
        self.push(Records::Many(records))
    }

    fn push(&self, records: Records) -> Append {
        let shared = &self.handle.shared;
        let count = records.as_slice().len();
        let limit = self.max_record_bytes();
        let append = match records.as_slice().iter().find(|record| record.len() > limit) {
            Some(record) => Append::refused(AppendError::TooLarge { bytes: record.len(), limit }),
            None if count > GROUP_RECORDS => {
                Append::refused(AppendError::TooMany { records: count, limit: GROUP_RECORDS })
            }
            None => shared.queue.push(records),
        };
        if let Some(error) = append.refusal() {
            shared.metrics.refused(error, count);
        }
        append
    }

    /// A reader that begins at a sequence. One beyond the end or before the oldest record becomes the oldest, which is
    /// counted: it costs duplicates, never events. 0 asks for the oldest and is not counted.
    pub fn reader(&self, from: u64) -> Reader {
        Reader::new(Arc::clone(&self.handle.shared), from)
    }

    /// One past the newest durable record.
    pub fn end(&self) -> u64 {
        self.handle.shared.end()
    }

    /// The oldest record that is still there; [`Journal::end`] when there is none.
    pub fn start(&self) -> u64 {
        self.handle.shared.start()
    }

    /// How many records there are from a position on.
    pub fn unread(&self, from: u64) -> u64 {
        self.handle.shared.unread(from)
    }

    /// What a consumer committed last. `None` when it never did, or when that was lost: begin at 0 then.
    pub fn position(&self, name: &str) -> Option<u64> {
        self.handle.shared.positions.get(name)
    }

    /// Notes that a registered consumer has dealt with everything before `sequence`. Returns at once; the position
    /// reaches the disk within `Config::upkeep_every`. A position behind the present one changes nothing.
    ///
    /// # Errors
    /// For a name that isn't registered, and for a position beyond the end.
    pub fn commit(&self, name: &str, sequence: u64) -> Result<(), CommitError> {
        let end = self.end();
        if sequence > end {
            return Err(CommitError::BeyondEnd { position: sequence, end });
        }
        if !self.handle.shared.positions.commit(name, sequence) {
            return Err(CommitError::UnknownConsumer);
        }
        Ok(())
    }

    /// Notes that a consumer has read everything before `sequence`, though it would begin further back after a restart:
    /// what it commits stays where it is, and what counts as unread begins here. `u64::MAX` says that it waits for nothing.
    /// It is forgotten with the process.
    pub fn note_read(&self, name: &str, sequence: u64) {
        self.handle.shared.positions.note_read(name, sequence);
    }

    /// The longest record that is taken.
    pub fn max_record_bytes(&self) -> usize {
        // The format's length has 32 bits.
        self.handle.shared.config.max_record_bytes.min(u32::MAX as usize)
    }

    /// Whether a consumer is registered, so that retention waits for it.
    pub fn is_registered(&self, name: &str) -> bool {
        self.handle.shared.config.consumers.iter().any(|registered| registered == name)
    }

    /// What it holds.
    pub fn stats(&self) -> Stats {
        let shared = &self.handle.shared;
        let start = shared.start();
        let catalogue = shared.catalogue();
        let (bytes, segments) = (catalogue.bytes(), catalogue.segments.len());
        drop(catalogue);
        Stats {
            bytes,
            segments,
            records: shared.unread(start),
            oldest_age_seconds: shared.unread_age_seconds(start),
            unwritable: shared.condition(),
        }
    }

    /// Whether records are taken, for readiness.
    ///
    /// # Errors
    /// The reason why not.
    pub fn healthy(&self) -> Result<(), Reason> {
        self.handle.shared.condition().map_or(Ok(()), Err)
    }

    /// Does now what is otherwise done every `Config::upkeep_every`: positions, retention, probing.
    pub async fn upkeep(&self) {
        // An error means that the journal is closed, and then there is nothing to do.
        let _ = self.handle.shared.queue.ask_upkeep().await;
    }

    /// Takes nothing more in, finishes and answers what waits, saves positions and unlocks the folder. Readers get
    /// what is left and then [`ReadError::Closed`](crate::ReadError::Closed).
    pub async fn close(self) {
        self.handle.shared.queue.close();
        let mut end = self.handle.shared.end.clone();
        while end.changed().await.is_ok() {}
        self.handle.join();
    }
}

impl Handle {
    fn join(&self) {
        self.shared.queue.close();
        let owner = self.owner.lock().unwrap_or_else(PoisonError::into_inner).take();
        if let Some(owner) = owner {
            // A panic of the owner was reported by its own end.
            let _ = owner.join();
        }
    }
}

impl Drop for Handle {
    fn drop(&mut self) {
        self.join();
    }
}

fn announce(journal: &str, report: &Recovery) {
    let Recovery { segments, torn_bytes, set_aside, unreadable, positions_lost, end } = *report;
    tracing::info!(
        journal,
        segments,
        torn_bytes,
        set_aside,
        unreadable,
        positions_lost,
        end,
        "journal opened"
    );
}

fn lock(dir: &Path) -> Result<File, OpenError> {
    let folder = |operation| move |error| OpenError::Folder { operation, error };
    fs::create_dir_all(dir).map_err(folder("make"))?;
    let file = File::options().create(true).truncate(false).write(true).open(dir.join("lock"));
    let file = file.map_err(folder("open its lock file"))?;
    match file.try_lock() {
        Ok(()) => Ok(file),
        Err(fs::TryLockError::WouldBlock) => Err(OpenError::Locked),
        Err(fs::TryLockError::Error(error)) => Err(OpenError::Folder { operation: "lock", error }),
    }
}
