//! A hit as the stage keeps it while its window is open: small, and enough to write it out again exactly.

use crate::facts::{Facts, sent};
use crate::message::Kept;
use crate::window::{Identified, Seen};
use engagement::{AccountId, AccountNumber, Hit, Request, Timestamp};
use std::collections::{BTreeMap, HashSet};
use std::hash::Hash;
use std::sync::Arc;
use uuid::Uuid;

/// One hit without what [`Seen`] holds; what many hits say alike is shared.
#[derive(Debug)]
pub(super) struct KeptHit {
    event_id: Uuid,
    sent_at: Timestamp,
    about: Arc<About>,
    asked: Arc<Asked>,
    label: Option<Box<str>>,
    late: bool,
}

/// What the hits of one message say alike.
#[derive(Debug, PartialEq, Eq)]
struct About {
    mailing: Arc<Mailing>,
    message_id: Box<str>,
    recipient_id: Box<str>,
}

/// What the hits of many messages say alike.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Mailing {
    v: u32,
    account_number: AccountNumber,
    account: Option<AccountId>,
    campaign: String,
    recipient_domain: String,
}

/// What requests of the same program say alike.
#[derive(Debug, PartialEq, Eq, Hash)]
struct Asked {
    method: String,
    ua: String,
    headers: BTreeMap<String, String>,
    trailing: Option<String>,
}

/// Values that are kept once however many hold them.
#[derive(Debug)]
struct Shared<T> {
    values: HashSet<Arc<T>>,
    sweep_at: usize,
}

impl<T: Hash + Eq> Shared<T> {
    fn share(&mut self, value: T) -> Arc<T> {
        if let Some(known) = self.values.get(&value) {
            return Arc::clone(known);
        }
        if self.values.len() >= self.sweep_at {
            self.values.retain(|value| Arc::strong_count(value) > 1);
            self.sweep_at = (self.values.len() * 2).max(1024);
        }
        let value = Arc::new(value);
        self.values.insert(Arc::clone(&value));
        value
    }
}

impl<T> Default for Shared<T> {
    fn default() -> Self {
        Self { values: HashSet::new(), sweep_at: 1024 }
    }
}

/// Makes kept hits.
#[derive(Debug, Default)]
pub(super) struct Keeper {
    mailings: Shared<Mailing>,
    asked: Shared<Asked>,
}

impl Keeper {
    /// Keeps a hit that came late or not; `beside` is another of the same message, if one is kept.
    pub(super) fn keep(&mut self, hit: Hit, late: bool, beside: Option<&KeptHit>) -> KeptHit {
        let Request { method, ua, headers, trailing, .. } = hit.request;
        let mailing = self.mailings.share(Mailing {
            v: hit.v,
            account_number: hit.account_number,
            account: hit.account,
            campaign: hit.campaign,
            recipient_domain: hit.recipient_domain,
        });
        let about = About {
            mailing,
            message_id: hit.message_id.into_boxed_str(),
            recipient_id: hit.recipient_id.into_boxed_str(),
        };
        let about = match beside {
            Some(beside) if *beside.about == about => Arc::clone(&beside.about),
            _ => Arc::new(about),
        };
        KeptHit {
            event_id: hit.event_id,
            sent_at: hit.sent_at,
            about,
            asked: self.asked.share(Asked { method, ua, headers, trailing }),
            label: hit.label.map(String::into_boxed_str),
            late,
        }
    }
}

impl KeptHit {
    /// Whether its neighbours may have been let go of when it came.
    pub(super) fn late(&self) -> bool {
        self.late
    }

    /// The hit as it was.
    pub(super) fn hit(&self, seen: &Seen) -> Hit {
        let (about, mailing, asked) = (&self.about, &self.about.mailing, &self.asked);
        Hit {
            v: mailing.v,
            event_id: self.event_id,
            account_number: mailing.account_number,
            account: mailing.account.clone(),
            kind: seen.kind,
            received_at: seen.received_at,
            message_id: about.message_id.to_string(),
            recipient_id: about.recipient_id.to_string(),
            campaign: mailing.campaign.clone(),
            recipient_domain: mailing.recipient_domain.clone(),
            sent_at: self.sent_at,
            link_index: seen.link_index.filter(|_| seen.placed),
            link_count: seen.link_count,
            label: self.label.as_deref().map(str::to_owned),
            request: Request {
                method: asked.method.clone(),
                ip: seen.ip,
                ua: asked.ua.clone(),
                headers: asked.headers.clone(),
                trailing: asked.trailing.clone(),
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
        let (mailing, asked) = (&self.about.mailing, &self.asked);
        Facts {
            sent_at: sent(self.sent_at, seen.received_at, &asked.headers),
            recipient_domain: Some(mailing.recipient_domain.as_str()).filter(|domain| !domain.is_empty()),
            link_index: seen.link_index.filter(|_| seen.placed),
            link_count: seen.link_count,
            method: &asked.method,
            ip: seen.ip,
            ua: &asked.ua,
            headers: &asked.headers,
            trailing: asked.trailing.as_deref(),
            ..Facts::of(seen.kind, seen.received_at)
        }
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
        let mut beside = None;
        let told = r#"{"v":1,"event_id":"00000000-0000-7000-8000-000000000003","account_number":7,"kind":"click",
            "received_at":"2026-11-02T09:00:00Z","message_id":"m","sent_at":"2026-11-02T09:00:00Z","method":"GET",
            "ip":"203.0.113.7","ua":"x","headers":{":link":"40213",":provider":"sendgrid"}}"#;
        for text in [full, few, told, full] {
            let hit: Hit = serde_json::from_str(text).unwrap();
            let facts = Facts::from(&hit);
            let seen = ruleset.see(&facts);
            let kept = keeper.keep(hit.clone(), false, beside.as_ref());
            assert_eq!(kept.hit(&seen), hit);
            assert_eq!(ruleset.judge(&kept.facts(&seen)), ruleset.judge(&facts));
            beside = Some(kept);
        }
        assert_eq!(keeper.asked.values.len(), 3);
    }
}
