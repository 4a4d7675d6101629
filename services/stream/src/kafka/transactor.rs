//! One producer of transactions.
//!
//! Its id is the process's own and stays: beginning again under it ends at once whatever a former life left open, and
//! shuts that one out should it still live.

use super::context::{Reach, log};
use super::settings::KafkaConfig;
use super::topic::KafkaTopic;
use crate::record::Record;
use rdkafka::TopicPartitionList;
use rdkafka::client::ClientContext;
use rdkafka::config::{FromClientConfigAndContext as _, RDKafkaLogLevel};
use rdkafka::consumer::ConsumerGroupMetadata;
use rdkafka::error::{KafkaError, RDKafkaErrorCode};
use rdkafka::message::{DeliveryResult, Message as _};
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _, ProducerContext};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

/// How long one step may wait for brokers before it is left for another try.
const STEP: Duration = Duration::from_secs(5);
/// How long an abort waits before it hears what became of the records.
const ANSWERED: Duration = Duration::from_millis(100);
/// The pause before a record is handed over again to a producer whose queue is full.
const FULL_PAUSE: Duration = Duration::from_millis(2);

/// Polled by whoever waits for it, and by nobody else: two would take each other's answers.
type Live = Arc<BaseProducer<Transacting>>;

/// Where each record of the open transaction is, as far as brokers have said.
#[derive(Default)]
struct Batch {
    offsets: Vec<Option<u64>>,
    error: Option<RDKafkaErrorCode>,
}

struct Transacting {
    reach: Arc<Reach>,
    batch: Mutex<Batch>,
}

impl Transacting {
    fn batch(&self) -> MutexGuard<'_, Batch> {
        self.batch.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl ClientContext for Transacting {
    fn log(&self, level: RDKafkaLogLevel, facility: &str, message: &str) {
        log(level, facility, message);
    }

    fn error(&self, error: KafkaError, reason: &str) {
        self.reach.trouble(&error, reason);
    }
}

impl ProducerContext for Transacting {
    /// The record's place in the batch.
    type DeliveryOpaque = usize;

    fn delivery(&self, result: &DeliveryResult<'_>, index: usize) {
        let mut batch = self.batch();
        match result {
            Ok(message) => {
                if let Some(offset) = batch.offsets.get_mut(index) {
                    *offset = u64::try_from(message.offset()).ok();
                }
            }
            Err((error, _)) => {
                batch.error.get_or_insert(error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail));
            }
        }
    }
}

/// A record and where it goes.
pub(super) struct Addressed {
    pub(super) topic: KafkaTopic,
    pub(super) record: Record,
}

/// How a try ended that was no success.
#[derive(Debug)]
pub(super) enum Failure {
    /// Nothing of it is or ever will be visible.
    Aborted {
        /// The group has moved on.
        group: bool,
        /// What brokers said.
        code: RDKafkaErrorCode,
    },
    /// It is not over: to be asked for again, with nothing else between.
    Pending(RDKafkaErrorCode),
    /// The producer is of no use any more, and whether the transaction was committed can't be known.
    Unknown(RDKafkaErrorCode),
}

enum State {
    /// There is no producer that can be used.
    Closed,
    Ready,
    /// Asked to commit, and not answered.
    Committing,
    /// Asked to abort, and not answered.
    Aborting,
}

pub(super) struct Transactor {
    config: KafkaConfig,
    id: String,
    reach: Arc<Reach>,
    live: Option<Live>,
    state: State,
}

impl Transactor {
    pub(super) fn new(config: KafkaConfig, id: String, reach: Arc<Reach>) -> Self {
        Self { config, id, reach, live: None, state: State::Closed }
    }

    /// Whether it has to begin before anything else.
    pub(super) fn is_closed(&self) -> bool {
        matches!(self.state, State::Closed)
    }

    /// Begins, or begins again: what this id left open is over afterwards. May wait for brokers.
    pub(super) fn begin(&mut self) -> Result<(), KafkaError> {
        if !matches!(self.state, State::Closed) {
            return Ok(());
        }
        let live = match &self.live {
            Some(live) => Arc::clone(live),
            None => {
                let context = Transacting { reach: Arc::clone(&self.reach), batch: Mutex::default() };
                let config = self.config.transactor(&self.id);
                let made = Arc::new(BaseProducer::from_config_and_context(&config, context)?);
                Arc::clone(self.live.insert(made))
            }
        };
        live.poll(Duration::ZERO);
        match live.init_transactions(STEP) {
            Ok(()) => {
                self.state = State::Ready;
                Ok(())
            }
            Err(error) => {
                if !retriable(&error) {
                    self.live = None;
                }
                Err(error)
            }
        }
    }

