use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// A WebKit agent that ends before it names a program.
///
/// Evidence: a string that ends at `(KHTML, like Gecko)` is ordinary Apple Mail on a Mac and also an image fetcher of
/// Outlook (warmbly #569; uap-core #528, 2022-09-20): unknown unless timing says more.
///
/// Known false positives: most of these are people in Apple Mail. That is why the answer is unknown, which
/// nothing ever suppresses.
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let signature = matched.agent(Family::WebkitBare)?;
    Some(Finding::specific(Weight::Probable, signature.who, 0.9, signature.shows.as_str()))
}
