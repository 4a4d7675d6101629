//! Opens or clicks of a group: hits, and the messages that have one.

use super::Scoped;
use crate::verify::facts::Hit;
use crate::verify::table::{self, Figures};
use engagement::Actor;
use std::collections::BTreeMap;

/// Hits, and messages.
#[derive(Debug, Clone, Copy, Default)]
struct Count {
    total: u64,
    unique: u64,
}

impl Count {
    fn add(&mut self, hits: u64, is_there: bool) {
        self.total += hits;
        self.unique += u64::from(is_there);
    }
}

/// The opens, or the clicks, of a group.
#[derive(Debug, Default)]
pub(super) struct Engagement {
    counted: Count,
    human: Count,
    automated: Count,
    unknown: Count,
    by_source: BTreeMap<String, Count>,
}

impl Engagement {
    /// Adds one message's hits of a kind. `is_implied`: there was a person without any of them.
    pub(super) fn add(&mut self, scoped: &Scoped<'_>, hits: &[&Hit], is_implied: bool) {
        let of = |actor: Actor| hits.iter().filter(|hit| hit.actor == actor).count() as u64;
        let (human, automated, unknown) = (of(Actor::Human), of(Actor::Automated), of(Actor::Unknown));
        let counted = hits.iter().filter(|hit| scoped.counts(hit)).count() as u64;
        self.counted.add(counted, counted > 0 || is_implied);
        self.human.add(human, human > 0 || is_implied);
        self.automated.add(automated, automated > 0);
        self.unknown.add(unknown, unknown > 0);
        for (place, hit) in hits.iter().enumerate() {
            let is_first = hits[..place].iter().all(|before| before.source != hit.source);
            super::row(&mut self.by_source, &hit.source).add(1, is_first);
        }
    }

    pub(super) const fn unique(&self) -> u64 {
        self.counted.unique
    }

    pub(super) const fn human_unique(&self) -> u64 {
        self.human.unique
    }

    /// Puts the figures down under their names; `what` is `opens` or `clicks`.
    pub(super) fn name(&self, what: &str, figures: &mut Figures) {
        let mut put = |name: &str, of_source: &str, count: Count| {
            table::put(figures, format!("{what}_{name}total{of_source}"), count.total as f64);
            table::put(figures, format!("{what}_{name}unique{of_source}"), count.unique as f64);
        };
        put("", "", self.counted);
        put("human_", "", self.human);
        put("automated_", "", self.automated);
        put("unknown_", "", self.unknown);
        for (source, count) in &self.by_source {
            put("by_source_", &format!(".{source}"), *count);
        }
    }
}
