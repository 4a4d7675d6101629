//! Which questions an account is asked: a bounded list, the same for the same data.
//!
//! Every report, by everything that it groups by, is asked over all time by event and by sending. Each view, with what it
//! groups by in turn, is asked under each suppression, in a window that begins and ends on no full minute, by event and by
//! sending, and held to a campaign, a domain, a provider and all three; the summary to each filter there is.

use super::clock::{Clock, Interval};
use super::picks::Picks;
use super::question::{By, Filter, Question, Report};
use engagement::sources::Class;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
/// What a window's edge lies beside a full minute.
const ODD: i64 = 123_456;
/// Before every time there can be, and after.
const EVER: Window = (946_684_800_000, 4_102_444_800_000);
/// A zone whose clock is put on and back, and one that is ahead by three quarters of an hour too.
const CHANGING: &str = "Europe/Berlin";
const UNEVEN: &str = "Asia/Kathmandu";

/// The first moment, and the first past the end.
type Window = (i64, i64);

/// The reports by the views that answer them, each by everything that it groups by.
fn views() -> [&'static [Report]; 14] {
    [
        &[Report::Summary],
        &[
            Report::Breakdown(By::Campaign),
            Report::Breakdown(By::RecipientDomain),
            Report::Breakdown(By::MailboxProvider),
            Report::Breakdown(By::BounceReason),
        ],
        &[Report::Breakdown(By::Source), Report::Breakdown(By::Client)],
        &[Report::Breakdown(By::Country)],
        &[Report::Breakdown(By::Link)],
        &[
            Report::Timeseries(Interval::Day, UNEVEN),
            Report::Timeseries(Interval::Hour, CHANGING),
            Report::Timeseries(Interval::Week, UNEVEN),
            Report::Timeseries(Interval::Month, CHANGING),
            Report::Timeseries(Interval::Hour, UNEVEN),
            Report::Timeseries(Interval::Week, CHANGING),
        ],
        &[
            Report::Latency(By::All),
            Report::Latency(By::MailboxProvider),
            Report::Latency(By::RecipientDomain),
            Report::Latency(By::Campaign),
        ],
        &[Report::Visits(CHANGING), Report::Visits(UNEVEN)],
        &[
            Report::Machines(By::All),
            Report::Machines(By::Source),
            Report::Machines(By::RecipientDomain),
            Report::Machines(By::Both),
        ],
        &[Report::AfterDelivery],
        &[Report::Corrections],
        &[Report::Hours(UNEVEN), Report::Hours(CHANGING)],
        &[Report::Refusals],
        &[Report::DeliveryTimes],
    ]
}

/// The questions to one account, of the reports that are named, or of all. `own` is what the account leaves out.
pub(super) fn questions(picks: &Picks, own: &[Class], only: &[String]) -> Vec<Question> {
    let mut plan = Plan { picks, own, questions: Vec::new() };
    for view in views() {
        plan.view(view);
    }
    let is_asked =
        |question: &Question| only.is_empty() || only.iter().any(|name| name == question.report.name());
    plan.questions.retain(is_asked);
    plan.questions
}

struct Plan<'a> {
    picks: &'a Picks,
    own: &'a [Class],
    questions: Vec<Question>,
}

impl<'a> Plan<'a> {
    fn ask(
        &mut self,
        report: Report,
        (from, to): Window,
        sent_cohort: bool,
        suppress: &[Class],
        filter: &Filter,
    ) {
        let suppress = if report.is_suppressible() { suppress.to_vec() } else { Vec::new() };
        let (from, to) = (from.max(EVER.0), to.min(EVER.1));
        let question = Question { report, from, to, sent_cohort, suppress, filter: filter.clone() };
        if from < to && !self.questions.contains(&question) {
            self.questions.push(question);
        }
    }

    fn view(&mut self, reports: &[Report]) {
        let own = self.own;
        let all = Filter::default();
        for report in reports {
            self.ask(*report, self.widest(*report), false, own, &all);
            self.ask(*report, self.widest(*report), true, own, &all);
        }
        // What the view groups by, in turn.
        let mut turns = reports.iter().copied().cycle();
        let mut next = || turns.next().unwrap_or(Report::Summary);
        if reports.iter().any(|report| report.is_suppressible()) {
            let alone = Class::ALL.map(|class| vec![class]);
            for classes in [vec![], Class::ALL.to_vec()].iter().chain(&alone) {
                let report = next();
                self.ask(report, self.widest(report), false, classes, &all);
            }
        }
        for window in [Self::odd as fn(&Self, Report) -> Window, Self::late] {
            for sent_cohort in [false, true] {
                let report = next();
                self.ask(report, window(self, report), sent_cohort, own, &all);
            }
        }
        // By the hour a series sees the last days alone, in which a small campaign may have nothing.
        let is_long = |report: &&Report| !matches!(report, Report::Timeseries(Interval::Hour, _));
        let long = reports.iter().filter(is_long).cycle();
        for ((turn, filter), report) in self.filters(reports).into_iter().enumerate().zip(long) {
            let report = *report;
            self.ask(report, self.widest(report), turn % 2 == 1, own, filter);
        }
        if let (Report::Timeseries(..), Some(window)) = (reports[0], self.change()) {
            let report = Report::Timeseries(Interval::Hour, CHANGING);
            self.ask(report, window, false, own, &all);
            self.ask(report, window, true, own, &all);
        }
    }

