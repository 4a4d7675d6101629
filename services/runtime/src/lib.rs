//! What every service needs to run, and nothing about tracking: configuration, telemetry, an HTTP server loop, the admin
//! port and the life cycle of a process made of stages.

pub mod admin;
pub mod config;
pub mod files;
pub mod lifecycle;
mod metrics;
mod proxy;
pub mod server;
pub mod telemetry;

pub use admin::{Admin, Readiness};
pub use config::{Secret, load};
pub use lifecycle::{Shutdown, Stages, Trigger};
