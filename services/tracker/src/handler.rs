//! From a request to its answer.

use crate::answer;
use crate::config::Config;
use crate::evidence::{self, Bounds};
use crate::keys::Opener;
use crate::metrics::{MISSED, RECEIVED, SECONDS, TAKEN_DOWN, UNOPENED};
use crate::record::{self, Outcome};
use crate::takedown::Takedown;
use crate::{BuildError, address};
use engagement::keys::KeyRing;
use engagement::token::{self, Content, OpenError};
use engagement::{AccountNumber, Hit, Kind};
use http::{HeaderMap, Method, header};
use http_body_util::{BodyExt as _, Limited};
use hyper::body::Body;
use runtime::server::Response;
use std::net::{IpAddr, SocketAddr};
use std::sync::Arc;
use std::time::Duration;
use store::Directory;
use stream::Topic;

/// The most bytes of an unsubscribe POST that are read; RFC 8058 needs 26.
const BODY_BYTES: usize = 8192;

/// Which of the three paths was asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Path {
    Open,
    Click,
    Unsubscribe,
}

/// Why a token counts as not opened: what the seal says, or what stands in it.
#[derive(Debug)]
enum Refusal {
    Token(OpenError),
    /// Sealed for another path.
    Kind,
    /// Asked for on a host that belongs to another account.
    Host,
}

pub(crate) struct Handler {
    config: Config,
    opener: Opener,
    directory: Directory,
    raw: Topic,
    takedown: Takedown,
}

impl Handler {
    pub(crate) fn new(
        config: Config,
        ring: Arc<KeyRing>,
        directory: Directory,
        raw: Topic,
    ) -> Result<Self, BuildError> {
        let takedown = Takedown::read(config.takedown_file.clone())?;
        Ok(Self { config, opener: Opener::new(ring), directory, raw, takedown })
    }

    pub(crate) fn takedown(&self) -> Takedown {
        self.takedown.clone()
    }

    /// Whether connections of this peer begin with a PROXY protocol header.
    pub(crate) fn speaks_proxy(&self, peer: IpAddr) -> bool {
        self.config.proxy_protocol && address::is_trusted(peer, &self.config.trusted_proxies)
    }

    pub(crate) async fn answer<B>(&self, peer: SocketAddr, request: http::Request<B>) -> Response
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        let timer = SECONDS.start_timer();
        let (head, body) = request.into_parts();
        let path = head.uri.path().to_owned();
        let response = match split(&path) {
            Some((Path::Unsubscribe, segment)) if head.method == Method::POST => {
                self.unsubscribe(peer, &head, segment, body).await
            }
            Some((path, segment)) if head.method == Method::GET || head.method == Method::HEAD => {
                self.fetch(peer, &head, path, segment).await
            }
            Some((path, _)) => {
                MISSED.with_label_values(&["method"]).inc();
                answer::wrong_method(if path == Path::Unsubscribe { "GET, HEAD, POST" } else { "GET, HEAD" })
            }
            None if path == "/robots.txt" => answer::robots(),
            None => {
                MISSED.with_label_values(&["path"]).inc();
                answer::not_found()
            }
        };
        timer.observe_duration();
        response
    }

    /// GET and HEAD: the hit is kept, nothing else changes.
    async fn fetch(
        &self,
        peer: SocketAddr,
        head: &http::request::Parts,
        path: Path,
        segment: &str,
    ) -> Response {
        let opened = self.open(peer, head, path, segment);
        let Some((hit, destination)) = opened else {
            return if path == Path::Open { answer::pixel() } else { answer::not_found() };
        };
        let kind = hit.kind;
        record::keep(&self.raw, &hit, Duration::from_millis(self.config.durable_millis)).await;
        match (kind, destination) {
            (Kind::Open, _) => answer::pixel(),
            (Kind::Unsubscribe, _) => answer::unsubscribe_form(),
            (Kind::Click, Some(destination)) if self.takedown.lists(&destination) => {
                TAKEN_DOWN.inc();
                answer::taken_down()
            }
            (Kind::Click, Some(destination)) => {
                answer::redirect(&destination).unwrap_or_else(answer::not_found)
            }
            (Kind::Trap | Kind::Click, _) => answer::trap(),
        }
    }

    /// The one request that changes something, and so the one that promises only what is durable.
    async fn unsubscribe<B>(
        &self,
        peer: SocketAddr,
        head: &http::request::Parts,
        segment: &str,
        body: B,
    ) -> Response
    where
        B: Body + Send,
        B::Data: Send,
        B::Error: std::error::Error + Send + Sync + 'static,
    {
        if !asks_to_unsubscribe(body, Duration::from_secs(self.config.limits.header_seconds)).await {
            MISSED.with_label_values(&["unsubscribe_body"]).inc();
            return answer::unsubscribe_unclear();
        }
        let Some((hit, _)) = self.open(peer, head, Path::Unsubscribe, segment) else {
            return answer::not_found();
        };
        let wait = Duration::from_millis(self.config.unsubscribe_millis);
        match record::keep(&self.raw, &hit, wait).await {
            Outcome::Durable => answer::unsubscribed(),
            Outcome::Refused | Outcome::Unconfirmed => answer::unsubscribe_later(),
        }
    }

    /// Opens a token and makes its hit; a token that can't be opened is counted and makes none.
    fn open(
        &self,
        peer: SocketAddr,
        head: &http::request::Parts,
        path: Path,
        segment: &str,
    ) -> Option<(Hit, Option<String>)> {
        let (parsed, trailing) = token::parse(segment);
        let opened = parsed.map_err(Refusal::Token).and_then(|parsed| {
            let number = parsed.prefix.account;
            self.content(host(head), path, &parsed).map(|content| (number, content))
        });
        let (number, content) = match opened {
            Ok(opened) => opened,
            Err(refusal) => {
                UNOPENED.with_label_values(&[path.label(), refusal.label()]).inc();
                return None;
            }
        };
        RECEIVED.with_label_values(&[content.kind.as_str()]).inc();
        let ip = self.client(peer.ip(), &head.headers);
        let bounds = Bounds { agent: self.config.agent_bytes, value: self.config.header_value_bytes };
        let request = evidence::request(&head.method, ip, &head.headers, trailing, bounds);
        let account = self.directory.account(number).map(|entry| entry.account.id.clone());
        let destination = content.link.as_ref().map(|link| link.destination.clone());
        Some((record::hit(content, number, account, request), destination))
    }

    /// The client's address: what the PROXY header said, or what the forwarding header says, or the peer.
    fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        if self.config.proxy_protocol {
            return peer.to_canonical();
        }
        address::client(peer, headers, self.config.forwarded_header, &self.config.trusted_proxies)
    }

    fn content(&self, host: &str, path: Path, parsed: &token::Parsed) -> Result<Content, Refusal> {
        let content = self.opener.open(host, parsed).map_err(Refusal::Token)?;
        let owner = self.directory.host_owner(host);
        if owner.is_some_and(|owner: AccountNumber| owner != parsed.prefix.account) {
            return Err(Refusal::Host);
        }
        let fits = match content.kind {
            Kind::Open => path == Path::Open,
            Kind::Click | Kind::Trap => path == Path::Click,
            Kind::Unsubscribe => path == Path::Unsubscribe,
        };
        if fits { Ok(content) } else { Err(Refusal::Kind) }
    }
}

