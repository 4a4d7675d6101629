//! What a run did, counted, and the closing table that says so and what to expect of it.

use super::earlier::{DAYS_AGO, Earlier};
use super::plan::{Hit, Mail, Target};
use super::trap::Traps;
use std::collections::{BTreeMap, BTreeSet};

/// What a run did.
#[derive(Debug)]
pub(super) struct Played {
    pub(super) past: Past,
    pub(super) domains: BTreeSet<String>,
    pub(super) deliveries: BTreeMap<String, u64>,
    pub(super) hits: BTreeMap<String, u64>,
    pub(super) silent: u64,
    /// Hits on links that no reader can see, and unsubscribes that a machine asked for.
    pub(super) trapped: u64,
    pub(super) pressed: u64,
    pub(super) traps: Traps,
    /// Requests that the tracker answered otherwise than it should.
    pub(super) refused: u64,
}

/// The mailings of the weeks before.
#[derive(Debug)]
pub(super) enum Past {
    /// What was told of them.
    Told { mails: u64, deliveries: u64, opens: u64, clicks: u64, returned: u64 },
    /// Nothing, and why.
    LeftOut(String),
}

impl Default for Past {
    fn default() -> Self {
        Self::Told { mails: 0, deliveries: 0, opens: 0, clicks: 0, returned: 0 }
    }
}

impl Default for Played {
    fn default() -> Self {
        Self {
            past: Past::default(),
            domains: BTreeSet::new(),
            deliveries: BTreeMap::new(),
            hits: BTreeMap::new(),
            silent: 0,
            trapped: 0,
            pressed: 0,
            traps: Traps::None,
            refused: 0,
        }
    }
}

impl Past {
    /// Counts mails that were told of.
    pub(super) fn note(&mut self, told: &[Earlier]) {
        let Self::Told { mails, deliveries, opens, clicks, returned } = self else { return };
        *mails += told.len() as u64;
        for one in told {
            *deliveries += one.mail.deliveries.len() as u64;
            *returned += u64::from(one.returned);
            for visit in &one.visits {
                *if visit.hit.target == Target::Pixel { &mut *opens } else { &mut *clicks } += 1;
            }
        }
    }
}

impl Played {
    /// Counts mails that were played.
    pub(super) fn note(&mut self, mails: &[Mail], traps: Traps) {
        self.traps = traps;
        for mail in mails {
            self.domains.insert(mail.domain.clone());
            self.silent += u64::from(mail.hits.is_empty());
            for told in &mail.deliveries {
                *self.deliveries.entry(told.name.to_owned()).or_default() += 1;
            }
            for hit in mail.hits.iter().filter(|hit| hit.target != Target::Trap || traps != Traps::None) {
                self.hit(hit);
            }
        }
    }

    fn hit(&mut self, hit: &Hit) {
        let what = match (hit.target, hit.method) {
            (Target::Unsubscribe, "POST") => "unsubscribed".to_owned(),
            (Target::Unsubscribe, _) => "looked at the unsubscribe page".to_owned(),
            (Target::Trap, _) => "followed the link that no reader can see".to_owned(),
            (Target::Pixel, method) => format!("pixel, {method}"),
            (Target::Link(_), method) => format!("links, {method}"),
        };
        self.trapped += u64::from(hit.target == Target::Trap);
        self.pressed +=
            u64::from(hit.visitor.by_itself && (hit.target, hit.method) == (Target::Unsubscribe, "POST"));
        *self.hits.entry(format!("{}: {what}", hit.visitor.name)).or_default() += 1;
    }

    /// What was done, by kind.
    pub(super) fn table(&self, recipients: u64) -> String {
        let mut lines = vec![format!("{recipients:>9}  mails, to {} domains", self.domains.len())];
        for (title, counts) in [("delivery events", &self.deliveries), ("hits", &self.hits)] {
            let total: u64 = counts.values().sum();
            lines.push(format!("{total:>9}  {title}"));
            lines.extend(counts.iter().map(|(name, count)| format!("{count:>9}    {name}")));
        }
        lines.push(format!("{:>9}  mails that nobody came to", self.silent));
        match &self.past {
            Past::Told { mails, deliveries, opens, clicks, returned } => {
                let [first, second, third] = DAYS_AGO;
                lines.push(format!(
                    "{mails:>9}  mails of three earlier mailings, {first}, {second} and {third} days ago"
                ));
                for (count, name) in [
                    (deliveries, "what became of them on their way"),
                    (opens, "opens of them, told by a mail provider's webhook"),
                    (clicks, "clicks in them, told likewise"),
                    (returned, "readers who returned to a link on another day"),
                ] {
                    lines.push(format!("{count:>9}    {name}"));
                }
            }
            Past::LeftOut(why) => lines.push(format!("          no earlier mailings: {why}")),
        }
        lines.join("\n")
    }

    /// What to look at, dashboard by dashboard.
    pub(super) fn story(&self) -> String {
        let mut told = vec![];
        let mut tell = |dashboard: &str, what: String| told.push(format!("  {dashboard:<21} {what}"));
        if let Past::Told { returned, .. } = self.past {
            tell(
                "True engagement",
                "three mailings that die away over days, the night left out; the last peak is this run"
                    .to_owned(),
            );
            tell("Campaign", format!("four to compare; {returned} readers came back to a link"));
        } else {
            tell("True engagement", "one peak, in the minutes of this run".to_owned());
        }
        tell("Deliverability", "bounces of each class, mail put off for a quarter of an hour".to_owned());
        let from = match self.traps {
            Traps::OfAccount => "",
            Traps::MadeHere => " (made here for the run: the account's trap_links is off)",
            Traps::None => " (the account's trap_links is off)",
        };
        let (trapped, pressed) = (self.trapped, self.pressed);
        tell(
            "Scanners and proxies",
            format!(
                "hits on the link that no reader can see{from}: {trapped}; unsubscribes that a scanner asked for: {pressed}, in \
                 force and yours to reverse, as is a reader's that came in the midst of a scan"
            ),
        );
        if matches!(self.past, Past::Told { .. }) {
            tell(
                "Message",
                "earlier hits say `late`: they came after their time, and are judged again after an hour of other hits"
                    .to_owned(),
            );
        }
        told.join("\n")
    }
}
