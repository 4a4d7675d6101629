use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;
use engagement::Kind;

/// The bare `Mozilla/5.0` where Apple's prefetch can't be it.
///
/// Evidence: the prefetch loads images, sends no Referer and never leaves from Apple's own 17.0.0.0/8
/// (classification.md, Apple Mail Privacy Protection, 2026-11). No browser is known to send the bare string, but
/// nobody says who does, so it is no proof of a machine.
///
/// Known false positives: none; it says unknown.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    if facts.ua != "Mozilla/5.0" {
        return None;
    }
    let why = if facts.kind != Kind::Open {
        "Apple's prefetch follows no links"
    } else if matched.network(Family::AppleOwn).is_some() {
        "Apple's prefetch never leaves from Apple's own network"
    } else if facts.header("referer").is_some() {
        "Apple's prefetch sends no Referer"
    } else {
        return None;
    };
    let evidence = format!("the agent is a bare Mozilla/5.0, but {why}");
    Some(Finding::general(Weight::Probable, "unknown", 0.0, evidence))
}
