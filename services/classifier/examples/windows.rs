//! A million messages' windows live: verdicts a second on one core beside a bare woothee parse of the same agents, and
//! memory for each live message. `cargo run --release -p classifier --example windows`; `ASN` names a
//! compiled database of autonomous systems, `MESSAGES` changes how many,
//! `HITS` how many hits each has in the mean, each some minutes behind the one before, and with `DELIVERED=1` a delivery event
//! goes before each message's first hit.
//!
//! Measured apart: the verdict among its neighbours (the window, the rules, what it corrects), and the stage's whole step
//! (the record of the raw topic read, judged, and all that is said of it written). Times are the processor's, of which other
//! programs on the core take nothing. Half of the hits show one of forty
//! frequent agents, half one of a hundred thousand, each of those as often as its place in their ranking lets expect
//! (Zipf), and one of a dozen languages. At the end the same with an agent that was never seen before on every hit.

#![allow(clippy::print_stdout)] // printing is what it is for

mod measured;

use classifier::stage::Windows;
use engagement::{AccountNumber, DeliveryEvent, Hit, Kind, Request, Timestamp, to_wire};
use measured::AGENTS;
use rustix::time::{ClockId, clock_gettime};
use serde_json::json;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::Duration;
use uuid::Uuid;
use woothee::parser::Parser;

/// Hits that are made, then judged, then parsed by woothee, in turn.
const BATCH: u64 = 10_000;
/// Rounds over live messages; odd, so that the median is one of them.
const ROUNDS: u64 = 11;
/// Hits a round, for each of what is measured.
const ROUND: u64 = 30_000;
/// How long one message's next hit takes in the mean, in milliseconds.
const NEXT_MS: f64 = 180_000.0;
/// How long it takes until every message was hit.
const SPAN_MS: u64 = 1_200_000;
/// When the first hit arrives, 2026-11-21 in milliseconds.
const BEGIN: i64 = 1_795_219_200_000;
/// How many agents there are beside the frequent ones.
const RARE: f64 = 100_000.0;
/// What readers' browsers ask for.
const LANGUAGES: [&str; 12] = [
    "en-US", "en-GB", "de-DE", "fr-FR", "es-ES", "it-IT", "nl-NL", "pl-PL", "sv-SE", "pt-BR", "ja-JP",
    "da-DK",
];

/// Numbers that look random and are the same in every run (splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// Which agents hits show.
#[derive(Clone, Copy)]
enum Spread {
    /// As in mail that people read.
    Real,
    /// A new one each time.
    New,
}

/// The agent of a hit: one of the frequent ones, or one of those in another version.
fn agent(random: u64, spread: Spread) -> String {
    let one = |random: u64| AGENTS[(random >> 8) as usize % AGENTS.len()];
    let version = match spread {
        Spread::Real if random.is_multiple_of(2) => return one(random).to_owned(),
        Spread::Real => RARE.powf((mixed(random) >> 11) as f64 / (1_u64 << 53) as f64) as u64,
        Spread::New => random,
    };
    let agent = one(mixed(version));
    let named = ["Chrome/", "Version/", "Firefox/", "Outlook 16.0.", "Android 14; ", "OS 18_", "OS 17_"];
    let place = named.iter().find_map(|name| Some(agent.find(name)? + name.len())).unwrap_or(agent.len());
    format!("{}{version}.{}", &agent[..place], &agent[place..])
}

/// A hit on a message: ids and addresses as senders and readers have them.
fn hit(number: u64, message: u64, at: i64, spread: Spread) -> Hit {
    let random = mixed(number);
    let click = random.is_multiple_of(4);
    let address = IpAddr::from(Ipv4Addr::from_bits(0x5000_0000 | (mixed(message) as u32 & 0x0fff_ffff)));
    let language = LANGUAGES[mixed(message ^ 9) as usize % LANGUAGES.len()];
    Hit {
        v: 1,
        event_id: Uuid::from_u64_pair(at as u64, random),
        account_number: AccountNumber(1),
        account: None,
        kind: if click { Kind::Click } else { Kind::Open },
        received_at: Timestamp::from_millis(at).expect("a time of this century"),
        message_id: format!("20261121.{message:016x}@mail.example.com"),
        recipient_id: format!("r-{:016x}", mixed(message ^ 7)),
        campaign: format!("autumn-{}", message % 20),
        recipient_domain: format!("domain-{}.example", mixed(message) % 5_000),
        sent_at: Timestamp::from_millis(BEGIN - 60_000).expect("a time of this century"),
        link_index: click.then_some((random >> 16) as u16 % 12),
        link_count: click.then_some(12),
        label: None,
        original: None,
        request: Request {
            method: "GET".to_owned(),
            ip: Some(address),
            ua: agent(mixed(random), spread),
            headers: [("accept-language".to_owned(), language.to_owned())].into(),
            trailing: None,
        },
    }
}

