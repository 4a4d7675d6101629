//! What [`Follower`](crate::Follower) promises, over Kafka.
//!
//! A partition is read once its end was looked up, and only when no transaction is open before that end: so the first
//! time that everything visible was read, all that ever will be visible before the end was.

use super::context::{Reach, log};
use super::topic::Shared;
use super::working::at;
use crate::error::ReadError;
use crate::follower::Followed;
use crate::record::{Delivered, Record};
use bytes::Bytes;
use futures_util::FutureExt as _;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::{CommitMode, Consumer as _, ConsumerContext, StreamConsumer};
use rdkafka::error::KafkaError;
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::statistics::Statistics;
use rdkafka::{Offset, TopicPartitionList};
use std::collections::BTreeMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::{Duration, Instant};
use tokio::sync::mpsc;

/// How long brokers may take to say where a partition ends, before they are asked again.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest pause before they are asked again.
const PAUSE: Duration = Duration::from_millis(500);
/// How often positions go to the brokers.
const COMMIT_EVERY: Duration = Duration::from_secs(1);

type Client = StreamConsumer<Following>;

pub(super) struct Following(Arc<Reach>);

impl ClientContext for Following {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.0.trouble(&error, reason);
    }

    fn stats(&self, statistics: Statistics) {
        self.0.heard(&statistics);
    }
}

impl ConsumerContext for Following {}

/// A partition that is to be read.
struct Wanted {
    /// Which assignment this is.
    turn: u64,
    /// Where it ended, once that is known and it is read.
    end: Option<u64>,
    reached: bool,
}

/// A partition's end, once nothing before it is undecided.
struct Known {
    partition: u32,
    turn: u64,
    end: u64,
}

/// Positions that are to go to the brokers.
struct Positions {
    changed: BTreeMap<u32, u64>,
    last: Instant,
}

pub(crate) struct KafkaFollower {
    shared: Arc<Shared>,
    /// Always there until it is dropped.
    inner: Option<Arc<Client>>,
    turns: u64,
    wanted: BTreeMap<u32, Wanted>,
    found: Followed,
    known: mpsc::UnboundedReceiver<Known>,
    tell: mpsc::UnboundedSender<Known>,
    positions: Mutex<Positions>,
}

impl KafkaFollower {
    pub(super) fn new(shared: Arc<Shared>, group: &str) -> Result<Self, String> {
        let config = shared.config.follower(group, &shared.full_name);
        let context = Following(Arc::clone(&shared.reach));
        let inner = Client::from_config_and_context(&config, context).map_err(|error| error.to_string())?;
        let (tell, known) = mpsc::unbounded_channel();
        let positions = Mutex::new(Positions { changed: BTreeMap::new(), last: Instant::now() });
        Ok(Self {
            shared,
            inner: Some(Arc::new(inner)),
            turns: 0,
            wanted: BTreeMap::new(),
            found: Followed::default(),
            known,
            tell,
            positions,
        })
    }

    fn inner(&self) -> &Arc<Client> {
        self.inner.as_ref().expect("taken by drop alone")
    }

    pub(crate) fn assign(&mut self, partitions: &[u32]) {
        self.release(partitions);
        let mut open = Vec::new();
        for partition in partitions.iter().copied().filter(|partition| *partition < self.shared.partitions) {
            self.turns += 1;
            self.wanted.insert(partition, Wanted { turn: self.turns, end: None, reached: false });
            open.push((partition, self.turns, None));
        }
        let (inner, shared, tell) = (Arc::clone(self.inner()), Arc::clone(&self.shared), self.tell.clone());
        tokio::spawn(async move {
            let mut pause = Duration::from_millis(20);
            while !open.is_empty() && !tell.is_closed() {
                let (client, shared) = (Arc::clone(&inner), Arc::clone(&shared));
                let mut asked = open.clone();
                let answered = tokio::task::spawn_blocking(move || {
                    look_up(&client, &shared, &mut asked);
                    asked
                });
                open = answered.await.unwrap_or(open);
                open.retain(|(partition, turn, end)| match end {
                    Some(End::Decided(end)) => {
                        let _ = tell.send(Known { partition: *partition, turn: *turn, end: *end });
                        false
                    }
                    _ => true,
                });
                if !open.is_empty() {
                    tokio::time::sleep(pause).await;
                    pause = (pause * 2).min(PAUSE);
                }
            }
        });
    }

    pub(crate) fn release(&mut self, partitions: &[u32]) {
        for partition in partitions {
            let Some(wanted) = self.wanted.remove(partition) else { continue };
            self.found.records.retain(|one| one.partition != *partition);
            self.found.reached.retain(|one| one != partition);
            if wanted.end.is_some() {
                let list = at(&self.shared.full_name, *partition, Offset::Invalid);
                if let Err(error) = self.inner().incremental_unassign(&list) {
                    tracing::debug!(partition, %error, "a partition could not be left");
                }
            }
        }
    }

