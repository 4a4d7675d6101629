use super::Around;
use crate::finding::Finding;
use engagement::Kind;

/// The same address and agent followed the link that no reader can see.
///
/// Evidence: Omeda and Trend Micro's Phish Insight use a hidden link as certain proof of a scanner (classification.md,
/// thresholds that others publish).
///
/// Known false positives: as of `trap_link`. Only hits near the trap count, for later the same address and agent may be
/// a reader's, behind the address of their employer's own gateway. A POST that unsubscribes is a provider's server's.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let own = around.own();
    if own.kind == Kind::Trap || own.unsubscribes || own.by_proxy {
        return 0;
    }
    let mut near = around.others(around.policy.trap_client_ms());
    u8::from(around.trap && near.any(|seen| seen.kind == Kind::Trap && seen.same_client(own)))
}

pub(super) fn say(_level: u8, _doubted: bool) -> Option<Finding<'static>> {
    let evidence = "the same address and agent followed the link that no reader can see";
    Some(Finding::certain_neighbours("scanner_trap", 0.97, evidence))
}
