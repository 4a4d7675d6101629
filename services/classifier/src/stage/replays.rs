//! Whatever the batches, the restarts and the partitions, the last verdicts are those of feeding all at once, and no
//! revision says two things. Partitions in memory; what is written and read back is what the stage writes and reads.

use super::live::HOLD_MS;
use super::live::{Live, Said};
use super::part::{Part, Phase};
use super::trail::Trail;
use crate::in_force::InForce;
use crate::neighbours::{Neighbours, address_of};
use crate::ruleset::{BUILTIN_FILES, Ruleset};
use crate::signatures::SignatureFile;
use engagement::neighbour::Fact;
use engagement::{AccountNumber, Classified, DeliveryEvent, Hit, Neighbour, Signal, Timestamp, message_key};
use proptest::prelude::*;
use serde_json::json;
use std::collections::BTreeMap;
use std::sync::{Arc, LazyLock};
use stream::{Assigned, partition};
use uuid::Uuid;

const START: i64 = 1_793_610_000_000;
const MINUTE: i64 = 60_000;
const AGENTS: [&str; 3] = [
    "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36",
    "Mozilla/5.0",
    "python-requests/2.32.3",
];

static RULESET: LazyLock<Arc<Ruleset>> = LazyLock::new(|| Arc::new(Ruleset::builtin()));

/// Where all hits come from.
const IP: &str = "203.0.113.7";

/// A record of the raw topic, of the delivery topic or of the signals.
#[derive(Debug, Clone)]
enum Fed {
    Hit(Box<Hit>),
    Delivery(Box<DeliveryEvent>),
    Signal(Signal),
}

/// What becomes of a partition between two batches.
#[derive(Debug, Clone, Copy)]
enum Turn {
    Nothing,
    /// Another takes it over.
    Restart,
    /// The next batch is judged, never becomes visible, and another takes over.
    Refused,
}

fn time(millis: i64) -> Timestamp {
    Timestamp::from_millis(START + millis).unwrap()
}

fn hit(number: usize, message: usize, kind: usize, at: i64, agent: usize) -> Fed {
    let kind = ["open", "click", "click", "click", "trap"][kind];
    let hit = json!({"v": 1, "event_id": Uuid::from_u128(number as u128), "account_number": 7, "kind": kind,
        "received_at": time(at), "message_id": format!("m{message}"), "recipient_domain": "example.org",
        "sent_at": time(-3_600_000), "link_index": (kind == "click").then_some(number % 9),
        "link_count": (kind == "click").then_some(9), "method": "GET", "ip": IP, "ua": AGENTS[agent],
        "original": original_of(number as u128)});
    Fed::Hit(serde_json::from_value(hit).unwrap())
}

/// Of every third hit a provider told.
fn original_of(number: u128) -> Option<String> {
    number.is_multiple_of(3).then(|| format!("told {number}"))
}

fn delivery(number: usize, message: usize, at: i64, before: i64) -> Fed {
    let event = json!({"v": 1, "account_number": 7, "account": "demo", "event_id": format!("d{number}"),
        "type": "delivered", "received_at": time(at), "message_id": format!("m{message}"), "at": time(at - before)});
    Fed::Delivery(serde_json::from_value(event).unwrap())
}

/// What the second stage found of the hits in the second of a time.
fn signal(number: usize, message: usize, fact: usize, at: i64) -> Fed {
    let account_number = AccountNumber(7);
    let own = number.is_multiple_of(2).then(|| address_of(account_number, IP.parse().unwrap()));
    Fed::Signal(Signal {
        v: Signal::VERSION,
        account_number,
        message_id: format!("m{message}"),
        fact: [Fact::Address, Fact::Network, Fact::Sweep, Fact::Images, Fact::Address][fact],
        second: time(at.div_euclid(1000) * 1000),
        address: own,
        level: 1 + u8::try_from(number % 3).unwrap(),
    })
}

/// One partition of all topics.
struct Place {
    part: Part,
    /// What was taken so far, of each topic.
    hits: u64,
    deliveries: Vec<DeliveryEvent>,
    signals: Vec<Signal>,
    said: Vec<Classified>,
    /// Where a reader begins again.
    delivery_from: u64,
    signals_from: u64,
    said_from: u64,
}

