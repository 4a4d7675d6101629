//! One worker of a consumer group: what [`Worker`](crate::Worker) promises, over Kafka.
//!
//! Why nothing of a partition is written under two owners: an owner hears that a partition is gone in a callback, and
//! another gets it only in a later generation of the group. Every transaction carries the generation of the last callback
//! ([`Working`]), and offsets of every partition that it writes on account of, so brokers refuse one whose generation has
//! passed. One that they had taken by then ends before its offsets are stable, and [`News::Assigned`] waits for that.

use super::settle::{Client, Settled, settle};
use super::topic::{KafkaTopic, Shared};
use super::transactor::{Addressed, Failure, Transactor};
use super::working::{Change, Working, at};
use crate::error::{AppendError, GroupError, ReadError};
use crate::record::{Delivered, Record};
use crate::worker::{FinishError, Finished, News, Output};
use bytes::Bytes;
use futures_util::FutureExt as _;
use rdkafka::config::FromClientConfigAndContext as _;
use rdkafka::consumer::Consumer as _;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{BorrowedMessage, Message as _};
use rdkafka::{Offset, TopicPartitionList};
use std::collections::{BTreeMap, VecDeque};
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;
use tokio::sync::mpsc;
use tokio::task::JoinHandle;

/// After so long a transaction's try is given up together with its producer. librdkafka 2.12.1 can wait for ever for the
/// group's coordinator when that dies between two requests, whatever the timeout it was given
/// (`tests/tests/stages/failover.rs` sees it).
const OVERDUE: Duration = Duration::from_secs(12);
/// How long a refused transaction waits for what the group has to say before it is tried again.
const HEAR: Duration = Duration::from_secs(1);

pub(crate) struct KafkaWorker {
    shared: Arc<Shared>,
    group: String,
    /// Always there until it is dropped.
    inner: Option<Arc<Client>>,
    transactor: Arc<Mutex<Transactor>>,
    /// The name of its transactions.
    id: String,
    /// The transactor beginning.
    beginning: Option<JoinHandle<Result<(), KafkaError>>>,
    joined: bool,
    /// The assignments whose news were heard.
    known: BTreeMap<u32, u64>,
    /// Records that came and were not handed out.
    stash: VecDeque<Delivered>,
    /// The transaction that is not over.
    open: Option<Open>,
    /// A transaction was refused under what the group had told so often.
    refused_at: Option<u64>,
    settled: mpsc::UnboundedReceiver<Settled>,
    settle: mpsc::UnboundedSender<Settled>,
}

/// What a transaction is about.
struct Open {
    /// Which of the outputs are in it.
    outputs: Vec<usize>,
    /// Which positions it moves.
    positions: Vec<(u32, u64)>,
}

impl KafkaWorker {
    pub(super) fn new(shared: Arc<Shared>, group: &str, id: String) -> Result<Self, String> {
        let context = Working {
            reach: Arc::clone(&shared.reach),
            group: group.to_owned(),
            topic: shared.full_name.clone(),
            standing: Mutex::default(),
            changed: tokio::sync::Notify::new(),
            leaving: false.into(),
        };
        let config = shared.config.worker(group, &shared.full_name);
        let inner = Client::from_config_and_context(&config, context).map_err(|error| error.to_string())?;
        let transactor = Transactor::new(shared.config.clone(), id.clone(), Arc::clone(&shared.reach));
        let (settle, settled) = mpsc::unbounded_channel();
        Ok(Self {
            shared,
            group: group.to_owned(),
            inner: Some(Arc::new(inner)),
            transactor: Arc::new(Mutex::new(transactor)),
            id,
            beginning: None,
            joined: false,
            known: BTreeMap::new(),
            stash: VecDeque::new(),
            open: None,
            refused_at: None,
            settled,
            settle,
        })
    }

    fn inner(&self) -> &Arc<Client> {
        self.inner.as_ref().expect("taken by drop alone")
    }

    fn context(&self) -> &Arc<Working> {
        self.inner().context()
    }

