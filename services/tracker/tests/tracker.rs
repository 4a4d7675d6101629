//! The tracker over a real journal, asked by a real client.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use engagement::keys::{KeyId, KeyRing, MasterKey};
use engagement::token::{self, Content, Link, Nonce};
use engagement::{AccountNumber, Hit, Kind, Timestamp};
use reqwest::{Client, Method, Response, redirect};
use runtime::{Shutdown, Trigger};
use std::sync::Arc;
use std::sync::atomic::{AtomicU8, Ordering};
use stream::{JournalConfig, Topic, TopicConfig};
use tracker::{Config, Tracker};

struct Running {
    base: String,
    client: Client,
    raw: Topic,
    trigger: Trigger,
    task: tokio::task::JoinHandle<()>,
    _folder: tempfile::TempDir,
}

fn ring() -> KeyRing {
    KeyRing::new(vec![MasterKey::new(KeyId(1), [5; 32])], KeyId(1)).unwrap()
}

async fn start(change: impl FnOnce(&mut Config, &mut JournalConfig)) -> Running {
    let folder = tempfile::tempdir().unwrap();
    let mut config = Config { listen: "127.0.0.1:0".parse().unwrap(), ..Config::default() };
    let mut journal = JournalConfig::new("raw", folder.path().join("raw"));
    change(&mut config, &mut journal);
    let raw = Topic::open(TopicConfig { name: "raw".into(), journal, groups: vec!["test".into()] }).unwrap();
    let directory = store::Directory::load(&folder.path().join("accounts.json"));
    let tracker = Tracker::build(config, Arc::new(ring()), directory, raw.clone()).await.unwrap();
    let base = format!("http://{}", tracker.address().unwrap());
    let (trigger, shutdown): (Trigger, Shutdown) = Trigger::new();
    let task = tokio::spawn(async move { tracker.run(shutdown.requested()).await.unwrap() });
    let client = Client::builder().redirect(redirect::Policy::none()).build().unwrap();
    Running { base, client, raw, trigger, task, _folder: folder }
}

impl Running {
    async fn ask(&self, method: Method, path: &str) -> Response {
        self.client.request(method, format!("{}{path}", self.base)).send().await.unwrap()
    }

    /// Every hit that is in the journal.
    async fn hits(&self) -> Vec<Hit> {
        let mut consumer = self.raw.consumer("test").unwrap();
        let mut hits = Vec::new();
        while u64::try_from(hits.len()).unwrap() < consumer.lag() {
            for delivered in consumer.next(1000, 1 << 20).await.unwrap() {
                hits.push(engagement::from_wire(&delivered.record.unwrap().payload).unwrap());
            }
        }
        hits
    }

    async fn stop(self) {
        self.trigger.ask();
        self.task.await.unwrap();
        self.raw.close().await;
    }
}

fn mint(kind: Kind, host: Option<&str>) -> String {
    static NONCE: AtomicU8 = AtomicU8::new(0);
    let link = (kind == Kind::Click)
        .then(|| Link::new("https://example.com/a?b=c", 1, 3, Some("pricing".into())).unwrap());
    let content = Content {
        kind,
        message_id: "message-1".into(),
        recipient_id: "recipient-1".into(),
        campaign: "autumn".into(),
        recipient_domain: "Example.ORG".into(),
        sent_at: Timestamp::parse("2026-11-21T09:30:05Z").unwrap(),
        link,
    };
    let nonce = Nonce::from_random([NONCE.fetch_add(1, Ordering::Relaxed); 12]);
    token::mint(&ring(), AccountNumber(7), host, &content, nonce).unwrap()
}

#[tokio::test]
async fn the_pixel_is_served_and_its_hit_is_durable_before_the_answer() {
    let tracker = start(|_, _| {}).await;
    let path = format!("/o/{}.gif%27", mint(Kind::Open, None));
    let request = tracker.client.get(format!("{}{path}", tracker.base));
    let response =
        request.header("user-agent", "Mozilla/5.0").header("sec-purpose", "prefetch").send().await.unwrap();
    assert_eq!(response.status(), 200);
    assert_eq!(response.headers()["content-type"], "image/gif");
    assert_eq!(response.headers()["cache-control"], "no-store, private");
    assert_eq!(response.bytes().await.unwrap().len(), 43);
    let hits = tracker.hits().await;
    assert_eq!(hits.len(), 1);
    let hit = &hits[0];
    assert_eq!((hit.kind, hit.account_number.0, hit.message_id.as_str()), (Kind::Open, 7, "message-1"));
    assert_eq!(hit.recipient_domain, "example.org");
    assert_eq!(hit.request.ua, "Mozilla/5.0");
    assert_eq!(hit.request.ip, Some("127.0.0.1".parse().unwrap()));
    assert_eq!(hit.request.headers["sec-purpose"], "prefetch");
    assert_eq!(hit.request.trailing.as_deref(), Some("%27"));
    assert_eq!(hit.event_id.get_version_num(), 7);
    tracker.stop().await;
}

