//! Why messages were refused for good.

use super::{Recount, Scoped, why};
use crate::verify::table::{Figures, Table};
use std::collections::{BTreeMap, BTreeSet};

/// Messages and their domains by class, reason and codes of each one's last refusal in scope.
#[derive(Default)]
pub(super) struct Refusals(BTreeMap<String, (u64, BTreeSet<String>)>);

impl Recount for Refusals {
    fn add(&mut self, scoped: &Scoped<'_>) {
        let Some(refusal) = scoped.last_refusal() else { return };
        let (class, reason) = why(refusal);
        let group = format!("{class} {reason} {} {}", refusal.enhanced_code, refusal.smtp_code);
        let (messages, domains) = self.0.entry(group).or_default();
        *messages += 1;
        if !domains.contains(&scoped.message.domain) {
            domains.insert(scoped.message.domain.clone());
        }
    }

    fn table(self: Box<Self>) -> Table {
        let named = |(messages, domains): (u64, BTreeSet<String>)| {
            Figures::from([
                ("messages".to_owned(), messages as f64),
                ("recipient_domains".to_owned(), domains.len() as f64),
            ])
        };
        self.0.into_iter().map(|(group, counts)| (group, named(counts))).collect()
    }
}