impl Path {
    const fn label(self) -> &'static str {
        match self {
            Self::Open => "o",
            Self::Click => "c",
            Self::Unsubscribe => "u",
        }
    }
}

impl Refusal {
    const fn label(&self) -> &'static str {
        match self {
            Self::Token(error) => error.label(),
            Self::Kind => "kind",
            Self::Host => "host",
        }
    }
}

/// The path asked for and the segment that should hold a token.
fn split(path: &str) -> Option<(Path, &str)> {
    let (name, segment) = path.strip_prefix('/')?.split_once('/')?;
    let path = match name {
        "o" => Path::Open,
        "c" => Path::Click,
        "u" => Path::Unsubscribe,
        _ => return None,
    };
    Some((path, segment))
}

/// The host name that was asked, without port; empty when none was sent.
fn host(head: &http::request::Parts) -> &str {
    let authority =
        head.uri.authority().map(http::uri::Authority::as_str).or_else(|| header_host(&head.headers));
    let authority = authority.unwrap_or_default();
    if authority.starts_with('[') {
        return authority.split_inclusive(']').next().unwrap_or_default();
    }
    authority.split(':').next().unwrap_or_default().trim_end_matches('.')
}

fn header_host(headers: &HeaderMap) -> Option<&str> {
    headers.get(header::HOST)?.to_str().ok()
}

/// Whether a POST says `List-Unsubscribe=One-Click`, as a form or as multipart (RFC 8058 allows both).
async fn asks_to_unsubscribe<B>(body: B, wait: Duration) -> bool
where
    B: Body + Send,
    B::Data: Send,
    B::Error: std::error::Error + Send + Sync + 'static,
{
    let collected = Box::pin(Limited::new(body, BODY_BYTES).collect());
    let Ok(Ok(collected)) = tokio::time::timeout(wait, collected).await else { return false };
    let body = collected.to_bytes().to_ascii_lowercase();
    contains(&body, b"list-unsubscribe") && contains(&body, b"one-click")
}

fn contains(body: &[u8], words: &[u8]) -> bool {
    body.windows(words.len()).any(|window| window == words)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_three_paths_hold_tokens() {
        assert_eq!(split("/o/abc.gif"), Some((Path::Open, "abc.gif")));
        assert_eq!(split("/c/a/b"), Some((Path::Click, "a/b")));
        assert_eq!(split("/u/"), Some((Path::Unsubscribe, "")));
        for other in ["/", "/o", "/x/abc", "o/abc", "//o/abc", "/O/abc"] {
            assert_eq!(split(other), None, "{other}");
        }
    }

    #[test]
    fn a_host_is_read_without_its_port() {
        for (sent, expected) in [
            ("T.example.com:8080", "T.example.com"),
            ("t.example.com.", "t.example.com"),
            ("[::1]:8080", "[::1]"),
            ("", ""),
        ] {
            let request = http::Request::builder().uri("/o/x").header("host", sent).body(()).unwrap();
            assert_eq!(host(&request.into_parts().0), expected);
        }
    }
}
