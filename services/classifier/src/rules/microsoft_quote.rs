use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use engagement::Kind;

/// A quote appended to the URL, as one of Microsoft's two fetches does.
///
/// Evidence: of the two GETs in the same second right after delivery, one may have `%27` appended to a parameter
/// (gophish #973).
///
/// Known false positives: a program that takes the URL out of a text where it stands in quotes, which is why it
/// decides nothing alone.
pub(super) fn judge<'a>(facts: &Facts<'a>, _matched: &Matched<'a>) -> Option<Finding<'a>> {
    let trailing = facts.trailing.filter(|_| facts.kind != Kind::Open)?;
    let quoted = trailing.starts_with("%27") || trailing.starts_with('\'');
    quoted.then(|| {
        let evidence = "the URL came back with a quote behind it";
        Finding::specific(Weight::Evidence, "microsoft_safelinks", 0.5, evidence)
    })
}
