use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;

/// The first minutes after the mail was sent, where nothing is known of its delivery.
///
/// Evidence: as of `since_delivery` (craft-campaign #546). The time of sending is the sender's stamp on the links, made
/// before the mail was even queued, so it says less.
///
/// Known false positives: every quick reader. So it weighs little, and only beside other signs.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    if facts.delivered_at.is_some() {
        return None;
    }
    let after = facts.received_at.since(facts.sent_at?);
    let policy = matched.policy();
    let (level, evidence) = if after < 0 {
        return None;
    } else if after <= policy.first_minute_ms() {
        ("first_minute", "within a minute of sending, when most scanners come")
    } else if after <= policy.first_minutes_ms() {
        ("first_minutes", "within five minutes of sending, when scanners come")
    } else {
        return None;
    };
    Some(Finding { level, ..Finding::general(Weight::Evidence, "unknown", 0.1, evidence) })
}
