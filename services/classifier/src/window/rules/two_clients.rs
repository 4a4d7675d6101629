use super::Around;
use crate::finding::Finding;
use engagement::Kind;

/// Two clients on one link within seconds, and this one shows a sign of a machine.
///
/// Evidence: gateways that rewrite links analyse them at the click, beside or before the reader's own browser
/// (classification.md: Safe Links, Cisco, Check Point). An address in a data centre is such a sign.
///
/// Known false positives: a mail that two people read at once, forwarded or behind one address: without a sign of a
/// machine it says nothing about either, and never anything about the other.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let own = around.own();
    if own.kind != Kind::Click || own.link_index.is_none() || own.ahead {
        return 0;
    }
    let mut near = around.others(around.policy.two_clients_ms());
    u8::from(near.any(|seen| {
        seen.kind == Kind::Click && seen.link_index == own.link_index && !seen.ahead && !seen.same_address(own)
    }))
}

pub(super) fn say(_level: u8, doubted: bool) -> Option<Finding<'static>> {
    let evidence = "another client followed the same link within seconds, and this one shows a sign of a machine";
    doubted.then(|| Finding::neighbours("unknown", "", 0.5, evidence))
}
