//! `metrics.md` once more, in plain Rust over the facts of one message at a time. It shares no code with the views, so that
//! the two can disagree.

use engagement::{providers, sources};
use std::collections::{BTreeMap, BTreeSet};

const DAY: i64 = 86_400_000;

/// A stored verdict on a hit.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) event_id: String,
    pub(super) revision: u16,
    pub(super) kind: String,
    pub(super) at: i64,
    pub(super) sent_at: i64,
    pub(super) method: String,
    pub(super) actor: String,
    pub(super) source: String,
    pub(super) recipient_domain: String,
    /// A POST that the sender has reversed.
    pub(super) reversed: bool,
}

/// A stored delivery event.
#[derive(Debug, Clone)]
pub(super) struct Delivery {
    pub(super) event_id: String,
    pub(super) kind: String,
    pub(super) at: i64,
    pub(super) received_at: i64,
    pub(super) tracked: bool,
    pub(super) bounce_class: String,
    pub(super) bounce_reason: String,
    pub(super) mx_host: String,
    pub(super) recipient_domain: String,
}

/// All that is known of one message, every fact once.
#[derive(Debug, Default)]
pub(super) struct Message {
    hits: BTreeMap<String, Hit>,
    deliveries: BTreeMap<String, Delivery>,
}

/// What a summary is asked for.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct Question {
    pub(super) from: i64,
    pub(super) to: i64,
    pub(super) sent_cohort: bool,
    pub(super) suppress: Vec<&'static str>,
    /// What the figures are grouped by, if by anything.
    pub(super) by: By,
}

/// What figures are grouped by.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum By {
    All,
    RecipientDomain,
    MailboxProvider,
    BounceReason,
    /// Buckets of a day from the window's start on; a group is a bucket's first moment.
    Day,
}

impl By {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::All => "",
            Self::RecipientDomain => "recipient_domain",
            Self::Day => "day",
            Self::MailboxProvider => "mailbox_provider",
            Self::BounceReason => "bounce_reason",
        }
    }
}

impl Question {
    /// Where the buckets of [`By::Day`] begin.
    pub(super) fn edges(&self) -> Vec<i64> {
        (0..).map(|day| self.from + day * DAY).take_while(|edge| *edge < self.to).collect()
    }

    fn buckets(&self) -> impl Iterator<Item = Self> {
        let to = self.to;
        self.edges().into_iter().map(move |from| Self { from, to: to.min(from + DAY), ..self.clone() })
    }
}

/// The figures by their names in `report_figures`; a source's as `opens_by_source_total.apple_mpp`, a group's
/// with the group before it, as `gmail: sent`.
pub(super) type Figures = BTreeMap<String, u64>;

impl Message {
    /// Takes a verdict; the highest revision of a hit counts.
    pub(super) fn hit(&mut self, hit: Hit) {
        match self.hits.get(&hit.event_id) {
            Some(known) if known.revision >= hit.revision => {}
            _ => drop(self.hits.insert(hit.event_id.clone(), hit)),
        }
    }

    /// Takes a delivery event; the one received last counts.
    pub(super) fn delivery(&mut self, delivery: Delivery) {
        match self.deliveries.get(&delivery.event_id) {
            Some(known) if known.received_at >= delivery.received_at => {}
            _ => drop(self.deliveries.insert(delivery.event_id.clone(), delivery)),
        }
    }

    /// Adds what this message has to say to a question's figures.
    pub(super) fn count(&self, question: &Question, figures: &mut Figures) {
        if question.by != By::Day {
            return self.count_as(question, None, figures);
        }
        // A bucket's figures are those of a window that is the bucket.
        for bucket in question.buckets() {
            self.count_as(&bucket, Some(bucket.from), figures);
        }
    }

