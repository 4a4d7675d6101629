//! A hit as the stage keeps it while its window is open: small, and enough to write it out again exactly, but for the original,
//! which the first verdict alone carries.

use super::shared::Shared;
use super::texts::{Held, Texts};
use crate::agent::Agent;
use crate::facts::{Facts, sent};
use crate::message::Kept;
use crate::ruleset::Ruleset;
use crate::window::{Identified, Seen};
use engagement::{AccountId, AccountNumber, Hit, Request, Timestamp};
use hashbrown::Equivalent;
use std::collections::BTreeMap;
use std::hash::{Hash, Hasher};
use std::num::NonZeroI64;
use std::sync::Arc;
use uuid::Uuid;

/// One hit without what [`Seen`] holds; what many hits say alike is shared.
#[derive(Debug)]
pub(super) struct KeptHit {
    event_id: Uuid,
    about: About,
    agent: Arc<Agent>,
    sent: Arc<Sent>,
}

/// What the hits of one message say alike: the message's id and the recipient's, and when it was sent.
#[derive(Debug, Clone)]
struct About(Texts<(Mailing, SentAt), 2>);

/// When a mail was sent, in milliseconds; absent where a provider told of the hit and not of that, so that it is said to be
/// when the hit arrived.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct SentAt(Option<NonZeroI64>);

/// What the hits of many messages say alike: account, campaign and the recipient's domain; and the version and the
/// account's number. A hit without the account's name has an empty text there, which is no name.
#[derive(Debug, Clone)]
struct Mailing(Texts<(u32, AccountNumber), 3>);

/// A hit's share of that.
#[derive(PartialEq, Hash)]
struct MailingOf<'a> {
    head: (u32, AccountNumber),
    texts: [&'a [u8]; 3],
}

/// What the requests of many hits say alike beside the agent.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Sent {
    method: String,
    headers: BTreeMap<String, String>,
    trailing: Option<String>,
    label: Option<String>,
    /// The hit came when its neighbours may have been let go of.
    late: bool,
}

/// A hit's share of that.
#[derive(PartialEq, Hash)]
struct SentOf<'a> {
    method: &'a str,
    headers: &'a BTreeMap<String, String>,
    trailing: Option<&'a str>,
    label: Option<&'a str>,
    late: bool,
}

/// An agent by its text.
#[derive(Hash)]
struct AgentOf<'a>(&'a str);

/// Makes kept hits.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    mailings: Shared<Mailing>,
    agents: Shared<Arc<Agent>>,
    sent: Shared<Arc<Sent>>,
}

impl Keeper {
    /// An agent as the ruleset reads it.
    pub(super) fn agent(&mut self, text: &str, ruleset: &Ruleset) -> Arc<Agent> {
        let agent = self.agents.share(&AgentOf(text), || Arc::new(ruleset.agent(text)));
        if ruleset.has_read(&agent) {
            return agent;
        }
        // Another ruleset holds now. For what is kept with the one before agents are read each time.
        self.agents = Shared::default();
        self.agents.share(&AgentOf(text), || Arc::new(ruleset.agent(text)))
    }

    /// Keeps a hit that came late or not; `beside` is another of the same message, if one is kept.
    pub(super) fn keep(
        &mut self,
        hit: &Hit,
        agent: Arc<Agent>,
        late: bool,
        beside: Option<&KeptHit>,
    ) -> KeptHit {
        let about = match beside {
            Some(beside) if beside.about.is_of(hit) => beside.about.clone(),
            _ => {
                let mailing = MailingOf::from(hit);
                let mailing = self.mailings.share(&mailing, || Mailing::from(hit));
                About(Texts::new((mailing, SentAt::of(hit)), [&hit.message_id, &hit.recipient_id]))
            }
        };
        let make = || {
            Arc::new(Sent {
                method: hit.request.method.clone(),
                headers: hit.request.headers.clone(),
                trailing: hit.request.trailing.clone(),
                label: hit.label.clone(),
                late,
            })
        };
        let sent_of = SentOf::of(hit, late);
        let sent = match beside {
            Some(beside) if sent_of.equivalent(&beside.sent) => Arc::clone(&beside.sent),
            _ => self.sent.share(&sent_of, make),
        };
        KeptHit { event_id: hit.event_id, about, agent, sent }
    }
}

