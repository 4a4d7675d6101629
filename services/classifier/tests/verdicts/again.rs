//! Stored hits judged again: the same as they are judged in order, nothing without need, nothing without evidence.

use crate::support::{BARRACUDA, CHROME, RULESET};
use classifier::{
    Again, BUILTIN_FILES, Compared, Comparing, Facts, Full, Outcome, Ruleset, SignatureFile, Stored,
    classify_file,
};
use engagement::{AccountNumber, Actor, Hit, Kind, Reason, Request, Timestamp};
use proptest::prelude::*;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

const START: i64 = 1_793_610_000_000;

fn hit(number: u16, at: i64, ua: &str) -> Hit {
    Hit {
        v: Hit::VERSION,
        event_id: Uuid::from_u128(u128::from(number)),
        account_number: AccountNumber(7),
        account: None,
        kind: Kind::Click,
        received_at: Timestamp::from_millis(START + at).unwrap(),
        message_id: "m".to_owned(),
        recipient_id: String::new(),
        campaign: String::new(),
        recipient_domain: "example.org".to_owned(),
        sent_at: Timestamp::from_millis(START - 86_400_000).unwrap(),
        link_index: Some(number),
        link_count: Some(200),
        label: None,
        original: None,
        request: Request {
            method: "GET".to_owned(),
            ip: Some("203.0.113.9".parse().unwrap()),
            ua: ua.to_owned(),
            headers: BTreeMap::new(),
            trailing: None,
        },
    }
}

/// As it was judged alone.
fn alone(hit: Hit, ruleset: &Ruleset) -> Stored {
    let judged = ruleset.judge(&Facts::from(&hit));
    Stored { hit, client: judged.client, verdict: judged.verdict }
}

fn again(stored: &[Stored]) -> Vec<Outcome> {
    among(stored, &Compared::default())
}

/// One message's hits judged again, where the hits of others showed this.
fn among(stored: &[Stored], compared: &Compared) -> Vec<Outcome> {
    let mut outcomes = Vec::new();
    let mut again = Again::new(&RULESET, &[], compared);
    for stored in stored {
        again.hit(stored.clone(), |outcome| outcomes.push(outcome));
    }
    again.end(|outcome| outcomes.push(outcome));
    outcomes
}

/// What is stored once an outcome is.
fn then(before: &Stored, outcome: &Outcome) -> Stored {
    match outcome {
        Outcome::Changed { now, .. } => {
            Stored { hit: now.hit.clone(), client: now.client.clone(), verdict: now.verdict.clone() }
        }
        _ => before.clone(),
    }
}

#[test]
fn hits_that_were_judged_alone_are_judged_among_their_neighbours_and_then_never_again() {
    // A burst, a hit a minute later, one two hours later; more than a window holds at once.
    let mut times: Vec<i64> = (0..90).map(|number| number * 10).collect();
    times.extend([60_000, 7_200_000]);
    let numbered = (0_u16..).zip(times);
    let stored: Vec<Stored> = numbered.map(|(number, at)| alone(hit(number, at, CHROME), &RULESET)).collect();
    let outcomes = again(&stored);
    assert_eq!(outcomes.len(), stored.len());
    for (stored, outcome) in stored.iter().zip(&outcomes) {
        assert_eq!(outcome.received_at(), stored.hit.received_at, "in order");
        let at = stored.hit.received_at.millis() - START;
        match outcome {
            Outcome::Changed { now, before } if at < 900 => {
                assert_eq!((now.verdict.actor, before.actor), (Actor::Automated, Actor::Human));
                assert_eq!((now.verdict.revision, now.reclassified), (2, true));
                assert_eq!(now.hit, stored.hit);
            }
            Outcome::Changed { now, .. } => assert!(at == 60_000, "{at}: {now:?}"),
            Outcome::Same(_) => assert_eq!(at, 7_200_000),
            Outcome::Expired(_) => panic!("all have their evidence"),
        }
    }
    let stored: Vec<Stored> =
        stored.iter().zip(&outcomes).map(|(stored, outcome)| then(stored, outcome)).collect();
    assert!(
        again(&stored).iter().all(|outcome| matches!(outcome, Outcome::Same(_))),
        "the second time nothing"
    );
}