impl Place {
    fn new() -> Self {
        let assigned = Assigned { partition: 0, position: 0, end: 0 };
        let part = Part::new(assigned, RULESET.clone().into());
        let mut place = Self {
            part,
            hits: 0,
            deliveries: Vec::new(),
            signals: Vec::new(),
            said: Vec::new(),
            delivery_from: 0,
            signals_from: 0,
            said_from: 0,
        };
        place.take_over();
        place
    }

    /// Takes over from whoever was here before.
    fn take_over(&mut self) {
        let assigned = Assigned { partition: 0, position: self.hits, end: self.hits };
        self.part = Part::new(assigned, RULESET.clone().into());
        self.part.live.hold_at_most(1000);
        for (offset, event) in self.deliveries.iter().enumerate().skip(self.delivery_from as usize) {
            assert!(self.part.delivery(event.clone()).is_empty());
            self.part.delivery.pass(self.part.live.newest(), offset as u64 + 1, 1);
        }
        self.part.phase = Phase::Signals;
        for (offset, signal) in self.signals.iter().enumerate().skip(self.signals_from as usize) {
            assert!(self.part.signal(signal.clone()).is_empty());
            self.part.signals.pass(self.part.live.newest(), offset as u64 + 1, 1);
        }
        self.part.phase = Phase::Said { later: Vec::new() };
        for (offset, classified) in self.said.iter().enumerate().skip(self.said_from as usize) {
            self.part.live.restore(classified.clone());
            self.part.said.pass(self.part.live.progress(), offset as u64 + 1, 1);
        }
        let corrections = self.part.judge();
        self.write(corrections);
    }

    fn write(&mut self, said: Vec<Said>) {
        for said in said {
            self.said.push(said.classified);
            self.part.said.pass(self.part.live.newest(), self.said.len() as u64, 1);
        }
        let newest = self.part.live.newest();
        self.said_from = self.part.said.begin(newest, u64::MAX).unwrap_or(self.said_from);
        self.delivery_from = self.part.delivery.begin(newest, u64::MAX).unwrap_or(self.delivery_from);
        self.signals_from = self.part.signals.begin(newest, u64::MAX).unwrap_or(self.signals_from);
    }

    /// What the hits of the batch make for the second stage comes back.
    fn feed(&mut self, batch: &[Fed], refused: bool) -> Vec<Neighbour> {
        let (mut outputs, mut neighbours) = (Vec::new(), Vec::new());
        for fed in batch {
            outputs.extend(match fed {
                Fed::Hit(hit) => self.part.live.hit((**hit).clone(), |record| neighbours.push(record)),
                Fed::Delivery(event) => self.part.delivery((**event).clone()),
                Fed::Signal(signal) => self.part.signal(signal.clone()),
            });
        }
        if refused {
            self.take_over();
            return self.feed(batch, false);
        }
        for fed in batch {
            match fed {
                Fed::Hit(_) => self.hits += 1,
                Fed::Delivery(event) => {
                    self.deliveries.push((**event).clone());
                    let next = self.deliveries.len() as u64;
                    self.part.delivery.pass(self.part.live.newest(), next, 1);
                }
                Fed::Signal(signal) => {
                    self.signals.push(signal.clone());
                    let next = self.signals.len() as u64;
                    self.part.signals.pass(self.part.live.newest(), next, 1);
                }
            }
        }
        self.write(outputs);
        neighbours
    }
}

/// One partition of the second stage.
struct Ground {
    neighbours: Neighbours,
    trail: Trail,
    records: Vec<Neighbour>,
    next: usize,
    /// Where a reader begins again.
    from: u64,
}

impl Ground {
    fn new() -> Self {
        let (neighbours, trail) = (Neighbours::new(usize::MAX), Trail::new(HOLD_MS));
        Self { neighbours, trail, records: Vec::new(), next: 0, from: 0 }
    }

    /// Another takes it over, which reads what is behind again.
    fn restart(&mut self) {
        (self.neighbours, self.trail) = (Neighbours::new(usize::MAX), Trail::new(HOLD_MS));
        self.next = self.from as usize;
    }

