//! The pixel, redirect and unsubscribe server. It answers after the hit is in the journal and needs nothing else to
//! answer: no database, no broker, no look-up over the network.
//!
//! Invariants: a reader always gets the image or the page, whatever fails behind; every opened token is counted as
//! received, and then as journaled or as refused with a reason; GET and HEAD change nothing.

mod address;
mod answer;
mod config;
mod evidence;
mod handler;
mod keys;
mod metrics;
mod record;
mod takedown;

pub use config::{Config, ForwardedHeader};

use engagement::keys::KeyRing;
use handler::Handler;
use hyper::service::service_fn;
use runtime::server::{self, BindError};
use std::future::Future;
use std::net::SocketAddr;
use std::sync::Arc;
use store::Directory;
use stream::Topic;
use tokio::net::TcpListener;

/// The tracker, bound but not yet running.
pub struct Tracker {
    listener: TcpListener,
    limits: server::Limits,
    handler: Arc<Handler>,
}

/// Why the tracker can't start.
#[derive(Debug, thiserror::Error)]
pub enum BuildError {
    /// The port can't be had.
    #[error(transparent)]
    Bind(#[from] BindError),
    /// The list of destinations that are taken down can't be read.
    #[error("the takedown list {path} can't be read: {reason}")]
    Takedown {
        /// Its path.
        path: String,
        /// What the system said.
        reason: String,
    },
}

impl Tracker {
    /// Binds the port and reads the takedown list. `raw` is the topic that hits are written to.
    ///
    /// # Errors
    /// [`BuildError`] says in one line what can't be had.
    pub async fn build(
        config: Config,
        ring: Arc<KeyRing>,
        directory: Directory,
        raw: Topic,
    ) -> Result<Self, BuildError> {
        metrics::prepare();
        let listener = server::bind("the tracker", config.listen).await?;
        let limits = config.limits.clone();
        Ok(Self { listener, limits, handler: Arc::new(Handler::new(config, ring, directory, raw)?) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system can't say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` ends; then takes no more connections and finishes what is open.
    ///
    /// # Errors
    /// None today; the type leaves room for a listener that fails for good.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), std::convert::Infallible> {
        let handler = self.handler;
        let watched = tokio::spawn(takedown::watch(handler.takedown()));
        let behind = {
            let handler = Arc::clone(&handler);
            move |peer| handler.speaks_proxy(peer)
        };
        let service = move |peer: SocketAddr| {
            let handler = Arc::clone(&handler);
            service_fn(move |request| {
                let handler = Arc::clone(&handler);
                async move { Ok(handler.answer(peer, request).await) }
            })
        };
        server::serve_behind("tracker", self.listener, self.limits, behind, service, shutdown).await;
        watched.abort();
        Ok(())
    }
}
