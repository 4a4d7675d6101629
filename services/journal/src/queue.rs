//! Appends on their way to the owner thread, and the future that waits for its answer.

use std::future::Future;
use std::pin::Pin;
use std::sync::{Condvar, Mutex, MutexGuard, PoisonError};
use std::task::{Context, Poll};
use std::time::Duration;

use tokio::sync::oneshot;

use crate::error::AppendError;

/// Records that are journaled together and answered at once.
pub(crate) enum Records {
    One(Vec<u8>),
    Many(Vec<Vec<u8>>),
}

impl Records {
    pub(crate) fn as_slice(&self) -> &[Vec<u8>] {
        match self {
            Records::One(record) => std::slice::from_ref(record),
            Records::Many(records) => records,
        }
    }
}

/// One batch that waits.
pub(crate) struct Pending {
    pub(crate) records: Records,
    pub(crate) answer: oneshot::Sender<Result<u64, AppendError>>,
}

/// What the owner finds when it looks.
pub(crate) struct Taken {
    pub(crate) batches: Vec<Pending>,
    pub(crate) upkeep: Vec<oneshot::Sender<()>>,
    pub(crate) closing: bool,
}

#[derive(Default)]
struct Waiting {
    batches: Vec<Pending>,
    records: usize,
    bytes: usize,
    upkeep: Vec<oneshot::Sender<()>>,
    closing: bool,
    /// The owner is gone: nothing will be answered any more.
    ended: bool,
    owner_sleeps: bool,
}

/// The waiting room. Bounded: see `Config::queue_records` and `queue_bytes`.
pub(crate) struct Queue {
    waiting: Mutex<Waiting>,
    wake: Condvar,
    max_records: usize,
    max_bytes: usize,
}

impl Queue {
    pub(crate) fn new(max_records: usize, max_bytes: usize) -> Queue {
        Queue { waiting: Mutex::default(), wake: Condvar::new(), max_records, max_bytes }
    }

    /// Lets a batch wait. Returns at once.
    pub(crate) fn push(&self, records: Records) -> Append {
        let bytes: usize = records.as_slice().iter().map(Vec::len).sum();
        let count = records.as_slice().len();
        let mut waiting = self.lock();
        if waiting.closing || waiting.ended {
            return Append::refused(AppendError::Closed);
        }
        if waiting.records >= self.max_records || waiting.bytes >= self.max_bytes {
            return Append::refused(AppendError::Busy);
        }
        let (answer, receiver) = oneshot::channel();
        waiting.records += count;
        waiting.bytes += bytes;
        waiting.batches.push(Pending { records, answer });
        self.wake_owner(waiting);
        Append(State::Waiting(receiver))
    }

    /// The owner's look: sleeps until something is there or the time is up, then takes all of it.
    pub(crate) fn take(&self, patience: Duration) -> Taken {
        let mut waiting = self.lock();
        if waiting.batches.is_empty() && waiting.upkeep.is_empty() && !waiting.closing {
            waiting.owner_sleeps = true;
            waiting = self.wake.wait_timeout(waiting, patience).unwrap_or_else(PoisonError::into_inner).0;
            waiting.owner_sleeps = false;
        }
        waiting.records = 0;
        waiting.bytes = 0;
        Taken {
            batches: std::mem::take(&mut waiting.batches),
            upkeep: std::mem::take(&mut waiting.upkeep),
            closing: waiting.closing,
        }
    }

    /// Asks for upkeep now; the receiver hears when it is done, or fails when the owner is gone.
    pub(crate) fn ask_upkeep(&self) -> oneshot::Receiver<()> {
        let (done, receiver) = oneshot::channel();
        let mut waiting = self.lock();
        if !waiting.ended {
            waiting.upkeep.push(done);
            self.wake_owner(waiting);
        }
        receiver
    }

    /// Nothing more is taken in; the owner finishes what waits and ends.
    pub(crate) fn close(&self) {
        let mut waiting = self.lock();
        waiting.closing = true;
        self.wake_owner(waiting);
    }

    /// Whether somebody closed it.
    pub(crate) fn is_closing(&self) -> bool {
        self.lock().closing
    }

    /// The owner is gone. What still waits is answered with `Closed`.
    pub(crate) fn end(&self) -> Vec<Pending> {
        let mut waiting = self.lock();
        waiting.ended = true;
        waiting.upkeep.clear();
        std::mem::take(&mut waiting.batches)
    }

    fn wake_owner(&self, waiting: MutexGuard<'_, Waiting>) {
        let sleeps = waiting.owner_sleeps;
        drop(waiting);
        if sleeps {
            self.wake.notify_one();
        }
    }

    fn lock(&self) -> MutexGuard<'_, Waiting> {
        self.waiting.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Resolves with the (first) record's sequence once it is durable. The work goes on when this is dropped.
#[must_use = "only the answer says that the record is durable"]
pub struct Append(State);

enum State {
    Refused(Option<AppendError>),
    Waiting(oneshot::Receiver<Result<u64, AppendError>>),
}

impl Append {
    pub(crate) fn refused(error: AppendError) -> Append {
        Append(State::Refused(Some(error)))
    }

    /// The refusal that is known already, for counting.
    pub(crate) fn refusal(&self) -> Option<&AppendError> {
        match &self.0 {
            State::Refused(error) => error.as_ref(),
            State::Waiting(_) => None,
        }
    }
}

impl Future for Append {
    type Output = Result<u64, AppendError>;

    fn poll(mut self: Pin<&mut Self>, context: &mut Context<'_>) -> Poll<Self::Output> {
        match &mut self.0 {
            State::Refused(error) => Poll::Ready(Err(error.take().unwrap_or(AppendError::Closed))),
            State::Waiting(receiver) => {
                Pin::new(receiver).poll(context).map(|answer| answer.unwrap_or(Err(AppendError::Closed)))
            }
        }
    }
}