    /// Compares what came; what that makes known.
    fn compare(&mut self) -> Vec<Signal> {
        let mut signals = Vec::new();
        for (offset, record) in self.records.iter().enumerate().skip(self.next) {
            self.neighbours.take(record, &RULESET, |signal| signals.push(signal));
            self.trail.pass(self.neighbours.newest(), offset as u64 + 1, 1);
        }
        self.next = self.records.len();
        self.from = self.trail.begin(self.neighbours.newest(), u64::MAX).unwrap_or(self.from);
        signals
    }
}

/// Feeds hits to both stages, which hand each other what they find; the last verdict on each. Between two batches the second
/// stage may lag behind, and both may begin anew.
fn both_stages(
    hits: &[Fed],
    partitions: u32,
    batches: &[(usize, Turn)],
) -> Result<BTreeMap<u128, String>, TestCaseError> {
    let mut places: Vec<Place> = (0..partitions).map(|_| Place::new()).collect();
    let mut grounds: Vec<Ground> = (0..partitions).map(|_| Ground::new()).collect();
    let at = |key: &[u8]| partition(key, partitions) as usize;
    let mut turns = batches.iter().cycle();
    let mut rest = hits;
    while !rest.is_empty() {
        let (count, turn) = turns.next().copied().unwrap_or((usize::MAX, Turn::Nothing));
        let (batch, later) = rest.split_at(count.min(rest.len()));
        rest = later;
        for (number, place) in places.iter_mut().enumerate() {
            let of_place = |fed: &&Fed| matches!(fed, Fed::Hit(hit) if at(&message_key(hit.account_number, &hit.message_id)) == number);
            let batch: Vec<Fed> = batch.iter().filter(of_place).cloned().collect();
            for record in place.feed(&batch, matches!(turn, Turn::Refused)) {
                grounds[at(&record.key())].records.push(record);
            }
        }
        if matches!(turn, Turn::Restart) {
            places.iter_mut().for_each(Place::take_over);
            grounds.iter_mut().for_each(Ground::restart);
        }
        // Now and then the second stage is late.
        if count % 2 == 1 || rest.is_empty() {
            for signal in grounds.iter_mut().flat_map(Ground::compare).collect::<Vec<_>>() {
                let place = at(&message_key(signal.account_number, &signal.message_id));
                places[place].feed(&[Fed::Signal(signal)], matches!(turn, Turn::Refused));
            }
        }
    }
    Ok(last(&by_revision(places)?))
}

/// Hits on the mails of one mailing, many of them within the same seconds, from two networks.
fn mailing(most: usize) -> impl Strategy<Value = Vec<Fed>> {
    let one = (0..40usize, 0..3usize, 0..25 * MINUTE, 0..2usize, 0..3usize, any::<bool>());
    prop::collection::vec(one, 1..most).prop_map(|all| {
        let fed = |(number, (message, kind, at, agent, address, burst)): (
            usize,
            (usize, usize, i64, usize, usize, bool),
        )| {
            let at = if burst { at % 2 * 9 * MINUTE + at % 4000 } else { at };
            match hit(number, message, kind, at, agent) {
                Fed::Hit(mut hit) => {
                    let ip = ["203.0.113.7", "203.0.113.8", "198.51.100.9"][address];
                    hit.request.ip = Some(ip.parse().unwrap());
                    hit.link_count = hit.link_count.map(|_| 2);
                    hit.link_index = hit.link_index.map(|link| link % 2);
                    Fed::Hit(hit)
                }
                fed => fed,
            }
        };
        all.into_iter().enumerate().map(fed).collect()
    })
}

