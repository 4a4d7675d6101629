//! What of a request is kept: the user agent and the headers that rules read, bounded, and nothing that names a person.

use engagement::Request;
use http::{HeaderMap, HeaderValue, Method, header};
use std::collections::BTreeMap;
use std::net::IpAddr;

/// The headers that rules read, or are soon to read.
const KEPT: &[&str] = &[
    "accept",
    "accept-encoding",
    "accept-language",
    "dnt",
    "from",
    "origin",
    "priority",
    "purpose",
    "referer",
    "save-data",
    "sec-ch-ua",
    "sec-ch-ua-mobile",
    "sec-ch-ua-platform",
    "sec-fetch-dest",
    "sec-fetch-mode",
    "sec-fetch-site",
    "sec-fetch-user",
    "sec-purpose",
    "upgrade-insecure-requests",
    "via",
    "x-moz",
    "x-purpose",
    "x-requested-with",
];

/// The bounds on what is kept, in bytes.
#[derive(Debug, Clone, Copy)]
pub(crate) struct Bounds {
    /// Of the user agent.
    pub(crate) agent: usize,
    /// Of each header and of what trailed the token.
    pub(crate) value: usize,
}

/// The evidence of one request.
pub(crate) fn request(
    method: &Method,
    ip: IpAddr,
    headers: &HeaderMap,
    trailing: &str,
    bounds: Bounds,
) -> Request {
    let ua = headers.get(header::USER_AGENT).map(|value| text(value, bounds.agent)).unwrap_or_default();
    let mut kept = BTreeMap::new();
    for name in KEPT {
        let Some(value) = headers.get(*name) else { continue };
        let value = text(value, bounds.value);
        let value = if *name == "referer" { origin(&value) } else { value };
        kept.insert((*name).to_owned(), value);
    }
    let trailing = (!trailing.is_empty()).then(|| cut(trailing, bounds.value).to_owned());
    Request { method: method.as_str().to_owned(), ip: Some(ip), ua, headers: kept, trailing }
}

/// A header's value as text; bytes that are no UTF-8 are shown as the replacement character.
fn text(value: &HeaderValue, bound: usize) -> String {
    let lossy = String::from_utf8_lossy(value.as_bytes());
    cut(&lossy, bound).to_owned()
}

/// The longest start of `text` with at most `bound` bytes that ends between characters.
fn cut(text: &str, bound: usize) -> &str {
    let end = (0..=bound.min(text.len())).rev().find(|end| text.is_char_boundary(*end)).unwrap_or(0);
    &text[..end]
}

/// A referrer without path and query: a webmail's path can name the reader's mailbox.
fn origin(referer: &str) -> String {
    let Some((scheme, rest)) = referer.split_once("://") else { return String::new() };
    let host = rest.split(['/', '?', '#']).next().unwrap_or_default();
    let host = host.rsplit('@').next().unwrap_or_default();
    format!("{scheme}://{host}/")
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_kept_is_bounded_and_names_nobody() {
        let mut headers = HeaderMap::new();
        headers.insert("user-agent", HeaderValue::from_bytes(b"M\xc3\xb6zilla\xff").unwrap());
        headers.insert("referer", "https://jane:x@mail.example.com/u/jane@example.com?id=7".parse().unwrap());
        headers.insert("cookie", "session=1".parse().unwrap());
        headers.insert("sec-purpose", "prefetch".parse().unwrap());
        let bounds = Bounds { agent: 2, value: 64 };
        let ip = "192.0.2.1".parse().unwrap();
        let request = request(&Method::GET, ip, &headers, "%27", bounds);
        assert_eq!(request.ua, "M", "the cut falls between characters");
        assert_eq!(request.headers["referer"], "https://mail.example.com/");
        assert_eq!(request.headers["sec-purpose"], "prefetch");
        assert!(!request.headers.contains_key("cookie"));
        assert_eq!(request.trailing.as_deref(), Some("%27"));
    }
}
