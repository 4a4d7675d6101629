use super::{Around, Crowd};
use crate::finding::Finding;
use engagement::Kind;
use engagement::neighbour::Fact;

/// A POST that unsubscribes, in the midst of a scanner's requests. It takes effect all the same; the sender can look at
/// it and reverse it.
///
/// Evidence: gateways follow the unsubscribe link too (mautic #9798 on Proofpoint), and some press buttons; RFC 8058 asks
/// for a POST for that very reason. It came within seconds of a burst or of the trap link, or its own address and agent
/// made a burst, followed the trap link or many readers' links.
///
/// Known false positives: a reader who unsubscribes while a gateway scans the mail, or from behind the gateway's own
/// address. So it is only flagged.
pub(super) fn see(around: &Around<'_>) -> u8 {
    let own = around.own();
    if !own.unsubscribes {
        return 0;
    }
    let policy = around.policy;
    let several =
        |crowd: &Crowd| i64::try_from(crowd.links).unwrap_or(i64::MAX) >= policy.burst_several_links();
    let mut level = u8::from(around.folded.trapped(own.received_at, policy.suspect_ms()));
    for (at, seen) in around.hits.iter().enumerate().filter(|(at, _)| *at != around.at) {
        let apart = seen.apart(own);
        let same = seen.same_client(own);
        let trap = seen.kind == Kind::Trap;
        let scans = several(&around.crowds[at]) || trap;
        let fans_out = || !seen.shared && around.told.level(Fact::Address, seen) >= 3;
        if same && apart <= policy.same_client_minutes() * 60_000 && (scans || fans_out()) {
            return 2;
        }
        if scans && apart <= policy.suspect_ms() {
            level = 1;
        }
    }
    level
}

pub(super) fn say(level: u8, _doubted: bool) -> Option<Finding<'static>> {
    Some(match level {
        2.. => Finding::neighbours("scanner_burst", "client", 0.8, "the same address and agent scanned the mail"),
        _ => Finding::neighbours("scanner_burst", "burst", 0.6, "it came within seconds of a scan of the mail"),
    })
}
