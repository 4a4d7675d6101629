//! The reporting API over the real engine, seen from outside: figures against hand-made tables and an independent
//! recount, access, input and its faults, and the checked-in OpenAPI document.
#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod access;
mod compare;
mod dashboards;
mod delivery;
mod details;
mod documents;
mod export;
mod facts;
mod figures;
mod hostile;
mod mails;
mod oracle;
mod pages;
mod parquet;
mod recount;
mod seed;
mod series;
#[path = "../../../store/tests/support/mod.rs"]
mod support;
mod timeline;
mod unsubscribes;
mod webhooks;
mod world;
