//! An independent recount: `metrics.md` in plain Rust over all facts in memory, message by message. It shares no code with
//! the views and is written without looking at performance.

use crate::facts::{Delivery, Hit};
use engagement::providers::{self, Provider};
use engagement::sources;
use serde_json::{Map, Value, json};
use std::collections::{BTreeMap, BTreeSet};

/// What a report is asked for.
#[derive(Debug, Clone)]
pub(crate) struct Question {
    pub(crate) from: i64,
    pub(crate) to: i64,
    pub(crate) sent_cohort: bool,
    pub(crate) suppress: Vec<&'static str>,
    pub(crate) campaign: Option<String>,
    pub(crate) recipient_domain: Option<String>,
    pub(crate) mailbox_provider: Option<String>,
}

/// All that is known of one message, every fact once.
#[derive(Default)]
struct Message<'a> {
    hits: Vec<&'a Hit>,
    deliveries: Vec<&'a Delivery>,
}

pub(crate) struct Oracle<'a> {
    messages: BTreeMap<&'a str, Message<'a>>,
}

const OUTCOMES: [&str; 4] = ["delivered", "deferred", "bounced", "complained"];

impl<'a> Oracle<'a> {
    pub(crate) fn new(hits: &'a [Hit], deliveries: &'a [Delivery]) -> Self {
        let mut messages: BTreeMap<&str, Message<'_>> = BTreeMap::new();
        for hit in hits {
            let message = messages.entry(&hit.message_id).or_default();
            match message.hits.iter_mut().find(|known| known.event_id == hit.event_id) {
                Some(known) if known.revision < hit.revision => *known = hit,
                Some(_) => {}
                None => message.hits.push(hit),
            }
        }
        for delivery in deliveries {
            let message = messages.entry(&delivery.message_id).or_default();
            match message.deliveries.iter_mut().find(|known| known.event_id == delivery.event_id) {
                Some(known) if known.received_at < delivery.received_at => *known = delivery,
                Some(_) => {}
                None => message.deliveries.push(delivery),
            }
        }
        Self { messages }
    }

    /// The figures of a summary.
    pub(crate) fn summary(&self, question: &Question) -> Value {
        let messages: Vec<_> = self.chosen(question).collect();
        figures(&messages, question)
    }

