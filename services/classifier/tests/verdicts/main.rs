//! What the ruleset says: every rule with a hit, a near miss and its known false positive; the published agents; and
//! what must hold for any input.

#![allow(clippy::unwrap_used)] // a panic here is a failed test with a line number

mod across;
mod again;
mod clients;
mod files;
mod known_agents;
mod learned;
mod neighbours;
mod over_time;
mod own_files;
mod partitions;
mod properties;
mod request;
mod signature_files;
mod support;
mod vendors;
