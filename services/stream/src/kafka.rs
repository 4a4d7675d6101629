//! Topics over Kafka.
//!
//! - An append is answered once all in-sync replicas have the record (`acks=all`, idempotent producer), in order of its
//!   key. Repeats after an unclear answer are possible and must be harmless.
//! - The partition is [`partition`](crate::partition) of the key, whichever client library's default that is.
//! - Offsets move by [`Consumer::commit`](crate::Consumer::commit) alone, those of a [`Worker`](crate::Worker) in its
//!   transactions alone. A partition that went to another member takes nothing more from this one: what was in hand comes
//!   again there.
//! - Nothing here creates a topic but [`Cluster::create_missing`].

mod cluster;
mod consumer;
mod context;
mod ends;
mod follower;
mod lost;
mod producer;
mod scan;
mod settings;
mod settle;
mod topic;
mod transactor;
mod worker;
mod working;

pub use cluster::{Cluster, ClusterError, TopicSpec};
pub use settings::{KafkaConfig, is_secret};

pub(crate) use consumer::KafkaConsumer;
pub(crate) use follower::KafkaFollower;
pub(crate) use scan::KafkaScan;
pub(crate) use topic::KafkaTopic;
pub(crate) use worker::KafkaWorker;
