use super::Around;
use crate::finding::Finding;

/// The pixel and all links of the mail, or several of them, within about a second.
///
/// Evidence: gateways fetch all links and the pixel (mautic #9798 on Proofpoint); a reader sees the mail before
/// following a link.
///
/// Known false positives: a mail app that loads the images only when a link is followed. It decides nothing alone.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let crowd = around.crowd();
    let several = i64::try_from(crowd.links).unwrap_or(i64::MAX) >= around.policy.burst_several_links();
    u8::from(crowd.pixel && (several || crowd.whole))
}

pub(super) fn say(_level: u8, _doubted: bool) -> Option<Finding<'static>> {
    Some(Finding::neighbours("scanner_burst", "", 0.55, "the pixel was asked for in the same second as the links"))
}
