//! What can be set about the reporting API.

use runtime::server::Limits;
use serde::{Deserialize, Serialize};

/// The reporting API's configuration. Every bound says what happens beyond it.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// The bounds of the HTTP server.
    pub limits: Limits,
    /// Seconds that one request may take, its body included; beyond it the answer is 503.
    pub request_seconds: u64,
    /// Seconds that ClickHouse may work on one report; beyond it the answer is 503.
    pub query_seconds: u64,
    /// The most bytes of one body of delivery events; beyond it the answer is 413 and nothing of it is taken.
    pub events_bytes: usize,
    /// The most bytes of any other body, HTML to instrument among them; beyond it the answer is 413.
    pub body_bytes: usize,
    /// The most bytes of one request of a mail provider's webhook; beyond it the answer is 413 and nothing of it is taken.
    pub webhook_bytes: usize,
    /// The most links of one mail; beyond it the answer is 400.
    pub links: usize,
    /// The most rows of one breakdown; beyond it the answer says `"truncated": true`.
    pub breakdown_rows: u32,
    /// The most delivery events, and the most revisions of hits, that one timeline shows; beyond it the answer says
    /// `"truncated": true`.
    pub timeline_rows: u32,
    /// The most exports of all of a window (`limit=all`) that are under way at once, each with about 50 MB in memory however long it
    /// is; beyond it the answer is 503, to be asked again.
    pub exports: usize,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            limits: Limits { connections: 1000, ..Limits::default() },
            request_seconds: 60,
            query_seconds: 45,
            events_bytes: 16 * 1024 * 1024,
            body_bytes: 4 * 1024 * 1024,
            webhook_bytes: 8 * 1024 * 1024,
            links: 1000,
            breakdown_rows: 10_000,
            timeline_rows: 10_000,
            exports: 8,
        }
    }
}
