//! A durable queue of byte records on disk. It knows nothing of what the records mean.
//!
//! Appends are answered once they are synced (group commit by one owner thread), readers read from any position, and
//! named positions are remembered as hints. Invariants:
//!
//! - The segments are the truth. An answered record is read by every reader that begins at or before it, in order and
//!   once, until retention drops it; positions, however wrong, cost duplicates and never events.
//! - Readers see only what is synced.
//! - Content never stops a start: torn tails are cut, damage and newer versions are set aside, all counted.
//! - After a failed sync nothing more is written to that segment.
//! - Every bound is a setting that says what happens beyond it: see [`Config`].
//! - Nothing of a record's content reaches a log line or a metric.

mod clean;
mod config;
mod error;
mod frame;
mod journal;
mod look;
mod metrics;
mod owner;
mod positions;
mod queue;
mod reader;
mod recovery;
mod retention;
mod scan;
mod set_aside;
mod shared;
#[cfg(any(test, feature = "test-support"))]
pub mod simulated;
pub mod storage;
#[cfg(test)]
mod tests;
mod writer;

pub use config::Config;
pub use error::{AppendError, CommitError, OpenError, ReadError, Reason};
pub use journal::{Journal, Stats};
pub use look::Look;
pub use queue::Append;
pub use reader::{Entry, Reader};
pub use recovery::Recovery;