#[tokio::test]
async fn a_click_redirects_and_head_is_a_hit_too() {
    let tracker = start(|_, _| {}).await;
    let path = format!("/c/{}", mint(Kind::Click, None));
    for method in [Method::GET, Method::HEAD] {
        let response = tracker.ask(method, &path).await;
        assert_eq!(response.status(), 302);
        assert_eq!(response.headers()["location"], "https://example.com/a?b=c");
        assert_eq!(response.headers()["referrer-policy"], "no-referrer");
    }
    let hits = tracker.hits().await;
    let methods: Vec<_> = hits.iter().map(|hit| hit.request.method.as_str()).collect();
    assert_eq!(methods, ["GET", "HEAD"]);
    assert!(hits.iter().all(|hit| (hit.link_index, hit.link_count) == (Some(1), Some(3))));
    assert_eq!(hits[0].label.as_deref(), Some("pricing"));
    assert!(!serde_json::to_string(&hits[0]).unwrap().contains("example.com/a"), "no destination is kept");
    tracker.stop().await;
}

#[tokio::test]
async fn the_trap_leads_to_a_harmless_page_and_is_a_hit() {
    let tracker = start(|_, _| {}).await;
    let path = format!("/c/{}", mint(Kind::Trap, None));
    for method in [Method::GET, Method::HEAD] {
        let response = tracker.ask(method.clone(), &path).await;
        assert_eq!(response.status(), 200);
        for (header, value) in [
            ("content-type", "text/html; charset=utf-8"),
            ("cache-control", "no-store, private"),
            ("referrer-policy", "no-referrer"),
            ("x-robots-tag", "noindex"),
        ] {
            assert_eq!(response.headers()[header], value, "{header}");
        }
        assert!(!response.headers().contains_key("location"), "nobody is sent anywhere");
        let policy = response.headers()["content-security-policy"].to_str().unwrap().to_owned();
        assert!(policy.starts_with("default-src 'none'"), "{policy}");
        let page = response.text().await.unwrap();
        assert!(!page.contains("href") && !page.contains("message-1") && !page.contains("recipient-1"));
        assert!(method == Method::HEAD || page.contains("You can close this window"));
    }
    let hits = tracker.hits().await;
    assert_eq!(hits.len(), 2);
    assert!(hits.iter().all(|hit| (hit.kind, hit.link_index) == (Kind::Trap, None)));
    tracker.stop().await;
}

#[tokio::test]
async fn what_does_not_open_makes_no_event_and_strands_nobody() {
    let tracker = start(|_, _| {}).await;
    let open = mint(Kind::Open, None);
    let click = mint(Kind::Click, None);
    let bound = mint(Kind::Click, Some("t.example.com"));
    let changed = open[..open.len() / 2].to_owned() + "AAAA" + &open[open.len() / 2 + 4..];
    for path in ["/o/junk".into(), format!("/o/{changed}"), format!("/o/{click}"), "/o/".into()] {
        let response = tracker.ask(Method::GET, &path).await;
        assert_eq!((response.status().as_u16(), response.bytes().await.unwrap().len()), (200, 43), "{path}");
    }
    for path in [format!("/c/{}", &click[..60]), format!("/c/{open}"), format!("/c/{bound}"), "/c/x".into()] {
        let response = tracker.ask(Method::GET, &path).await;
        assert_eq!(response.status(), 404, "{path}");
        assert!(!response.headers().contains_key("location"));
    }
    for (method, path, status) in [
        (Method::GET, "/", 404),
        (Method::GET, "/x/y", 404),
        (Method::POST, "/o/x", 405),
        (Method::PUT, "/u/x", 405),
        (Method::GET, "/robots.txt", 200),
        (Method::GET, "/u/junk", 404),
    ] {
        assert_eq!(tracker.ask(method, path).await.status(), status, "{path}");
    }
    assert!(tracker.hits().await.is_empty());
    tracker.stop().await;
}

