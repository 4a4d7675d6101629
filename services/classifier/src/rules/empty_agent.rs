use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;

/// No user agent at all.
///
/// Evidence: a request without one shows nothing of who sent it (RFC 9110, section 10.1.5, 2022-06: an agent should send
/// one unless told not to). No public measurement says whether these are scanners.
///
/// Known false positives: readers behind proxies that strip the header. That is why the answer is unknown.
pub(super) fn judge<'a>(facts: &Facts<'a>, _matched: &Matched<'a>) -> Option<Finding<'a>> {
    let empty = facts.ua.trim().is_empty();
    empty.then(|| Finding::general(Weight::Probable, "unknown", 0.0, "no user agent was sent"))
}