#[test]
fn another_ruleset_alone_is_no_change() {
    let gateways = ["barracuda.toml", "gateways.toml"];
    let files: Vec<SignatureFile<'_>> =
        BUILTIN_FILES.iter().filter(|file| !gateways.contains(&file.name)).copied().collect();
    let old = Ruleset::from_files(&files).unwrap();
    let stored = [alone(hit(1, 0, CHROME), &old), alone(hit(2, 7_200_000, BARRACUDA), &old)];
    assert_ne!(stored[0].verdict.ruleset, RULESET.version());
    let outcomes = again(&stored);
    assert_eq!(outcomes[0], Outcome::Same(stored[0].hit.received_at));
    let Outcome::Changed { now, before } = &outcomes[1] else { panic!("{outcomes:?}") };
    assert_eq!((now.verdict.source.as_str(), now.verdict.ruleset.as_str()), ("barracuda", RULESET.version()));
    assert_eq!(before.ruleset, old.version());
}

#[test]
fn what_may_have_had_a_neighbour_without_evidence_is_left() {
    let minutes = |minutes: i64| minutes * 60_000;
    let stored = |number, at| alone(hit(number, minutes(at), CHROME), &RULESET);
    let mut outcomes = Vec::new();
    let compared = Compared::default();
    let mut again = Again::new(&RULESET, &[], &compared);
    again.hit(stored(1, 0), |outcome| outcomes.push(outcome));
    again.hit(stored(2, 20), |outcome| outcomes.push(outcome));
    again.expired(Timestamp::from_millis(START + minutes(40)).unwrap(), |outcome| outcomes.push(outcome));
    again.hit(stored(3, 70), |outcome| outcomes.push(outcome));
    again.hit(stored(4, 71), |outcome| outcomes.push(outcome));
    again.end(|outcome| outcomes.push(outcome));
    outcomes.sort_by_key(Outcome::received_at);
    let left: Vec<bool> = outcomes.iter().map(|outcome| matches!(outcome, Outcome::Expired(_))).collect();
    // 40 minutes before; 20 before; itself; 30 behind; 31 behind.
    assert_eq!(left, [false, true, true, true, false]);
}

/// A verdict on a click as an earlier run gave it, with what the hits of others showed.
fn told_of_many() -> Stored {
    let mut stored = alone(hit(1, 0, CHROME), &RULESET);
    stored.verdict.reasons.push(Reason {
        rule: "fanout".into(),
        source: "scanner_fanout".into(),
        confidence: 0.95,
        evidence: "its address followed links in the mails of many readers within seconds".to_owned(),
    });
    stored.verdict.ruleset = "earlier".to_owned();
    stored
}

#[test]
fn what_the_same_rules_found_of_other_messages_stays() {
    let mut stored = told_of_many();
    stored.verdict.ruleset = RULESET.version().to_owned();
    let mut comparing = Comparing::new(&RULESET, 100);
    comparing.hit(&stored.hit).unwrap();
    let judged = then(&stored, &among(std::slice::from_ref(&stored), &comparing.end())[0]);
    assert_eq!(judged.verdict.actor, Actor::Automated, "{:?}", judged.verdict);
}

#[test]
fn what_other_messages_showed_is_kept_where_their_evidence_is_gone() {
    let stored = told_of_many();
    let minutes = |minutes: i64| Timestamp::from_millis(START + minutes * 60_000).unwrap();
    let mut comparing = Comparing::new(&RULESET, 100);
    comparing.expired(minutes(-200));
    comparing.expired(minutes(-5));
    comparing.hit(&stored.hit).unwrap();
    let compared = comparing.end();
    let judged = then(&stored, &among(std::slice::from_ref(&stored), &compared)[0]);
    assert_eq!(judged.verdict.actor, Actor::Automated, "{:?}", judged.verdict);
    assert!(judged.verdict.reasons.contains(&stored.verdict.reasons[1]));
    let second = among(std::slice::from_ref(&judged), &compared);
    assert_eq!(second, [Outcome::Same(judged.hit.received_at)]);
}

#[test]
fn what_other_messages_hits_do_not_show_any_more_is_withdrawn() {
    let stored = told_of_many();
    let mut comparing = Comparing::new(&RULESET, 100);
    comparing.expired(Timestamp::from_millis(START - 3_600_000).unwrap());
    comparing.hit(&stored.hit).unwrap();
    let judged = then(&stored, &among(std::slice::from_ref(&stored), &comparing.end())[0]);
    assert_eq!(judged.verdict.actor, Actor::Human, "{:?}", judged.verdict);
    assert_eq!(judged.verdict.reasons.len(), 1, "{:?}", judged.verdict);
}

