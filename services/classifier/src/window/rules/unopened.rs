use super::Around;
use crate::finding::Finding;
use engagement::Kind;
use engagement::neighbour::Fact;

/// A link was followed in a mail of which no image was loaded, while readers of the domain load images: as `trueopen learn`
/// found it in stored events, or where nothing was learned of the domain, as its readers do now.
///
/// Evidence: a reader sees the mail before following a link, and where the domain's mail programs load images a reading
/// shows; machines that follow links often load none.
///
/// Known false positives: readers whose own setting or program loads no images, and images that were kept by an earlier
/// reading. It weighs little and decides nothing.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let own = around.own();
    let level = match own.images {
        Some(true) => LEARNED,
        Some(false) => 0,
        None => around.told(Fact::Images).min(NOW),
    };
    if own.kind != Kind::Click || own.ahead || level == 0 {
        return 0;
    }
    let window = around.policy.window_ms();
    let opened = around.others(window).any(|seen| seen.kind == Kind::Open && !seen.ahead);
    if opened || around.folded.opened(own.received_at, window) { 0 } else { level }
}

/// Readers load images now.
const NOW: u8 = 1;
/// It was learned that they do.
const LEARNED: u8 = 2;

pub(super) fn say(level: u8, _doubted: bool) -> Option<Finding<'static>> {
    let evidence = match level {
        NOW => "no image of the mail was loaded around it, while readers of the domain load images",
        _ => "no image of the mail was loaded in the half hour before, where readers of the domain are known to load one",
    };
    Some(Finding::neighbours("unknown", "", 0.2, evidence))
}