    /// Writes records and moves offsets in one transaction, or goes on with the one that was not over. May wait for
    /// brokers. Where each record is.
    pub(super) fn run(
        &mut self,
        records: &[Addressed],
        offsets: &TopicPartitionList,
        membership: &ConsumerGroupMetadata,
    ) -> Result<Vec<Option<u64>>, Failure> {
        let Some(live) = self.live.clone() else { return Err(self.close(RDKafkaErrorCode::State)) };
        match self.state {
            State::Ready => {}
            State::Closed => return Err(self.close(RDKafkaErrorCode::State)),
            State::Committing => return self.commit(&live),
            State::Aborting => return Err(self.abort(&live, RDKafkaErrorCode::State)),
        }
        live.poll(Duration::ZERO);
        *live.context().batch() = Batch { offsets: vec![None; records.len()], error: None };
        if let Err(error) = live.begin_transaction() {
            return Err(self.failed(&live, &error));
        }
        if let Err(code) = hand_over(&live, records) {
            return Err(self.abort(&live, code));
        }
        if let Err(error) = live.send_offsets_to_transaction(offsets, membership, STEP) {
            return Err(self.failed(&live, &error));
        }
        self.commit(&live)
    }

    fn commit(&mut self, live: &Live) -> Result<Vec<Option<u64>>, Failure> {
        self.state = State::Committing;
        match live.commit_transaction(STEP) {
            Ok(()) => {
                self.state = State::Ready;
                self.reach.up();
                Ok(std::mem::take(&mut *live.context().batch()).offsets)
            }
            Err(error) if retriable(&error) => Err(Failure::Pending(code(&error))),
            Err(error) => Err(self.failed(live, &error)),
        }
    }

    fn failed(&mut self, live: &Live, error: &KafkaError) -> Failure {
        let code = live.context().batch().error.filter(|_| !of_group(code(error))).unwrap_or(code(error));
        tracing::debug!(%error, %code, "a transaction failed");
        let fatal = matches!(error, KafkaError::Transaction(error) if error.is_fatal());
        if fatal || live.client().fatal_error().is_some() {
            return self.close(code);
        }
        self.abort(live, code)
    }

    fn abort(&mut self, live: &Live, why: RDKafkaErrorCode) -> Failure {
        self.state = State::Aborting;
        let deadline = Instant::now() + STEP;
        loop {
            match live.abort_transaction(ANSWERED) {
                Ok(()) => {
                    self.state = State::Ready;
                    return Failure::Aborted { group: of_group(why), code: why };
                }
                Err(error) if !retriable(&error) => {
                    tracing::debug!(%error, "a transaction could not be aborted");
                    return self.close(code(&error));
                }
                Err(error) if Instant::now() > deadline => return Failure::Pending(code(&error)),
                // It waits until the fate of each record was heard, which somebody has to ask for.
                Err(_) => live.poll(Duration::ZERO),
            }
        }
    }

    fn close(&mut self, code: RDKafkaErrorCode) -> Failure {
        self.live = None;
        self.state = State::Closed;
        Failure::Unknown(code)
    }
}

fn hand_over(live: &Live, records: &[Addressed]) -> Result<(), RDKafkaErrorCode> {
    let deadline = Instant::now() + STEP;
    for (index, addressed) in records.iter().enumerate() {
        let topic = addressed.topic.full_name();
        let number = i32::try_from(addressed.topic.partition(&addressed.record)).unwrap_or(0);
        loop {
            let message = BaseRecord::with_opaque_to(topic, index)
                .partition(number)
                .key(addressed.record.key.as_slice())
                .payload(&addressed.record.payload[..]);
            let Err((error, _)) = live.send(message) else { break };
            let code = code(&error);
            if code != RDKafkaErrorCode::QueueFull || Instant::now() > deadline {
                return Err(code);
            }
            live.poll(FULL_PAUSE);
        }
    }
    Ok(())
}

fn retriable(error: &KafkaError) -> bool {
    match error {
        KafkaError::Transaction(error) => {
            error.is_retriable() && !error.is_fatal() && !error.txn_requires_abort()
        }
        // Records that brokers have not answered for yet.
        KafkaError::Flush(_) => true,
        _ => false,
    }
}

fn code(error: &KafkaError) -> RDKafkaErrorCode {
    error.rdkafka_error_code().unwrap_or(RDKafkaErrorCode::Fail)
}

/// Whether an error says that the group knows this member no longer, or under another generation.
fn of_group(code: RDKafkaErrorCode) -> bool {
    matches!(
        code,
        RDKafkaErrorCode::IllegalGeneration
            | RDKafkaErrorCode::UnknownMemberId
            | RDKafkaErrorCode::RebalanceInProgress
            | RDKafkaErrorCode::FencedInstanceId
    )
}
