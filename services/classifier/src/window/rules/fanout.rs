use super::Around;
use crate::finding::Finding;
use engagement::neighbour::Fact;

/// One address followed links in the mails of several readers within seconds.
///
/// Evidence: a scanner opens what a gateway took from many mails at once; Phish Insight takes one address that hits more
/// than 2 readers for a machine (classification.md, thresholds that others publish). Readers are counted, not mails: one
/// person may go through many mails.
///
/// Known false positives: an office, a campus or a carrier behind one address. A mail to all of a large employer's staff
/// brings several of them within seconds, so few and several decide nothing against a person's agent. Many do: that
/// takes more than two readers a second for ten seconds. Proxies that are known to carry people (Gmail's and other
/// webmails', Apple's relay, vendors that isolate browsers) are never counted, and neither are inner addresses, which
/// are those of a proxy that the tracker was not told of.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let own = around.own();
    if own.unsubscribes || own.ahead || own.shared { 0 } else { around.told(Fact::Address) }
}

pub(super) fn say(level: u8, _doubted: bool) -> Option<Finding<'static>> {
    let (level, confidence, evidence) = match level {
        3.. => ("many", 0.95, "its address followed links in the mails of many readers within seconds"),
        2 => ("several", 0.7, "its address followed links in the mails of several readers within seconds"),
        _ => ("few", 0.4, "its address followed links in the mails of a few readers within seconds"),
    };
    Some(Finding::neighbours("scanner_fanout", level, confidence, evidence))
}
