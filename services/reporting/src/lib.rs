//! The reporting API: links and instrumented mails out, delivery events in, settings, and reports over what was loaded.
//!
//! Invariants: no text that a stranger wrote becomes part of a statement, all of it travels as bound parameters; every
//! figure comes from the views in `schema/clickhouse` and from nowhere else; a key sees its own account,
//! and another account looks like none at all; logs and metric labels carry the route's template and the status, never
//! what stands in a path, a query or a body.
//!
//! [`mint`] and [`instrument`] hold no HTTP: the command line calls them too.

mod api;
mod audit;
mod auth;
mod body;
mod compare;
mod config;
mod details;
mod error;
mod export;
mod figures;
pub mod instrument;
mod metrics;
pub mod mint;
mod problem;
mod query;
mod series;
mod server;
mod state;
mod timeline;
mod unsubscribes;
mod webhooks;
mod window;

pub use api::openapi;
pub use config::Config;
pub use error::ReportingError;
pub use series::edges;
pub use server::{Dependencies, Reporting};
pub use webhooks::fetch::{Fetch, FetchError, Fetched, Internet};