#[test]
fn more_than_may_be_kept_is_refused() {
    // One address in the mails of thirty readers at once: each is told of many.
    let hits: Vec<Hit> = (0..30_u16)
        .map(|number| Hit { message_id: format!("m{number}"), ..hit(number, i64::from(number), CHROME) })
        .collect();
    let compare = |most| {
        let mut comparing = Comparing::new(&RULESET, most);
        hits.iter().try_for_each(|hit| comparing.hit(hit))
    };
    assert_eq!((compare(10), compare(1000)), (Err(Full), Ok(())));
    // Who goes on all the same loses nothing.
    let found = |most| {
        let mut comparing = Comparing::new(&RULESET, most);
        for hit in &hits {
            if comparing.hit(hit) == Err(Full) {
                comparing.allow_more();
            }
        }
        let compared = comparing.end();
        let stored: Vec<Stored> = hits.iter().map(|hit| alone(hit.clone(), &RULESET)).collect();
        stored.iter().flat_map(|stored| among(std::slice::from_ref(stored), &compared)).collect::<Vec<_>>()
    };
    assert_eq!(found(1), found(1000));
}

/// Actor, source and reasons of each event, as a file of these hits is judged.
fn in_a_file(hits: &[Hit]) -> BTreeMap<Uuid, Value> {
    let line = |hit: &Hit| {
        json!({"event_id": hit.event_id, "kind": hit.kind.as_str(), "received_at": hit.received_at,
            "account": "demo", "message_id": hit.message_id, "recipient_id": hit.recipient_id,
            "link_index": hit.link_index, "link_count": hit.link_count, "sent_at": hit.sent_at,
            "recipient_domain": hit.recipient_domain, "method": "GET", "ip": hit.request.ip, "ua": hit.request.ua})
        .to_string()
    };
    let lines: Vec<String> = hits.iter().map(line).collect();
    let mut verdicts = Vec::new();
    classify_file(lines.join("\n").as_bytes(), &mut verdicts, &RULESET).unwrap();
    let verdicts = String::from_utf8(verdicts).unwrap();
    let verdict = |line: &str| {
        let said: Value = serde_json::from_str(line).unwrap();
        (said["event_id"].as_str().unwrap().parse().unwrap(), shown(&said))
    };
    verdicts.lines().map(verdict).collect()
}

fn shown(verdict: &Value) -> Value {
    json!([verdict["actor"], verdict["source"], verdict["reasons"]])
}

/// Hits on several messages within a quarter of an hour, many of them within the same seconds.
fn mailing() -> impl Strategy<Value = Vec<Hit>> {
    let one = (0..40_u16, 0..900_000_i64, any::<bool>(), 0..4_u16, 0..6_u8, 0..3_u8);
    prop::collection::vec(one, 1..120).prop_map(|mut all| {
        for (_, at, burst, ..) in &mut all {
            if *burst {
                *at = *at % 3 * 240_000 + *at % 4000;
            }
        }
        all.sort_by_key(|(_, at, ..)| *at);
        let made =
            |(number, (message, at, _, link, client, open)): (usize, (u16, i64, bool, u16, u8, u8))| {
                let ua = if client == 5 { "Mozilla/5.0" } else { CHROME };
                let mut hit = hit(u16::try_from(number).unwrap(), at, ua);
                hit.message_id = format!("m{message}");
                hit.recipient_id = format!("r{}", message % 30);
                hit.link_count = Some(3);
                hit.link_index = (open > 0).then_some(link % 3);
                hit.kind = if open > 0 { Kind::Click } else { Kind::Open };
                hit.request.ip = Some(format!("203.0.113.{}", client / 3).parse().unwrap());
                hit
            };
        all.into_iter().enumerate().map(made).collect()
    })
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(200))]

    /// However little the verdicts of then knew, judging again ends as judging all at once does, the hits of other
    /// messages included, and after that nothing changes any more.
    #[test]
    fn history_ends_as_it_would_have_at_once(hits in mailing(), knew in any::<bool>()) {
        let wanted = in_a_file(&hits);
        let mut comparing = Comparing::new(&RULESET, usize::MAX);
        for hit in &hits {
            comparing.hit(hit).unwrap();
        }
        let compared = comparing.end();
        let mut messages: BTreeMap<String, Vec<Stored>> = BTreeMap::new();
        for hit in hits {
            let mut stored = alone(hit, &RULESET);
            if knew {
                // Of others, something that they do not show, by other rules.
                stored.verdict = told_of_many().verdict;
            }
            messages.entry(stored.hit.message_id.clone()).or_default().push(stored);
        }
        for stored in messages.values() {
            let outcomes = among(stored, &compared);
            prop_assert_eq!(outcomes.len(), stored.len());
            let ended: Vec<Stored> =
                stored.iter().zip(&outcomes).map(|(stored, outcome)| then(stored, outcome)).collect();
            for stored in &ended {
                let said = shown(&serde_json::to_value(&stored.verdict).unwrap());
                prop_assert_eq!(&said, &wanted[&stored.hit.event_id]);
            }
            prop_assert!(among(&ended, &compared).iter().all(|outcome| matches!(outcome, Outcome::Same(_))));
        }
    }
}