    pub(crate) async fn next(&mut self, max_records: usize, max_bytes: usize) -> Result<News, ReadError> {
        if !self.joined {
            // What a former life left open is over before this one takes partitions.
            self.begin().await.map_err(|error| ReadError::Backing(error.to_string()))?;
            let joined = self.inner().subscribe(&[&self.shared.full_name]);
            joined.map_err(|error| ReadError::Backing(error.to_string()))?;
            self.joined = true;
        }
        let mut closed = self.shared.closed.subscribe();
        loop {
            if closed.borrow_and_update().is_some() {
                return Err(ReadError::Closed);
            }
            if let Some(news) = self.pending(max_records) {
                return Ok(news);
            }
            let inner = Arc::clone(self.inner());
            let context = inner.context();
            let received = tokio::select! {
                biased;
                () = context.changed.notified() => continue,
                _ = closed.changed() => continue,
                Some(settled) = self.settled.recv() => {
                    if let Some(news) = self.announce(settled) {
                        return Ok(news);
                    }
                    continue;
                }
                received = inner.recv() => received,
            };
            match received {
                Ok(message) => {
                    let mut bytes = self.take(&message);
                    while self.stash.len() < max_records && bytes < max_bytes {
                        // What else comes here than a message comes again.
                        let Some(Ok(message)) = inner.recv().now_or_never() else { break };
                        bytes += self.take(&message);
                    }
                }
                Err(error) if super::consumer::passes(&error) => tracing::debug!(%error, "reading goes on"),
                Err(error) => return Err(ReadError::Backing(error.to_string())),
            }
        }
    }

    /// What can be told at once: changes first, for the records in hand came before or are dropped with them.
    fn pending(&mut self, max_records: usize) -> Option<News> {
        loop {
            let change = self.context().standing().changes.pop_front();
            match change {
                Some(Change::Revoked(partitions)) => {
                    self.known.retain(|partition, _| !partitions.contains(partition));
                    self.stash.retain(|one| !partitions.contains(&one.partition));
                    return Some(News::Revoked(partitions));
                }
                Some(Change::Assigned(partitions)) => self.look_up(&partitions),
                None => break,
            }
        }
        while let Ok(settled) = self.settled.try_recv() {
            if let Some(news) = self.announce(settled) {
                return Some(news);
            }
        }
        if self.stash.is_empty() {
            return None;
        }
        let count = self.stash.len().min(max_records.max(1));
        Some(News::Records(self.stash.drain(..count).collect()))
    }

    /// Tells of a partition whose beginning is known, unless it has gone since.
    fn announce(&mut self, settled: Settled) -> Option<News> {
        let Settled { turn, assigned } = settled;
        let context = Arc::clone(self.context());
        let mut standing = context.standing();
        let own = standing.own.get_mut(&assigned.partition).filter(|own| own.turn == turn)?;
        (own.next, own.done, own.high) = (assigned.position, assigned.position, assigned.end);
        self.known.insert(assigned.partition, turn);
        Some(News::Assigned(vec![assigned]))
    }

    fn take(&mut self, message: &BorrowedMessage<'_>) -> usize {
        // Both are never negative in a message that was delivered.
        let partition = u32::try_from(message.partition()).unwrap_or(0);
        let offset = u64::try_from(message.offset()).unwrap_or(0);
        let context = Arc::clone(self.context());
        let mut standing = context.standing();
        let Some(own) = standing.own.get_mut(&partition).filter(|own| own.started) else { return 0 };
        if offset < own.next {
            return 0;
        }
        if offset > own.next {
            own.gap = Some((own.gap.map_or(own.next, |(from, _)| from), offset));
        }
        own.next = offset + 1;
        drop(standing);
        let key = message.key().unwrap_or_default().to_vec();
        let payload = Bytes::copy_from_slice(message.payload().unwrap_or_default());
        let length = key.len() + payload.len();
        self.stash.push_back(Delivered { partition, offset, record: Ok(Record { key, payload }) });
        length
    }

    pub(crate) fn start(&mut self, partition: u32) {
        let place = {
            let context = self.context();
            let mut standing = context.standing();
            let known = self.known.get(&partition).copied();
            let own = standing.own.get_mut(&partition);
            let Some(own) = own.filter(|own| Some(own.turn) == known && !own.started) else { return };
            own.started = true;
            own.next
        };
        let offset = Offset::Offset(i64::try_from(place).unwrap_or(i64::MAX));
        if let Err(error) = self.inner().incremental_assign(&at(&self.shared.full_name, partition, offset)) {
            tracing::warn!(partition, %error, "a partition could not be begun, it begins again");
            self.again(&[partition]);
        }
    }

    pub(crate) fn owns(&self, partition: u32) -> bool {
        let turn = self.context().standing().own.get(&partition).map(|own| own.turn);
        turn.is_some() && turn == self.known.get(&partition).copied()
    }

