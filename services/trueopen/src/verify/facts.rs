//! What is known of one message, every fact once, and what follows from all of it whatever a report is asked for.

use engagement::sources::{self, Class};
use engagement::{Actor, Kind, providers};
use std::collections::BTreeMap;

/// A stored verdict on a hit.
#[derive(Debug, Clone)]
pub(super) struct Hit {
    pub(super) event_id: String,
    pub(super) revision: u16,
    pub(super) kind: Kind,
    pub(super) at: i64,
    pub(super) sent_at: i64,
    /// A POST that the sender has not reversed.
    pub(super) unsubscribes: bool,
    pub(super) actor: Actor,
    pub(super) source: String,
    pub(super) client: String,
    pub(super) country: String,
    pub(super) label: String,
    pub(super) link_index: Option<u16>,
    pub(super) campaign: String,
    pub(super) recipient_domain: String,
}

impl Hit {
    /// What suppresses it. Nothing suppresses a human or an unknown.
    pub(super) fn class(&self) -> Option<Class> {
        let of_source = || sources::find(&self.source).and_then(|source| source.class);
        (self.actor == Actor::Automated).then(|| of_source().unwrap_or(Class::Other))
    }

    /// Whether its source hides the reader.
    pub(super) fn is_masked(&self) -> bool {
        sources::find(&self.source).is_some_and(|source| source.masked)
    }
}

/// What was said of a hit under its lowest revision.
#[derive(Debug, Clone)]
pub(super) struct FirstSaid {
    pub(super) revision: u16,
    pub(super) actor: Actor,
    pub(super) source: String,
}

/// A stored delivery event.
#[derive(Debug, Clone, Default)]
pub(super) struct Delivery {
    pub(super) event_id: String,
    pub(super) kind: String,
    pub(super) at: i64,
    pub(super) received_at: i64,
    pub(super) tracked: bool,
    pub(super) bounce_class: String,
    pub(super) bounce_reason: String,
    pub(super) enhanced_code: String,
    pub(super) smtp_code: u16,
    pub(super) mx_host: String,
    pub(super) campaign: String,
    pub(super) recipient_domain: String,
}

/// A message's rows as they are read, in any order and as often as they are stored.
#[derive(Debug, Default)]
pub(super) struct Gathered {
    hits: BTreeMap<String, (Hit, FirstSaid)>,
    deliveries: BTreeMap<String, Delivery>,
}

impl Gathered {
    /// Takes a verdict; the highest revision of a hit counts.
    pub(super) fn hit(&mut self, hit: Hit) {
        let first = FirstSaid { revision: hit.revision, actor: hit.actor, source: hit.source.clone() };
        let Some((known, known_first)) = self.hits.get_mut(&hit.event_id) else {
            self.hits.insert(hit.event_id.clone(), (hit, first));
            return;
        };
        if first.revision < known_first.revision {
            *known_first = first;
        }
        if known.revision < hit.revision {
            *known = hit;
        }
    }

    /// Takes a delivery event; the one received last counts.
    pub(super) fn delivery(&mut self, delivery: Delivery) {
        match self.deliveries.get(&delivery.event_id) {
            Some(known) if known.received_at >= delivery.received_at => {}
            _ => drop(self.deliveries.insert(delivery.event_id.clone(), delivery)),
        }
    }

    /// The message, once all of its rows were taken.
    pub(super) fn message(self) -> Message {
        let hits: Vec<(Hit, FirstSaid)> = self.hits.into_values().collect();
        let deliveries: Vec<Delivery> = self.deliveries.into_values().collect();
        let times =
            |kind: &'static str| deliveries.iter().filter(move |told| told.kind == kind).map(|told| told.at);
        // A sent event, else the earliest outcome, is when a message was sent. Else the token says so.
        let outcomes = ["delivered", "deferred", "bounced", "complained"];
        let told_sent = times("sent").min();
        let mailed = told_sent.or_else(|| outcomes.iter().filter_map(|kind| times(kind).min()).min());
        let campaign = said_first(
            deliveries.iter().map(|told| (told.at, &told.event_id, told.campaign.as_str())),
            hits.iter().map(|(hit, _)| (hit.at, &hit.event_id, hit.campaign.as_str())),
        );
        let plain: Vec<String> = hits
            .iter()
            .map(|(hit, _)| hit.recipient_domain.to_lowercase().trim_end_matches('.').to_owned())
            .collect();
        let domain = said_first(
            deliveries.iter().map(|told| (told.at, &told.event_id, told.recipient_domain.as_str())),
            hits.iter().zip(&plain).map(|((hit, _), domain)| (hit.at, &hit.event_id, domain.as_str())),
        );
        let hosts = deliveries.iter().map(|told| (told.at, &told.event_id, told.mx_host.as_str()));
        let host = said_first(hosts, std::iter::empty());
        Message {
            sent_at: mailed.or_else(|| hits.iter().map(|(hit, _)| hit.sent_at).min()),
            mailed,
            told_sent,
            accepted: times("delivered").min(),
            refused: times("bounced").max(),
            is_tracked: deliveries.iter().all(|told| told.tracked),
            is_masked: hits.iter().any(|(hit, _)| hit.is_masked()),
            provider: providers::provider(&host, &domain).to_owned(),
            campaign,
            domain,
            hits,
            deliveries,
        }
    }
}

/// What is said first by delivery events, else by hits: (time, event, said).
fn said_first<'a>(
    told: impl Iterator<Item = (i64, &'a String, &'a str)>,
    minted: impl Iterator<Item = (i64, &'a String, &'a str)>,
) -> String {
    let told = told.filter(|(.., said)| !said.is_empty()).min();
    let first = told.or_else(|| minted.filter(|(.., said)| !said.is_empty()).min());
    first.map(|(.., said)| said.to_owned()).unwrap_or_default()
}

/// All that is known of one message.
#[derive(Debug)]
pub(super) struct Message {
    pub(super) hits: Vec<(Hit, FirstSaid)>,
    pub(super) deliveries: Vec<Delivery>,
    /// When it was sent, as delivery events tell.
    pub(super) mailed: Option<i64>,
    /// When it was sent, as anything tells.
    pub(super) sent_at: Option<i64>,
    /// The first event that says in so many words that it was sent.
    pub(super) told_sent: Option<i64>,
    /// When it was first accepted.
    pub(super) accepted: Option<i64>,
    /// When it was last refused for good.
    pub(super) refused: Option<i64>,
    pub(super) is_tracked: bool,
    /// Whether any hit's source hides the reader.
    pub(super) is_masked: bool,
    pub(super) campaign: String,
    pub(super) domain: String,
    /// Who runs the mailbox.
    pub(super) provider: String,
}
