//! How long messages took from sent to delivered.

use super::values::{Values, span};
use super::{Recount, Scoped};
use crate::verify::question::By;
use crate::verify::table::{Figures, Table};
use std::collections::BTreeMap;

/// Percentiles of each group.
pub(super) struct Latency {
    by: By,
    rows: BTreeMap<String, Values>,
}

impl Latency {
    pub(super) fn new(by: By) -> Self {
        Self { by, rows: BTreeMap::new() }
    }
}

impl Recount for Latency {
    fn add(&mut self, scoped: &Scoped<'_>) {
        let Some(millis) = took(scoped) else { return };
        let group = match self.by {
            By::RecipientDomain => scoped.message.domain.as_str(),
            By::MailboxProvider => &scoped.message.provider,
            By::Campaign => &scoped.message.campaign,
            _ => "",
        };
        super::row(&mut self.rows, group).add(millis);
    }

    fn table(self: Box<Self>) -> Table {
        let named = |values: Values| {
            Figures::from([
                ("messages".to_owned(), values.len() as f64),
                ("p50".to_owned(), values.percentile(50)),
                ("p90".to_owned(), values.percentile(90)),
                ("p99".to_owned(), values.percentile(99)),
                ("slowest".to_owned(), values.slowest()),
            ])
        };
        self.rows.into_iter().map(|(group, values)| (group, named(values))).collect()
    }
}

/// The same as a histogram: messages by where their span of time begins.
#[derive(Default)]
pub(super) struct Spans(BTreeMap<i64, u64>);

impl Recount for Spans {
    fn add(&mut self, scoped: &Scoped<'_>) {
        if let Some(millis) = took(scoped) {
            *self.0.entry(span(millis)).or_default() += 1;
        }
    }

    fn table(self: Box<Self>) -> Table {
        let named = |count| Figures::from([("messages".to_owned(), count as f64)]);
        self.0.into_iter().map(|(seconds, count)| (seconds.to_string(), named(count))).collect()
    }
}

/// From the first time that a message is said to be sent to the first in scope that it is accepted. Nothing is guessed
/// where either is missing, or where it was accepted before it was sent.
fn took(scoped: &Scoped<'_>) -> Option<i64> {
    let accepted = scoped.deliveries.iter().filter(|told| told.kind == "delivered").map(|told| told.at).min();
    let millis = accepted? - scoped.message.told_sent?;
    (millis >= 0).then_some(millis)
}
