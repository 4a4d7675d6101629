use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;

/// A HEAD request: no reader's client sends one.
///
/// Evidence: HEAD is a large part of all click traffic and no reader sends it (classification.md, the request itself,
/// 2026-11). A HEAD carries nothing back that could be shown to a reader (RFC 9110, section 9.3.2, 2022-06).
///
/// Known false positives: a desktop program that asks what a link is before it hands it to the browser. The
/// reader's own GET follows and is judged on its own, so no reader is lost.
pub(super) fn judge<'a>(facts: &Facts<'a>, _matched: &Matched<'a>) -> Option<Finding<'a>> {
    let head = facts.method.eq_ignore_ascii_case("HEAD");
    head.then(|| Finding::general(Weight::Certain, "head_request", 0.97, "method is HEAD"))
}