    /// The figures of each group, by its key.
    pub(crate) fn by_message(&self, question: &Question, by: &str) -> BTreeMap<String, Value> {
        let key = |message: &Message<'_>| match by {
            "campaign" => message.campaign(),
            "mailbox_provider" => message.provider(),
            "bounce_reason" => message.bounce_reason(question).unwrap_or_default(),
            _ => message.domain(),
        };
        let mut keys: BTreeSet<String> = self.chosen(question).map(key).collect();
        if by == "bounce_reason" {
            keys.remove("");
        }
        let group =
            |wanted: &str| self.chosen(question).filter(|message| key(message) == wanted).collect::<Vec<_>>();
        keys.into_iter().map(|wanted| (wanted.clone(), figures(&group(&wanted), question))).collect()
    }

    /// Opens and clicks of each group of hits, by its key.
    pub(crate) fn by_hit(&self, question: &Question, by: &str) -> BTreeMap<String, Value> {
        let key = |hit: &Hit| if by == "client" { hit.client.to_owned() } else { hit.source.clone() };
        let mut groups: BTreeMap<String, Vec<Message<'_>>> = BTreeMap::new();
        for message in self.chosen(question) {
            let engaged = |hit: &&&Hit| matches!(hit.kind, "open" | "click") && question.covers(hit.at);
            let keys: BTreeSet<String> = message.hits.iter().filter(engaged).map(|hit| key(hit)).collect();
            for wanted in keys {
                let hits = message.hits.iter().filter(|hit| key(hit) == wanted).copied().collect();
                groups.entry(wanted).or_default().push(Message { hits, deliveries: Vec::new() });
            }
        }
        groups
            .into_iter()
            .map(|(wanted, messages)| {
                let messages: Vec<_> = messages.iter().collect();
                (
                    wanted,
                    json!({
                        "opens": engagement(&messages, question, "open"),
                        "clicks": engagement(&messages, question, "click")
                    }),
                )
            })
            .collect()
    }

    /// Clicks on each link, by its place and label as JSON.
    pub(crate) fn by_link(&self, question: &Question) -> BTreeMap<String, Value> {
        let mut groups: BTreeMap<String, Vec<Message<'_>>> = BTreeMap::new();
        for message in self.chosen(question) {
            let key = |hit: &Hit| format!("{} {}", json!(hit.link.0), json!(hit.link.1));
            let clicks = message.in_scope(question, "click");
            let keys: BTreeSet<String> = clicks.iter().map(|hit| key(hit)).collect();
            for wanted in keys {
                let hits = clicks.iter().filter(|hit| key(hit) == wanted).copied().collect();
                groups.entry(wanted).or_default().push(Message { hits, deliveries: Vec::new() });
            }
        }
        let count =
            |messages: Vec<Message<'_>>| engagement(&messages.iter().collect::<Vec<_>>(), question, "click");
        groups.into_iter().map(|(wanted, messages)| (wanted, count(messages))).collect()
    }

    fn chosen<'b>(&'b self, question: &'b Question) -> impl Iterator<Item = &'b Message<'a>> {
        self.messages.values().filter(|message| {
            let in_cohort = if question.sent_cohort {
                message.sent_time().is_some_and(|at| question.from <= at && at < question.to)
            } else {
                let hit = message.hits.iter().any(|hit| question.covers(hit.at));
                hit || message.deliveries.iter().any(|delivery| question.covers(delivery.at))
            };
            in_cohort
                && question.mailbox_provider.as_ref().is_none_or(|wanted| message.provider() == *wanted)
                && question.campaign.as_ref().is_none_or(|campaign| message.campaign() == *campaign)
                && question.recipient_domain.as_ref().is_none_or(|domain| message.domain() == *domain)
        })
    }
}

impl Question {
    /// Whether what happened at a time counts, for a message of the report.
    fn covers(&self, at: i64) -> bool {
        self.sent_cohort || (self.from <= at && at < self.to)
    }

    fn counts(&self, hit: &Hit) -> bool {
        if hit.actor != "automated" {
            return true;
        }
        let class = sources::find(&hit.source)
            .and_then(|source| source.class)
            .map_or("other", |class| class.as_str());
        !self.suppress.contains(&class)
    }
}

