//! What was judged and what changed, counted.

use classifier::Outcome;
use engagement::Verdict;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// How many events came to what.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq, Serialize, Deserialize)]
pub(super) struct Tally {
    /// Judged, and the verdict stays.
    pub(super) same: u64,
    /// Judged, and the verdict is another.
    pub(super) changed: u64,
    /// Left, for they or a neighbour have no evidence any more.
    pub(super) expired: u64,
    /// Left, for the verdict may still be revised by what arrives.
    pub(super) open: u64,
}

impl Tally {
    pub(super) fn add(&mut self, other: Self) {
        self.same += other.same;
        self.changed += other.changed;
        self.expired += other.expired;
        self.open += other.open;
    }

    /// The sentence that every end of a run says.
    pub(super) fn sentence(&self, changed: &str) -> String {
        let Self { same, expired, open, .. } = self;
        format!(
            "{} events judged: {} {changed}, {same} stay as they are; left: {expired} whose evidence has expired, {open} whose window is open",
            self.same + self.changed,
            self.changed,
        )
    }
}

/// Verdicts that would change, by what they were and what they would be.
#[derive(Debug, Default)]
pub(super) struct Changes(BTreeMap<(String, String), u64>);

impl Changes {
    pub(super) fn note(&mut self, outcome: &Outcome) {
        let Outcome::Changed { now, before } = outcome else { return };
        *self.0.entry((name(before), name(&now.verdict))).or_default() += 1;
    }

    /// One line a kind of change, the most frequent first. What stays under one name changes in reasons, confidence or
    /// client.
    pub(super) fn lines(&self) -> Vec<String> {
        let mut changes: Vec<_> = self.0.iter().collect();
        changes.sort_by(|left, right| right.1.cmp(left.1).then(left.0.cmp(right.0)));
        let line = |((before, now), count): (&(String, String), &u64)| {
            if before == now {
                format!("{count:>8}  {before}: only the reasons, the confidence or the client")
            } else {
                format!("{count:>8}  {before} → {now}")
            }
        };
        changes.into_iter().map(line).collect()
    }
}

fn name(verdict: &Verdict) -> String {
    format!("{} {}", verdict.actor.as_str(), verdict.source)
}
