//! Who came, when, and what was said of them first: hits of every kind, whatever is suppressed.

use super::values::{Values, span};
use super::{Recount, Scoped};
use crate::verify::clock::Clock;
use crate::verify::facts::Hit;
use crate::verify::question::By;
use crate::verify::table::{Figures, Table};
use engagement::sources::Class;
use engagement::{Actor, Kind};
use std::collections::{BTreeMap, BTreeSet};

/// The hits of machines: of all, of each source, of each domain, or of each pair.
pub(super) struct Machines {
    by: By,
    rows: BTreeMap<String, Counts>,
}

#[derive(Default)]
struct Counts {
    hits: u64,
    opens: u64,
    clicks: u64,
    traps: u64,
    messages: u64,
    sources: BTreeSet<String>,
    domains: BTreeSet<String>,
    scanned_domains: BTreeSet<String>,
    after: Values,
}

impl Machines {
    pub(super) fn new(by: By) -> Self {
        Self { by, rows: BTreeMap::new() }
    }

    fn group(&self, hit: &Hit, domain: &str) -> String {
        let of_source = || {
            let class = hit.class().map_or("", Class::as_str);
            format!("{} ({class})", hit.source)
        };
        match self.by {
            By::Source => of_source(),
            By::RecipientDomain => domain.to_owned(),
            By::Both => format!("{} {domain}", of_source()),
            _ => String::new(),
        }
    }
}

impl Recount for Machines {
    fn add(&mut self, scoped: &Scoped<'_>) {
        let domain = scoped.message.domain.as_str();
        let keep = |domains: &mut BTreeSet<String>, one: &str| {
            if !domains.contains(one) {
                domains.insert(one.to_owned());
            }
        };
        let mut looked_at = BTreeSet::new();
        for (hit, _) in scoped.hits.iter().filter(|(hit, _)| hit.actor == Actor::Automated) {
            let group = self.group(hit, domain);
            let row = super::row(&mut self.rows, &group);
            row.hits += 1;
            match hit.kind {
                Kind::Open => row.opens += 1,
                Kind::Click => row.clicks += 1,
                Kind::Trap => row.traps += 1,
                Kind::Unsubscribe => {}
            }
            keep(&mut row.sources, &hit.source);
            keep(&mut row.domains, domain);
            if hit.class() == Some(Class::Scanners) {
                keep(&mut row.scanned_domains, domain);
            }
            row.after.add(after(scoped, hit));
            row.messages += u64::from(looked_at.insert(group));
        }
    }

    fn table(self: Box<Self>) -> Table {
        let named = |row: Counts| {
            let counts = [
                ("hits", row.hits),
                ("opens", row.opens),
                ("clicks", row.clicks),
                ("traps", row.traps),
                ("messages", row.messages),
                ("sources", row.sources.len() as u64),
                ("recipient_domains", row.domains.len() as u64),
                ("scanned_domains", row.scanned_domains.len() as u64),
            ];
            let mut figures: Figures =
                counts.into_iter().map(|(name, count)| (name.to_owned(), count as f64)).collect();
            figures.insert("seconds_after_median".to_owned(), row.after.median());
            figures
        };
        self.rows.into_iter().map(|(group, row)| (group, named(row))).collect()
    }
}

/// Milliseconds from the acceptance to a hit; from when the message was sent where none is known. One before it is of a clock that
/// differs.
fn after(scoped: &Scoped<'_>, hit: &Hit) -> i64 {
    let since = scoped.message.accepted.or(scoped.message.sent_at).unwrap_or(hit.at);
    (hit.at - since).max(0)
}

/// Counts under names that come with them.
#[derive(Default)]
struct Named(BTreeMap<String, BTreeMap<&'static str, u64>>);

impl Named {
    fn add(&mut self, group: &str, name: &'static str) {
        *super::row(&mut self.0, group).entry(name).or_default() += 1;
    }

    fn table(self) -> Table {
        let named = |row: BTreeMap<&str, u64>| {
            row.into_iter().map(|(name, count)| (name.to_owned(), count as f64)).collect::<Figures>()
        };
        self.0.into_iter().map(|(group, row)| (group, named(row))).collect()
    }
}

/// Hits by how long after the delivery they came, as a histogram.
#[derive(Default)]
pub(super) struct AfterDelivery(Named);

impl Recount for AfterDelivery {
    fn add(&mut self, scoped: &Scoped<'_>) {
        for (hit, _) in &scoped.hits {
            let who = hit.class().map_or_else(|| hit.actor.as_str(), Class::as_str);
            self.0.add(&span(after(scoped, hit)).to_string(), who);
        }
    }

    fn table(self: Box<Self>) -> Table {
        self.0.table()
    }
}

/// Opens and clicks by the hour of the week.
pub(super) struct Hours {
    clock: Clock,
    rows: Named,
}

impl Hours {
    pub(super) fn new(clock: Clock) -> Self {
        Self { clock, rows: Named::default() }
    }
}

impl Recount for Hours {
    fn add(&mut self, scoped: &Scoped<'_>) {
        for (hit, _) in scoped.hits.iter().filter(|(hit, _)| matches!(hit.kind, Kind::Open | Kind::Click)) {
            let (day, hour) = self.clock.hour_of_week(hit.at);
            self.rows.add(&format!("{day} {hour:02}"), hit.actor.as_str());
        }
    }

    fn table(self: Box<Self>) -> Table {
        self.rows.table()
    }
}

/// Hits that were judged again, by what was said first and what is said now.
#[derive(Default)]
pub(super) struct Corrections(Named);

impl Recount for Corrections {
    fn add(&mut self, scoped: &Scoped<'_>) {
        for (hit, first) in scoped.hits.iter().filter(|(hit, first)| first.revision < hit.revision) {
            let (was, is) = (first.actor.as_str(), hit.actor.as_str());
            self.0.add(&format!("{was} {} to {is} {}", first.source, hit.source), "hits");
        }
    }

    fn table(self: Box<Self>) -> Table {
        self.0.table()
    }
}
