//! The table of rules over a message's neighbours. Each is one file: what it looks for among the hits around one, the
//! evidence for it, and the false positives that are known. Its numbers stand in `policy.toml`.

use super::{Around, Crowd, Seen};
use crate::finding::Finding;
use engagement::Reason;
use engagement::neighbour::Fact;

/// One rule over a hit's neighbours.
#[derive(Debug, Clone, Copy)]
pub struct WindowRule {
    /// The name that reasons carry.
    pub name: &'static str,
    /// How much of it is to be seen around a hit; 0 for nothing.
    pub(super) see: for<'a> fn(&Around<'a>) -> u8,
    /// What a level says about the hit, given whether the hit alone shows a sign of a machine.
    pub(super) say: fn(u8, bool) -> Option<Finding<'static>>,
    /// Its source text, which the ruleset's version hashes.
    pub(crate) text: &'static str,
}

macro_rules! table {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// Every rule over neighbours, in the order in which equal findings are listed.
        pub const WINDOW_RULES: &[WindowRule] = &[$(WindowRule {
            name: stringify!($name),
            see: $name::see,
            say: $name::say,
            text: include_str!(concat!("rules/", stringify!($name), ".rs")),
        }),*];
    };
}

table! {
    trap_client,
    trap_neighbour,
    burst,
    burst_order,
    burst_whole,
    burst_pixel,
    burst_client,
    two_clients,
    fanout,
    fanout_network,
    sweep,
    opened_before,
    unopened,
    suspect_unsubscribe,
}

/// The rules that pass on what other messages' hits show, the fact each passes on, and the highest level of it. A level beyond
/// that comes from elsewhere.
const TOLD: [(&str, Fact, u8); 4] = [
    ("fanout", Fact::Address, 3),
    ("fanout_network", Fact::Network, 3),
    ("sweep", Fact::Sweep, 3),
    ("unopened", Fact::Images, 1),
];

/// The fact and its level behind a reason, where one of those rules gave it. A reason that words its level otherwise, as an
/// earlier version of the rule may have, is of the level that is as sure.
pub(crate) fn told_by(reason: &Reason) -> Option<(Fact, u8)> {
    let (name, fact, highest) = TOLD.into_iter().find(|(name, ..)| *name == reason.rule)?;
    let rule = WINDOW_RULES.iter().find(|rule| rule.name == name)?;
    let said = |level: u8| (rule.say)(level, false);
    if (highest + 1..=3).filter_map(said).any(|finding| finding.evidence == reason.evidence) {
        return None;
    }
    let levels = || (1..=highest).filter_map(|level| Some((level, said(level)?)));
    let same = levels().find(|(_, finding)| finding.evidence == reason.evidence).map(|(level, _)| level);
    let nearest = || {
        let apart = |finding: &Finding<'_>| (finding.confidence - reason.confidence).abs();
        levels().min_by(|left, right| apart(&left.1).total_cmp(&apart(&right.1))).map(|(level, _)| level)
    };
    Some((fact, same.or_else(nearest)?))
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_level_that_was_told_is_read_off_the_reason() {
        let reason = |rule: &str, level: u8| {
            let known = WINDOW_RULES.iter().find(|known| known.name == rule).unwrap();
            let finding = (known.say)(level, false).unwrap();
            Reason {
                rule: rule.to_owned().into(),
                source: finding.source.into(),
                confidence: finding.confidence,
                evidence: finding.evidence.into_owned(),
            }
        };
        for (rule, fact, highest) in TOLD {
            for level in 1..=highest {
                let (told, read) = told_by(&reason(rule, level)).unwrap();
                assert_eq!(told, fact);
                assert_eq!(reason(rule, read), reason(rule, level), "{rule}");
            }
        }
        assert_eq!(told_by(&reason("unopened", 2)), None, "that was learned, and no hit showed it");
        let mut old = reason("fanout", 3);
        old.evidence = "worded otherwise".to_owned();
        assert_eq!(told_by(&old), Some((Fact::Address, 3)));
        assert_eq!(told_by(&reason("burst", 2)), None);
    }
}
