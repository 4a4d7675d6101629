use super::browser;
use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// A browser's agent without the client's address.
///
/// Evidence: scanners send plausible Chrome strings, another version each time (classification.md, what matters most,
/// point 5); what gives those away are their networks and their neighbours, and without an address neither can be
/// looked at. So the agent's claim was held against nothing, and is only that. A mail app's name, and an app's
/// web view that shows the mail, are seldom borrowed.
///
/// Known false positives: people, whose hits came without their address (an agent out of a log, a privacy setting of
/// whoever wrote the file). That is why the answer is unknown. The tracker always knows the address.
pub(super) fn judge<'a>(facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    if facts.ip.is_some() || facts.unsubscribes() || matched.agent(Family::MailApp).is_some() {
        return None;
    }
    let claim = browser::judge(facts, matched)?;
    if ["apple_mail", "mail_app"].contains(&claim.source) {
        return None;
    }
    let evidence = "no address of the client is known, so nothing could be held against the agent's claim";
    Some(Finding::general(Weight::Evidence, "unknown", 0.3, evidence))
}
