use super::Around;
use crate::finding::Finding;
use engagement::Kind;
use engagement::neighbour::Fact;

/// All links were followed in the mails of several readers of one domain within seconds, this mail's among them.
///
/// Evidence: a domain's gateway takes in a mailing at once and follows all links of each mail (mautic #9798 on
/// Proofpoint; 66 % of 836 bursts 20 to 60 s after sending, craft-campaign #546), from addresses that may all differ.
///
/// Known false positives: a mail of one link to all of a large employer's staff, which many follow when it comes in. It
/// decides nothing alone. Domains where the public has its mailboxes are left out.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let own = around.own();
    if own.kind != Kind::Click || own.ahead { 0 } else { around.told(Fact::Sweep) }
}

pub(super) fn say(level: u8, _doubted: bool) -> Option<Finding<'static>> {
    let (level, confidence, evidence) = match level {
        3.. => ("many", 0.6, "all links were followed in the mails of many readers of the domain within seconds"),
        _ => ("several", 0.4, "all links were followed in the mails of several readers of the domain within seconds"),
    };
    Some(Finding::neighbours("scanner_fanout", level, confidence, evidence))
}
