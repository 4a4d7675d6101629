use super::Around;
use crate::finding::Finding;

/// Several distinct links of one mail within about a second, from one address or many.
///
/// Evidence: 836 bursts of real scanners with 5 or more clicks within 1 s (craft-campaign #546); Leo takes 3 links in
/// 2 s, Phish Insight more than 3 clicks in 3 s for a machine (classification.md, thresholds that others publish).
///
/// Known false positives: a browser extension that opens all links of a page at once at the reader's word. A person who
/// opens three links one after another needs more than a second; an address that many share says nothing here, for
/// only distinct links of one recipient's mail count.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let links = i64::try_from(around.crowd().links).unwrap_or(i64::MAX);
    if links >= around.policy.burst_many_links() {
        2
    } else {
        u8::from(links >= around.policy.burst_several_links())
    }
}

pub(super) fn say(level: u8, _doubted: bool) -> Option<Finding<'static>> {
    Some(match level {
        2 => Finding::neighbours("scanner_burst", "many", 0.97, "part of a burst: many links of the mail within a second"),
        _ => Finding::neighbours(
            "scanner_burst",
            "several",
            0.85,
            "part of a burst: several links of the mail within a second",
        ),
    })
}