    /// The filters that a view is held to: the summary to all, every other to one of each and to all three.
    fn filters(&self, reports: &[Report]) -> Vec<&'a Filter> {
        let filters = &self.picks.filters;
        if reports == [Report::Summary] {
            return filters.iter().collect();
        }
        let is_set = |filter: &Filter| {
            [&filter.campaign, &filter.recipient_domain, &filter.mailbox_provider]
                .map(|value| !value.is_empty())
        };
        let of = |set: [bool; 3]| filters.iter().rfind(move |filter| is_set(filter) == set);
        // The last of a kind is the small one: the large one is in all three.
        [[true, false, false], [false, true, false], [false, false, true], [true; 3]]
            .into_iter()
            .filter_map(of)
            .collect()
    }

    /// All time; of a series as much as its buckets allow, up to the last event.
    fn widest(&self, report: Report) -> Window {
        let until = self.picks.last + 1;
        most(report).map_or(EVER, |span| (until - span - ODD, until))
    }

    /// The half in the middle of what there is, not on a full minute.
    fn odd(&self, report: Report) -> Window {
        let (from, to) = (self.picks.lower + 1, self.picks.upper + 1);
        (most(report).map_or(from, |span| from.max(to - span)), to)
    }

    /// A day that ends five hours before the last event.
    fn late(&self, _: Report) -> Window {
        (self.picks.last - 29 * HOUR - ODD, self.picks.last - 5 * HOUR)
    }

    /// Two days on either side of the last time that a clock was put on or back, if there is anything then.
    fn change(&self) -> Option<Window> {
        let change = Clock::of(CHANGING)?.change_before(self.picks.last)?;
        (change > self.picks.first).then_some((change - 2 * DAY - ODD, change + 2 * DAY))
    }
}

/// The longest window of a series that the account is asked about: the API bounds its buckets.
const fn most(report: Report) -> Option<i64> {
    let Report::Timeseries(interval, _) = report else { return None };
    Some(match interval {
        Interval::Hour => 6 * DAY,
        Interval::Day => 60 * DAY,
        Interval::Week => 400 * DAY,
        Interval::Month => 800 * DAY,
    })
}

#[cfg(test)]
mod tests {
    use super::*;

    fn picks() -> Picks {
        let one = |campaign: &str, recipient_domain: &str, mailbox_provider: &str| Filter {
            campaign: campaign.to_owned(),
            recipient_domain: recipient_domain.to_owned(),
            mailbox_provider: mailbox_provider.to_owned(),
        };
        let filters = vec![
            one("large", "", ""),
            one("small", "", ""),
            one("", "large.example", ""),
            one("", "small.example", ""),
            one("", "", "gmail"),
            one("large", "", "gmail"),
            one("large", "large.example", "gmail"),
        ];
        // November 2026, of which the clocks were put back four weeks ago.
        let last = 1_795_900_000_000;
        Picks { first: last - 60 * DAY, last, lower: last - 50 * DAY, upper: last - 3 * DAY, filters }
    }

    #[test]
    fn every_report_is_asked_under_every_suppression_and_held_to_every_filter() {
        let questions = questions(&picks(), &[Class::Apple], &[]);
        assert!(questions.len() < 220, "{}", questions.len());
        let of = |report: &str| -> Vec<&Question> {
            questions.iter().filter(|question| question.report.name() == report).collect()
        };
        for name in Report::NAMES {
            let asked = of(name);
            assert!(asked.iter().any(|question| question.sent_cohort), "{name}");
            for filter in [
                |filter: &Filter| !filter.campaign.is_empty(),
                |filter: &Filter| !filter.recipient_domain.is_empty(),
                |filter: &Filter| !filter.mailbox_provider.is_empty(),
                |filter: &Filter| !filter.campaign.is_empty() && !filter.mailbox_provider.is_empty(),
            ] {
                assert!(asked.iter().any(|question| filter(&question.filter)), "{name}");
            }
            assert!(asked.iter().any(|question| question.from % 60_000 != 0), "{name}");
        }
        for name in ["summary", "breakdown", "timeseries"] {
            let mut asked: Vec<_> = of(name).iter().map(|question| question.suppress.clone()).collect();
            asked.sort();
            asked.dedup();
            assert_eq!(asked.len(), 6, "none, all, each class: {name}");
        }
        for question in of("timeseries") {
            let Report::Timeseries(interval, zone) = question.report else { continue };
            let edges = reporting::edges(interval.as_str(), zone, question.from, question.to);
            assert!(edges.is_some_and(|edges| !edges.is_empty()), "{question}");
        }
        let latency = super::questions(&picks(), &[], &["latency".to_owned()]);
        assert!(latency.iter().all(|question| question.report.name() == "latency") && latency.len() > 8);
    }
}
