//! Which neighbour records a hit makes.

use crate::facts::Facts;
use crate::matched::Matched;
use crate::signatures::{Certainty, Family};
use crate::window::Seen;
use engagement::neighbour::{Ground, Hashed, Neighbour};
use engagement::{AccountNumber, Kind};
use serde::Deserialize;
use std::collections::HashSet;
use std::net::{IpAddr, Ipv6Addr};
use std::sync::LazyLock;

/// The neighbour records of one hit: under its client's network, and under its recipient's domain, where a rule reads
/// them. A request that a browser makes ahead, or that a provider's server makes at the reader's word, is nobody's
/// neighbour.
pub fn neighbours(
    account_number: AccountNumber,
    message_id: &str,
    recipient_id: &str,
    recipient_domain: &str,
    seen: &Seen,
) -> impl Iterator<Item = Neighbour> {
    let heard = !seen.ahead && !seen.unsubscribes;
    let client = seen.ip.filter(|_| heard && !seen.shared).map(|ip| {
        let of = Hashed::of(account_number, "network", &network(ip).octets());
        (Ground::Client, of, Some(address_of(account_number, ip)))
    });
    let domain = domain(recipient_domain).filter(|_| heard && matches!(seen.kind, Kind::Open | Kind::Click));
    let domain = domain.map(|domain| {
        let of = Hashed::of(account_number, "domain", domain.as_bytes());
        (Ground::Domain, of, None)
    });
    // A message goes to one recipient, so without a name for them it stands for them.
    let reader = if recipient_id.is_empty() {
        Hashed::of(account_number, "message", message_id.as_bytes())
    } else {
        Hashed::of(account_number, "recipient", recipient_id.as_bytes())
    };
    let (message_id, seen) = (message_id.to_owned(), *seen);
    client.into_iter().chain(domain).map(move |(ground, of, address)| Neighbour {
        v: Neighbour::VERSION,
        account_number,
        ground,
        of,
        address,
        message_id: message_id.clone(),
        reader,
        kind: seen.kind,
        link_index: seen.link_index.filter(|_| seen.placed && ground == Ground::Domain),
        link_count: seen.link_count.filter(|_| ground == Ground::Domain),
        received_at: seen.received_at,
    })
}

/// The hash by which an account's signals name an address. Of an IPv6 address its /64: a host changes the rest at will
/// (RFC 8981), and a /64 is what one IPv4 address is, a home or an office.
pub(crate) fn address_of(account_number: AccountNumber, ip: IpAddr) -> Hashed {
    let address = match ip.to_canonical() {
        IpAddr::V4(ip) => ip.to_ipv6_mapped(),
        IpAddr::V6(ip) => masked(ip, 64),
    };
    Hashed::of(account_number, "address", &address.octets())
}

/// The network of an address: the /24, which is the smallest that is routed, or the /48 of a site (RFC 6177).
fn network(ip: IpAddr) -> Ipv6Addr {
    match ip.to_canonical() {
        IpAddr::V4(ip) => masked(ip.to_ipv6_mapped(), 96 + 24),
        IpAddr::V6(ip) => masked(ip, 48),
    }
}

fn masked(ip: Ipv6Addr, bits: u32) -> Ipv6Addr {
    Ipv6Addr::from_bits(ip.to_bits() & (u128::MAX << (128 - bits)))
}

/// Whether an address carries many people by what is known of it, so that what else came from it says nothing: an image
/// proxy, Apple's relay, Microsoft's proxy for images, a web proxy or isolation, a gateway that isolates browsers too, and addresses that no client
/// on the internet has, which are those of a proxy that the tracker was not told of.
pub(crate) fn shared(facts: &Facts<'_>, matched: &Matched<'_>) -> bool {
    let agents =
        [Family::GoogleImageProxy, Family::GooglePrefetch, Family::WebmailProxy, Family::ApplePrefetch];
    agents.into_iter().any(|family| matched.agent(family).is_some())
        || matched.network(Family::RelayEgress).is_some()
        || matched.network(Family::WebmailOwn).is_some()
        || matched.network(Family::WebProxy).is_some()
        || (facts.kind == Kind::Open && matched.network(Family::MicrosoftMail).is_some())
        || matched
            .networks()
            .iter()
            .any(|network| network.family == Family::Gateway && network.certainty == Certainty::Evidence)
        || facts.ip.is_some_and(inside)
}

