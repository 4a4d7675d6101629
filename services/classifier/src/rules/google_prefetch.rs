use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// Gmail's prefetch: images fetched while a Gmail session is active, before anybody opens the mail.
///
/// Evidence: its agent, an old Edge with `Mozilla/5.0` behind it, and the Referer `http://mail.google.com/`
/// (Groundhogg); its addresses, in Google's `special-crawlers` list (2026-05; names `rate-limited-proxy-…google.com`,
/// verified, n = 1). Once per unread thread, 1–6 % of Gmail opens (classification.md, Google).
///
/// Known false positives: the list also carries Google's other special crawlers, so the network alone is weaker; an
/// agent alone can be copied, so it is weaker too. The image proxy under its own name is left to `google_proxy`.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let agent = matched.agent(Family::GooglePrefetch);
    let network = matched.network(Family::GooglePrefetch);
    let referer = facts.header("referer").is_some_and(|referer| referer.starts_with("http://mail.google.com"));
    let finding = |weight, confidence, evidence: &'a str| {
        Finding::specific(weight, "google_prefetch", confidence, evidence)
    };
    match (agent, network) {
        (Some(_), Some(_)) => Some(finding(
            Weight::Certain,
            0.99,
            "the agent of Gmail's prefetch, from Google's special crawlers",
        )),
        (Some(_), None) if referer => {
            Some(finding(Weight::Probable, 0.95, "the agent of Gmail's prefetch, with Gmail's Referer"))
        }
        (Some(_), None) => Some(finding(Weight::Probable, 0.9, "the agent of Gmail's prefetch")),
        (None, Some(_)) if matched.agent(Family::GoogleImageProxy).is_none() => {
            Some(finding(Weight::Probable, 0.7, "address in Google's special crawlers, which carry no readers"))
        }
        _ => None,
    }
}
