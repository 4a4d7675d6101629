//! What can go wrong, by what the caller can do about it. No text holds a record's content or a path.

use std::io;

/// Why a record was not journaled. None of these says that it will not reappear after a restart: only an answer of
/// `Ok` is a promise.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum AppendError {
    /// The quota or the disk is full. Serve the reader, count the miss; it recovers when space returns.
    #[error("the journal is full")]
    Full,
    /// The record exceeds `max_record_bytes`. Repeating it is useless.
    #[error("a record of {bytes} bytes exceeds the limit of {limit}")]
    TooLarge {
        /// The record's length.
        bytes: usize,
        /// The limit.
        limit: usize,
    },
    /// A batch holds more records than a group may. Repeating it is useless; split it.
    #[error("a batch of {records} records exceeds the limit of {limit}")]
    TooMany {
        /// The batch's records.
        records: usize,
        /// The limit.
        limit: usize,
    },
    /// Too many appends wait. The caller may repeat it later.
    #[error("too many appends are waiting")]
    Busy,
    /// A write or sync failed and no probe has succeeded since. The caller may repeat it later.
    #[error("the journal is disabled after a failed write or sync")]
    Disabled,
    /// The journal was closed, or its owner thread ended. Final for this handle.
    #[error("the journal is closed")]
    Closed,
}

impl AppendError {
    /// The value of the metrics' `reason` label.
    pub fn reason(&self) -> &'static str {
        match self {
            AppendError::Full => "full",
            AppendError::TooLarge { .. } | AppendError::TooMany { .. } => "too_large",
            AppendError::Busy => "busy",
            AppendError::Disabled => "disabled",
            AppendError::Closed => "closed",
        }
    }
}

/// Why a journal can't take records now, for readiness and for people.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum Reason {
    /// The segments fill their quota.
    #[error("the journal's quota is reached")]
    QuotaReached,
    /// The disk is full.
    #[error("the disk is full")]
    DiskFull,
    /// A segment couldn't be made, written or synced.
    #[error("{operation} failed: {error}")]
    Failed {
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        error: String,
    },
    /// The journal was closed.
    #[error("the journal is closed")]
    Closed,
    /// The owner thread ended although nobody closed the journal: a defect.
    #[error("the journal's owner thread ended unexpectedly")]
    OwnerEnded,
}

/// Why a journal could not be opened. What is stored in it is never a reason.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another handle in this one, has it open.
    #[error("the journal is in use by another process")]
    Locked,
    /// A consumer's name can't name a file.
    #[error("a consumer's name must be 1 to 64 of a-z A-Z 0-9 - _: {0:?}")]
    ConsumerName(String),
    /// The folder can't be made, locked or listed.
    #[error("the journal's folder can't be used: {operation}: {error}")]
    Folder {
        /// What was tried.
        operation: &'static str,
        /// What the system said.
        error: io::Error,
    },
    /// The system gave no thread.
    #[error("the owner thread could not be started: {0}")]
    Thread(io::Error),
}

/// Why a reader got nothing. Its position is unchanged.
#[derive(Debug, thiserror::Error)]
pub enum ReadError {
    /// The journal is closed and everything durable has been read.
    #[error("the journal is closed")]
    Closed,
    /// A segment couldn't be read, or damaged bytes couldn't be set aside. The caller may try again.
    #[error("reading the journal failed: {0}")]
    Io(#[from] io::Error),
}

/// Why a position was not taken.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum CommitError {
    /// The name is not among `Config::consumers`.
    #[error("no such consumer is registered")]
    UnknownConsumer,
    /// The position lies beyond the last durable record: a defect of the caller.
    #[error("position {position} is beyond the end {end}")]
    BeyondEnd {
        /// What was given.
        position: u64,
        /// The end at that moment.
        end: u64,
    },
}
