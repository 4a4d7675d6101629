use super::{Around, Crowd};
use crate::finding::Finding;

/// The same address and agent made a burst a little earlier or later.
///
/// Evidence: the pixel is fetched before the links, at a median of 9 s after sending against 43 s (craft-campaign #546),
/// so the burst comes too late to contain it.
///
/// Known false positives: a reader behind the address of their employer's own gateway, with the very agent that the
/// gateway borrows. So it decides nothing alone: with a person's agent the answer is unknown.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let several = |crowd: &Crowd| {
        i64::try_from(crowd.links).unwrap_or(i64::MAX) >= around.policy.burst_several_links()
    };
    let own = around.own();
    if several(around.crowd()) || own.unsubscribes || own.by_proxy {
        return 0;
    }
    let within = around.policy.same_client_minutes() * 60_000;
    let burst = around.hits.iter().enumerate().any(|(at, seen)| {
        at != around.at
            && seen.apart(own) <= within
            && seen.same_client(own)
            && several(&around.crowds[at])
    });
    u8::from(burst)
}

pub(super) fn say(_level: u8, _doubted: bool) -> Option<Finding<'static>> {
    Some(Finding::neighbours("scanner_burst", "", 0.7, "the same address and agent made a burst of requests"))
}
