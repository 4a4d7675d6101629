use super::Around;
use crate::finding::Finding;
use engagement::Kind;

/// Another client followed the link that no reader can see, within seconds.
///
/// Evidence: gateways follow all links from varied addresses and with varied agents (mautic #9798 on Proofpoint), so
/// what comes together with the trap is likely of the same scan.
///
/// Known false positives: a reader who acts in the same seconds as a scan, for instance because the scan is made when
/// the mail is opened. So it decides nothing alone.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let own = around.own();
    if own.kind == Kind::Trap || own.unsubscribes || own.by_proxy {
        return 0;
    }
    let mut near = around.others(around.policy.trap_neighbour_ms());
    u8::from(
        (around.trap && near.any(|seen| seen.kind == Kind::Trap && !seen.same_client(own)))
            || around.folded.trapped(own.received_at, around.policy.trap_neighbour_ms()),
    )
}

pub(super) fn say(_level: u8, _doubted: bool) -> Option<Finding<'static>> {
    let evidence = "within seconds another client followed the link that no reader can see";
    Some(Finding::neighbours("scanner_trap", "", 0.8, evidence))
}
