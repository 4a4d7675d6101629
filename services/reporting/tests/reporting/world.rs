//! A running API over a database of its own.

use crate::support;
use engagement::keys::{KeyId, KeyRing, MasterKey};
use engagement::{AccountId, AccountNumber};
use reporting::{Config, Dependencies, Reporting};
use reqwest::{Client, Method, Response, StatusCode};
use serde_json::Value;
use std::path::PathBuf;
use std::sync::Arc;
use std::sync::atomic::{AtomicU32, Ordering};
use store::{Accounts, Connection, Directory, Scope};
use stream::{JournalConfig, Topic, TopicConfig};
use tokio::sync::oneshot;

/// The account of most tests, and its neighbour.
pub(crate) const DEMO: AccountNumber = AccountNumber(1);
pub(crate) const OTHER: AccountNumber = AccountNumber(2);
pub(crate) const BASE: &str = "http://localhost:8080";

pub(crate) struct World {
    pub(crate) connection: Connection,
    pub(crate) accounts: Accounts,
    pub(crate) directory: Directory,
    pub(crate) topic: Topic,
    pub(crate) hits: Topic,
    pub(crate) url: String,
    /// A key of `demo` with all scopes, and one of `other`.
    pub(crate) admin: String,
    pub(crate) other_admin: String,
    http: Client,
    folder: PathBuf,
    _stop: oneshot::Sender<()>,
}

pub(crate) fn ring() -> KeyRing {
    KeyRing::new(vec![MasterKey::new(KeyId(1), [5; 32])], KeyId(1)).unwrap()
}

impl World {
    pub(crate) async fn new() -> Self {
        Self::with(Config::default()).await
    }

    pub(crate) async fn with(config: Config) -> Self {
        static COUNT: AtomicU32 = AtomicU32::new(0);
        let folder = support::scratch(&format!("world-{}", COUNT.fetch_add(1, Ordering::Relaxed)));
        let connection = support::migrated().await;
        let accounts = Accounts::new(connection.client());
        for name in ["demo", "other"] {
            accounts.create(&AccountId::new(name).unwrap()).await.unwrap();
        }
        let (_, admin) = accounts.create_key(DEMO, "admin", &[Scope::Admin]).await.unwrap();
        let (_, other_admin) = accounts.create_key(OTHER, "admin", &[Scope::Admin]).await.unwrap();
        let directory = Directory::load(&folder.join("directory.json"));
        directory.refresh(&accounts).await.unwrap();
        let topic = Topic::open(TopicConfig {
            name: "delivery".to_owned(),
            journal: JournalConfig::new("delivery", folder.join("delivery")),
            groups: vec!["loader".to_owned()],
        })
        .unwrap();
        let hits = Topic::open(TopicConfig {
            name: "engagement.raw".to_owned(),
            journal: JournalConfig::new("raw", folder.join("raw")),
            groups: vec!["classifier".to_owned()],
        })
        .unwrap();
        let tokens = folder.join("webhook-tokens");
        let (url, stop) = serve(config, &connection, &accounts, &directory, [&topic, &hits], tokens).await;
        Self {
            connection,
            accounts,
            directory,
            topic,
            hits,
            url,
            admin,
            other_admin,
            http: Client::new(),
            folder,
            _stop: stop,
        }
    }

    /// The same API once more, over a database that is not there.
    pub(crate) async fn without_database(mut self) -> Self {
        self.connection.url = "http://127.0.0.1:1".to_owned();
        self.accounts = Accounts::new(self.connection.client());
        self.started_again().await
    }

    /// The same API once more, over what it keeps on disk.
    pub(crate) async fn started_again(mut self) -> Self {
        let topics = [&self.topic, &self.hits];
        let tokens = self.folder.join("webhook-tokens");
        let served =
            serve(Config::default(), &self.connection, &self.accounts, &self.directory, topics, tokens).await;
        (self.url, self._stop) = served;
        self
    }

