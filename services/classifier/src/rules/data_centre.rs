use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// Networks whose own rules say what they mean, and agents that fetch from data centres at a reader's word.
const EXPLAINED: [Family; 7] = [
    Family::WebProxy,
    Family::RelayEgress,
    Family::Gateway,
    Family::MicrosoftFiltering,
    Family::MicrosoftMail,
    Family::MicrosoftCloud,
    Family::GooglePrefetch,
];
const FETCHERS: [Family; 3] = [Family::GoogleImageProxy, Family::WebmailProxy, Family::ApplePrefetch];

/// An address in a data centre, where scanners run and few readers are.
///
/// Evidence: the ranges that cloud providers publish and a public list of hosters, in `signatures/data_centres.toml`; Omeda
/// counts such an address only together with behaviour (classification.md, thresholds that others publish).
///
/// Known false positives: people behind a company's tunnel, a virtual desktop or a commercial VPN. So it takes the agent's
/// word away and decides nothing alone.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let explained = EXPLAINED.iter().any(|family| matched.network(*family).is_some());
    let fetched = FETCHERS.iter().any(|family| matched.agent(*family).is_some());
    if explained || fetched || facts.unsubscribes() {
        return None;
    }
    let signature = matched.network(Family::DataCentre)?;
    Some(Finding::general(Weight::Evidence, signature.who, 0.5, signature.shows.as_str()))
}