impl Message<'_> {
    fn times(&self, kind: &str) -> Vec<i64> {
        self.deliveries.iter().filter(|delivery| delivery.kind == kind).map(|delivery| delivery.at).collect()
    }

    /// When it was sent, as delivery events tell.
    fn mailed(&self) -> Option<i64> {
        let outcomes = OUTCOMES.iter().flat_map(|kind| self.times(kind)).min();
        self.times("sent").into_iter().min().or(outcomes)
    }

    fn sent_time(&self) -> Option<i64> {
        self.mailed().or_else(|| self.hits.iter().map(|hit| hit.sent_at).min())
    }

    fn campaign(&self) -> String {
        let deliveries = self.deliveries.iter().map(|d| (d.at, d.event_id.clone(), d.campaign.clone()));
        let hits = self.hits.iter().map(|h| (h.at, h.event_id.to_string(), h.campaign.clone()));
        first_said(deliveries.collect()).or_else(|| first_said(hits.collect())).unwrap_or_default()
    }

    fn domain(&self) -> String {
        let deliveries =
            self.deliveries.iter().map(|d| (d.at, d.event_id.clone(), d.recipient_domain.clone()));
        let plain = |domain: &str| domain.trim_end_matches('.').to_lowercase();
        let hits = self.hits.iter().map(|h| (h.at, h.event_id.to_string(), plain(&h.recipient_domain)));
        first_said(deliveries.collect()).or_else(|| first_said(hits.collect())).unwrap_or_default()
    }

    fn provider(&self) -> String {
        let hosts = self.deliveries.iter().map(|d| (d.at, d.event_id.clone(), d.mx_host.to_owned()));
        let host = first_said(hosts.collect()).unwrap_or_default();
        let listed = |names: fn(&Provider) -> &Vec<String>, fits: &dyn Fn(&str) -> bool| {
            let all = providers::all().iter().flat_map(|p| names(p).iter().map(move |name| (p, name)));
            let found = all.filter(|(_, name)| fits(name)).max_by_key(|(_, name)| name.len());
            found.map(|(provider, _)| provider.id.clone())
        };
        let domain = self.domain();
        listed(|p| &p.mx, &|name| host == name || host.ends_with(&format!(".{name}")))
            .or_else(|| listed(|p| &p.domains, &|name| domain == name))
            .or_else(|| Some(domain.clone()).filter(|domain| !domain.is_empty()))
            .unwrap_or_else(|| "unknown".to_owned())
    }

    fn bounce_reason(&self, question: &Question) -> Option<String> {
        let bounces = self.deliveries.iter().filter(|d| d.kind == "bounced" && question.covers(d.at));
        let last = bounces.max_by_key(|d| (d.at, d.event_id.clone()))?;
        Some(if last.bounce_reason.is_empty() { "undetermined" } else { last.bounce_reason }.to_owned())
    }

    fn is_delivered(&self, question: &Question) -> bool {
        let bounces = self.times("bounced");
        let mut accepted = self.times("delivered").into_iter().filter(|at| question.covers(*at));
        accepted.any(|at| bounces.iter().all(|bounce| *bounce < at))
    }

    fn has(&self, question: &Question, kind: &str) -> bool {
        self.times(kind).into_iter().any(|at| question.covers(at))
    }

    fn bounce_class(&self, question: &Question) -> Option<&str> {
        let bounces = self.deliveries.iter().filter(|d| d.kind == "bounced" && question.covers(d.at));
        let last = bounces.max_by_key(|d| (d.at, d.event_id.clone()))?;
        Some(if ["hard", "soft", "block"].contains(&last.bounce_class) {
            last.bounce_class
        } else {
            "undetermined"
        })
    }

    fn is_masked(&self) -> bool {
        self.hits.iter().any(|hit| is_masked(hit))
    }

    fn in_scope(&self, question: &Question, kind: &str) -> Vec<&Hit> {
        self.hits.iter().filter(|hit| hit.kind == kind && question.covers(hit.at)).copied().collect()
    }

    fn has_human(&self, question: &Question) -> bool {
        let hits = ["open", "click"].map(|kind| self.in_scope(question, kind)).concat();
        hits.iter().any(|hit| hit.actor == "human")
    }

    fn has_open(&self, question: &Question) -> bool {
        let counted = self.in_scope(question, "open").iter().any(|hit| question.counts(hit));
        counted || self.in_scope(question, "click").iter().any(|hit| hit.actor == "human")
    }

    fn has_click(&self, question: &Question) -> bool {
        self.in_scope(question, "click").iter().any(|hit| question.counts(hit))
    }

    fn is_at_most_read(&self, question: &Question) -> bool {
        let opens = self.in_scope(question, "open");
        let unclear = opens.iter().all(|hit| is_masked(hit) || hit.actor == "unknown");
        self.has_human(question) || (!opens.is_empty() && unclear)
    }

    fn is_unsubscribed(&self, question: &Question) -> bool {
        let posted = self.in_scope(question, "unsubscribe").iter().any(|hit| hit.method == "POST");
        posted || self.has(question, "unsubscribed")
    }
}

fn is_masked(hit: &Hit) -> bool {
    sources::find(&hit.source).is_some_and(|source| source.masked)
}

fn first_said(mut said: Vec<(i64, String, String)>) -> Option<String> {
    said.retain(|(.., text)| !text.is_empty());
    said.into_iter().min_by_key(|(at, id, _)| (*at, id.clone())).map(|(.., text)| text)
}