    pub(crate) async fn next(&mut self, max_records: usize, max_bytes: usize) -> Result<Followed, ReadError> {
        let mut closed = self.shared.closed.subscribe();
        let inner = Arc::clone(self.inner());
        loop {
            if closed.borrow_and_update().is_some() {
                return Err(ReadError::Closed);
            }
            if !self.found.records.is_empty() || !self.found.reached.is_empty() {
                return Ok(std::mem::take(&mut self.found));
            }
            let received = tokio::select! {
                biased;
                _ = closed.changed() => continue,
                Some(known) = self.known.recv() => {
                    self.read(&known)?;
                    continue;
                }
                received = inner.recv() => received,
            };
            let mut bytes = self.hear(received)?;
            while self.found.records.len() < max_records && bytes < max_bytes {
                let Some(received) = inner.recv().now_or_never() else { break };
                bytes += self.hear(received)?;
            }
        }
    }

    /// Begins to read a partition whose end is known, unless it was left meanwhile.
    fn read(&mut self, known: &Known) -> Result<(), ReadError> {
        let Some(wanted) = self.wanted.get_mut(&known.partition).filter(|one| one.turn == known.turn) else {
            return Ok(());
        };
        wanted.end = Some(known.end);
        let list = at(&self.shared.full_name, known.partition, Offset::Stored);
        self.inner().incremental_assign(&list).map_err(|error| {
            // Asked for again from the start.
            self.assign(&[known.partition]);
            ReadError::Backing(error.to_string())
        })
    }

    fn hear(&mut self, received: Result<BorrowedMessage<'_>, KafkaError>) -> Result<usize, ReadError> {
        let message = match received {
            Ok(message) => message,
            Err(KafkaError::PartitionEOF(partition)) => {
                self.reach(u32::try_from(partition).unwrap_or(u32::MAX), u64::MAX);
                return Ok(0);
            }
            Err(error) if super::consumer::passes(&error) => {
                tracing::debug!(%error, "reading goes on");
                return Ok(0);
            }
            Err(error) => return Err(ReadError::Backing(error.to_string())),
        };
        // Both are never negative in a message that was delivered.
        let partition = u32::try_from(message.partition()).unwrap_or(0);
        let offset = u64::try_from(message.offset()).unwrap_or(0);
        if !self.wanted.contains_key(&partition) {
            return Ok(0);
        }
        let key = message.key().unwrap_or_default().to_vec();
        let payload = Bytes::copy_from_slice(message.payload().unwrap_or_default());
        let length = key.len() + payload.len();
        self.found.records.push(Delivered { partition, offset, record: Ok(Record { key, payload }) });
        self.reach(partition, offset + 1);
        Ok(length)
    }

    /// Notes that a partition was read so far.
    fn reach(&mut self, partition: u32, so_far: u64) {
        if let Some(wanted) = self.wanted.get_mut(&partition)
            && wanted.end.is_some_and(|end| so_far >= end)
            && !wanted.reached
        {
            wanted.reached = true;
            self.found.reached.push(partition);
        }
    }

    pub(crate) fn commit(&self, partition: u32, next_offset: u64) -> Result<(), ()> {
        if partition >= self.shared.partitions {
            return Err(());
        }
        let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
        positions.changed.insert(partition, next_offset);
        if positions.last.elapsed() >= COMMIT_EVERY {
            positions.last = Instant::now();
            let list = self.list(std::mem::take(&mut positions.changed));
            if let Err(error) = self.inner().commit(&list, CommitMode::Async) {
                tracing::debug!(%error, "positions were not saved, more is read again");
            }
        }
        Ok(())
    }

    fn list(&self, positions: BTreeMap<u32, u64>) -> TopicPartitionList {
        let mut list = TopicPartitionList::new();
        for (partition, next) in positions {
            let number = i32::try_from(partition).unwrap_or(i32::MAX);
            let offset = Offset::Offset(i64::try_from(next).unwrap_or(i64::MAX));
            // Refused only for an offset that is none, which this is not.
            let _ = list.add_partition_offset(&self.shared.full_name, number, offset);
        }
        list
    }
}

/// What is known of a partition's end.
#[derive(Debug, Clone, Copy)]
enum End {
    /// Where it ended when it was asked for; transactions may be open before that.
    At(u64),
    /// And none is.
    Decided(u64),
}

/// Asks where partitions end, and then whether everything before that is decided. May wait for brokers.
fn look_up(client: &Client, shared: &Shared, partitions: &mut [(u32, u64, Option<End>)]) {
    for (partition, _, end) in partitions.iter_mut().filter(|(_, _, end)| end.is_none()) {
        *end = shared.ends.of(&shared.full_name, *partition).map(End::At);
    }
    for (partition, _, end) in partitions.iter_mut() {
        let Some(End::At(last)) = *end else { continue };
        let number = i32::try_from(*partition).unwrap_or(i32::MAX);
        match client.fetch_watermarks(&shared.full_name, number, ANSWER) {
            Ok((_, decided)) if u64::try_from(decided).is_ok_and(|decided| decided >= last) => {
                *end = Some(End::Decided(last));
            }
            Ok(_) => tracing::debug!(partition, "a transaction is open before the end"),
            Err(error) => tracing::debug!(partition, %error, "a partition's end is not known yet"),
        }
    }
}

impl Drop for KafkaFollower {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        let changed = {
            let mut positions = self.positions.lock().unwrap_or_else(PoisonError::into_inner);
            std::mem::take(&mut positions.changed)
        };
        let list = self.list(changed);
        self.shared.leave(move || {
            if list.count() > 0
                && let Err(error) = inner.commit(&list, CommitMode::Sync)
            {
                tracing::debug!(%error, "positions were not saved at the end, more is read again");
            }
            drop(inner);
        });
    }
}
