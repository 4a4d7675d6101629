//! Opens and clicks by what made them or where they came from, and clicks by link.

use super::engagement::Engagement;
use super::{Recount, Scoped};
use crate::verify::facts::Hit;
use crate::verify::question::By;
use crate::verify::table::{Figures, Table};
use engagement::{Actor, Kind};
use std::collections::BTreeMap;

/// Opens and clicks of each source, client or country: the figures over its own hits alone.
pub(super) struct Hits {
    by: By,
    rows: BTreeMap<String, (Engagement, Engagement)>,
}

impl Hits {
    pub(super) fn new(by: By) -> Self {
        Self { by, rows: BTreeMap::new() }
    }
}

impl Recount for Hits {
    fn add(&mut self, scoped: &Scoped<'_>) {
        let mut groups: BTreeMap<&str, (Vec<&Hit>, Vec<&Hit>)> = BTreeMap::new();
        for (hit, _) in &scoped.hits {
            let group = match self.by {
                By::Client => hit.client.as_str(),
                By::Country => &hit.country,
                _ => &hit.source,
            };
            match hit.kind {
                Kind::Open => groups.entry(group).or_default().0.push(hit),
                Kind::Click => groups.entry(group).or_default().1.push(hit),
                _ => {}
            }
        }
        for (group, (opens, clicks)) in groups {
            let (of_opens, of_clicks) = super::row(&mut self.rows, group);
            of_opens.add(scoped, &opens, clicks.iter().any(|hit| hit.actor == Actor::Human));
            of_clicks.add(scoped, &clicks, false);
        }
    }

    fn table(self: Box<Self>) -> Table {
        let named = |(opens, clicks): (Engagement, Engagement)| {
            let mut figures = Figures::new();
            opens.name("opens", &mut figures);
            clicks.name("clicks", &mut figures);
            figures
        };
        self.rows.into_iter().map(|(group, both)| (group, named(both))).collect()
    }
}

/// Clicks on each link: its place in the mail and its label.
#[derive(Default)]
pub(super) struct Links(BTreeMap<String, Engagement>);

impl Recount for Links {
    fn add(&mut self, scoped: &Scoped<'_>) {
        let mut links: BTreeMap<String, Vec<&Hit>> = BTreeMap::new();
        for hit in scoped.of_kind(Kind::Click) {
            links.entry(link(hit.link_index, &hit.label)).or_default().push(hit);
        }
        for (link, clicks) in links {
            self.0.entry(link).or_default().add(scoped, &clicks, false);
        }
    }

    fn table(self: Box<Self>) -> Table {
        let named = |clicks: Engagement| {
            let mut figures = Figures::new();
            clicks.name("clicks", &mut figures);
            figures
        };
        self.0.into_iter().map(|(link, clicks)| (link, named(clicks))).collect()
    }
}

/// A link as tables name it.
pub(super) fn link(index: Option<u16>, label: &str) -> String {
    index.map_or(format!("- {label}"), |index| format!("{index} {label}"))
}
