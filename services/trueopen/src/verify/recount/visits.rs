//! Visits of people: a message that follows a link of a label on a day.

use super::hits::link;
use super::{Recount, Scoped};
use crate::verify::clock::Clock;
use crate::verify::table::{Figures, Table};
use engagement::{Actor, Kind};
use std::collections::{BTreeMap, BTreeSet};

/// Visits of each label; of links without one, of each place in the mail.
pub(super) struct Visits {
    clock: Clock,
    rows: BTreeMap<String, Counts>,
}

#[derive(Default)]
struct Counts {
    clicks: u64,
    visits: u64,
    messages: u64,
    returning: u64,
}

impl Visits {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, rows: BTreeMap::new() }
    }
}

impl Recount for Visits {
    fn add(&mut self, scoped: &Scoped<'_>) {
        let mut links: BTreeMap<String, (u64, BTreeSet<jiff::civil::Date>)> = BTreeMap::new();
        for hit in scoped.of_kind(Kind::Click) {
            if hit.actor == Actor::Human {
                let place = if hit.label.is_empty() { hit.link_index } else { None };
                let (clicks, days) = links.entry(link(place, &hit.label)).or_default();
                *clicks += 1;
                days.insert(self.clock.day(hit.at));
            }
        }
        for (link, (clicks, days)) in links {
            let row = self.rows.entry(link).or_default();
            row.clicks += clicks;
            row.visits += days.len() as u64;
            row.messages += 1;
            row.returning += u64::from(days.len() >= 2);
        }
    }

    fn table(self: Box<Self>) -> Table {
        let named = |row: Counts| {
            let counts = [
                ("clicks", row.clicks),
                ("visits", row.visits),
                ("messages", row.messages),
                ("returning", row.returning),
            ];
            counts.into_iter().map(|(name, count)| (name.to_owned(), count as f64)).collect::<Figures>()
        };
        self.rows.into_iter().map(|(link, row)| (link, named(row))).collect()
    }
}
