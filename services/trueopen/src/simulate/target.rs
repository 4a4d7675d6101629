//! Where a simulation may send its requests.

use crate::Failure;
use crate::settings::{Settings, reachable};
use reqwest::Url;
use std::net::{IpAddr, SocketAddr};
use tracker::ForwardedHeader;

/// The base URL to ask: the one that was given if it is loopback or the configured one, else the configured one.
pub(super) fn base(name: &str, given: Option<&str>, configured: SocketAddr) -> Result<Url, Failure> {
    let own: Url = format!("http://{}", reachable(configured)).parse()?;
    let Some(given) = given else { return Ok(own) };
    let url: Url = given.parse().map_err(|error| format!("--{name} {given}: {error}"))?;
    if url.scheme() != "http" {
        return Err(format!("--{name} {given}: a simulation speaks plain http, to this machine").into());
    }
    let loopback = match url.host_str() {
        Some("localhost") => true,
        Some(host) => host.trim_matches(['[', ']']).parse::<IpAddr>().is_ok_and(|ip| ip.is_loopback()),
        None => false,
    };
    if !loopback && url.host_str() != own.host_str() {
        return Err(format!(
            "--{name} {given}: a simulation asks loopback and what the settings name, and nothing else"
        )
        .into());
    }
    Ok(url)
}

/// The header by which the tracker takes another address than the peer's, or why it takes none.
pub(super) fn forwarded_by(settings: &Settings, tracker: &Url) -> Result<ForwardedHeader, String> {
    let tracker_ip = tracker.host_str().and_then(|host| host.trim_matches(['[', ']']).parse::<IpAddr>().ok());
    let peer = tracker_ip.unwrap_or(IpAddr::V4(std::net::Ipv4Addr::LOCALHOST));
    if settings.tracker.proxy_protocol {
        return Err("the tracker expects the PROXY protocol".to_owned());
    }
    if !settings.tracker.trusted_proxies.iter().any(|network| network.contains(peer)) {
        return Err(format!(
            "the tracker trusts no proxy there, so networks tell nothing; set TRUEOPEN_TRACKER__TRUSTED_PROXIES={peer} \
             for it and for this command to let each hit come from its own"
        ));
    }
    Ok(settings.tracker.forwarded_header)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn only_this_machine_is_asked() {
        let configured = "0.0.0.0:8080".parse().unwrap();
        assert_eq!(base("tracker", None, configured).unwrap().as_str(), "http://127.0.0.1:8080/");
        for good in ["http://127.0.0.1:1234", "http://localhost:1", "http://[::1]:80/"] {
            assert!(base("tracker", Some(good), configured).is_ok(), "{good}");
        }
        for bad in
            ["http://192.0.2.1:8080", "http://example.com", "https://127.0.0.1", "file:///x", "nonsense"]
        {
            let error = base("tracker", Some(bad), configured).unwrap_err().to_string();
            assert!(error.starts_with(&format!("--tracker {bad}")), "{error}");
        }
        assert!(base("tracker", Some("http://192.0.2.1:9"), "192.0.2.1:8080".parse().unwrap()).is_ok());
    }
}