/// Feeds everything, in batches of these sizes with these turns between; all that was said, of each event by revision.
fn run(
    fed: &[Fed],
    partitions: u32,
    batches: &[(usize, Turn)],
) -> Result<BTreeMap<u128, BTreeMap<u32, Classified>>, TestCaseError> {
    let mut places: Vec<Place> = (0..partitions).map(|_| Place::new()).collect();
    let mut logs: Vec<Vec<Fed>> = vec![Vec::new(); partitions as usize];
    for one in fed {
        let key = match one {
            Fed::Hit(hit) => message_key(hit.account_number, &hit.message_id),
            Fed::Delivery(event) => message_key(event.account_number, &event.message_id),
            Fed::Signal(signal) => message_key(signal.account_number, &signal.message_id),
        };
        logs[partition(&key, partitions) as usize].push(one.clone());
    }
    let mut turns = batches.iter().cycle();
    for (place, log) in places.iter_mut().zip(&logs) {
        let mut rest = &log[..];
        while !rest.is_empty() {
            let (count, turn) = turns.next().copied().unwrap_or((usize::MAX, Turn::Nothing));
            let (batch, later) = rest.split_at(count.min(rest.len()));
            rest = later;
            place.feed(batch, matches!(turn, Turn::Refused));
            if matches!(turn, Turn::Restart) {
                place.take_over();
            }
        }
    }
    by_revision(places)
}

/// All that was said in some partitions, of each event by revision.
fn by_revision(places: Vec<Place>) -> Result<BTreeMap<u128, BTreeMap<u32, Classified>>, TestCaseError> {
    let mut said: BTreeMap<u128, BTreeMap<u32, Classified>> = BTreeMap::new();
    for classified in places.into_iter().flat_map(|place| place.said) {
        let of_event = said.entry(classified.hit.event_id.as_u128()).or_default();
        let revision = classified.verdict.revision;
        let known = of_event.entry(revision).or_insert_with(|| classified.clone());
        prop_assert_eq!(&*known, &classified, "one revision says two things");
    }
    for revisions in said.values() {
        prop_assert_eq!(
            revisions.keys().copied().collect::<Vec<_>>(),
            Vec::from_iter(1..=revisions.len() as u32)
        );
        for (revision, Classified { hit, .. }) in revisions {
            let original = original_of(hit.event_id.as_u128()).filter(|_| *revision == 1);
            prop_assert_eq!(&hit.original, &original, "of revision {}", revision);
        }
    }
    Ok(said)
}

/// What was said last of each event, whatever its revision.
fn last(said: &BTreeMap<u128, BTreeMap<u32, Classified>>) -> BTreeMap<u128, String> {
    let last = |revisions: &BTreeMap<u32, Classified>| {
        let Classified { hit, client, verdict, .. } = revisions.values().next_back()?;
        let reasons: Vec<_> =
            verdict.reasons.iter().map(|one| format!("{}: {}", one.rule, one.evidence)).collect();
        Some(format!("{} {client} {:?} {} {reasons:?}", hit.received_at, verdict.actor, verdict.confidence))
    };
    said.iter().filter_map(|(event, revisions)| Some((*event, last(revisions)?))).collect()
}

/// What two runs say differently, for people.
fn differences(one: &BTreeMap<u128, String>, other: &BTreeMap<u128, String>) -> Vec<String> {
    let events = one.keys().chain(other.keys());
    let differing = events.filter(|event| one.get(event) != other.get(event));
    differing.map(|event| format!("{event}: {:?} is not {:?}", one.get(event), other.get(event))).collect()
}

fn batches() -> impl Strategy<Value = Vec<(usize, Turn)>> {
    let turn = prop_oneof![Just(Turn::Nothing), Just(Turn::Restart), Just(Turn::Refused)];
    prop::collection::vec((1..6usize, turn), 1..8)
}

/// Hits, deliveries and signals of a few messages within a time, in the order of their times.
fn feed(minutes: i64, most: usize) -> impl Strategy<Value = Vec<Fed>> {
    let one =
        (any::<bool>(), 0..3usize, 0..5usize, 0..minutes * MINUTE, 0..3usize, -40..40i64, any::<bool>());
    prop::collection::vec(one, 1..most).prop_map(|mut all| {
        // Half of them come within the seconds of a burst.
        for (_, _, _, at, _, _, burst) in &mut all {
            if *burst {
                *at -= *at % (7 * MINUTE) - *at % 1500;
            }
        }
        all.sort_by_key(|(_, _, _, at, ..)| *at);
        let fed = |(number, (is_hit, message, kind, at, agent, before, _))| match is_hit {
            true => hit(number, message, kind, at, agent),
            false if number % 3 == 0 => delivery(number, message, at, before * 1000),
            false if number % 3 == 1 => signal(number, message, kind, at),
            false => hit(number, message, 1, at, 0),
        };
        all.into_iter().enumerate().map(fed).collect()
    })
}

