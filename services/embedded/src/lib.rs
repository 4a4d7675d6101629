//! ClickHouse as a child process: libchdb, the ClickHouse engine as a library, loaded at run time and served over
//! ClickHouse's own HTTP interface on loopback, so that clients, SQL and dashboards are the same as with a server.
//!
//! Two halves share this crate:
//!
//! - the parent holds an [`Engine`]: it starts the child, hands it its settings over standard input, starts it again
//!   when it dies, and stops it;
//! - the child runs [`serve_child`] (a hidden subcommand): it loads the library and answers HTTP until its standard
//!   input ends, which is also how it learns that its parent has died.
//!
//! Invariants:
//!
//! - The engine's crash is never the parent's: the library is loaded in the child only, and never unloaded.
//! - The URL and the password stay the same over restarts; requests that were under way when the child died get a
//!   connection error and nothing else.
//! - An insert is answered with success only after the engine has committed all of it. One that breaks off or fails
//!   is aborted: blocks that were already complete (a block is about a million rows or 256 MB) may have been stored,
//!   as on a server; the unfinished rest is not, and no success is sent. What was answered survives `kill -9` when the
//!   table has ClickHouse's fsync settings on.
//! - No request changes the next: every request gets a session of its own with its own settings and database.
//!
//! What it is not: it knows nothing of mail, and it has one user. Whoever has the password may do what the process
//! may do, reading files by SQL among it.

mod child;
mod engine;
mod ffi;
pub mod metrics;
mod password;
mod protocol;
mod supervisor;

pub use child::{ChildError, serve_child};
pub use engine::{Engine, EngineConfig, EngineError};
