//! The stage's windows with a million messages live: verdicts a second on one core beside a bare woothee parse of the same
//! agents, and memory for each live message. `cargo run --release -p classifier --example windows`; `MESSAGES` changes how
//! many. A hit's cost here is the stage's whole step: the window, the verdict, what it corrects, what other messages are told,
//! and the hit written out again for the topic; reading JSON and writing it are left out.

#![allow(clippy::print_stdout)] // printing is what it is for

mod measured;

use classifier::Ruleset;
use classifier::stage::Windows;
use engagement::{AccountNumber, Hit, Kind, Request, Timestamp};
use measured::AGENTS;
use std::hint::black_box;
use std::net::{IpAddr, Ipv4Addr};
use std::sync::Arc;
use std::time::{Duration, Instant};
use uuid::Uuid;
use woothee::parser::Parser;

/// Hits that are made, then judged, then parsed by woothee, in turn.
const BATCH: u64 = 10_000;
/// Rounds over live messages; odd, so that the median is one of them.
const ROUNDS: usize = 11;
/// Hits a round.
const ROUND: u64 = 100_000;
/// When the first hit arrives, 2026-11-21 in milliseconds.
const BEGIN: i64 = 1_795_219_200_000;

/// Numbers that look random and are the same in every run (splitmix64).
fn mixed(number: u64) -> u64 {
    let mut mixed = number.wrapping_add(0x9e37_79b9_7f4a_7c15);
    mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
    mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
    mixed ^ (mixed >> 31)
}

/// A hit on a message: ids and addresses as senders and readers have them.
fn hit(number: u64, message: u64, at: i64) -> Hit {
    let random = mixed(number);
    let click = random.is_multiple_of(4);
    let agent = AGENTS[(random >> 8) as usize % AGENTS.len()];
    let address = IpAddr::from(Ipv4Addr::from_bits(0x5000_0000 | (mixed(message) as u32 & 0x0fff_ffff)));
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
        request: Request {
            method: "GET".to_owned(),
            ip: Some(address),
            ua: agent.to_owned(),
            headers: [("accept-language".to_owned(), "en-GB,en;q=0.9".to_owned())].into(),
            trailing: None,
        },
    }
}

/// Judges hits, and parses their agents: how long each took.
fn judge(windows: &mut Windows, parser: &Parser, hits: Vec<Hit>) -> (Duration, Duration) {
    let agents: Vec<String> = hits.iter().map(|hit| hit.request.ua.clone()).collect();
    let started = Instant::now();
    for hit in hits {
        black_box(windows.hit(hit));
    }
    let judged = started.elapsed();
    let started = Instant::now();
    for agent in &agents {
        black_box(parser.parse(agent));
    }
    (judged, started.elapsed())
}

/// Bytes of memory that this process holds.
fn resident() -> u64 {
    let status = std::fs::read_to_string("/proc/self/status").unwrap_or_default();
    let line = status.lines().find_map(|line| line.strip_prefix("VmRSS:")).unwrap_or_default();
    line.trim().trim_end_matches(" kB").trim().parse::<u64>().unwrap_or(0) * 1024
}

fn main() {
    let messages: u64 =
        std::env::var("MESSAGES").ok().and_then(|text| text.parse().ok()).unwrap_or(1_000_000);
    let ruleset = Arc::new(Ruleset::builtin());
    let (parser, version) = (Parser::new(), ruleset.version().to_owned());
    let mut windows = Windows::new(ruleset, usize::try_from(messages).unwrap_or(usize::MAX) * 2);
    // Warm, so that what is there once is not counted for each message.
    judge(&mut windows, &parser, (0..BATCH).map(|n| hit(n, u64::MAX - n, BEGIN)).collect());
    let (before, already) = (resident(), windows.messages() as u64);

    // Every message once, over twenty minutes of arrival; then again and again at random among those that are live.
    let span = |number: u64| BEGIN + i64::try_from(number * 1_200_000 / messages).unwrap_or(0);
    let mut fill = Duration::ZERO;
    for from in (0..messages).step_by(usize::try_from(BATCH).unwrap_or(1)) {
        let hits = (from..(from + BATCH).min(messages)).map(|n| hit(n, n, span(n))).collect();
        fill += judge(&mut windows, &parser, hits).0;
    }
    let each = (resident() - before) as f64 / (windows.messages() as u64 - already) as f64;
    println!("{} messages live, ruleset {version}", windows.messages());
    println!("memory, one hit a message    {each:>8.0} bytes a live message (resident)");
    println!("while filling                {:>8.0} hits a second", messages as f64 / fill.as_secs_f64());

    let (mut rates, mut ratios) = (Vec::new(), Vec::new());
    for round in 0..ROUNDS as u64 {
        let (mut judged, mut parsed) = (Duration::ZERO, Duration::ZERO);
        for batch in 0..ROUND / BATCH {
            let first = messages + round * ROUND + batch * BATCH;
            let at = BEGIN + 1_200_000 + i64::try_from(first - messages).unwrap_or(0) / 10;
            let hits = (first..first + BATCH).map(|n| hit(n, mixed(n) % messages, at)).collect();
            let (ours, theirs) = judge(&mut windows, &parser, hits);
            judged += ours;
            parsed += theirs;
        }
        rates.push(ROUND as f64 / judged.as_secs_f64());
        ratios.push(judged.as_secs_f64() / parsed.as_secs_f64());
    }
    let each = (resident() - before) as f64 / (windows.messages() as u64 - already) as f64;
    let hits = 1.0 + (ROUNDS as u64 * ROUND) as f64 / messages as f64;
    println!("memory, {hits:.1} hits a message  {each:>8.0} bytes a live message (resident)");
    rates.sort_by(f64::total_cmp);
    ratios.sort_by(f64::total_cmp);
    let middle = ROUNDS / 2;
    println!(
        "verdicts among neighbours    {:>8.0} a second ({:.0} to {:.0})",
        rates[middle],
        rates[0],
        rates[ROUNDS - 1]
    );
    println!(
        "over a bare woothee parse    {:>8.2} times its cost ({:.2} to {:.2})",
        ratios[middle],
        ratios[0],
        ratios[ROUNDS - 1]
    );
}
