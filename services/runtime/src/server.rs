//! The HTTP/1.1 server loop that services share: keep-alive, bounds on headers, time and connections, graceful stop.

use crate::{metrics, proxy};
use bytes::Bytes;
use http_body_util::Full;
use hyper::body::{Body, Incoming};
use hyper::server::conn::http1;
use hyper::service::Service;
use hyper_util::rt::{TokioIo, TokioTimer};
use hyper_util::server::graceful::GracefulShutdown;
use serde::{Deserialize, Serialize};
use std::convert::Infallible;
use std::future::Future;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::Semaphore;
use tracing::{debug, warn};

/// An answer whose body is small and whole.
pub type Response = http::Response<Full<Bytes>>;

/// The bounds of a server.
#[derive(Debug, Clone, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub struct Limits {
    /// The most bytes of a request's line and headers; beyond it the answer is 431 and the connection closes.
    pub header_bytes: usize,
    /// Seconds in which the headers must have arrived; beyond it the connection closes.
    pub header_seconds: u64,
    /// The most connections at once; beyond it a new one is closed at once and counted as refused.
    pub connections: usize,
    /// Seconds that open requests have to finish when the service stops; then they are cut.
    pub stop_seconds: u64,
}

impl Default for Limits {
    fn default() -> Self {
        Self { header_bytes: 16 * 1024, header_seconds: 10, connections: 20_000, stop_seconds: 10 }
    }
}

/// A port that can't be listened on.
#[derive(Debug, thiserror::Error)]
#[error("{service} can't listen on {address}: {reason}")]
pub struct BindError {
    service: &'static str,
    address: SocketAddr,
    reason: String,
}

/// Listens on an address; port 0 takes a free one.
///
/// # Errors
/// [`BindError`] names the service, the address and what to do about it.
pub async fn bind(service: &'static str, address: SocketAddr) -> Result<TcpListener, BindError> {
    TcpListener::bind(address).await.map_err(|error| BindError {
        service,
        address,
        reason: if error.kind() == std::io::ErrorKind::AddrInUse {
            "the port is in use; stop what holds it or choose another".to_owned()
        } else {
            error.to_string()
        },
    })
}

/// Serves until `shutdown` ends: then no connection is taken, open requests finish, idle connections close.
///
/// `service` makes the handler of one connection from the peer's address.
pub async fn serve<S, F, B>(
    name: &'static str,
    listener: TcpListener,
    limits: Limits,
    service: impl Fn(SocketAddr) -> S + Send + Sync + 'static,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<http::Request<Incoming>, Response = http::Response<B>, Error = Infallible, Future = F>
        + Send
        + 'static,
    F: Future<Output = Result<http::Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    serve_behind(name, listener, limits, |_| false, service, shutdown).await;
}

/// As [`serve`], for a listener behind proxies that speak PROXY protocol v2: connections from peers for which
/// `speaks_proxy` holds must begin with its header, and the address that it names is handed to `service`; one without a
/// good header is closed and counted. Other peers are taken as they are.
pub async fn serve_behind<S, F, B>(
    name: &'static str,
    listener: TcpListener,
    limits: Limits,
    speaks_proxy: impl Fn(IpAddr) -> bool,
    service: impl Fn(SocketAddr) -> S + Send + Sync + 'static,
    shutdown: impl Future<Output = ()>,
) where
    S: Service<http::Request<Incoming>, Response = http::Response<B>, Error = Infallible, Future = F>
        + Send
        + 'static,
    F: Future<Output = Result<http::Response<B>, Infallible>> + Send + 'static,
    B: Body<Data = Bytes> + Send + 'static,
    B::Error: Into<Box<dyn std::error::Error + Send + Sync>>,
{
    let open = metrics::CONNECTIONS.with_label_values(&[name]);
    let full = metrics::CONNECTIONS_ENDED.with_label_values(&[name, "full"]);
    let broken = metrics::CONNECTIONS_ENDED.with_label_values(&[name, "error"]);
    let places = Arc::new(Semaphore::new(limits.connections));
    let graceful = GracefulShutdown::new();
    let builder = Arc::new(builder(&limits));
    let service = Arc::new(service);
    let wait = Duration::from_secs(limits.header_seconds);
    tokio::pin!(shutdown);
    loop {
        let accepted = tokio::select! {
            accepted = listener.accept() => accepted,
            () = &mut shutdown => break,
        };
        let Some((stream, peer)) = taken(name, accepted).await else { continue };
        let Ok(place) = Arc::clone(&places).try_acquire_owned() else {
            full.inc();
            continue;
        };
        let (builder, service) = (Arc::clone(&builder), Arc::clone(&service));
        let (watcher, open, broken) = (graceful.watcher(), open.clone(), broken.clone());
        let behind = speaks_proxy(peer.ip().to_canonical());
        tokio::spawn(async move {
            open.inc();
            match proxy::client(stream, peer, behind, wait).await {
                Ok((stream, client)) => {
                    let connection = builder.serve_connection(TokioIo::new(stream), service(client));
                    if let Err(error) = watcher.watch(connection).await {
                        broken.inc();
                        debug!(service = name, %error, "connection ended in an error");
                    }
                }
                Err(error) => {
                    broken.inc();
                    debug!(service = name, %error, "connection from a proxy without its header");
                }
            }
            open.dec();
            drop(place);
        });
    }
    drop(listener);
    let stopping = tokio::time::timeout(Duration::from_secs(limits.stop_seconds), graceful.shutdown()).await;
    if stopping.is_err() {
        warn!(service = name, seconds = limits.stop_seconds, "connections were cut at the stop's deadline");
    }
}

fn builder(limits: &Limits) -> http1::Builder {
    let mut builder = http1::Builder::new();
    builder
        .timer(TokioTimer::new())
        .header_read_timeout(Duration::from_secs(limits.header_seconds))
        .max_buf_size(limits.header_bytes.max(8192))
        .half_close(false)
        .keep_alive(true);
    builder
}

/// A connection that was taken; an error of `accept` is waited out, since it is the machine's (too many open files)
/// and passes.
async fn taken(
    name: &'static str,
    accepted: std::io::Result<(TcpStream, SocketAddr)>,
) -> Option<(TcpStream, SocketAddr)> {
    match accepted {
        Ok((stream, peer)) => {
            // Answers are one small write each: waiting to fill a packet only costs time.
            if let Err(error) = stream.set_nodelay(true) {
                debug!(service = name, %error, "no-delay was refused");
            }
            Some((stream, peer))
        }
        Err(error) => {
            warn!(service = name, %error, "a connection could not be taken");
            tokio::time::sleep(Duration::from_millis(50)).await;
            None
        }
    }
}
