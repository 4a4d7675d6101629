//! The commands that do one thing and end.

mod database;
mod offline;

pub(crate) use database::{account, key, migrate, settings};
pub(crate) use offline::{classify_file, config, explain, instrument, link, master_key};
