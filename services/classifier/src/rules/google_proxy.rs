use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// Gmail's image proxy: a reader opened the mail, and Google fetched the image for them.
///
/// Evidence: its agent (verified) and when it fetches: SparkPost, warmbly and Groundhogg say when the reader opens;
/// user-agent parsers and Mailgun call it automated (classification.md, Google, 2026-11). We call it human by
/// proxy, and the reason names this rule so that those who disagree can tell.
///
/// Known false positives: a scanner that borrows the agent. An address in Google's own network makes the rule surer, one
/// in the list of the prefetch less sure.
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let signature = matched.agent(Family::GoogleImageProxy)?;
    let (confidence, evidence) = if matched.network(Family::GooglePrefetch).is_some() {
        (0.6, "the agent of Gmail's image proxy, though from the network of its prefetch")
    } else if matched.network(Family::GoogleOwn).is_some() {
        (0.95, "the agent of Gmail's image proxy, from Google's network: it fetches when the reader opens")
    } else {
        (0.85, "the agent of Gmail's image proxy: it fetches when the reader opens")
    };
    Some(Finding::specific(Weight::Probable, signature.who, confidence, evidence))
}