/// Another ruleset, to which the address of all hits carries many people.
fn of_a_proxy() -> Ruleset {
    let text = format!(
        r#"about = "for a test"
        [[networks]]
        family = "web_proxy"
        who = "unknown"
        title = "a proxy of many"
        ranges = ["{IP}/32"]
        certainty = "evidence"
        source = "this test"
        date = "2026-11""#
    );
    let own = SignatureFile { name: "own.toml", text: &text };
    Ruleset::from_files(&[BUILTIN_FILES, &[own]].concat()).unwrap()
}

#[test]
fn a_ruleset_that_comes_into_force_sees_what_was_kept_as_after_a_restart() {
    // One client follows many links; a last one comes under the other ruleset.
    let hits: Vec<Hit> = (0..8)
        .map(|number| match hit(number, 0, 1, 400 * number as i64, 0) {
            Fed::Hit(hit) => *hit,
            _ => unreachable!("it is a hit"),
        })
        .collect();
    let (early, last) = hits.split_at(7);
    let ruleset = InForce::from(RULESET.clone());
    let mut live = Live::new(ruleset.clone(), 1000);
    assert!(live.review().is_empty());
    let mut said: Vec<Said> = early.iter().flat_map(|hit| live.hit(hit.clone(), |_| ())).collect();

    let mut restarted = Live::new(of_a_proxy().into(), 1000);
    said.iter().for_each(|said| restarted.restore(said.classified.clone()));
    let after: Vec<Said> =
        restarted.review().into_iter().chain(restarted.hit(last[0].clone(), |_| ())).collect();

    ruleset.replace(of_a_proxy());
    said.extend(live.hit(last[0].clone(), |_| ()));
    let shown = |all: &[Said]| -> BTreeMap<Uuid, String> {
        let reasons = |said: &Said| format!("{:?}", said.classified.verdict.reasons);
        all.iter().map(|said| (said.classified.hit.event_id, reasons(said))).collect()
    };
    assert_eq!(shown(&said), shown(&after), "the same last verdict on each");
    assert_eq!(shown(&after).len(), 8);
}

proptest! {
    #![proptest_config(ProptestConfig::with_cases(100))]

    /// Within one window the order is of no consequence either.
    #[test]
    fn any_order_within_a_window_ends_the_same(
        fed in feed(25, 30),
        order in prop::collection::vec(any::<prop::sample::Index>(), 30),
        batches in batches(),
    ) {
        let whole = last(&run(&fed, 1, &[])?);
        let mut shuffled = fed.clone();
        for (place, other) in order.iter().enumerate().take(fed.len()) {
            shuffled.swap(place, other.index(fed.len()));
        }
        for partitions in [1, 12] {
            let found = differences(&last(&run(&shuffled, partitions, &batches)?), &whole);
            prop_assert!(found.is_empty(), "{found:#?}");
        }
    }

    /// Nor is it with what the hits of different messages show of each other, however late the second stage is.
    #[test]
    fn any_order_within_a_window_ends_the_same_over_both_stages(
        hits in mailing(100),
        order in prop::collection::vec(any::<prop::sample::Index>(), 100),
        batches in batches(),
    ) {
        let whole = both_stages(&hits, 1, &[])?;
        let mut shuffled = hits.clone();
        for (place, other) in order.iter().enumerate().take(hits.len()) {
            shuffled.swap(place, other.index(hits.len()));
        }
        for partitions in [1, 12] {
            let found = differences(&both_stages(&shuffled, partitions, &batches)?, &whole);
            prop_assert!(found.is_empty(), "{partitions}: {found:#?}");
        }
    }

    /// Over hours, where windows close and a restart reads back a part alone.
    #[test]
    fn any_restarts_over_hours_end_the_same(fed in feed(300, 40), batches in batches()) {
        let whole = last(&run(&fed, 1, &[])?);
        for partitions in [1, 12] {
            let found = differences(&last(&run(&fed, partitions, &batches)?), &whole);
            prop_assert!(found.is_empty(), "{partitions}: {found:#?}");
        }
    }
}
