use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// A mail app that people read in, by its own name.
///
/// Evidence: the signature's source, in `signatures/mail_apps.toml`. woothee returns nothing for 14 of them, and bot
/// lists call some bots (classification.md, what matters most, point 1, 2026-11).
///
/// Known false positives: a scanner that borrows the agent. One request alone can't show that, so the claim stands only
/// where nothing is found against it.
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let signature = matched.agent(Family::MailApp)?;
    let evidence = format!("{}; one request alone can't tell a person from a borrowed agent", signature.shows);
    Some(Finding::specific(Weight::Claim, signature.who, 0.7, evidence))
}
