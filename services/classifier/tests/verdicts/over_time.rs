//! Verdicts over time: whatever the batching, the interleaving and the restarts, the last verdicts are the same, and one
//! revision never says two things.

use crate::support::{BARRACUDA, CHROME, GMAIL_PROXY, RULESET, SAFARI};
use classifier::{Delivery, Facts, Identified, Kept, Message, Seen};
use engagement::{Kind, Timestamp, Verdict};
use proptest::prelude::*;
use std::collections::{BTreeMap, HashMap};
use std::net::IpAddr;

const AGENTS: [&str; 5] = [CHROME, SAFARI, GMAIL_PROXY, BARRACUDA, "AgentNobodyKnows/1"];
const START: i64 = 1_793_610_000_000;

#[derive(Debug, Clone, PartialEq)]
struct Hit {
    id: u32,
    at: i64,
    kind: Kind,
    link: Option<u16>,
    agent: usize,
    ip: u8,
    method: &'static str,
}

impl Identified for Hit {
    type Id = u32;
    fn id(&self) -> &u32 {
        &self.id
    }
}

impl Kept for Hit {
    fn facts<'a>(&'a self, _seen: &Seen) -> Facts<'a> {
        Facts {
            link_index: self.link,
            link_count: self.link.map(|_| 6),
            method: self.method,
            ip: Some(IpAddr::from([148, 163, 148 + self.ip % 2, self.ip])),
            ua: AGENTS[self.agent],
            sent_at: Some(Timestamp::from_millis(START - 20_000).unwrap()),
            ..Facts::of(self.kind, Timestamp::from_millis(START + self.at).unwrap())
        }
    }
}

fn hit() -> impl Strategy<Value = Hit> {
    let kind = prop::sample::select(vec![
        Kind::Open,
        Kind::Click,
        Kind::Click,
        Kind::Click,
        Kind::Unsubscribe,
        Kind::Trap,
    ]);
    // Mostly close together, at times minutes or hours apart.
    let at = prop_oneof![4 => 0..3000_i64, 2 => 0..120_000_i64, 1 => 0..9_000_000_i64];
    let method = prop::sample::select(vec!["GET", "GET", "GET", "HEAD", "POST"]);
    (kind, 0..6_u16, at, 0..AGENTS.len(), 0..4_u8, method).prop_map(|(kind, link, at, agent, ip, method)| {
        Hit { id: 0, at, kind, link: (kind == Kind::Click).then_some(link), agent, ip, method }
    })
}

/// One message's hits in the order of their times.
fn message(most: usize) -> impl Strategy<Value = Vec<Hit>> {
    prop::collection::vec(hit(), 1..most).prop_map(|mut hits| {
        hits.sort_by_key(|hit| hit.at);
        for (number, hit) in hits.iter_mut().enumerate() {
            hit.id = u32::try_from(number).unwrap();
        }
        hits
    })
}

/// Everything that was said of one message's hits: verdicts by hit and revision.
#[derive(Debug, Default, PartialEq)]
struct Said(BTreeMap<(u32, u32), (String, Verdict)>);

impl Said {
    fn note(&mut self, id: u32, client: String, verdict: Verdict) {
        let said = (client, verdict);
        let known = self.0.entry((id, said.1.revision)).or_insert_with(|| said.clone());
        assert_eq!(known, &said, "one revision says two things");
    }

    fn last(&self) -> BTreeMap<u32, (String, Verdict)> {
        let last = self.0.iter().map(|((id, _), said)| (*id, said.clone()));
        last.map(|(id, (client, verdict))| (id, (client, Verdict { revision: 0, ..verdict }))).collect()
    }
}

fn feed(message: &mut Message<Hit>, hit: &Hit, said: &mut Said) {
    let seen = RULESET.see(&hit.facts_of());
    message.hit(seen, hit.clone(), &RULESET, |revised| {
        said.note(revised.kept.id, revised.judgement.client, revised.judgement.verdict);
    });
}

impl Hit {
    fn facts_of(&self) -> Facts<'_> {
        let any = RULESET.see(&Facts::of(self.kind, Timestamp::from_millis(START).unwrap()));
        self.facts(&any)
    }
}

/// A message rebuilt from what was said so far, as after a restart.
fn rebuilt(hits: &[Hit], said: &Said, delivered: Option<Timestamp>) -> Message<Hit> {
    let mut message = Message::default();
    if let Some(at) = delivered {
        message.delivered(Delivery { at, heard: at }, &RULESET, |_| {
            panic!("an empty message has nothing to say")
        });
    }
    for ((id, _), (client, verdict)) in &said.0 {
        let hit = hits.iter().find(|hit| hit.id == *id).unwrap();
        message.restore(RULESET.see(&hit.facts_of()), hit.clone(), client, verdict, &RULESET);
    }
    message
}

