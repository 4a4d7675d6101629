//! A row of the corpus: a hit as `classify-file` takes it, with its label.

use engagement::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;

/// One hit.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Row {
    pub(crate) event_id: String,
    pub(crate) kind: String,
    pub(crate) received_at: Timestamp,
    /// Rows of one account are each other's neighbours; those without one are one account's.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) account: Option<String>,
    pub(crate) message_id: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recipient_id: Option<String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) link_index: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) link_count: Option<u16>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) sent_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) delivered_at: Option<Timestamp>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) recipient_domain: Option<String>,
    pub(crate) method: String,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) ip: Option<String>,
    pub(crate) ua: String,
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub(crate) headers: BTreeMap<String, String>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub(crate) trailing: Option<String>,
    pub(crate) label: Label,
}

/// What is known of the hit.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub(crate) struct Label {
    /// `human` or `automated`.
    pub(crate) actor: String,
    /// Who, as an id of `schema/sources.json`; `unknown` where only the actor is known.
    pub(crate) source: String,
    /// Where the label comes from: a public source, or the scenario's name.
    pub(crate) origin: String,
    /// What it says.
    pub(crate) why: String,
    /// Whether anybody could tell from what a tracker sees.
    pub(crate) decidable: bool,
    /// Kept for measuring alone.
    pub(crate) held_out: bool,
}

/// A message's story while it is told.
pub(crate) struct Story<'a> {
    rows: &'a mut Vec<Row>,
    scenario: &'static str,
    why: &'static str,
    number: usize,
    hits: usize,
    sent: i64,
    domain: &'static str,
    links: u16,
    /// The account and its recipient, where the story is one of a mailing's.
    mailing: Option<(String, String)>,
}

/// Who did it.
#[derive(Clone, Copy)]
pub(crate) struct Who(pub(crate) &'static str, pub(crate) &'static str, pub(crate) bool);

/// One request of a story.
pub(crate) struct Asked<'a> {
    pub(crate) after: i64,
    pub(crate) ip: &'a str,
    pub(crate) ua: &'a str,
}

/// When the first mail is sent.
const FIRST: i64 = 1_793_610_000_000;

impl<'a> Story<'a> {
    pub(crate) fn new(
        rows: &'a mut Vec<Row>,
        scenario: &'static str,
        why: &'static str,
        number: usize,
        links: u16,
    ) -> Self {
        let sent = FIRST + number as i64 * 7_919;
        Self { rows, scenario, why, number, hits: 0, sent, domain: "example.org", links, mailing: None }
    }

    /// One message of a mailing: all its messages are one account's and sent at once, and each goes to a reader of its own.
    pub(crate) fn of_mailing(mut self, mailing: usize, domain: &'static str) -> Self {
        self.sent = FIRST + mailing as i64 * 86_400_000;
        self.domain = domain;
        self.mailing = Some((format!("{}-{mailing}", self.scenario), format!("r-{}", self.number)));
        self
    }

    pub(crate) fn open(&mut self, who: Who, asked: &Asked<'_>) -> &mut Row {
        self.add(who, "open", None, asked)
    }

    pub(crate) fn click(&mut self, who: Who, link: u16, asked: &Asked<'_>) -> &mut Row {
        self.add(who, "click", Some(link), asked)
    }

    pub(crate) fn trap(&mut self, who: Who, asked: &Asked<'_>) -> &mut Row {
        self.add(who, "trap", None, asked)
    }

    /// All links within so many milliseconds, in order or not.
    pub(crate) fn burst(&mut self, who: Who, span: i64, backwards: bool, asked: &Asked<'_>) {
        let links = i64::from(self.links);
        for place in 0..self.links {
            let link = if backwards { self.links - 1 - place } else { place };
            let after = asked.after + span * i64::from(place) / links.max(1);
            self.click(who, link, &Asked { after, ..*asked });
        }
    }

    fn add(&mut self, who: Who, kind: &str, link: Option<u16>, asked: &Asked<'_>) -> &mut Row {
        let Who(actor, source, decidable) = who;
        let message = format!("{}-{}", self.scenario, self.number);
        let at = |millis: i64| Timestamp::from_millis(millis).unwrap();
        self.hits += 1;
        self.rows.push(Row {
            event_id: format!("{message}-{}", self.hits),
            kind: kind.to_owned(),
            received_at: at(self.sent + asked.after),
            account: self.mailing.as_ref().map(|(account, _)| account.clone()),
            message_id: message,
            recipient_id: self.mailing.as_ref().map(|(_, recipient)| recipient.clone()),
            link_index: link,
            link_count: Some(self.links),
            sent_at: Some(at(self.sent)),
            delivered_at: Some(at(self.sent + 1_500)),
            recipient_domain: Some(self.domain.to_owned()),
            method: "GET".to_owned(),
            ip: Some(asked.ip.to_owned()),
            ua: asked.ua.to_owned(),
            headers: BTreeMap::new(),
            trailing: None,
            label: Label {
                actor: actor.to_owned(),
                source: source.to_owned(),
                origin: self.scenario.to_owned(),
                why: self.why.to_owned(),
                decidable,
                held_out: false,
            },
        });
        self.rows.last_mut().unwrap()
    }
}

/// Scenarios that were written together with a rule, from the same sources: they measure nothing.
const WRITTEN_WITH_A_RULE: [&str; 1] = ["hospital-old-browsers"];

/// Of every other origin the hash of its name says whether it is for measuring alone, so that a new one changes none.
pub(crate) fn hold_out(rows: &mut [Row]) {
    for row in rows {
        let origin = row.label.origin.as_str();
        row.label.held_out =
            !WRITTEN_WITH_A_RULE.contains(&origin) && crate::random::hash(origin) >> 32 & 1 == 1;
    }
}
