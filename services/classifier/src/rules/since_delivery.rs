use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;

/// The first minutes after the mail was delivered, when scanners come.
///
/// Evidence: of 836 real scanner bursts 69 % came within 60 s of sending and another 28 % within 5 minutes
/// (craft-campaign #546); some come before the mail is in the mailbox (gophish #2646). Scanners act on delivery, so
/// its time goes before the time of sending, for which `since_sending` speaks.
///
/// Known false positives: every quick reader, and clocks that differ. So it weighs little, and only beside other signs.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let after = facts.received_at.since(facts.delivered_at?);
    let policy = matched.policy();
    let (level, evidence) = if after < -policy.first_minutes_ms() {
        // A message delivered again, or another clock altogether: it says nothing.
        return None;
    } else if after < -policy.before_delivery_ms() {
        ("before", "before the mail was delivered")
    } else if after <= policy.first_minute_ms() {
        ("first_minute", "within a minute of the delivery, when most scanners come")
    } else if after <= policy.first_minutes_ms() {
        ("first_minutes", "within five minutes of the delivery, when scanners come")
    } else {
        return None;
    };
    Some(Finding { level, ..Finding::general(Weight::Evidence, "unknown", 0.1, evidence) })
}