impl KeptHit {
    /// Whether its neighbours may have been let go of when it came.
    pub(super) fn late(&self) -> bool {
        self.sent.late
    }

    /// The hit as it was, without its original.
    pub(super) fn hit(&self, seen: &Seen) -> Hit {
        let (about, sent) = (&self.about, &self.sent);
        let (mailing, sent_at) = about.0.head();
        let (v, account_number) = *mailing.0.head();
        Hit {
            v,
            event_id: self.event_id,
            account_number,
            account: AccountId::new(mailing.0.text(0)).ok(),
            kind: seen.kind,
            received_at: seen.received_at,
            message_id: about.0.text(0).to_owned(),
            recipient_id: about.0.text(1).to_owned(),
            campaign: mailing.0.text(1).to_owned(),
            recipient_domain: mailing.0.text(2).to_owned(),
            sent_at: sent_at.of_hit(seen.received_at),
            link_index: seen.link_index.filter(|_| seen.placed),
            link_count: seen.link_count,
            label: sent.label.clone(),
            original: None,
            request: Request {
                method: sent.method.clone(),
                ip: seen.ip,
                ua: self.agent.text().to_owned(),
                headers: sent.headers.clone(),
                trailing: sent.trailing.clone(),
            },
        }
    }
}

impl Identified for KeptHit {
    type Id = Uuid;
    fn id(&self) -> &Uuid {
        &self.event_id
    }
}

impl Kept for KeptHit {
    fn facts<'a>(&'a self, seen: &Seen) -> Facts<'a> {
        let (Sent { method, headers, trailing, .. }, (mailing, sent_at)) = (&*self.sent, self.about.0.head());
        Facts {
            sent_at: sent(sent_at.of_hit(seen.received_at), seen.received_at, headers),
            recipient_domain: Some(mailing.0.text(2)).filter(|domain| !domain.is_empty()),
            link_index: seen.link_index.filter(|_| seen.placed),
            link_count: seen.link_count,
            method,
            ip: seen.ip,
            ua: self.agent.text(),
            agent: Some(&self.agent),
            headers,
            trailing: trailing.as_deref(),
            ..Facts::of(seen.kind, seen.received_at)
        }
    }

    fn agent_number(&self, _seen: &Seen) -> u64 {
        self.agent.number()
    }
}

impl About {
    fn is_of(&self, hit: &Hit) -> bool {
        let (mailing, sent_at) = self.0.head();
        *sent_at == SentAt::of(hit)
            && self.0.bytes(0) == hit.message_id.as_bytes()
            && self.0.bytes(1) == hit.recipient_id.as_bytes()
            && mailing.parts() == MailingOf::from(hit)
    }
}

impl SentAt {
    fn of(hit: &Hit) -> Self {
        Self(NonZeroI64::new(hit.sent_at.millis()).filter(|_| hit.sent_at != hit.received_at))
    }

    /// As a hit that arrived then said it.
    fn of_hit(self, received_at: Timestamp) -> Timestamp {
        self.0.and_then(|millis| Timestamp::from_millis(millis.get()).ok()).unwrap_or(received_at)
    }
}

impl Mailing {
    fn parts(&self) -> MailingOf<'_> {
        MailingOf { head: *self.0.head(), texts: [0, 1, 2].map(|place| self.0.bytes(place)) }
    }
}

impl From<&Hit> for Mailing {
    fn from(hit: &Hit) -> Self {
        let account = hit.account.as_ref().map_or("", AccountId::as_str);
        Self(Texts::new((hit.v, hit.account_number), [account, &hit.campaign, &hit.recipient_domain]))
    }
}

impl<'a> From<&'a Hit> for MailingOf<'a> {
    fn from(hit: &'a Hit) -> Self {
        let account = hit.account.as_ref().map_or("", AccountId::as_str);
        let texts = [account, &hit.campaign, &hit.recipient_domain];
        Self { head: (hit.v, hit.account_number), texts: texts.map(str::as_bytes) }
    }
}

impl PartialEq for Mailing {
    fn eq(&self, other: &Self) -> bool {
        self.parts() == other.parts()
    }
}

