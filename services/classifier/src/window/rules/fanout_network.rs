use super::Around;
use crate::finding::Finding;
use engagement::neighbour::Fact;

/// Addresses of one network, and not this one alone, followed links in the mails of several readers within seconds.
///
/// Evidence: gateways scan from varied addresses (mautic #9798 on Proofpoint), often neighbours of each other.
///
/// Known false positives: the customers of one access provider, and offices and carriers with more than one address. It
/// weighs little: alone it never stands against a person's agent.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let own = around.own();
    let network = around.told(Fact::Network);
    // What one address shows alone is that rule's.
    let more = network > around.told(Fact::Address) && !own.unsubscribes && !own.ahead && !own.shared;
    if more { network } else { 0 }
}

pub(super) fn say(level: u8, _doubted: bool) -> Option<Finding<'static>> {
    let (level, confidence, evidence) = match level {
        3.. => ("many", 0.5, "its network followed links in the mails of many readers within seconds"),
        _ => ("several", 0.3, "its network followed links in the mails of several readers within seconds"),
    };
    Some(Finding::neighbours("scanner_fanout", level, confidence, evidence))
}
