//! Verdicts a second beside a bare woothee parse of the same agents. Within each round the two take turns every few
//! milliseconds, so that the machine's moods hit both alike. `cargo run --release -p classifier --example verdicts` takes about eight seconds;
//! `ASN` names a compiled database of autonomous systems.

#![allow(clippy::print_stdout)] // printing is what it is for

mod measured;

use classifier::Facts;
use engagement::{Kind, Timestamp};
use measured::AGENTS;
use std::collections::BTreeMap;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::time::{Duration, Instant};
use woothee::parser::Parser;

/// Rounds; odd, so that the median is one of them.
const ROUNDS: usize = 11;
/// How long each round goes on.
const ROUND: Duration = Duration::from_millis(700);
/// How often one goes over all agents before it is the other's turn.
const PASSES: usize = 10;

/// Goes over all agents a few times and returns how long that took.
fn turn(mut work: impl FnMut(usize, &'static str)) -> Duration {
    let start = Instant::now();
    for _ in 0..PASSES {
        for (number, agent) in AGENTS.iter().enumerate() {
            work(number, black_box(agent));
        }
    }
    start.elapsed()
}

/// Agents a second of both, taking turns for one round.
fn round(mut first: impl FnMut() -> Duration, mut second: impl FnMut() -> Duration) -> (f64, f64) {
    let (mut turns, mut firsts, mut seconds) = (0, Duration::ZERO, Duration::ZERO);
    while firsts + seconds < ROUND {
        firsts += first();
        seconds += second();
        turns += 1;
    }
    let agents = (turns * PASSES * AGENTS.len()) as f64;
    (agents / firsts.as_secs_f64(), agents / seconds.as_secs_f64())
}

struct Spread {
    median: f64,
    min: f64,
    max: f64,
}

fn spread(values: impl Iterator<Item = f64>) -> Spread {
    let mut values: Vec<f64> = values.collect();
    values.sort_by(f64::total_cmp);
    Spread { median: values[values.len() / 2], min: values[0], max: values[values.len() - 1] }
}

fn show(what: &str, unit: &str, spread: &Spread) {
    println!(
        "{what:<28} median {:>10.3}  min {:>10.3}  max {:>10.3}  {unit}",
        spread.median, spread.min, spread.max
    );
}

fn main() {
    let ruleset = measured::ruleset();
    let received = Timestamp::from_clock(std::time::SystemTime::now());
    let headers: BTreeMap<String, String> =
        [("accept".to_owned(), "image/*".to_owned()), ("accept-language".to_owned(), "de".to_owned())].into();
    // Addresses in and out of known networks, opens and clicks in turn.
    let addresses: [IpAddr; 4] = [
        Ipv4Addr::new(203, 0, 113, 7).into(),
        Ipv4Addr::new(40, 107, 3, 9).into(),
        Ipv4Addr::new(66, 249, 84, 12).into(),
        Ipv4Addr::new(84, 16, 240, 3).into(),
    ];
    let parser = Parser::new();
    let woothee = || {
        turn(|_, agent| {
            black_box(parser.parse(agent));
        })
    };
    let verdicts = || {
        turn(|number, agent| {
            let facts = Facts {
                ua: agent,
                ip: Some(addresses[number % addresses.len()]),
                headers: &headers,
                ..Facts::of(if number % 3 == 0 { Kind::Click } else { Kind::Open }, received)
            };
            black_box(ruleset.judge(&facts));
        })
    };

    round(woothee, verdicts); // to warm up
    let rounds: Vec<(f64, f64)> = (0..ROUNDS).map(|_| round(woothee, verdicts)).collect();

    println!(
        "{} agents, {ROUNDS} rounds of {} ms, ruleset {}",
        AGENTS.len(),
        ROUND.as_millis(),
        ruleset.version()
    );
    show("bare woothee parses", "million a second", &spread(rounds.iter().map(|(woothee, _)| woothee / 1e6)));
    show("full verdicts", "million a second", &spread(rounds.iter().map(|(_, verdicts)| verdicts / 1e6)));
    show("verdict beside woothee", "µs more", &spread(rounds.iter().map(|(w, v)| 1e6 / v - 1e6 / w)));
    show("verdict over woothee", "times the cost", &spread(rounds.iter().map(|(w, v)| w / v)));
}
