use super::Around;
use crate::finding::Finding;

/// The links of a burst came in the order in which the mail has them.
///
/// Evidence: a program goes down the list that it took out of the mail; a reader picks. It adds to a burst and says
/// nothing without one.
///
/// Known false positives: three links picked at random are in order once in six.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let several = i64::try_from(around.crowd().links).unwrap_or(i64::MAX) >= around.policy.burst_several_links();
    u8::from(several && around.crowd().in_order)
}

pub(super) fn say(_level: u8, _doubted: bool) -> Option<Finding<'static>> {
    Some(Finding::neighbours("scanner_burst", "", 0.6, "the links of the burst came in the order of the mail"))
}
