//! Building and running the API.

use crate::api;
use crate::audit::AuditHash;
use crate::config::Config;
use crate::error::ReportingError;
use crate::mint::Minter;
use crate::state::App;
use crate::webhooks::fetch::Fetch;
use crate::webhooks::sns::Sns;
use crate::webhooks::{Reader, Seen};
use aws_lc_rs::hmac;
use axum::Router;
use axum::body::Body;
use clickhouse::Client;
use engagement::keys::KeyRing;
use engagement::{AccountNumber, Timestamp};
use hyper::body::Incoming;
use hyper::service::service_fn;
use std::future::Future;
use std::net::SocketAddr;
use std::path::PathBuf;
use std::sync::Arc;
use std::time::SystemTime;
use store::{Accounts, Directory};
use stream::Topic;
use tokio::net::TcpListener;
use tokio::sync::{Mutex, Semaphore};
use tower::ServiceExt as _;

/// What the API works with; others open and close it.
pub struct Dependencies {
    /// The database that reports are asked of; migrated.
    pub client: Client,
    /// Accounts over the same database.
    pub accounts: Accounts,
    /// The copy of accounts and keys that requests are checked against; others keep it fresh.
    pub directory: Directory,
    /// The master keys that tokens are sealed under.
    pub keys: Arc<KeyRing>,
    /// The topic that delivery events go to.
    pub delivery: Topic,
    /// The topic that hits go to: opens and clicks that a mail provider tells of.
    pub hits: Topic,
    /// How certificates and confirmations of webhooks are fetched.
    pub fetch: Arc<dyn Fetch>,
    /// Where tokens of webhooks that are good once are kept over a restart.
    pub webhook_tokens: PathBuf,
    /// Where the URLs of accounts without their own base point, such as `http://localhost:8080`.
    pub default_base_url: String,
}

/// The reporting API, ready to run.
pub struct Reporting {
    listener: TcpListener,
    config: Config,
    router: Router,
}

impl Reporting {
    /// Puts the API together over a port that is listened on already.
    ///
    /// # Errors
    /// [`ReportingError`] when the default base URL can't start a URL.
    pub fn build(
        config: Config,
        listener: TcpListener,
        dependencies: Dependencies,
    ) -> Result<Self, ReportingError> {
        let Dependencies {
            client,
            accounts,
            directory,
            keys,
            delivery,
            hits,
            fetch,
            webhook_tokens,
            default_base_url,
        } = dependencies;
        if Minter::new(&keys, AccountNumber(0), None, &default_base_url).is_err() {
            return Err(ReportingError::DefaultBaseUrl(default_base_url));
        }
        let app = Arc::new(App {
            client: client.with_setting("max_execution_time", config.query_seconds.to_string()),
            accounts,
            directory,
            audit_hash: AuditHash::new(&keys),
            sns: Sns::new(fetch),
            seen: Seen::open(&webhook_tokens, Timestamp::from_clock(SystemTime::now())),
            reader: Reader {
                key: hmac::Key::new(hmac::HMAC_SHA256, &keys.current().secret("webhook recipients")[..]),
            },
            keys,
            delivery,
            hits,
            default_base_url,
            settings_change: Mutex::new(()),
            exports: Arc::new(Semaphore::new(config.exports)),
            config: config.clone(),
        });
        Ok(Self { listener, config, router: api::router(app) })
    }

    /// Where it listens.
    ///
    /// # Errors
    /// What the system says.
    pub fn address(&self) -> std::io::Result<SocketAddr> {
        self.listener.local_addr()
    }

    /// Serves until `shutdown` ends; then open requests finish and it returns.
    ///
    /// # Errors
    /// None today; the stages of a process share this shape.
    pub async fn run(self, shutdown: impl Future<Output = ()>) -> Result<(), ReportingError> {
        let Self { listener, config, router } = self;
        let connection = move |_peer| {
            let router = router.clone();
            service_fn(move |request: hyper::Request<Incoming>| {
                router.clone().oneshot(request.map(Body::new))
            })
        };
        runtime::server::serve("report", listener, config.limits, connection, shutdown).await;
        Ok(())
    }
}
