//! Made-up histories of a few hundred messages, asked about in many windows, and recounted by the oracle.

use crate::facts::{Delivery, Hit, insert_deliveries, insert_hits, millis};
use crate::oracle::{Oracle, Question};
use crate::world::{DEMO, World, close, escaped};
use engagement::Timestamp;
use engagement::sources;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use uuid::Uuid;

const MESSAGES: usize = 400;
const HOUR: i64 = 3_600_000;
const HOURS: usize = 240;

/// A small generator (splitmix64): the same seed makes the same history on every machine.
struct Random(u64);

impl Random {
    fn below(&mut self, end: usize) -> usize {
        self.0 = self.0.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mut mixed = self.0;
        mixed = (mixed ^ (mixed >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        usize::try_from((mixed ^ (mixed >> 31)) % end as u64).unwrap()
    }

    fn chance(&mut self, percent: usize) -> bool {
        self.below(100) < percent
    }

    fn pick<T: Copy>(&mut self, from: &[T]) -> T {
        from[self.below(from.len())]
    }

    fn shuffle<T>(&mut self, items: &mut [T]) {
        for index in (1..items.len()).rev() {
            items.swap(index, self.below(index + 1));
        }
    }
}

#[derive(Default)]
struct History {
    hits: Vec<Hit>,
    deliveries: Vec<Delivery>,
}

fn start() -> i64 {
    millis("2026-03-01T00:00:00Z")
}

/// Times are whole hours mostly, so that many lie exactly on a window's edge or on each other.
fn hour(random: &mut Random) -> i64 {
    let jitter = if random.chance(30) { random.below(7_200_000) as i64 - 3_600_000 } else { 0 };
    start() + random.below(HOURS) as i64 * HOUR + jitter
}

fn history(random: &mut Random) -> History {
    let mut history = History::default();
    for number in 0..MESSAGES {
        // Many share a mail server's fate, few have no delivery events at all.
        let message = format!("m{number}");
        let campaign = random.pick(&["c1", "c2", ""]);
        let domain = random.pick(&["a.example", "b.example", "gmail.com", "yahoo.de", ""]);
        let deliveries = if random.chance(10) { 0 } else { 1 + random.below(5) };
        for _ in 0..deliveries {
            delivery(random, &mut history, &message, campaign, domain);
        }
        for _ in 0..random.below(6) {
            hit(random, &mut history, &message, campaign, domain);
        }
    }
    history
}

fn delivery(random: &mut Random, history: &mut History, message: &str, campaign: &str, domain: &str) {
    let at = hour(random);
    let kinds = [
        "sent",
        "sent",
        "delivered",
        "delivered",
        "delivered",
        "deferred",
        "bounced",
        "complained",
        "unsubscribed",
        "dropped",
    ];
    let first = Delivery {
        message_id: message.to_owned(),
        event_id: format!("{message}-d{}", history.deliveries.len()),
        kind: random.pick(&kinds),
        at,
        received_at: at + 1,
        campaign: if random.chance(60) { campaign.to_owned() } else { random.pick(&["", "c9"]).to_owned() },
        recipient_domain: if random.chance(60) { domain.to_owned() } else { String::new() },
        tracked: !random.chance(3),
        bounce_class: random.pick(&["hard", "soft", "block", "undetermined", "", "odd"]),
        bounce_reason: random.pick(&["no_such_user", "mailbox_full", "reputation", ""]),
        mx_host: random.pick(&[
            "",
            "",
            "mx.example",
            "alt1.gmail-smtp-in.l.google.com",
            "a-example.mail.protection.outlook.com",
            "notgoogle.com",
            "com",
        ]),
    };
    // The sender may correct an event: what was received last counts.
    if random.chance(10) {
        let again =
            Delivery { kind: random.pick(&kinds), at: hour(random), received_at: at + 2, ..first.clone() };
        history.deliveries.push(again);
    }
    history.deliveries.push(first);
}

fn hit(random: &mut Random, history: &mut History, message: &str, campaign: &str, domain: &str) {
    let at = hour(random);
    let judged = |random: &mut Random| {
        if random.chance(5) {
            return (random.pick(&["human", "automated", "unknown"]), "not_listed".to_owned());
        }
        let source = &sources::all()[random.below(sources::all().len())];
        (source.actor.as_str(), source.id.clone())
    };
    let (actor, source) = judged(random);
    let first = Hit {
        event_id: Uuid::from_u128(history.hits.len() as u128 * 7919 + 1),
        revision: 1,
        kind: random.pick(&["open", "open", "open", "click", "click", "unsubscribe", "trap"]),
        at,
        message_id: message.to_owned(),
        campaign: if random.chance(90) { campaign.to_owned() } else { "c8".to_owned() },
        recipient_domain: if random.chance(80) { domain.to_owned() } else { domain.to_uppercase() + "." },
        // As tokens carry it: whole seconds.
        sent_at: (at - random.below(50) as i64 * HOUR) / 1000 * 1000,
        method: random.pick(&["GET", "GET", "HEAD", "POST"]),
        actor,
        source,
        client: random.pick(&["", "Chrome", "Outlook"]),
        link: random.pick(&[(Some(0), ""), (Some(0), "offer"), (Some(1), "pricing"), (None, "")]),
    };
    for revision in 2..2 + random.below(3) as u16 {
        if random.chance(50) {
            let (actor, source) = judged(random);
            let client = random.pick(&["", "Chrome", "Safari"]);
            history.hits.push(Hit { revision, actor, source, client, ..first.clone() });
        }
    }
    history.hits.push(first);
}

/// Inserts a history in some order, in pieces, some of it twice.
async fn insert(random: &mut Random, world: &World, history: &History) {
    let client = world.connection.client();
    let mut hits = history.hits.clone();
    let mut deliveries = history.deliveries.clone();
    for _ in 0..history.hits.len() / 5 {
        hits.push(history.hits[random.below(history.hits.len())].clone());
        deliveries.push(history.deliveries[random.below(history.deliveries.len())].clone());
    }
    random.shuffle(&mut hits);
    random.shuffle(&mut deliveries);
    for piece in hits.chunks(hits.len().div_ceil(3)) {
        insert_hits(&client, DEMO, piece).await;
    }
    for piece in deliveries.chunks(deliveries.len().div_ceil(3)) {
        insert_deliveries(&client, DEMO, piece).await;
    }
}

fn question(random: &mut Random) -> Question {
    let from = random.below(HOURS) as i64;
    let length = random.pick(&[1, 6, 24, 100, 300]);
    let classes = ["apple", "google", "scanners", "other"];
    let filtered = random.chance(30);
    Question {
        from: start() + from * HOUR,
        to: start() + (from + length) * HOUR,
        sent_cohort: random.chance(50),
        suppress: classes.into_iter().filter(|_| random.chance(50)).collect(),
        campaign: filtered.then(|| random.pick(&["c1", "c2", "c8", "c9"]).to_owned()),
        recipient_domain: random.chance(20).then(|| random.pick(&["a.example", "b.example"]).to_owned()),
        mailbox_provider: random
            .chance(20)
            .then(|| random.pick(&["gmail", "microsoft_365", "unknown", "a.example"]).to_owned()),
    }
}

fn query(question: &Question) -> String {
    let time = |at| escaped(&Timestamp::from_millis(at).unwrap().to_string());
    let mut query = format!("from={}&to={}", time(question.from), time(question.to));
    query += if question.sent_cohort { "&cohort=sent" } else { "" };
    query += "&suppress=";
    query += &if question.suppress.is_empty() { "none".to_owned() } else { question.suppress.join(",") };
    for (name, value) in [
        ("campaign", &question.campaign),
        ("recipient_domain", &question.recipient_domain),
        ("mailbox_provider", &question.mailbox_provider),
    ] {
        if let Some(value) = value {
            query += &format!("&{name}={value}");
        }
    }
    query
}

fn same(what: &str, question: &Question, answer: &Value, expected: &Value) {
    assert!(close(answer, expected), "{what} of {question:?}\nanswered {answer}\nexpected {expected}");
}

async fn recount(seed: u64) {
    let mut random = Random(seed);
    let world = World::new().await;
    let history = history(&mut random);
    insert(&mut random, &world, &history).await;
    let oracle = Oracle::new(&history.hits, &history.deliveries);
    let mut seen = 0;
    for _ in 0..25 {
        let question = question(&mut random);
        let query = query(&question);
        let mut answer = world.json(&format!("/v1/accounts/demo/reports/summary?{query}")).await;
        for name in ["account", "from", "to", "cohort", "suppress"] {
            answer.as_object_mut().unwrap().remove(name);
        }
        let expected = oracle.summary(&question);
        same("the summary", &question, &answer, &expected);
        seen += expected["opens"]["unique"].as_u64().unwrap();
        if random.chance(20) {
            recount_links(&world, &oracle, &question).await;
        }

        let by = random.pick(&[
            "recipient_domain",
            "mailbox_provider",
            "bounce_reason",
            "campaign",
            "source",
            "client",
        ]);
        let answer = world.json(&format!("/v1/accounts/demo/reports/breakdown?by={by}&{query}")).await;
        let rows: BTreeMap<String, Value> = answer["rows"]
            .as_array()
            .unwrap()
            .iter()
            .map(|row| {
                let mut row = row.clone();
                let key = row.as_object_mut().unwrap().remove("key").unwrap();
                (key.as_str().unwrap().to_owned(), row)
            })
            .collect();
        let expected = if matches!(by, "source" | "client") {
            oracle.by_hit(&question, by)
        } else {
            oracle.by_message(&question, by)
        };
        assert_eq!(
            rows.keys().collect::<Vec<_>>(),
            expected.keys().collect::<Vec<_>>(),
            "{by} of {question:?}"
        );
        for (key, row) in &rows {
            same(&format!("{by} `{key}`"), &question, row, &expected[key]);
        }
        if random.chance(40) {
            seen += recount_series(&mut random, &world, &oracle, &question).await;
        }
    }
    assert!(seen > 100, "the questions hit nothing: {seen}");
}

/// The clicks of each link.
async fn recount_links(world: &World, oracle: &Oracle<'_>, question: &Question) {
    let query = query(question);
    let answer = world.json(&format!("/v1/accounts/demo/reports/breakdown?by=link&{query}")).await;
    let links: BTreeMap<String, Value> = answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| (format!("{} {}", row["index"], row["label"]), row["clicks"].clone()))
        .collect();
    let expected = oracle.by_link(question);
    assert!(close(&json!(links), &json!(expected)), "links of {question:?}\n{links:?}\n{expected:?}");
}

/// Each bucket of a time series is recounted as a question of its own; how many messages were opened in all.
async fn recount_series(random: &mut Random, world: &World, oracle: &Oracle<'_>, question: &Question) -> u64 {
    // Not hundreds of buckets: the oracle counts all messages anew for each.
    let short = question.to - question.from <= 24 * HOUR;
    let interval = if short { "hour" } else { random.pick(&["day", "week", "month"]) };
    let zone = random.pick(&["UTC", "Asia/Kathmandu", "America/New_York"]);
    let query = format!("interval={interval}&tz={zone}&{}", query(question));
    let answer = world.json(&format!("/v1/accounts/demo/reports/timeseries?{query}")).await;
    let mut seen = 0;
    for row in answer["rows"].as_array().unwrap() {
        let mut row = row.clone();
        row.as_object_mut().unwrap().remove("bucket");
        let [from, to] = ["from", "to"].map(|name| {
            let time = row.as_object_mut().unwrap().remove(name).unwrap();
            millis(time.as_str().unwrap())
        });
        let expected = oracle.summary(&Question { from, to, ..question.clone() });
        same(&format!("{interval} in {zone} from {from}"), question, &row, &expected);
        seen += expected["opens"]["unique"].as_u64().unwrap();
    }
    seen
}

#[tokio::test(flavor = "multi_thread")]
async fn a_recount_of_random_histories_agrees() {
    for seed in [1, 2, 3] {
        recount(seed).await;
    }
}
