//! Who the client is: the peer, or what trusted proxies say, read from the right.

use crate::config::ForwardedHeader;
use http::HeaderMap;
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// The client's address. Each hop is believed only while the one that reported it is trusted, so a client can't
/// choose its own address by sending the header itself.
pub(crate) fn client(
    peer: IpAddr,
    headers: &HeaderMap,
    header: ForwardedHeader,
    trusted: &[IpNetwork],
) -> IpAddr {
    let mut client = peer.to_canonical();
    if trusted.is_empty() || !is_trusted(client, trusted) {
        return client;
    }
    let name = match header {
        ForwardedHeader::XForwardedFor => "x-forwarded-for",
        ForwardedHeader::Forwarded => "forwarded",
    };
    let lines: Vec<&str> = headers.get_all(name).iter().filter_map(|value| value.to_str().ok()).collect();
    for hop in lines.iter().rev().flat_map(|line| line.rsplit(',')) {
        let hop = match header {
            ForwardedHeader::XForwardedFor => parse(hop),
            ForwardedHeader::Forwarded => forwarded_for(hop).and_then(parse),
        };
        // A hop that can't be read ends the chain: what lies left of it is hearsay.
        let Some(hop) = hop else { break };
        client = hop;
        if !is_trusted(client, trusted) {
            break;
        }
    }
    client
}

pub(crate) fn is_trusted(address: IpAddr, trusted: &[IpNetwork]) -> bool {
    trusted.iter().any(|network| network.contains(address))
}

/// The `for` parameter of one element of `Forwarded`.
fn forwarded_for(element: &str) -> Option<&str> {
    element.split(';').find_map(|pair| {
        let (name, value) = pair.split_once('=')?;
        name.trim().eq_ignore_ascii_case("for").then_some(value)
    })
}

/// An address with or without quotes, brackets and a port.
fn parse(text: &str) -> Option<IpAddr> {
    let text = text.trim().trim_matches('"');
    if let Ok(address) = text.parse::<IpAddr>() {
        return Some(address.to_canonical());
    }
    if let Some(rest) = text.strip_prefix('[') {
        return rest.split_once(']')?.0.parse::<IpAddr>().ok().map(|address| address.to_canonical());
    }
    text.parse::<std::net::SocketAddr>().ok().map(|address| address.ip().to_canonical())
}

#[cfg(test)]
mod tests {
    use super::*;

    fn ask(peer: &str, header: ForwardedHeader, lines: &[&str]) -> String {
        let trusted = ["10.0.0.0/8".parse().unwrap(), "fd00::/8".parse().unwrap()];
        let mut headers = HeaderMap::new();
        for line in lines {
            let name = if header == ForwardedHeader::Forwarded { "forwarded" } else { "x-forwarded-for" };
            headers.append(name, line.parse().unwrap());
        }
        client(peer.parse().unwrap(), &headers, header, &trusted).to_string()
    }

    #[test]
    fn hops_are_read_from_the_right_while_they_are_trusted() {
        use ForwardedHeader::{Forwarded, XForwardedFor};
        for (peer, header, lines, expected) in [
            ("203.0.113.9", XForwardedFor, &["198.51.100.1"][..], "203.0.113.9"),
            ("10.0.0.1", XForwardedFor, &["198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", XForwardedFor, &["1.1.1.1, 198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", XForwardedFor, &["1.1.1.1, 198.51.100.1, 10.9.9.9"], "198.51.100.1"),
            ("10.0.0.1", XForwardedFor, &["1.1.1.1", "198.51.100.1"], "198.51.100.1"),
            ("10.0.0.1", XForwardedFor, &["junk, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", XForwardedFor, &["198.51.100.1:443"], "198.51.100.1"),
            ("10.0.0.1", XForwardedFor, &[], "10.0.0.1"),
            ("::ffff:10.0.0.1", XForwardedFor, &["198.51.100.1"], "198.51.100.1"),
            ("fd00::1", Forwarded, &["for=\"[2001:db8::1]:4711\";proto=https"], "2001:db8::1"),
            ("10.0.0.1", Forwarded, &["for=1.1.1.1, For=198.51.100.1;by=10.0.0.1"], "198.51.100.1"),
            ("10.0.0.1", Forwarded, &["for=_hidden"], "10.0.0.1"),
        ] {
            assert_eq!(ask(peer, header, lines), expected, "{peer} {lines:?}");
        }
    }
}
