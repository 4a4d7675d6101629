//! The tracker's settings, each bound with what happens beyond it.

use ipnetwork::IpNetwork;
use runtime::server::Limits;
use serde::{Deserialize, Serialize};
use std::net::{IpAddr, Ipv4Addr, SocketAddr};
use std::path::PathBuf;

/// The tracker's settings.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Config {
    /// Where the tracker listens.
    pub listen: SocketAddr,
    /// Networks of proxies in front whose word on the client's address is believed. Empty: the peer is the client.
    pub trusted_proxies: Vec<IpNetwork>,
    /// Which header those proxies write. Only this one is read: the other may come from the client.
    pub forwarded_header: ForwardedHeader,
    /// Whether those proxies begin each connection with a PROXY protocol v2 header; then no forwarding header is read,
    /// and a connection of theirs without it is closed and counted in `trueopen_runtime_connections_refused_total`.
    pub proxy_protocol: bool,
    /// A file of destinations that are taken down, one host or URL prefix a line; read again when it changes.
    pub takedown_file: Option<PathBuf>,
    /// Milliseconds to wait for the journal; beyond it the reader is served and `trueopen_tracker_unconfirmed_hits_total` counts.
    pub durable_millis: u64,
    /// Milliseconds that an unsubscribe POST waits for the journal; beyond it the answer is 503, since a promise that
    /// may not be kept must not be made.
    pub unsubscribe_millis: u64,
    /// The most bytes of the user agent that are kept; the rest is cut.
    pub agent_bytes: usize,
    /// The most bytes of each header that rules read that are kept; the rest is cut.
    pub header_value_bytes: usize,
    /// Bounds of connections and requests.
    pub limits: Limits,
}

/// The header from which the client's address is read behind a trusted proxy.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize, Serialize)]
#[serde(rename_all = "kebab-case")]
pub enum ForwardedHeader {
    /// `X-Forwarded-For`.
    XForwardedFor,
    /// `Forwarded` (RFC 7239).
    Forwarded,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            listen: SocketAddr::new(IpAddr::V4(Ipv4Addr::UNSPECIFIED), 8080),
            trusted_proxies: Vec::new(),
            forwarded_header: ForwardedHeader::XForwardedFor,
            proxy_protocol: false,
            takedown_file: None,
            durable_millis: 250,
            unsubscribe_millis: 5000,
            agent_bytes: 1024,
            header_value_bytes: 256,
            limits: Limits::default(),
        }
    }
}
