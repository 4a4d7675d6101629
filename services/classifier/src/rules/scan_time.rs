use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use engagement::Kind;

/// The time after the delivery at which this recipient domain's links are scanned, as `trueopen learn` found it in stored
/// events: a mail-security gateway in front of a domain keeps to its own time. It counts from the delivery, and from the
/// sending where none counts for the hit (`DELIVERY_COUNTS_MS`); what was learned was counted so, too.
///
/// Evidence: counted, in the file itself: how many messages a machine followed first then, and how many a person did (a
/// quarter of that at most). Scanners come at a median of 43 s (craft-campaign #546), others hours later.
///
/// Known false positives: a reader who follows a link at just that time. So it is evidence, it names nobody, and it never
/// decides alone.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    if facts.kind != Kind::Click || facts.unsubscribes() {
        return None;
    }
    let after = facts.received_at.since(facts.delivered_at.or(facts.sent_at)?);
    let band = matched.learned().band(facts.recipient_domain?, after)?;
    // How many messages that was counted over is nobody's business but the operator's: it is of all accounts.
    let evidence = format!("{}, when links to this domain are scanned", band.shown());
    Some(Finding::general(Weight::Evidence, "unknown", 0.3, evidence))
}