    fn count_as(&self, question: &Question, bucket: Option<i64>, figures: &mut Figures) {
        let covers = |at: i64| question.from <= at && at < question.to;
        let in_scope = |at: i64| question.sent_cohort || covers(at);
        let mailed = self.mailed();
        if question.sent_cohort {
            let sent = mailed.or_else(|| self.hits.values().map(|hit| hit.sent_at).min());
            if !sent.is_some_and(covers) {
                return;
            }
        }
        let last_told = self.last_refusal(question);
        let group = match question.by {
            By::All | By::Day => bucket.map(|from| format!("{from}: ")).unwrap_or_default(),
            By::RecipientDomain => format!("{}: ", self.domain()),
            By::MailboxProvider => format!("{}: ", self.provider()),
            By::BounceReason => match last_told {
                Some(refusal) if refusal.bounce_reason.is_empty() => "undetermined: ".to_owned(),
                Some(refusal) => format!("{}: ", refusal.bounce_reason),
                None => return,
            },
        };
        if !question.sent_cohort && !self.hits.values().any(|hit| covers(hit.at)) && !self.told(question) {
            return;
        }
        let mut one = |name: &str, holds: bool| {
            *figures.entry(format!("{group}{name}")).or_default() += u64::from(holds);
        };
        let has = |kind: &str| self.deliveries.values().any(|told| told.kind == kind && in_scope(told.at));

        let last_refusal = self.times("bounced").max();
        let accepted = self.times("delivered").filter(|at| in_scope(*at)).max();
        let delivered = accepted.is_some_and(|at| last_refusal.is_none_or(|refused| refused < at));
        let tracked = self.deliveries.values().all(|told| told.tracked);
        let masked = self.hits.values().any(|hit| hides_reader(&hit.source));
        one("sent", mailed.is_some_and(in_scope));
        one("delivered", delivered);
        one("delivered_tracked", delivered && tracked);
        one("delivered_unmasked", delivered && tracked && !masked);
        for kind in ["deferred", "dropped", "complained"] {
            one(kind, has(kind));
        }
        if let Some(last) = last_told {
            let class = match last.bounce_class.as_str() {
                known @ ("hard" | "soft" | "block") => known,
                _ => "undetermined",
            };
            one(&format!("bounced_{class}"), true);
        }

        let hits: Vec<&Hit> = self.hits.values().filter(|hit| in_scope(hit.at)).collect();
        let posted =
            hits.iter().any(|hit| hit.kind == "unsubscribe" && hit.method == "POST" && !hit.reversed);
        one("unsubscribed", posted || has("unsubscribed"));
        one("messages_without_delivery", self.deliveries.is_empty() && !hits.is_empty());

        let of = |kind: &'static str| hits.iter().copied().filter(move |hit| hit.kind == kind);
        let counted = |kind| of(kind).filter(|hit| counts(hit, question)).count();
        let human_click = of("click").any(|hit| hit.actor == "human");
        let human = human_click || of("open").any(|hit| hit.actor == "human");
        let opened = human_click || counted("open") > 0;
        let clicked = counted("click") > 0;
        let mut opens = of("open").peekable();
        let unclear =
            opens.peek().is_some() && opens.all(|hit| hides_reader(&hit.source) || hit.actor == "unknown");
        one("masked", masked && (question.sent_cohort || !hits.is_empty() || self.told(question)));
        one("opens_unique", opened);
        one("opens_human_unique", human);
        one("clicks_unique", clicked);
        one("clicks_human_unique", human_click);
        one("open_high", human || unclear);
        one("open_estimate", human && !masked);
        one("click_to_open", clicked && opened);
        for kind in ["open", "click"] {
            let mut add = |name: String, count: usize| {
                *figures.entry(format!("{group}{name}")).or_default() += count as u64
            };
            add(format!("{kind}s_total"), counted(kind));
            for actor in ["human", "automated", "unknown"] {
                let those = of(kind).filter(|hit| hit.actor == actor).count();
                add(format!("{kind}s_{actor}_total"), those);
                if actor != "human" {
                    add(format!("{kind}s_{actor}_unique"), those.min(1));
                }
            }
            let named: BTreeSet<&str> = of(kind).map(|hit| hit.source.as_str()).collect();
            for source in named {
                let those = of(kind).filter(|hit| hit.source == source).count();
                add(format!("{kind}s_by_source_total.{source}"), those);
                add(format!("{kind}s_by_source_unique.{source}"), 1);
            }
        }
    }

    fn times(&self, kind: &'static str) -> impl Iterator<Item = i64> {
        self.deliveries.values().filter(move |told| told.kind == kind).map(|told| told.at)
    }

    /// When it was sent, as delivery events tell: a `sent` event, else the earliest outcome.
    fn mailed(&self) -> Option<i64> {
        let outcomes = ["delivered", "deferred", "bounced", "complained"];
        self.times("sent").min().or_else(|| outcomes.iter().filter_map(|kind| self.times(kind).min()).min())
    }

    /// The last refusal for good that counts.
    fn last_refusal(&self, question: &Question) -> Option<&Delivery> {
        let counts = |told: &&Delivery| {
            told.kind == "bounced"
                && (question.sent_cohort || (question.from <= told.at && told.at < question.to))
        };
        self.deliveries.values().filter(counts).max_by_key(|told| (told.at, &told.event_id))
    }

    /// What delivery events say first of something.
    fn said(&self, of: fn(&Delivery) -> &String) -> Option<String> {
        let told = self.deliveries.values().filter(|told| !of(told).is_empty());
        told.min_by_key(|told| (told.at, &told.event_id)).map(|told| of(told).clone())
    }

    /// The recipient's domain: what delivery events say first, else what the token says.
    fn domain(&self) -> String {
        let minted = || {
            let plain = |hit: &Hit| hit.recipient_domain.to_lowercase().trim_end_matches('.').to_owned();
            let hits = self.hits.values().map(|hit| (hit.at, &hit.event_id, plain(hit)));
            hits.filter(|(.., domain)| !domain.is_empty()).min().map(|(.., domain)| domain)
        };
        self.said(|told| &told.recipient_domain).or_else(minted).unwrap_or_default()
    }