#[tokio::test]
async fn a_bound_token_opens_on_its_host() {
    let tracker = start(|_, _| {}).await;
    let url = format!("{}/c/{}", tracker.base, mint(Kind::Click, Some("t.example.com")));
    let response = tracker.client.get(&url).header("host", "T.example.com:443").send().await.unwrap();
    assert_eq!(response.status(), 302);
    let response = tracker.client.get(&url).header("host", "t.example.org").send().await.unwrap();
    assert_eq!(response.status(), 404);
    tracker.stop().await;
}

#[tokio::test]
async fn only_a_post_that_says_so_unsubscribes() {
    let tracker = start(|_, _| {}).await;
    let path = format!("/u/{}", mint(Kind::Unsubscribe, None));
    let page = tracker.ask(Method::GET, &path).await;
    assert_eq!(page.status(), 200);
    let page = page.text().await.unwrap();
    assert!(page.contains("<form method=\"post\">") && page.contains("List-Unsubscribe"));
    let post = |body: &'static str| tracker.client.post(format!("{}{path}", tracker.base)).body(body).send();
    assert_eq!(post("").await.unwrap().status(), 400);
    assert_eq!(post("List-Unsubscribe=One-Click").await.unwrap().status(), 200);
    let methods: Vec<_> = tracker.hits().await.into_iter().map(|hit| hit.request.method).collect();
    assert_eq!(methods, ["GET", "POST"], "the unclear POST is no event");
    tracker.stop().await;
}

#[tokio::test]
async fn a_journal_that_refuses_costs_no_reader_anything() {
    // A quota too small for a single hit.
    let tracker = start(|_, journal| journal.max_bytes = 100).await;
    assert_eq!(tracker.ask(Method::GET, &format!("/o/{}", mint(Kind::Open, None))).await.status(), 200);
    assert_eq!(tracker.ask(Method::GET, &format!("/c/{}", mint(Kind::Click, None))).await.status(), 302);
    // But no unsubscription is promised that is not kept.
    let url = format!("{}/u/{}", tracker.base, mint(Kind::Unsubscribe, None));
    let response = tracker.client.post(url).body("List-Unsubscribe=One-Click").send().await.unwrap();
    assert_eq!(response.status(), 503);
    assert!(response.headers().contains_key("retry-after"));
    assert!(tracker.raw.healthy().is_err(), "readiness turns false");
    assert!(tracker.hits().await.is_empty());
    tracker.stop().await;
}

#[tokio::test]
async fn headers_past_the_bound_are_refused() {
    let tracker = start(|_, _| {}).await;
    let request = tracker.client.get(format!("{}/o/x", tracker.base)).header("x-long", "x".repeat(20_000));
    assert_eq!(request.send().await.unwrap().status(), 431);
    tracker.stop().await;
}

#[tokio::test]
async fn a_trusted_proxy_names_the_client_before_the_first_byte() {
    use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
    let tracker = start(|config, _| {
        config.trusted_proxies = vec!["127.0.0.0/8".parse().unwrap()];
        config.proxy_protocol = true;
    })
    .await;
    let request = format!(
        "GET /o/{} HTTP/1.1\r\nhost: x\r\nx-forwarded-for: 192.0.2.99\r\nconnection: close\r\n\r\n",
        mint(Kind::Open, None)
    );
    let header = b"\r\n\r\n\0\r\nQUIT\n\x21\x11\x00\x0c\xcb\x00\x71\x07\xc0\x00\x02\x01\x30\x39\x01\xbb";
    for (first, answered) in [(&header[..], true), (b"", false)] {
        let mut stream = tokio::net::TcpStream::connect(tracker.base.replace("http://", "")).await.unwrap();
        stream.write_all(&[first, request.as_bytes()].concat()).await.unwrap();
        let mut answer = Vec::new();
        let _ = stream.read_to_end(&mut answer).await;
        assert_eq!(answer.starts_with(b"HTTP/1.1 200"), answered);
    }
    let hits = tracker.hits().await;
    assert_eq!(hits.len(), 1);
    assert_eq!(hits[0].request.ip, Some("203.0.113.7".parse().unwrap()));
    tracker.stop().await;
}
