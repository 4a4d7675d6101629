//! `metrics.md` once more, in plain Rust over the facts of one message at a time. It shares no code with the views, so that
//! the two can disagree. One file a kind of report; here is what all have in common: which facts of a message a question
//! is about.

mod engagement;
mod figures;
mod hits;
mod machines;
mod refusals;
mod times;
mod values;
mod visits;

use super::clock::{Clock, Interval};
use super::facts::{Delivery, FirstSaid, Hit, Message};
use super::question::{By, Question, Report};
use super::table::Table;
use ::engagement::Kind;

/// The answer to one question, in the making.
pub(super) trait Recount {
    /// Adds what a message has to say, of which something is in scope.
    fn add(&mut self, scoped: &Scoped<'_>);

    /// The answer, after the last message.
    fn table(self: Box<Self>) -> Table;
}

/// The recount that answers a question; `None` where its time zone is none.
pub(super) fn of(question: &Question) -> Option<Box<dyn Recount>> {
    Some(match question.report {
        Report::Summary => Box::new(figures::Groups::new(By::All)),
        Report::Breakdown(by @ (By::Source | By::Client | By::Country)) => Box::new(hits::Hits::new(by)),
        Report::Breakdown(By::Link) => Box::new(hits::Links::default()),
        Report::Breakdown(by) => Box::new(figures::Groups::new(by)),
        Report::Timeseries(interval, zone) => Box::new(figures::Series::new(interval, Clock::of(zone)?)),
        Report::Latency(by) => Box::new(times::Latency::new(by)),
        Report::DeliveryTimes => Box::new(times::Spans::default()),
        Report::Visits(zone) => Box::new(visits::Visits::new(Clock::of(zone)?)),
        Report::Machines(by) => Box::new(machines::Machines::new(by)),
        Report::AfterDelivery => Box::new(machines::AfterDelivery::default()),
        Report::Hours(zone) => Box::new(machines::Hours::new(Clock::of(zone)?)),
        Report::Corrections => Box::new(machines::Corrections::default()),
        Report::Refusals => Box::new(refusals::Refusals::default()),
    })
}

/// A message and what of it a question is about.
pub(super) struct Scoped<'a> {
    question: &'a Question,
    message: &'a Message,
    /// Its hits in scope.
    hits: Vec<&'a (Hit, FirstSaid)>,
    /// Its delivery events in scope.
    deliveries: Vec<&'a Delivery>,
}

impl<'a> Scoped<'a> {
    /// What of a message a question is about, if anything: by event what happened in the window, by sending all that ever
    /// happened to a message that was sent in it.
    pub(super) fn new(question: &'a Question, message: &'a Message) -> Option<Self> {
        let filter = &question.filter;
        let is_asked_for = |asked: &String, is: &String| asked.is_empty() || asked == is;
        if !is_asked_for(&filter.campaign, &message.campaign)
            || !is_asked_for(&filter.recipient_domain, &message.domain)
            || !is_asked_for(&filter.mailbox_provider, &message.provider)
        {
            return None;
        }
        if question.sent_cohort {
            let is_sent_then = message.sent_at.is_some_and(|at| question.covers(at));
            let (hits, deliveries) = (message.hits.iter().collect(), message.deliveries.iter().collect());
            return is_sent_then.then_some(Self { question, message, hits, deliveries });
        }
        let hits: Vec<_> = message.hits.iter().filter(|(hit, _)| question.covers(hit.at)).collect();
        let deliveries: Vec<_> = message.deliveries.iter().filter(|told| question.covers(told.at)).collect();
        let is_any = !hits.is_empty() || !deliveries.is_empty();
        is_any.then_some(Self { question, message, hits, deliveries })
    }

    /// The same for each bucket of time in which something lies: by event where it happened, by sending where the message was sent.
    fn buckets(&self, clock: &Clock, interval: Interval) -> Vec<(super::clock::Bucket, Self)> {
        let of = |at: i64| clock.bucket(interval, at);
        if self.question.sent_cohort {
            let whole = Self { hits: self.hits.clone(), deliveries: self.deliveries.clone(), ..*self };
            return self.message.sent_at.map(|at| (of(at), whole)).into_iter().collect();
        }
        let mut buckets = std::collections::BTreeMap::new();
        let nothing = || Self { hits: Vec::new(), deliveries: Vec::new(), ..*self };
        for hit in &self.hits {
            buckets.entry(of(hit.0.at)).or_insert_with(nothing).hits.push(*hit);
        }
        for told in &self.deliveries {
            buckets.entry(of(told.at)).or_insert_with(nothing).deliveries.push(*told);
        }
        buckets.into_iter().collect()
    }

    fn of_kind(&self, kind: Kind) -> Vec<&'a Hit> {
        self.hits.iter().map(|(hit, _)| hit).filter(|hit| hit.kind == kind).collect()
    }

    /// Whether a hit is left after suppression.
    fn counts(&self, hit: &Hit) -> bool {
        hit.class().is_none_or(|class| !self.question.suppress.contains(&class))
    }

    /// The last refusal for good in scope.
    fn last_refusal(&self) -> Option<&'a Delivery> {
        let refusals = self.deliveries.iter().copied().filter(|told| told.kind == "bounced");
        refusals.max_by_key(|told| (told.at, &told.event_id))
    }
}

/// Why a message was refused: class and reason, each undetermined where nothing says it.
fn why(refusal: &Delivery) -> (&str, &str) {
    let class = match refusal.bounce_class.as_str() {
        known @ ("hard" | "soft" | "block") => known,
        _ => "undetermined",
    };
    let reason = match refusal.bounce_reason.as_str() {
        "" => "undetermined",
        reason => reason,
    };
    (class, reason)
}

/// The row of a group: made only where it is not there yet, since most messages belong to a group that is.
fn row<'t, T: Default>(rows: &'t mut std::collections::BTreeMap<String, T>, group: &str) -> &'t mut T {
    if !rows.contains_key(group) {
        rows.insert(group.to_owned(), T::default());
    }
    rows.entry(group.to_owned()).or_default()
}