/// Whether an address is of an inner network. Ranges for documentation are none.
fn inside(ip: IpAddr) -> bool {
    match ip.to_canonical() {
        IpAddr::V4(ip) => {
            let [first, second, ..] = ip.octets();
            let carrier = first == 100 && (64..128).contains(&second);
            ip.is_private() || ip.is_loopback() || ip.is_link_local() || ip.is_unspecified() || carrier
        }
        IpAddr::V6(ip) => {
            ip.is_loopback() || ip.is_unspecified() || ip.is_unique_local() || ip.is_unicast_link_local()
        }
    }
}

#[derive(Deserialize)]
#[serde(deny_unknown_fields)]
struct ConsumerDomains {
    #[serde(rename = "about")]
    _about: String,
    #[serde(rename = "source")]
    _source: String,
    #[serde(rename = "date")]
    _date: String,
    any_country: HashSet<String>,
    domains: HashSet<String>,
}

static CONSUMER_DOMAINS: LazyLock<ConsumerDomains> = LazyLock::new(|| {
    toml::from_str(include_str!("../../consumer_domains.toml"))
        .expect("the built-in table is checked by a test")
});

/// The domain as it is compared, unless the public has its mailboxes there.
fn domain(domain: &str) -> Option<String> {
    let domain = domain.trim().trim_end_matches('.').to_ascii_lowercase();
    if domain.is_empty() || CONSUMER_DOMAINS.domains.contains(&domain) {
        return None;
    }
    let name = domain.split('.').next().unwrap_or_default();
    let country = &domain[name.len()..];
    // yahoo.co.uk and hotmail.de, but not yahoo.example.com.
    let of_a_country = country.split('.').skip(1).all(|label| label.len() <= 3);
    (!(of_a_country && CONSUMER_DOMAINS.any_country.contains(name))).then_some(domain)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn networks_and_addresses_are_told_apart_as_people_live_in_them() {
        let account = AccountNumber(1);
        let address = |ip: &str| address_of(account, ip.parse().unwrap());
        let network = |ip: &str| network(ip.parse().unwrap());
        assert_eq!(address("203.0.113.7"), address("::ffff:203.0.113.7"));
        assert_ne!(address("203.0.113.7"), address("203.0.113.8"));
        assert_eq!(network("203.0.113.7"), network("203.0.113.8"));
        assert_ne!(network("203.0.113.7"), network("203.0.114.7"));
        assert_eq!(address("2001:db8:1:2::7"), address("2001:db8:1:2:aaaa::8"));
        assert_ne!(address("2001:db8:1:2::7"), address("2001:db8:1:3::7"));
        assert_eq!(network("2001:db8:1:2::7"), network("2001:db8:1:3::7"));
        assert_ne!(network("2001:db8:1::7"), network("2001:db8:2::7"));
    }

    #[test]
    fn the_publics_domains_are_left_out() {
        for public in ["gmail.com", "GMail.com.", "yahoo.co.uk", "hotmail.de", "web.de", ""] {
            assert_eq!(domain(public), None, "{public}");
        }
        for own in ["example.org", "yahoo.example.com", "hospital.example", "live.nhs.example"] {
            assert!(domain(own).is_some(), "{own}");
        }
    }

    #[test]
    fn inner_addresses_are_nobodys() {
        for inner in
            ["10.0.0.1", "127.0.0.1", "::ffff:192.168.1.1", "100.64.0.1", "::1", "fd00::1", "fe80::1"]
        {
            assert!(inside(inner.parse().unwrap()), "{inner}");
        }
        for outer in ["203.0.113.7", "100.128.0.1", "2001:db8::1", "8.8.8.8"] {
            assert!(!inside(outer.parse().unwrap()), "{outer}");
        }
    }
}
