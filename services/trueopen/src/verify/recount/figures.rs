//! The figures of messages: of all, of each group, or of each bucket of time.

use super::engagement::Engagement;
use super::{Recount, Scoped, why};
use crate::verify::clock::{Bucket, Clock, Interval};
use crate::verify::question::By;
use crate::verify::table::{Figures, Table};
use engagement::{Actor, Kind};
use std::collections::BTreeMap;

/// The figures of a summary or of each group of a breakdown.
pub(super) struct Groups {
    by: By,
    rows: BTreeMap<String, Counts>,
}

impl Groups {
    pub(super) fn new(by: By) -> Self {
        Self { by, rows: BTreeMap::new() }
    }
}

impl Recount for Groups {
    fn add(&mut self, scoped: &Scoped<'_>) {
        let group = match self.by {
            By::RecipientDomain => scoped.message.domain.as_str(),
            By::MailboxProvider => &scoped.message.provider,
            By::Campaign => &scoped.message.campaign,
            By::BounceReason => match scoped.last_refusal() {
                Some(refusal) => why(refusal).1,
                None => return,
            },
            _ => "",
        };
        super::row(&mut self.rows, group).add(scoped);
    }

    fn table(self: Box<Self>) -> Table {
        self.rows.into_iter().map(|(group, counts)| (group, counts.figures())).collect()
    }
}

/// The figures of each bucket of a time series: those of a window that is the bucket.
pub(super) struct Series {
    interval: Interval,
    clock: Clock,
    rows: BTreeMap<Bucket, Counts>,
}

impl Series {
    pub(super) fn new(interval: Interval, clock: Clock) -> Self {
        Self { interval, clock, rows: BTreeMap::new() }
    }
}

impl Recount for Series {
    fn add(&mut self, scoped: &Scoped<'_>) {
        for (bucket, scoped) in scoped.buckets(&self.clock, self.interval) {
            self.rows.entry(bucket).or_default().add(&scoped);
        }
    }

    fn table(self: Box<Self>) -> Table {
        self.rows.into_iter().map(|(bucket, counts)| (bucket.to_string(), counts.figures())).collect()
    }
}

/// How many messages each figure counts.
#[derive(Debug, Default)]
struct Counts {
    sent: u64,
    delivered: u64,
    deferred: u64,
    dropped: u64,
    bounced_hard: u64,
    bounced_soft: u64,
    bounced_block: u64,
    bounced_undetermined: u64,
    complained: u64,
    unsubscribed: u64,
    messages_without_delivery: u64,
    masked: u64,
    delivered_tracked: u64,
    delivered_unmasked: u64,
    /// Read at most.
    open_high: u64,
    /// Read, of those whose reader can be seen.
    open_estimate: u64,
    /// Clicked, of those that are opened.
    click_to_open: u64,
    opens: Engagement,
    clicks: Engagement,
}

impl Counts {
    fn add(&mut self, scoped: &Scoped<'_>) {
        let message = scoped.message;
        let has = |kind: &str| scoped.deliveries.iter().any(|told| told.kind == kind);
        let accepted =
            scoped.deliveries.iter().filter(|told| told.kind == "delivered").map(|told| told.at).max();
        let is_delivered = accepted.is_some_and(|at| message.refused.is_none_or(|refused| refused < at));
        let is_mailed =
            |at: i64| scoped.deliveries.iter().any(|told| told.at == at && is_sending(&told.kind));
        let is_unsubscribed = scoped.hits.iter().any(|(hit, _)| hit.unsubscribes);

        self.sent += u64::from(message.mailed.is_some_and(is_mailed));
        self.delivered += u64::from(is_delivered);
        self.delivered_tracked += u64::from(is_delivered && message.is_tracked);
        self.delivered_unmasked += u64::from(is_delivered && message.is_tracked && !message.is_masked);
        self.deferred += u64::from(has("deferred"));
        self.dropped += u64::from(has("dropped"));
        self.complained += u64::from(has("complained"));
        self.unsubscribed += u64::from(is_unsubscribed || has("unsubscribed"));
        self.messages_without_delivery += u64::from(message.deliveries.is_empty() && !scoped.hits.is_empty());
        self.masked += u64::from(message.is_masked);
        match scoped.last_refusal().map(|refusal| why(refusal).0) {
            Some("hard") => self.bounced_hard += 1,
            Some("soft") => self.bounced_soft += 1,
            Some("block") => self.bounced_block += 1,
            Some(_) => self.bounced_undetermined += 1,
            None => {}
        }

        let (opens, clicks) = (scoped.of_kind(Kind::Open), scoped.of_kind(Kind::Click));
        // A human click implies an open, at the click's time: images may be off.
        let is_clicked_by_human = clicks.iter().any(|hit| hit.actor == Actor::Human);
        let is_human = is_clicked_by_human || opens.iter().any(|hit| hit.actor == Actor::Human);
        let is_opened = is_clicked_by_human || opens.iter().any(|hit| scoped.counts(hit));
        let is_clicked = clicks.iter().any(|hit| scoped.counts(hit));
        let is_unclear = opens.iter().all(|hit| hit.is_masked() || hit.actor == Actor::Unknown);
        self.open_high += u64::from(is_human || (!opens.is_empty() && is_unclear));
        self.open_estimate += u64::from(is_human && !message.is_masked);
        self.click_to_open += u64::from(is_clicked && is_opened);
        self.opens.add(scoped, &opens, is_clicked_by_human);
        self.clicks.add(scoped, &clicks, false);
    }

    fn figures(&self) -> Figures {
        let mut figures = Figures::new();
        for (name, count) in [
            ("sent", self.sent),
            ("delivered", self.delivered),
            ("deferred", self.deferred),
            ("dropped", self.dropped),
            ("bounced_hard", self.bounced_hard),
            ("bounced_soft", self.bounced_soft),
            ("bounced_block", self.bounced_block),
            ("bounced_undetermined", self.bounced_undetermined),
            ("complained", self.complained),
            ("unsubscribed", self.unsubscribed),
            ("messages_without_delivery", self.messages_without_delivery),
            ("masked", self.masked),
            ("delivered_tracked", self.delivered_tracked),
            ("delivered_unmasked", self.delivered_unmasked),
        ] {
            figures.insert(name.to_owned(), count as f64);
        }
        self.opens.name("opens", &mut figures);
        self.clicks.name("clicks", &mut figures);
        let bounced = self.bounced_hard + self.bounced_soft + self.bounced_block + self.bounced_undetermined;
        for (name, numerator, denominator, least) in [
            ("rate_delivery", self.delivered, self.sent, 1),
            ("rate_bounce", bounced, self.sent, 1),
            ("rate_complaint", self.complained, self.delivered, 1),
            ("rate_open", self.opens.unique(), self.delivered_tracked, 1),
            ("rate_open_low", self.opens.human_unique(), self.delivered_tracked, 1),
            ("rate_open_high", self.open_high, self.delivered_tracked, 1),
            ("rate_open_estimate", self.open_estimate, self.delivered_unmasked, 100),
            ("rate_click", self.clicks.unique(), self.delivered_tracked, 1),
            ("rate_click_to_open", self.click_to_open, self.opens.unique(), 1),
            ("rate_unsubscribe", self.unsubscribed, self.delivered, 1),
        ] {
            if denominator >= least {
                figures.insert(name.to_owned(), numerator as f64 / denominator as f64);
            }
        }
        figures
    }
}

/// Whether an event of a kind can be the one by which a message was sent.
fn is_sending(kind: &str) -> bool {
    matches!(kind, "sent" | "delivered" | "deferred" | "bounced" | "complained")
}
