//! Named, keyed, ordered topics that join the stages. Today they lie in a [`journal`] each; Kafka will be the second
//! backing of the same contract, so a stage never learns which one it runs on.
//!
//! A consumer that can't read a record gets its bytes and the reason rather than a gap: nothing vanishes here.

mod error;
mod partition;
mod record;
mod topic;

pub use error::{AppendError, GroupError, OpenError, ReadError};
pub use journal::Config as JournalConfig;
pub use partition::partition;
pub use record::{DecodeError, Delivered, Record, Undecodable};
pub use topic::{Consumer, Topic, TopicConfig};