    /// Lets partitions begin again: their positions are asked for anew, and what is remembered of them is to be dropped.
    fn again(&mut self, partitions: &[u32]) {
        let mine: Vec<u32> = partitions.iter().copied().filter(|one| self.owns(*one)).collect();
        let inner = Arc::clone(self.inner());
        let context = inner.context();
        let mut standing = context.standing();
        let mut read = TopicPartitionList::new();
        for partition in &mine {
            if standing.own.get(partition).is_some_and(|own| own.started) {
                read.add_partition(&self.shared.full_name, i32::try_from(*partition).unwrap_or(i32::MAX));
            }
            standing.begin(*partition);
        }
        standing.changes.push_back(Change::Revoked(mine.clone()));
        standing.changes.push_back(Change::Assigned(mine));
        drop(standing);
        if let Err(error) = inner.incremental_unassign(&read) {
            tracing::debug!(%error, "partitions could not be left for a while");
        }
        context.changed.notify_one();
    }

    /// Asks where partitions stand; the answers come as [`Settled`].
    fn look_up(&self, partitions: &[u32]) {
        let context = self.context();
        let standing = context.standing();
        let turns: Vec<(u32, u64)> =
            partitions.iter().filter_map(|one| standing.own.get(one).map(|own| (*one, own.turn))).collect();
        drop(standing);
        if turns.is_empty() {
            return;
        }
        drop(tokio::spawn(settle(
            Arc::clone(self.inner()),
            Arc::clone(&self.shared),
            self.group.clone(),
            turns,
            self.settle.clone(),
        )));
    }

    async fn begin(&mut self) -> Result<(), KafkaError> {
        let transactor = Arc::clone(&self.transactor);
        let begin = move || transactor.lock().unwrap_or_else(PoisonError::into_inner).begin();
        // Kept over a call that is dropped: two may not begin at once.
        let beginning = self.beginning.get_or_insert_with(|| tokio::task::spawn_blocking(begin));
        let begun = beginning.await;
        self.beginning = None;
        begun.unwrap_or(Err(KafkaError::Canceled))
    }

    /// Hears what the group says, after it refused what it had moved on from.
    async fn hear(&mut self, told: u64) {
        let inner = Arc::clone(self.inner());
        let deadline = tokio::time::Instant::now() + HEAR;
        while inner.context().standing().told == told {
            match tokio::time::timeout_at(deadline, inner.recv()).await {
                Ok(Ok(message)) => {
                    self.take(&message);
                }
                Ok(Err(error)) => tracing::debug!(%error, "reading goes on"),
                Err(_) => return,
            }
        }
    }