/// The processor's time so far.
fn now() -> Duration {
    let time = clock_gettime(ClockId::ThreadCPUTime);
    Duration::new(time.tv_sec.unsigned_abs(), u32::try_from(time.tv_nsec).unwrap_or_default())
}

/// How long some work on some hits took, and woothee's parse of their agents.
#[derive(Clone, Copy, Default)]
struct Took {
    hits: u64,
    ours: Duration,
    woothee: Duration,
}

impl Took {
    fn add(&mut self, agents: &[String], work: impl FnOnce()) {
        let parser = Parser::new();
        let started = now();
        work();
        let worked = now();
        self.ours += worked - started;
        for agent in agents {
            black_box(parser.parse(agent));
        }
        self.woothee += now() - worked;
        self.hits += agents.len() as u64;
    }
}

fn agents(hits: &[Hit]) -> Vec<String> {
    hits.iter().map(|hit| hit.request.ua.clone()).collect()
}

/// The verdicts on hits among their neighbours.
fn judge(windows: &mut Windows, hits: Vec<Hit>, took: &mut Took) {
    let agents = agents(&hits);
    took.add(&agents, || {
        for hit in &hits {
            black_box(windows.judge(hit));
        }
    });
}

/// What became of the message of a hit a minute before it.
fn delivery(hit: &Hit) -> DeliveryEvent {
    let at = hit.received_at.plus_millis(-60_000);
    let event = json!({"v": 1, "account_number": hit.account_number, "account": "demo", "event_id": hit.event_id,
        "type": "delivered", "received_at": at, "message_id": hit.message_id, "at": at});
    serde_json::from_value(event).expect("it has all that a delivery event needs")
}

/// The whole step of the stage for hits.
fn step(windows: &mut Windows, hits: Vec<Hit>, took: &mut Took) {
    let records: Vec<Vec<u8>> = hits.iter().map(to_wire).collect();
    took.add(&agents(&hits), || {
        for record in &records {
            black_box(windows.step(record).expect("it was just written"));
        }
    });
}

/// What rounds came to: hits a second, and the cost beside woothee's.
fn show(what: &str, rounds: &[Took]) {
    let sorted = |of: fn(&Took) -> f64| {
        let mut values: Vec<f64> = rounds.iter().map(of).collect();
        values.sort_by(f64::total_cmp);
        (values[values.len() / 2], values[0], values[values.len() - 1])
    };
    let (rate, low, high) = sorted(|took| took.hits as f64 / took.ours.as_secs_f64());
    println!("{what:<30} {rate:>8.0} a second ({low:.0} to {high:.0})");
    let (ratio, low, high) = sorted(|took| took.ours.as_secs_f64() / took.woothee.as_secs_f64());
    println!("{:<30} {ratio:>8.2} times a bare woothee parse ({low:.2} to {high:.2})", "");
}

/// Bytes of memory that this process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

/// When which message is hit: each once on its turn, and then again after some minutes for as long as chance has it.
struct Arrivals {
    messages: u64,
    /// How likely another hit is.
    again: f64,
    begun: u64,
    number: u64,
    later: BinaryHeap<Reverse<(i64, u64)>>,
}

impl Iterator for Arrivals {
    /// The hit's number, its message and its time.
    type Item = (u64, u64, i64);

