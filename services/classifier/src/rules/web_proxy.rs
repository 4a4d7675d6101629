use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// A web proxy, or a browser that is isolated in one: people's own clicks go through it.
///
/// Evidence: Zscaler, Netskope, Menlo, Forcepoint, Cato and iboss carry what employees do (classification.md, what matters
/// most, point 3, 2026-11). It weighs nothing for or against anybody, says why an address in a data centre does not
/// either, and leaves the word to what the agent says and to what neighbours show.
///
/// Known false positives: the vendor's own scanning of a page that an employee is about to see. Alone it looks like the
/// employee, who is there too; many links at once give it away.
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let signature = matched.network(Family::WebProxy)?;
    let evidence = format!("{}: people's own clicks go through it", signature.shows);
    Some(Finding::general(Weight::Evidence, signature.who, 0.2, evidence))
}
