//! What parent and child say to each other: one JSON line each way.
//!
//! The settings go over standard input, because they hold the password and a command line is there for everyone to
//! read. The child answers with one line on what was its standard output. After that standard input carries nothing:
//! its end tells the child to stop, whether the parent closed it or died.

use std::net::SocketAddr;
use std::path::PathBuf;
use std::time::Duration;

use serde::{Deserialize, Serialize};

/// All that the child needs to know. Not to be printed: it holds the password.
#[derive(Clone, Serialize, Deserialize)]
pub(crate) struct ChildSettings {
    /// libchdb.so, absolute.
    pub(crate) library: PathBuf,
    /// Where everything lies, absolute; made when missing.
    pub(crate) data_dir: PathBuf,
    /// Where to listen.
    pub(crate) listen: SocketAddr,
    /// The one user's name.
    pub(crate) user: String,
    /// The one user's password.
    pub(crate) password: String,
    /// Statements at once.
    pub(crate) max_queries: usize,
    /// How long a statement waits for its turn.
    pub(crate) queue_wait: Duration,
    /// Connections at once.
    pub(crate) max_connections: usize,
    /// How long running statements may go on once the child was told to stop.
    pub(crate) stop_deadline: Duration,
    /// How long to wait for another engine to leave the data directory.
    pub(crate) lock_wait: Duration,
    /// How long a client may take to send or fetch the next piece.
    pub(crate) client_timeout: Duration,
    /// Bytes of an answer that must be whole before it can be sent.
    pub(crate) max_answer_bytes: u64,
    /// The engine's own limit on its memory; its default (90 % of the machine) when absent.
    pub(crate) memory_limit_bytes: Option<u64>,
}

/// How the child's start ended.
#[derive(Debug, Serialize, Deserialize)]
#[serde(rename_all = "snake_case")]
pub(crate) enum Report {
    /// It answers requests.
    Ready {
        /// Where; the port is the real one even if 0 was asked for.
        address: SocketAddr,
        /// The engine's version.
        version: String,
    },
    /// It gave up.
    Failed {
        /// Why, in one line for a person.
        reason: String,
    },
}