    /// A key of `demo` with these scopes, known to the API.
    pub(crate) async fn key(&self, scopes: &[Scope]) -> String {
        let (_, secret) = self.accounts.create_key(DEMO, "test", scopes).await.unwrap();
        self.directory.refresh(&self.accounts).await.unwrap();
        secret
    }

    pub(crate) async fn send(
        &self,
        method: Method,
        path: &str,
        key: Option<&str>,
        body: Option<String>,
    ) -> Response {
        let mut request = self.http.request(method, format!("{}{path}", self.url));
        if let Some(key) = key {
            request = request.bearer_auth(key);
        }
        if let Some(body) = body {
            request = request.body(body);
        }
        request.send().await.unwrap()
    }

    pub(crate) async fn get(&self, path: &str) -> Response {
        self.send(Method::GET, path, Some(&self.admin), None).await
    }

    /// The JSON of a path that answers 200.
    pub(crate) async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert_eq!(status, StatusCode::OK, "{path}: {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// What a body sent as the administrator gets.
    pub(crate) async fn give(&self, method: Method, path: &str, body: Value) -> (StatusCode, Value) {
        let response = self.send(method, path, Some(&self.admin), Some(body.to_string())).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::Null))
    }
}

impl Drop for World {
    fn drop(&mut self) {
        let _ = std::fs::remove_dir_all(&self.folder);
    }
}

async fn serve(
    config: Config,
    connection: &Connection,
    accounts: &Accounts,
    directory: &Directory,
    [topic, hits]: [&Topic; 2],
    webhook_tokens: PathBuf,
) -> (String, oneshot::Sender<()>) {
    let listener = runtime::server::bind("report", "127.0.0.1:0".parse().unwrap()).await.unwrap();
    let dependencies = Dependencies {
        client: connection.client(),
        accounts: accounts.clone(),
        directory: directory.clone(),
        keys: Arc::new(ring()),
        delivery: topic.clone(),
        hits: hits.clone(),
        fetch: Arc::new(crate::webhooks::Amazon),
        webhook_tokens,
        default_base_url: BASE.to_owned(),
    };
    let reporting = Reporting::build(config, listener, dependencies).unwrap();
    let url = format!("http://{}", reporting.address().unwrap());
    let (stop, stopped) = oneshot::channel::<()>();
    tokio::spawn(reporting.run(async {
        let _ = stopped.await;
    }));
    (url, stop)
}

/// The status and the document of a problem, after checking that it is one.
pub(crate) async fn problem(response: Response) -> (StatusCode, Value) {
    let status = response.status();
    let kind = response.headers().get("content-type").map(|value| value.to_str().unwrap().to_owned());
    let text = response.text().await.unwrap();
    assert_eq!(kind.as_deref(), Some("application/problem+json"), "{text}");
    let document: Value = serde_json::from_str(&text).unwrap();
    assert_eq!(document["status"], status.as_u16());
    for field in ["type", "title", "detail"] {
        assert!(document[field].as_str().is_some_and(|text| !text.is_empty()), "{field} in {text}");
    }
    (status, document)
}

/// A value as it stands in a query or a path.
pub(crate) fn escaped(value: &str) -> String {
    let mut out = String::new();
    for byte in value.bytes() {
        if byte.is_ascii_alphanumeric() || b"-_.~".contains(&byte) {
            out.push(char::from(byte));
        } else {
            out.push_str(&format!("%{byte:02X}"));
        }
    }
    out
}

/// Whether two answers are the same. Rates may differ in their last bit: serde_json does not read every float exactly.
pub(crate) fn close(left: &Value, right: &Value) -> bool {
    match (left, right) {
        (Value::Object(left), Value::Object(right)) => {
            left.len() == right.len()
                && left.iter().all(|(name, value)| right.get(name).is_some_and(|other| close(value, other)))
        }
        (Value::Number(left), Value::Number(right)) => {
            (left.as_f64().unwrap() - right.as_f64().unwrap()).abs() < 1e-12
        }
        _ => left == right,
    }
}