    /// Who runs the mailbox.
    fn provider(&self) -> String {
        let host = self.said(|told| &told.mx_host).unwrap_or_default();
        providers::provider(&host, &self.domain()).to_owned()
    }

    /// Whether a delivery event lies in the window.
    fn told(&self, question: &Question) -> bool {
        self.deliveries.values().any(|told| question.from <= told.at && told.at < question.to)
    }
}

/// Whether a hit is left after suppression. Nothing suppresses a human or an unknown.
fn counts(hit: &Hit, question: &Question) -> bool {
    let class =
        sources::find(&hit.source).and_then(|source| source.class).map_or("other", sources::Class::as_str);
    hit.actor != "automated" || !question.suppress.contains(&class)
}

fn hides_reader(source: &str) -> bool {
    sources::find(source).is_some_and(|source| source.masked)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn hit(id: &str, revision: u16, kind: &str, at: i64, actor: &str, source: &str) -> Hit {
        let [event_id, kind, actor, source] = [id, kind, actor, source].map(str::to_owned);
        Hit {
            event_id,
            revision,
            kind,
            at,
            sent_at: 5,
            method: "GET".to_owned(),
            actor,
            source,
            recipient_domain: String::new(),
            reversed: false,
        }
    }

    fn told(id: &str, kind: &str, at: i64) -> Delivery {
        let (event_id, kind) = (id.to_owned(), kind.to_owned());
        let (bounce_class, bounce_reason) = (String::new(), String::new());
        let (mx_host, recipient_domain) = (String::new(), "gmail.com".to_owned());
        Delivery {
            event_id,
            kind,
            at,
            received_at: at,
            tracked: true,
            bounce_class,
            bounce_reason,
            mx_host,
            recipient_domain,
        }
    }

    fn asked(message: &Message, from: i64, to: i64, sent_cohort: bool, suppress: &[&'static str]) -> Figures {
        let question = Question { from, to, sent_cohort, suppress: suppress.to_vec(), by: By::All };
        let mut figures = Figures::new();
        message.count(&question, &mut figures);
        figures.retain(|_, count| *count > 0);
        figures
    }

    #[test]
    fn a_post_unsubscribes_unless_it_is_reversed() {
        let counted = |method: &str, reversed| {
            let mut message = Message::default();
            let hit = hit("e", 1, "unsubscribe", 20, "unknown", "unknown");
            message.hit(Hit { method: method.to_owned(), reversed, ..hit });
            asked(&message, 0, 100, false, &[]).get("unsubscribed").copied()
        };
        assert_eq!(
            (counted("POST", false), counted("POST", true), counted("GET", false)),
            (Some(1), None, None)
        );
    }

    #[test]
    fn the_highest_revision_counts_in_any_order() {
        let mut message = Message::default();
        message.hit(hit("e", 2, "click", 20, "automated", "barracuda"));
        message.hit(hit("e", 1, "click", 20, "human", "chrome"));
        let figures = asked(&message, 0, 100, false, &[]);
        assert_eq!((figures["clicks_total"], figures["clicks_automated_unique"]), (1, 1));
        assert!(!figures.contains_key("opens_unique"), "no human, no implied open");
        assert!(!asked(&message, 0, 100, false, &["scanners"]).contains_key("clicks_total"));
        assert_eq!(figures["messages_without_delivery"], 1);
    }

    #[test]
    fn a_window_cuts_what_happened_and_a_cohort_does_not() {
        let mut message = Message::default();
        message.delivery(told("s", "sent", 10));
        message.delivery(told("d", "delivered", 12));
        message.hit(hit("a", 1, "open", 13, "automated", "apple_mpp"));
        message.hit(hit("b", 1, "click", 50, "human", "safari"));
        let first = asked(&message, 10, 20, false, &["apple"]);
        assert_eq!((first["sent"], first["delivered"], first["masked"], first["open_high"]), (1, 1, 1, 1));
        assert!(!first.contains_key("opens_unique") && first["opens_automated_total"] == 1);
        let second = asked(&message, 20, 60, false, &["apple"]);
        assert_eq!((second["opens_unique"], second["clicks_unique"], second["masked"]), (1, 1, 1));
        assert!(!second.contains_key("sent"));
        let cohort = asked(&message, 10, 20, true, &[]);
        assert_eq!((cohort["opens_total"], cohort["opens_unique"], cohort["clicks_total"]), (1, 1, 1));
        assert!(asked(&message, 20, 60, true, &[]).is_empty());
        // Refused later: not delivered after all.
        message.delivery(told("x", "bounced", 70));
        assert!(!asked(&message, 10, 20, false, &[]).contains_key("delivered"));
        assert_eq!(asked(&message, 60, 80, false, &[])["bounced_undetermined"], 1);
    }
}
