use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// Apple Mail Privacy Protection: images loaded through two proxies when the mail comes in, read or not.
///
/// Evidence: the agent is exactly `Mozilla/5.0` and the Referer is empty, since 2021-09-20 (uap-core #509; Mailgun's
/// documentation; Groundhogg). It leaves from the operators of Apple's relay: Akamai, Cloudflare and Fastly; never from
/// 17.0.0.0/8 (Apple `egress-ip-ranges.csv`; classification.md, 2026-11). It loads images and follows no links, so it
/// is an open or it is not this.
///
/// Known false positives: a script that sends the same bare agent. Where the network is known and is no operator's, the
/// rule is much less sure, but still says so: operators change.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let signature = matched.agent(Family::ApplePrefetch)?;
    if facts.header("referer").is_some() || matched.network(Family::AppleOwn).is_some() {
        return None;
    }
    let relay = matched.network(Family::RelayEgress);
    let (confidence, network) = match (relay, matched.asn()) {
        (Some(_), _) => (0.98, ", from an operator of Apple's relay"),
        (None, None) => (0.92, ""),
        (None, Some(_)) => (0.6, ", though not from a known operator of Apple's relay"),
    };
    let evidence = format!("{} on the pixel, without Referer{network}", signature.shows);
    Some(Finding::specific(Weight::Probable, signature.who, confidence, evidence))
}
