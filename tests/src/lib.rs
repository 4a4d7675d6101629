//! The system from outside: starts the real binary on free ports, asks it as a user would, ends only what it started.

#![allow(
    clippy::unwrap_used,
    clippy::missing_panics_doc,
    reason = "a panic is a failed test with a line number"
)]

mod api;
mod brokers;
mod kafka;
mod postfix;
mod program;
mod stage;

pub use api::{Api, wait_until};
pub use brokers::Brokers;
pub use kafka::{Broker, kafka, kcat, kcat_lines};
pub use postfix::Postfix;
pub use program::{Program, System, asn_database, engine_library, program};
pub use stage::{Stage, free_port};
