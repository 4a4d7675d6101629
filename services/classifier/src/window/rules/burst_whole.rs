use super::Around;
use crate::finding::Finding;

/// Every link of the mail within about a second, if it has at least two.
///
/// Evidence: gateways follow all links (mautic #9798 on Proofpoint; classification.md, gateways and link scanners).
///
/// Known false positives: a mail of two links of which a reader opens both at once. It decides nothing alone.
pub(super) fn see(around: &Around<'_>) -> u8 {
    u8::from(around.crowd().whole)
}

pub(super) fn say(_level: u8, _doubted: bool) -> Option<Finding<'static>> {
    Some(Finding::neighbours("scanner_burst", "", 0.6, "every link of the mail was asked for within a second"))
}
