use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;

/// A POST to the unsubscribe URL, which nobody's client gives away.
///
/// Evidence: RFC 8058 (2017-01), section 3: the receiver's server performs the POST at the reader's word, so the agent
/// and the address are the mailbox provider's, and whatever they look like says nothing about the reader.
///
/// Known false positives: a scanner that fills in forms. It stays unknown here, unless it says its own name; its
/// neighbours give it away.
pub(super) fn judge<'a>(facts: &Facts<'a>, _matched: &Matched<'a>) -> Option<Finding<'a>> {
    facts.unsubscribes().then(|| {
        let evidence = "POST to the unsubscribe URL: a provider's server sends it at the reader's word";
        Finding::specific(Weight::Certain, "unknown", 0.0, evidence)
    })
}
