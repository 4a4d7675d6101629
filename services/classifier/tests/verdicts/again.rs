//! Stored hits judged again: the same as they are judged in order, nothing without need, nothing without evidence.

use crate::support::{BARRACUDA, CHROME, RULESET};
use classifier::{Again, BUILTIN_FILES, Facts, Outcome, Ruleset, SignatureFile, Stored};
use engagement::{AccountNumber, Actor, Hit, Kind, Reason, Request, Timestamp};
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
    let mut outcomes = Vec::new();
    let mut again = Again::new(&RULESET, &[]);
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
    let mut again = Again::new(&RULESET, &[]);
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

#[test]
fn what_other_messages_showed_is_kept() {
    let mut stored = alone(hit(1, 0, CHROME), &RULESET);
    stored.verdict.reasons.push(Reason {
        rule: "fanout".into(),
        source: "scanner_fanout".into(),
        confidence: 0.95,
        evidence: "its address followed links in the mails of many readers within seconds".to_owned(),
    });
    let judged = then(&stored, &again(std::slice::from_ref(&stored))[0]);
    assert_eq!(judged.verdict.actor, Actor::Automated, "{:?}", judged.verdict);
    assert!(judged.verdict.reasons.contains(&stored.verdict.reasons[1]));
    assert_eq!(again(std::slice::from_ref(&judged)), [Outcome::Same(judged.hit.received_at)]);
}
