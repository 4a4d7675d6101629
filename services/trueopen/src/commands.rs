//! The commands that do one thing and end.

mod database;
mod grafana;
mod offline;
mod signature_files;
mod signatures;

pub(crate) use database::{account, key, migrate, settings};
pub(crate) use grafana::grafana_user;
pub(crate) use offline::{classify_file, config, explain, instrument, link, master_key};
pub(crate) use signatures::signatures;