fn figures(messages: &[&Message<'_>], question: &Question) -> Value {
    let count =
        |holds: &dyn Fn(&Message<'_>) -> bool| messages.iter().filter(|message| holds(message)).count();
    let rate = |part: usize, whole: usize| (whole > 0).then(|| part as f64 / whole as f64);
    let bounced = |class: &str| count(&|message| message.bounce_class(question) == Some(class));
    let sent = count(&|message| message.mailed().is_some_and(|at| question.covers(at)));
    let delivered = count(&|message| message.is_delivered(question));
    let is_tracked = |message: &Message<'_>| message.deliveries.iter().all(|delivery| delivery.tracked);
    let tracked = count(&|message| message.is_delivered(question) && is_tracked(message));
    let seen =
        count(&|message| message.is_delivered(question) && is_tracked(message) && !message.is_masked());
    let complained = count(&|message| message.has(question, "complained"));
    let unsubscribed = count(&|message| message.is_unsubscribed(question));
    let opened = count(&|message| message.has_open(question));
    let clicked = count(&|message| message.has_click(question));
    let all_bounced = count(&|message| message.bounce_class(question).is_some());
    let low = count(&|message| message.has_human(question));
    let high = count(&|message| message.is_at_most_read(question));
    let seen_reading = count(&|message| message.has_human(question) && !message.is_masked());
    let both = count(&|message| message.has_click(question) && message.has_open(question));
    json!({
        "sent": sent,
        "delivered": delivered,
        "deferred": count(&|message| message.has(question, "deferred")),
        "dropped": count(&|message| message.has(question, "dropped")),
        "bounced": {"hard": bounced("hard"), "soft": bounced("soft"), "block": bounced("block"),
            "undetermined": bounced("undetermined")},
        "complained": complained,
        "unsubscribed": unsubscribed,
        "messages_without_delivery": count(&|message| message.deliveries.is_empty()
            && message.hits.iter().any(|hit| question.covers(hit.at))),
        "opens": engagement(messages, question, "open"),
        "clicks": engagement(messages, question, "click"),
        "rates": {
            "delivery": rate(delivered, sent),
            "bounce": rate(all_bounced, sent),
            "complaint": rate(complained, delivered),
            "open": rate(opened, tracked),
            "open_low": rate(low, tracked),
            "open_high": rate(high, tracked),
            "open_estimate": if seen >= 100 { rate(seen_reading, seen) } else { None },
            "click": rate(clicked, tracked),
            "click_to_open": rate(both, opened),
            "unsubscribe": rate(unsubscribed, delivered),
        }
    })
}

fn engagement(messages: &[&Message<'_>], question: &Question, kind: &str) -> Value {
    let hits: Vec<(&str, &Hit)> = messages
        .iter()
        .flat_map(|message| message.in_scope(question, kind))
        .map(|hit| (hit.message_id.as_str(), hit))
        .collect();
    let count = |holds: &dyn Fn(&Hit) -> bool| {
        let those: Vec<_> = hits.iter().filter(|(_, hit)| holds(hit)).collect();
        let messages: BTreeSet<_> = those.iter().map(|(message, _)| message).collect();
        (those.len(), messages.len())
    };
    let plain = |holds: &dyn Fn(&Hit) -> bool| {
        let (total, unique) = count(holds);
        json!({"total": total, "unique": unique})
    };
    let of = |holds: &dyn Fn(&Message<'_>) -> bool| messages.iter().filter(|message| holds(message)).count();
    let (total, mut unique) = count(&|hit| question.counts(hit));
    let mut human = plain(&|hit| hit.actor == "human");
    if kind == "open" {
        unique = of(&|message| message.has_open(question));
        human["unique"] = json!(of(&|message| message.has_human(question)));
    }
    let sources: BTreeSet<&str> = hits.iter().map(|(_, hit)| hit.source.as_str()).collect();
    let by_source: Map<String, Value> =
        sources.into_iter().map(|source| (source.to_owned(), plain(&|hit| hit.source == source))).collect();
    json!({
        "total": total, "unique": unique, "human": human,
        "automated": plain(&|hit| hit.actor == "automated"), "unknown": plain(&|hit| hit.actor == "unknown"),
        "by_source": by_source
    })
}
