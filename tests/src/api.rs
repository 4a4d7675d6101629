//! The reporting API as a user asks it.

use reqwest::{Client, Method, RequestBuilder, Response, StatusCode};
use serde_json::{Value, json};
use std::time::{Duration, Instant};

/// How long something that must come may take.
const PATIENCE: Duration = Duration::from_secs(60);

/// The API with one key.
#[derive(Clone)]
pub struct Api {
    base: String,
    key: String,
    client: Client,
}

impl Api {
    /// The API at a base URL.
    pub fn new(base: &str, key: &str) -> Self {
        Self { base: base.to_owned(), key: key.to_owned(), client: Client::new() }
    }

    /// The same API with another key.
    #[must_use]
    pub fn with_key(&self, key: &str) -> Self {
        Self { key: key.to_owned(), ..self.clone() }
    }

    /// A request with the key.
    pub fn request(&self, method: Method, path: &str) -> RequestBuilder {
        self.client.request(method, format!("{}{path}", self.base)).bearer_auth(&self.key)
    }

    /// GET, whatever the answer.
    pub async fn get(&self, path: &str) -> Response {
        self.request(Method::GET, path).send().await.unwrap()
    }

    /// GET that must succeed.
    pub async fn json(&self, path: &str) -> Value {
        let response = self.get(path).await;
        let status = response.status();
        let text = response.text().await.unwrap();
        assert!(status.is_success(), "{path}: {status} {text}");
        serde_json::from_str(&text).unwrap()
    }

    /// A request with a JSON body: status and answer.
    pub async fn send(&self, method: Method, path: &str, body: &Value) -> (StatusCode, Value) {
        let response = self.request(method, path).json(body).send().await.unwrap();
        let status = response.status();
        let text = response.text().await.unwrap();
        (status, serde_json::from_str(&text).unwrap_or(Value::String(text)))
    }

    /// The summary of `demo`; `query` starts with `?` or is empty.
    pub async fn summary(&self, query: &str) -> Value {
        self.json(&format!("/v1/accounts/demo/reports/summary{query}")).await
    }

    /// The tracking URLs of a message of `demo` with these links.
    pub async fn links(&self, message: &str, links: &[&str]) -> Value {
        let links: Vec<_> = links.iter().map(|url| json!({ "url": url })).collect();
        let body = json!({"message_id": message, "campaign": "autumn", "recipient_id": "r-1",
            "recipient_domain": "example.org", "links": links});
        let (status, answer) = self.send(Method::POST, "/v1/accounts/demo/links", &body).await;
        assert!(status.is_success(), "{status} {answer}");
        answer
    }

    /// Sends delivery events of `demo` as NDJSON: status and answer.
    pub async fn events(&self, lines: &str) -> (StatusCode, Value) {
        let request = self.request(Method::POST, "/v1/accounts/demo/events");
        let response = request
            .header("content-type", "application/x-ndjson")
            .body(lines.to_owned())
            .send()
            .await
            .unwrap();
        let status = response.status();
        (status, serde_json::from_str(&response.text().await.unwrap()).unwrap())
    }

    /// The timeline of a message of `demo`.
    pub async fn timeline(&self, message: &str) -> Response {
        self.get(&format!("/v1/accounts/demo/messages/{message}/timeline")).await
    }
}

/// Asks again and again until the answer is accepted, and returns it; fails with the last answer when patience ends.
pub async fn wait_until<T, F>(mut ask: impl FnMut() -> F, accept: impl Fn(&T) -> bool) -> T
where
    F: Future<Output = T>,
    T: std::fmt::Debug,
{
    let deadline = Instant::now() + PATIENCE;
    loop {
        let answer = ask().await;
        if accept(&answer) {
            return answer;
        }
        assert!(Instant::now() < deadline, "it did not come; the last answer: {answer:#?}");
        tokio::time::sleep(Duration::from_millis(50)).await;
    }
}