impl Eq for Mailing {}

impl Hash for Mailing {
    fn hash<H: Hasher>(&self, hasher: &mut H) {
        self.parts().hash(hasher);
    }
}

impl Held for Mailing {
    fn is_alone(&self) -> bool {
        self.0.is_alone()
    }
}

impl Equivalent<Mailing> for MailingOf<'_> {
    fn equivalent(&self, known: &Mailing) -> bool {
        *self == known.parts()
    }
}

impl<'a> SentOf<'a> {
    fn of(hit: &'a Hit, late: bool) -> Self {
        let Request { method, headers, trailing, .. } = &hit.request;
        Self { method, headers, trailing: trailing.as_deref(), label: hit.label.as_deref(), late }
    }
}

impl Equivalent<Arc<Sent>> for SentOf<'_> {
    fn equivalent(&self, known: &Arc<Sent>) -> bool {
        let Sent { method, headers, trailing, label, late } = &**known;
        let (trailing, label) = (trailing.as_deref(), label.as_deref());
        *self == SentOf { method, headers, trailing, label, late: *late }
    }
}

impl Equivalent<Arc<Agent>> for AgentOf<'_> {
    fn equivalent(&self, known: &Arc<Agent>) -> bool {
        self.0 == known.text()
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::ruleset::Ruleset;

    #[test]
    fn a_kept_hit_is_written_out_as_it_was_and_judged_as_it_was() {
        let ruleset = Ruleset::builtin();
        let mut keeper = Keeper::default();
        let full = r#"{"v":1,"event_id":"00000000-0000-7000-8000-000000000001","account_number":7,"account":"demo",
            "kind":"click","received_at":"2026-11-02T09:00:00.123Z","message_id":"m","recipient_id":"r","campaign":"c",
            "recipient_domain":"example.org","sent_at":"2026-11-02T08:00:00Z","link_index":2,"link_count":5,
            "label":"footer","method":"GET","ip":"::ffff:203.0.113.7","ua":"x","headers":{"referer":"y"},"trailing":"%27"}"#;
        let few = r#"{"v":1,"event_id":"00000000-0000-7000-8000-000000000002","account_number":7,"kind":"open",
            "received_at":"2026-11-02T09:00:00Z","message_id":"m","sent_at":"2026-11-02T08:00:00Z","method":"GET"}"#;
        let told = r#"{"v":1,"event_id":"00000000-0000-7000-8000-000000000003","account_number":7,"kind":"click",
            "received_at":"2026-11-02T09:00:00Z","message_id":"m","sent_at":"2026-11-02T09:00:00Z","method":"GET",
            "ip":"203.0.113.7","ua":"x","headers":{":link":"40213",":provider":"sendgrid"},"original":"{\"event\":\"click\"}"}"#;
        let then = told.replace("09:00:00Z", "09:00:01Z");
        let mut beside = None;
        for (text, late) in [(full, false), (few, true), (told, false), (&then, false), (full, true)] {
            let hit: Hit = serde_json::from_str(text).unwrap();
            let facts = Facts::from(&hit);
            let seen = ruleset.see(&facts);
            let agent = keeper.agent(&hit.request.ua, &ruleset);
            let kept = keeper.keep(&hit, agent, late, beside.as_ref());
            assert_eq!((kept.hit(&seen), kept.late()), (Hit { original: None, ..hit.clone() }, late));
            assert_eq!(ruleset.judge(&kept.facts(&seen)), ruleset.judge(&facts));
            beside = Some(kept);
        }
        assert_eq!((keeper.sent.len(), keeper.agents.len()), (4, 2));
    }

    #[test]
    fn another_ruleset_reads_agents_anew() {
        let (one, other) = (Ruleset::builtin(), Ruleset::builtin());
        let mut keeper = Keeper::default();
        let before = keeper.agent("x", &one);
        assert!(Arc::ptr_eq(&before, &keeper.agent("x", &one)));
        assert!(other.has_read(&keeper.agent("y", &other)));
        let now = keeper.agent("x", &other);
        assert!(one.has_read(&before) && other.has_read(&now) && !other.has_read(&before));
        assert_eq!(keeper.agents.len(), 1);
    }
}
