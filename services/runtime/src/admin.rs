//! The admin port: `/livez`, `/readyz`, `/metrics`.

use crate::server::{self, BindError, Limits, Response};
use bytes::Bytes;
use http_body_util::Full;
use hyper::service::service_fn;
use prometheus::{Encoder as _, TextEncoder};
use std::convert::Infallible;
use std::future::Future;
use std::net::SocketAddr;
use std::sync::{Arc, RwLock};
use tokio::net::TcpListener;

type Check = Box<dyn Fn() -> Result<(), String> + Send + Sync>;

/// What must hold for a process to be ready: named checks, each with the reason why it does not hold.
#[derive(Clone, Default)]
pub struct Readiness(Arc<RwLock<Vec<(&'static str, Check)>>>);

impl Readiness {
    /// No checks yet: ready.
    #[must_use]
    pub fn new() -> Self {
        Self::default()
    }

    /// Adds a check. It is called at every request of `/readyz`, so it must be quick.
    pub fn add(&self, name: &'static str, check: impl Fn() -> Result<(), String> + Send + Sync + 'static) {
        self.0.write().unwrap_or_else(std::sync::PoisonError::into_inner).push((name, Box::new(check)));
    }

    /// Every check that does not hold, with its reason.
    #[must_use]
    pub fn failing(&self) -> Vec<(&'static str, String)> {
        let checks = self.0.read().unwrap_or_else(std::sync::PoisonError::into_inner);
        checks.iter().filter_map(|(name, check)| Some((*name, check().err()?))).collect()
    }
}

/// The admin server, bound but not yet running.
pub struct Admin {
    listener: TcpListener,
    readiness: Readiness,
}

impl Admin {
    /// Listens on the admin port.
    ///
    /// # Errors
    /// [`BindError`] when the port can't be had.
    pub async fn build(address: SocketAddr, readiness: Readiness) -> Result<Self, BindError> {
        Ok(Self { listener: server::bind("the admin port", address).await?, readiness })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// When the system can't say.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` ends.
    ///
    /// # Errors
    /// None today; the type leaves room.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), Infallible> {
        let readiness = self.readiness;
        let limits = Limits { connections: 64, stop_seconds: 1, ..Limits::default() };
        let service = move |_peer| {
            let readiness = readiness.clone();
            service_fn(move |request: http::Request<hyper::body::Incoming>| {
                let response = answer(request.uri().path(), &readiness);
                async move { Ok(response) }
            })
        };
        server::serve("admin", self.listener, limits, service, shutdown).await;
        Ok(())
    }
}

fn answer(path: &str, readiness: &Readiness) -> Response {
    match path {
        "/livez" => text(200, "ok\n".to_owned()),
        "/readyz" => {
            let failing = readiness.failing();
            if failing.is_empty() {
                return text(200, "ready\n".to_owned());
            }
            text(503, failing.iter().map(|(name, reason)| format!("{name}: {reason}\n")).collect())
        }
        "/metrics" => {
            let mut body = Vec::new();
            match TextEncoder::new().encode(&prometheus::gather(), &mut body) {
                Ok(()) => response(200, "text/plain; version=0.0.4", body.into()),
                Err(error) => text(500, format!("{error}\n")),
            }
        }
        _ => text(404, "try /livez, /readyz or /metrics\n".to_owned()),
    }
}

fn text(status: u16, body: String) -> Response {
    response(status, "text/plain; charset=utf-8", body.into())
}

fn response(status: u16, kind: &'static str, body: Bytes) -> Response {
    let mut response = Response::new(Full::new(body));
    *response.status_mut() = http::StatusCode::from_u16(status).expect("written above");
    response.headers_mut().insert(http::header::CONTENT_TYPE, http::HeaderValue::from_static(kind));
    response
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn readiness_names_what_fails() {
        let readiness = Readiness::new();
        assert_eq!(answer("/readyz", &readiness).status(), 200);
        readiness.add("journal", || Err("disk full".to_owned()));
        readiness.add("loader", || Ok(()));
        assert_eq!(answer("/readyz", &readiness).status(), 503);
        assert_eq!(readiness.failing(), [("journal", "disk full".to_owned())]);
        assert_eq!(answer("/livez", &readiness).status(), 200);
        assert_eq!(answer("/metrics", &readiness).status(), 200);
        assert_eq!(answer("/", &readiness).status(), 404);
    }
}
