use crate::facts::Facts;
use crate::finding::{Finding, Weight};
use crate::matched::Matched;
use crate::signatures::Family;

/// A program that says it is one, by its agent or by the network that its owner publishes for it.
///
/// Evidence: `signatures/declared_bots.toml`, each with its source; beyond those, the agents that woothee 0.13 files
/// under crawlers, which say `bot`, `crawler` or `spider` or are named by their owners.
///
/// Known false positives: telephones whose model ends in "bot" (CUBOT): woothee knows their browser first, and our own
/// patterns ask for the sign after the name that only programs set.
pub(super) fn judge<'a>(_facts: &Facts<'a>, matched: &Matched<'a>) -> Option<Finding<'a>> {
    let signature = matched.agent(Family::DeclaredBot).or_else(|| matched.network(Family::DeclaredBot));
    if let Some(signature) = signature {
        return Some(Finding::signature(signature).about_kind());
    }
    let crawler = matched.woothee().filter(|found| &*found.category == "crawler")?;
    let evidence = format!("woothee reads the agent as {}", crawler.name);
    Some(Finding::general(Weight::Probable, "declared_bot", 0.9, evidence))
}
