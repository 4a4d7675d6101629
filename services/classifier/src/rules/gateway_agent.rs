use crate::facts::Facts;
use crate::finding::Finding;
use crate::matched::Matched;
use crate::signatures::Family;

/// A mail gateway or link scanner under its own name.
///
/// Evidence: the signature's source, in the vendor's file. Barracuda's is `Barracuda Sentinel (EE)`
/// (classification.md, gateways and link scanners, 2026-11).
///
/// Known false positives: none known; nobody reads mail in these.
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    matched.agent(Family::Gateway).map(Finding::signature)
}
