use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// The image proxy of a webmail of which nobody says whether it fetches at delivery or when the reader opens.
///
/// Evidence: the signature's source, in `signatures/webmail_proxies.toml`. Yahoo caches images, so only the first open
/// is seen, and when it fetches is nowhere stated (classification.md, Yahoo, AOL and other webmail proxies, 2026-11).
///
/// Known false positives: none as to who it is; as to whether a person looked, it says unknown.
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let signature = matched.agent(Family::WebmailProxy)?;
    Some(Finding::specific(Weight::Probable, signature.who, 0.95, signature.shows.as_str()))
}