    pub(crate) async fn finish(
        &mut self,
        outputs: &[Output<'_>],
        positions: &[(u32, u64)],
    ) -> Result<Finished, FinishError> {
        let shared = Arc::clone(&self.shared);
        let closed = || AppendError::Closed { topic: shared.full_name.clone() };
        if self.shared.closed.borrow().is_some() {
            return Err(closed().into());
        }
        if let Some(told) = self.refused_at.take() {
            self.hear(told).await;
        }
        let refused = |topic: &str| FinishError::from(AppendError::Disabled { topic: topic.to_owned() });
        let of = outputs.first().map_or(shared.full_name.as_str(), |output| output.topic.name());
        let closed_now = self.transactor.lock().unwrap_or_else(PoisonError::into_inner).is_closed();
        if closed_now && self.begin().await.is_err() {
            return Err(refused(of));
        }
        let mut offsets = TopicPartitionList::new();
        let mut mine = Vec::new();
        for (partition, next) in positions.iter().filter(|(partition, _)| self.owns(*partition)) {
            self.check(*partition, *next)?;
            let number = i32::try_from(*partition).unwrap_or(i32::MAX);
            let offset = Offset::Offset(i64::try_from(*next).unwrap_or(i64::MAX));
            // Refused only for an offset that is none, which this is not.
            let _ = offsets.add_partition_offset(&self.shared.full_name, number, offset);
            mine.push((*partition, *next));
        }
        let mut placed = vec![None; outputs.len()];
        if mine.is_empty() && self.open.is_none() {
            return Ok(Finished { offsets: placed });
        }
        let mut records = Vec::with_capacity(outputs.len());
        let mut indices = Vec::with_capacity(outputs.len());
        for (index, output) in outputs.iter().enumerate() {
            if !mine.iter().any(|(partition, _)| *partition == output.source) {
                continue;
            }
            output.topic.takes(&output.record)?;
            let topic: &KafkaTopic = output.topic.kafka().ok_or_else(closed)?;
            records.push(Addressed { topic: topic.clone(), record: output.record.clone() });
            indices.push(index);
        }
        let (membership, told) = {
            let context = self.context();
            let standing = context.standing();
            (standing.membership.clone(), standing.told)
        };
        let Some(membership) = membership else {
            self.refused_at = Some(told);
            return Err(refused(of));
        };
        let counts = count(&records);
        let transactor = Arc::clone(&self.transactor);
        let run = move || {
            let mut transactor = transactor.lock().unwrap_or_else(PoisonError::into_inner);
            transactor.run(&records, &offsets, &membership)
        };
        let ran = self.watched(run).await;
        // What was begun before is what this was about.
        let open = self.open.take().unwrap_or(Open { outputs: indices, positions: mine });
        match ran {
            Ok(numbers) => {
                for (index, number) in open.outputs.into_iter().zip(numbers) {
                    placed[index] = number;
                }
                for (topic, records) in counts {
                    crate::metrics::APPENDED.with_label_values(&[topic.as_str()]).inc_by(records);
                }
                let context = self.context();
                let mut standing = context.standing();
                for (partition, next) in open.positions {
                    if let Some(own) = standing.own.get_mut(&partition) {
                        own.done = next;
                    }
                }
                Ok(Finished { offsets: placed })
            }
            Err(Failure::Aborted { group, code }) => {
                self.shared.note_failure(of, "aborted", code);
                if group {
                    self.refused_at = Some(told);
                }
                Err(refused(of))
            }
            Err(Failure::Pending(code)) => {
                self.shared.note_failure(of, "pending", code);
                self.open = Some(open);
                Err(refused(of))
            }
            Err(Failure::Unknown(code)) => {
                self.shared.note_failure(of, "unknown", code);
                let partitions: Vec<u32> = open.positions.iter().map(|(partition, _)| *partition).collect();
                self.again(&partitions);
                Err(FinishError::Undone)
            }
        }
    }

    /// Runs a try on a thread of its own. One that is overdue is left there with its producer: the next begins under the
    /// same name, which ends what this one left open, and shuts it out should it come back.
    async fn watched(
        &mut self,
        run: impl FnOnce() -> Result<Vec<Option<u64>>, Failure> + Send + 'static,
    ) -> Result<Vec<Option<u64>>, Failure> {
        let (tell, told) = tokio::sync::oneshot::channel();
        // Nobody to tell is somebody who has given up.
        let run = move || drop(tell.send(run()));
        // Not among the runtime's own, for whose end a stop waits.
        if std::thread::Builder::new().name("kafka-transaction".to_owned()).spawn(run).is_err() {
            return Err(Failure::Pending(RDKafkaErrorCode::Fail));
        }
        match tokio::time::timeout(OVERDUE, told).await {
            Ok(ran) => ran.unwrap_or(Err(Failure::Unknown(RDKafkaErrorCode::Fail))),
            Err(_) => {
                let (config, reach) = (self.shared.config.clone(), Arc::clone(&self.shared.reach));
                let fresh = Transactor::new(config, self.id.clone(), reach);
                self.transactor = Arc::new(Mutex::new(fresh));
                tracing::warn!(group = %self.group, "a transaction got no answer, another producer takes its place");
                Err(Failure::Unknown(RDKafkaErrorCode::OperationTimedOut))
            }
        }
    }

    fn check(&self, partition: u32, next_offset: u64) -> Result<(), GroupError> {
        let standing = self.context().standing();
        let end = standing.own.get(&partition).map_or(0, |own| own.next);
        if next_offset <= end {
            return Ok(());
        }
        let topic = self.shared.full_name.clone();
        Err(GroupError::NoSuchOffset { topic, partition, offset: next_offset })
    }

    pub(crate) fn lag(&self) -> u64 {
        self.context()
            .standing()
            .own
            .values()
            .map(|own| own.high.max(own.next).saturating_sub(own.done))
            .sum()
    }

    pub(crate) fn waiting(&self) -> u64 {
        let standing = self.context().standing();
        standing.own.values().map(|own| own.high.saturating_sub(own.next.max(own.read_to))).sum()
    }
}

/// How many records go to each topic.
fn count(records: &[Addressed]) -> BTreeMap<String, u64> {
    let mut counts = BTreeMap::new();
    for one in records {
        match counts.get_mut(one.topic.full_name()) {
            Some(count) => *count += 1,
            None => drop(counts.insert(one.topic.full_name().to_owned(), 1)),
        }
    }
    counts
}

impl Drop for KafkaWorker {
    fn drop(&mut self) {
        let Some(inner) = self.inner.take() else { return };
        inner.context().leaving.store(true, Ordering::Relaxed);
        let transactor = Arc::clone(&self.transactor);
        self.shared.leave(move || {
            drop(inner);
            drop(transactor);
        });
    }
}
