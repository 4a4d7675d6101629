use super::{Around, Seen};
use crate::finding::Finding;
use engagement::Kind;

/// The mail was opened some time before the link was followed: by the same client, or through Gmail's image proxy.
///
/// Evidence: readers see a mail before they follow a link; machines that follow links often load no image, or load
/// everything at once.
///
/// Known false positives: scanners that load the pixel first (median 9 s after sending, craft-campaign #546). So it
/// weighs little and decides nothing.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let own = around.own();
    if own.kind != Kind::Click || own.ahead {
        return 0;
    }
    let least = around.policy.opened_before_ms();
    let reads = |seen: &&Seen| {
        let before = own.received_at.since(seen.received_at);
        seen.kind == Kind::Open && before >= least && (seen.by_proxy || seen.same_client(own))
    };
    let most = around.policy.opened_before_minutes() * 60_000;
    u8::from(
        around.others(most).any(|seen| reads(&seen))
            || around.folded.opened_by_proxy(own.received_at, least..=most),
    )
}

pub(super) fn say(_level: u8, _doubted: bool) -> Option<Finding<'static>> {
    Some(Finding::neighbours("unknown", "", 0.2, "the mail was opened before, by the same client or through Gmail"))
}
