use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use engagement::Kind;

/// The link that no reader can see was followed.
///
/// Evidence: Omeda and Trend Micro's Phish Insight use a hidden link as certain proof of a scanner
/// (classification.md, thresholds that others publish, 2026-11).
///
/// Known false positives: a reader of the mail's source or of its plain text part who follows every address in it; an
/// assistive program that ignores `aria-hidden`. Both are why the trap is opt-in.
pub(super) fn judge<'a>(facts: &Facts<'a>, _matched: &Matched<'a>) -> Option<Finding<'a>> {
    (facts.kind == Kind::Trap).then(|| {
        Finding::specific(Weight::Certain, "scanner_trap", 0.99, "followed the link that no reader can see")
    })
}