fn at_once(hits: &[Hit], delivered: Option<Timestamp>) -> Said {
    let mut message = Message::default();
    let mut said = Said::default();
    if let Some(at) = delivered {
        message.delivered(Delivery { at, heard: at }, &RULESET, |_| ());
    }
    hits.iter().for_each(|hit| feed(&mut message, hit, &mut said));
    said
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(150))]

    #[test]
    fn interleaving_restarts_and_repeats_change_no_last_verdict(
        messages in prop::collection::vec(message(14), 1..4),
        turns in prop::collection::vec((any::<prop::sample::Index>(), 0..10_u8), 0..60),
        delivery in prop::option::of((-30_000..60_000_i64, any::<prop::sample::Index>())),
    ) {
        let mut live: HashMap<usize, Message<Hit>> = HashMap::new();
        let mut said: Vec<Said> = messages.iter().map(|_| Said::default()).collect();
        let mut next = vec![0; messages.len()];
        let delivered_at = delivery.as_ref().map(|(at, _)| Timestamp::from_millis(START + at).unwrap());
        // The delivery event comes after some hit of each message, or before all.
        let comes = |hits: &[Hit]| delivery.as_ref().map(|(_, when)| when.index(hits.len() + 1));
        let mut step = |which: usize, what: u8| {
            let hits = &messages[which];
            let message = live.entry(which).or_default();
            let known = |next: usize| comes(hits).filter(|when| *when < next).and(delivered_at);
            match what {
                0 => *message = rebuilt(hits, &said[which], known(next[which])),
                1 if next[which] > 0 => feed(message, &hits[(next[which] - 1).min(hits.len() - 1)], &mut said[which]),
                _ if next[which] <= hits.len() => {
                    if let (Some(at), Some(when)) = (delivered_at, comes(hits)) && when == next[which] {
                        message.delivered(Delivery { at, heard: at }, &RULESET, |revised| {
                            said[which].note(revised.kept.id, revised.judgement.client, revised.judgement.verdict);
                        });
                    }
                    if let Some(hit) = hits.get(next[which]) {
                        feed(message, hit, &mut said[which]);
                    }
                    next[which] += 1;
                }
                _ => {}
            }
        };
        for (which, what) in turns {
            step(which.index(messages.len()), what);
        }
        for (which, hits) in messages.iter().enumerate() {
            (0..=hits.len()).for_each(|_| step(which, 9));
        }
        for (hits, said) in messages.iter().zip(&said) {
            // A delivery that comes when a hit's window is closed no longer reaches it.
            if delivered_at.is_none() || hits.last().unwrap().at - hits[0].at < 1_700_000 {
                prop_assert_eq!(said.last(), at_once(hits, delivered_at).last());
            }
        }
    }

    #[test]
    fn the_order_within_the_window_changes_no_last_verdict(hits in message(12), seed in any::<u64>()) {
        let near: Vec<Hit> = hits.into_iter().filter(|hit| hit.at < 1_700_000).collect();
        let mut mixed = near.clone();
        mixed.sort_by_key(|hit| (u64::from(hit.id) + 1).wrapping_mul(seed | 1));
        prop_assert_eq!(at_once(&mixed, None).last(), at_once(&near, None).last());
    }

    #[test]
    fn the_same_order_says_the_same_revisions(hits in message(30)) {
        prop_assert_eq!(at_once(&hits, None), at_once(&hits, None));
    }
}

