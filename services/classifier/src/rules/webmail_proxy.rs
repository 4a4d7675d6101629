use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// The image proxy of a webmail of which nobody says whether it fetches at delivery or when the reader opens.
///
/// Evidence: the signature's source, in `signatures/webmail_proxies.toml`. Yahoo caches images, so only the first open
/// is seen, and when it fetches is nowhere stated; it fetches from Yahoo's systems (classification.md, Yahoo, AOL and other
/// webmail proxies, 2026-11), which make the rule surer. An image that is loaded from them under another agent may be the
/// proxy's all the same: it changed its agent before.
///
/// Known false positives: none as to who it is; as to whether a person looked, it says unknown. Yahoo's own staff, who read
/// mail in a browser from the same systems: there it only takes the agent's word away, on images alone.
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let network = matched.network(Family::WebmailOwn);
    let Some(signature) = matched.agent(Family::WebmailProxy) else {
        let network = network?;
        return Some(Finding::general(Weight::Evidence, network.who, 0.3, network.shows.as_str()));
    };
    let (confidence, from) = match (network, matched.asn()) {
        (Some(network), _) if network.who == signature.who => (0.98, ", from its own network"),
        (_, Some(_)) if signature.who == "yahoo_proxy" => (0.7, ", though not from Yahoo's network"),
        _ => (0.95, ""),
    };
    let evidence = format!("{}{from}", signature.shows);
    Some(Finding::specific(Weight::Probable, signature.who, confidence, evidence))
}
