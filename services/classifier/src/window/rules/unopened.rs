use super::Around;
use crate::finding::Finding;
use engagement::Kind;
use engagement::neighbour::Fact;

/// A link was followed in a mail of which no image was loaded, while readers of the domain load images.
///
/// Evidence: a reader sees the mail before following a link, and where the domain's mail programs load images a reading
/// shows; machines that follow links often load none.
///
/// Known false positives: readers whose own setting or program loads no images, and images that were kept by an earlier
/// reading. It weighs little and decides nothing.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let own = around.own();
    if own.kind != Kind::Click || own.ahead || around.told(Fact::Images) == 0 {
        return 0;
    }
    let opened = around.hits.iter().any(|seen| seen.kind == Kind::Open && !seen.ahead);
    u8::from(!opened && !around.folded.opened(own.received_at, around.policy.window_ms()))
}

pub(super) fn say(_level: u8, _doubted: bool) -> Option<Finding<'static>> {
    let evidence = "no image of the mail was loaded, while readers of the domain load images";
    Some(Finding::neighbours("unknown", "", 0.2, evidence))
}
