//! What every service needs of ClickHouse: the connection, migrations, and accounts with their keys and settings.
//!
//! Invariants: every insert is confirmed before its call returns; accounts, settings and migrations are written by one
//! process at a time (see [`lock`]); no text that a stranger wrote becomes part of a statement, all of it travels as
//! parameters or rows; no error's `Display` holds a value out of a row (see [`error::DatabaseError`]).

pub mod accounts;
pub mod audit;
pub mod cluster;
pub mod connection;
pub mod directory;
pub mod error;
pub mod keys;
pub mod lock;
mod metrics;
pub mod migrate;
pub mod readers;
pub mod retention;
pub mod settings;
mod tokens;

pub use accounts::{Account, Accounts, AccountsError, Webhook};
pub use audit::AuditEntry;
pub use cluster::Cluster;
pub use connection::Connection;
pub use directory::{AccountEntry, AuthError, Directory, RefreshError};
pub use error::{DatabaseError, ErrorClass};
pub use keys::{Key, Scope};
pub use migrate::{MigrateError, Migrated, migrate, migrate_on};
pub use runtime::Secret;
pub use settings::{Settings, SettingsError, Suppress};
