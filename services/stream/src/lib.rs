//! Named, keyed, ordered topics that join the stages. They lie in a [`journal`] each, or in Kafka: two backings of one
//! contract, so a stage never learns which one it runs on.
//!
//! A consumer that can't read a record gets its bytes and the reason rather than a gap: nothing vanishes here.

mod error;
mod follower;
mod forward;
mod kafka;
mod metrics;
mod partition;
mod record;
mod scan;
mod topic;
mod worker;

pub use error::{AppendError, GroupError, OpenError, ReadError};
pub use follower::{Followed, Follower};
pub use forward::{ForwardConfig, ForwardError, Forwarder, SetAside};
pub use journal::Config as JournalConfig;
pub use kafka::{Cluster, ClusterError, KafkaConfig, TopicSpec, is_secret};
pub use partition::partition;
pub use record::{DecodeError, Delivered, Record, Undecodable};
pub use scan::{Found, Scan};
pub use topic::{Consumer, Topic, TopicConfig};
pub use worker::{Assigned, FinishError, Finished, News, Output, Worker};