    fn next(&mut self) -> Option<Self::Item> {
        let turn = BEGIN + (self.begun * SPAN_MS / self.messages) as i64;
        let (at, message) = match self.later.peek() {
            Some(Reverse((at, _))) if *at <= turn || self.begun == self.messages => self.later.pop()?.0,
            _ if self.begun == self.messages => return None,
            _ => {
                self.begun += 1;
                (turn, self.begun - 1)
            }
        };
        self.number += 1;
        let part = |random: u64| (random >> 11) as f64 / (1_u64 << 53) as f64;
        if part(mixed(self.number ^ 1)) < self.again {
            let pause = -NEXT_MS * (1.0 - part(mixed(self.number ^ 2))).ln();
            self.later.push(Reverse((at + pause as i64, message)));
        }
        Some((self.number, message, at))
    }
}

/// A setting of this measurement.
fn setting<T: std::str::FromStr>(name: &str, default: T) -> T {
    std::env::var(name).ok().and_then(|text| text.parse().ok()).unwrap_or(default)
}

fn main() {
    let (messages, mean): (u64, f64) = (setting("MESSAGES", 1_000_000), setting("HITS", 2.1));
    let ruleset = Arc::new(measured::ruleset());
    let version = ruleset.version().to_owned();
    let mut windows = Windows::new(ruleset, usize::try_from(messages).unwrap_or(usize::MAX) * 2);
    let real = Spread::Real;
    let mut undelivered = vec![setting("DELIVERED", 0) == 1; usize::try_from(messages).unwrap_or(0)];
    // Warm, so that what is there once is not counted for each message.
    let warm = |number: u64| hit(number, u64::MAX - number, BEGIN, real);
    judge(&mut windows, (0..BATCH).map(warm).collect(), &mut Took::default());
    step(&mut windows, (BATCH..2 * BATCH).map(warm).collect(), &mut Took::default());
    let (before, already) = (resident(), windows.messages() as u64);
    let each =
        |windows: &Windows| (resident() - before) as f64 / (windows.messages() as u64 - already) as f64;

    let again = 1.0 - 1.0 / mean;
    let mut arrivals = Arrivals { messages, again, begun: 0, number: 0, later: BinaryHeap::new() };
    let (mut fill, mut hits, mut end) = (Took::default(), 0, BEGIN);
    loop {
        let mut arrived = |(number, message, at): (u64, u64, i64)| {
            let hit = hit(number, message, at, real);
            if std::mem::take(&mut undelivered[message as usize]) {
                windows.delivered(&delivery(&hit));
            }
            hit
        };
        let arrivals = arrivals.by_ref().take(usize::try_from(BATCH).unwrap_or(1));
        let batch: Vec<Hit> = arrivals.map(&mut arrived).collect();
        let Some(last) = batch.last() else { break };
        (hits, end) = (hits + batch.len(), last.received_at.millis());
        judge(&mut windows, batch, &mut fill);
    }
    drop(arrivals);
    println!(
        "{} messages live, {:.2} hits each, ruleset {version}",
        windows.messages(),
        hits as f64 / messages as f64
    );
    println!("memory                         {:>8.0} bytes a live message (resident)", each(&windows));
    show("verdicts while filling", &[fill]);

    let (mut next, mut among, mut whole, mut new) = (1 << 40, Vec::new(), Vec::new(), Vec::new());
    let mut batch = |spread| -> Vec<Hit> {
        let first = next;
        next += BATCH;
        let at = end + i64::try_from(first - (1 << 40)).unwrap_or(0) / 10;
        (first..next).map(|n| hit(n, mixed(n) % messages, at, spread)).collect()
    };
    for _ in 0..ROUNDS {
        let (mut judged, mut stepped) = (Took::default(), Took::default());
        for _ in 0..ROUND / BATCH {
            judge(&mut windows, batch(real), &mut judged);
            step(&mut windows, batch(real), &mut stepped);
        }
        among.push(judged);
        whole.push(stepped);
    }
    for _ in 0..ROUNDS {
        let mut judged = Took::default();
        judge(&mut windows, batch(Spread::New), &mut judged);
        new.push(judged);
    }
    show("verdicts among neighbours", &among);
    show("the same, each agent new", &new);
    show("the stage's whole step", &whole);
}