#[test]
fn a_burst_corrects_its_first_clicks_and_a_late_hit_corrects_nothing() {
    let click = |id: u32, at: i64, link: u16| Hit {
        id,
        at,
        kind: Kind::Click,
        link: Some(link),
        agent: 0,
        ip: 0,
        method: "GET",
    };
    let person = |id, at, link| Hit { ip: 9, ..click(id, at, link) };
    let mut said = Said::default();
    let mut message = Message::default();
    for hit in [click(0, 0, 5), click(1, 50, 3), click(2, 100, 0), click(3, 150, 1), click(4, 200, 4)] {
        feed(&mut message, &hit, &mut said);
    }
    let actors = |id: u32| -> Vec<&str> {
        said.0
            .iter()
            .filter(|((hit, _), _)| *hit == id)
            .map(|(_, (_, verdict))| verdict.actor.as_str())
            .collect()
    };
    assert_eq!(actors(0).last(), Some(&"automated"));
    assert!(actors(0).len() > 1 && actors(0)[0] != "automated", "{:?}", actors(0));
    assert_eq!(actors(4), ["automated"]);

    // Half an hour later the burst is closed: what comes for it is judged alone and nothing is said of the others.
    let before = said.0.len();
    feed(&mut message, &person(5, 1_900_000, 2), &mut said);
    assert_eq!(said.0.len() - before, 1);
    assert_eq!((message.live(), message.folded()), (6, 0), "closed, and neighbours still");
    let mut late = 0;
    let hit = click(6, 250, 2);
    message.hit(RULESET.see(&hit.facts_of()), hit, &RULESET, |revised| {
        late += 1;
        assert!(revised.late && !revised.correction);
        assert_eq!(revised.judgement.verdict.revision, 1);
    });
    assert_eq!((late, message.live()), (1, 6));
    feed(&mut message, &person(7, 3_700_500, 2), &mut said);
    assert_eq!((message.live(), message.folded()), (2, 6), "another half hour later they are gone");
}

#[test]
fn what_closes_stays_a_neighbour_of_what_is_open() {
    // The trap link, a minute later a click of the same client; then the trap's window is closed and the click's is not.
    let hit = |id: u32, at: i64, kind: Kind| Hit {
        id,
        at,
        kind,
        link: (kind == Kind::Click).then_some(0),
        agent: 0,
        ip: 0,
        method: "GET",
    };
    let hits = [hit(0, 0, Kind::Trap), hit(1, 51_325, Kind::Click), hit(2, 1_800_001, Kind::Open)];
    let mut said = at_once(&hits, None);
    assert_eq!(said.last()[&1].1.reasons[0].rule, "trap_client");
    let mut message = rebuilt(&hits, &said, None);
    feed(&mut message, &hit(3, 1_810_000, Kind::Open), &mut said);
    assert_eq!(said.last()[&1].1.reasons[0].rule, "trap_client", "after a restart too");
}

#[test]
fn a_window_is_bounded() {
    let mut message = Message::default();
    let mut said = Said::default();
    for id in 0..500 {
        let hit =
            Hit { id, at: i64::from(id) * 10, kind: Kind::Open, link: None, agent: 0, ip: 0, method: "GET" };
        feed(&mut message, &hit, &mut said);
    }
    assert_eq!((message.live(), message.folded()), (64, 436));
    assert_eq!(said.last().len(), 500);
}

#[test]
fn what_left_a_full_window_still_counts() {
    let flood_before = |first: Hit, last: Hit| {
        let mut message = Message::default();
        let mut said = Said::default();
        feed(&mut message, &first, &mut said);
        for id in 1..80 {
            let at = i64::from(id) * 20;
            let hit = Hit { id, at, kind: Kind::Unsubscribe, link: None, agent: 4, ip: 3, method: "GET" };
            feed(&mut message, &hit, &mut said);
        }
        assert!(!message.holds(&0));
        feed(&mut message, &last, &mut said);
        let (_, verdict) = said.last().remove(&99).unwrap();
        verdict.reasons.into_iter().map(|reason| reason.rule).collect::<Vec<_>>()
    };
    let click = Hit { id: 99, at: 3_000, kind: Kind::Click, link: Some(2), agent: 0, ip: 2, method: "GET" };
    let flood = |first: Hit| flood_before(first, click.clone());
    let hit = |kind, agent| Hit { id: 0, at: 0, kind, link: None, agent, ip: 1, method: "GET" };
    // The trap link by another client three seconds before, and Gmail's proxy.
    assert!(flood(hit(Kind::Trap, 0)).contains(&"trap_neighbour".into()));
    assert!(flood(hit(Kind::Open, 2)).contains(&"opened_before".into()));
    // A POST that unsubscribes within seconds of the trap link, and one without it.
    let post = Hit { kind: Kind::Unsubscribe, link: None, method: "POST", ..click.clone() };
    let suspect = |first| flood_before(first, post.clone()).contains(&"suspect_unsubscribe".into());
    assert!(suspect(hit(Kind::Trap, 0)) && !suspect(hit(Kind::Open, 0)));
    // A client of which only its having opened is left says nothing of another one.
    let reasons = flood(hit(Kind::Open, 0));
    assert!(!reasons.contains(&"opened_before".into()) && !reasons.contains(&"trap_neighbour".into()));
}
