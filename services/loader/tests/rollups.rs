//! Reports answer from roll-ups exactly what they answer from the events: after replays, corrections and late events, rolled
//! up, half rolled up and not at all, and while the loader writes.
//!
//! The reference is the views of the migrations before the roll-ups, under other names: they read every event.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

#[path = "../../reporting/tests/reporting/facts.rs"]
#[allow(dead_code, reason = "this test uses a part of it")]
mod facts;
mod given;

use clickhouse::Client;
use engagement::{AccountNumber, Timestamp};
use facts::{Delivery, Hit, insert_deliveries, insert_hits};
use futures_util::{StreamExt, stream};
use given::{given, support};
use loader::{Config, Rollup};
use std::path::Path;
use store::Cluster;
use uuid::Uuid;

const HOUR: i64 = 3_600_000;
const DAY: i64 = 24 * HOUR;
const MESSAGES: usize = 60;
const DEMO: AccountNumber = AccountNumber(1);
/// Before every time there can be, and after.
const EVER: (i64, i64) = (946_684_800_000, 4_102_444_800_000);

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
}

/// The views before the roll-ups, as `raw_…`.
async fn raw_views(client: &Client) {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR")).join("../../schema/clickhouse");
    let mut files: Vec<_> = std::fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|extension| extension == "sql"))
        .collect();
    files.sort();
    for file in files.iter().take_while(|file| !file.to_str().unwrap().contains("_rollups")) {
        let text = std::fs::read_to_string(file).unwrap();
        let lines: Vec<&str> = text.lines().filter(|line| !line.trim_start().starts_with("--")).collect();
        for statement in lines.join("\n").split(';') {
            if statement.trim_start().starts_with("CREATE OR REPLACE VIEW report_") {
                client.query_raw(&statement.replace("report_", "raw_")).execute().await.unwrap();
            }
        }
    }
}

/// All rows of a view's answer, as text.
async fn asked(client: &Client, view: &str) -> Vec<String> {
    let query = format!("SELECT arraySort(groupArray(toString(tuple(*)))) FROM {view}");
    client.query_raw(&query).fetch_one().await.unwrap_or_else(|error| panic!("{view}: {error}"))
}

/// Asks both ways and compares; how many rows there were.
async fn same(client: &Client, what: &str, view: &str) -> usize {
    let (rolled, raw) =
        (asked(client, &format!("report_{view}")).await, asked(client, &format!("raw_{view}")).await);
    assert_eq!(rolled, raw, "{what}: {view}");
    raw.len()
}

fn parameters(window: (i64, i64), cohort: &str, filter: &str, suppress: &str) -> String {
    format!(
        "account = 1, from_ms = {}, to_ms = {}, cohort = '{cohort}', {filter}, suppress = {suppress}",
        window.0, window.1
    )
}

const NO_FILTER: &str = "campaign = '', recipient_domain = '', mailbox_provider = ''";

/// Everything that was ever inserted, so that it can be repeated and corrected.
#[derive(Default)]
struct History {
    hits: Vec<Hit>,
    deliveries: Vec<Delivery>,
}

fn hour(random: &mut Random) -> i64 {
    // Whole hours mostly, so that many lie exactly on a window's edge or on each other.
    let jitter = if random.chance(40) { random.below(7_200_000) as i64 } else { 0 };
    facts::millis("2026-03-01T00:00:00Z") + random.below(240) as i64 * HOUR + jitter
}

impl History {
    /// New hits and delivery events, some of them of long ago; corrections of stored ones; repeats.
    fn step(&mut self, random: &mut Random) -> (Vec<Hit>, Vec<Delivery>) {
        let (mut hits, mut deliveries) = (Vec::new(), Vec::new());
        for _ in 0..60 {
            hits.push(self.new_hit(random));
            deliveries.push(self.new_delivery(random));
        }
        for _ in 0..20 {
            let mut again =
                self.hits.get(random.below(self.hits.len() + 1)).cloned().unwrap_or(hits[0].clone());
            if random.chance(60) {
                again.revision += 1 + random.below(2) as u16;
                (again.actor, again.source, again.client) = verdict(random);
                // A revision says one thing only.
                let known = self.hits.iter().chain(&hits).filter(|hit| hit.event_id == again.event_id);
                again.revision = again.revision.max(known.map(|hit| hit.revision).max().unwrap_or(0) + 1);
            }
            hits.push(again);
            let mut again = self
                .deliveries
                .get(random.below(self.deliveries.len() + 1))
                .cloned()
                .unwrap_or(deliveries[0].clone());
            if random.chance(50) {
                let known =
                    self.deliveries.iter().chain(&deliveries).filter(|told| told.event_id == again.event_id);
                again.received_at = known.map(|told| told.received_at).max().unwrap_or(0) + 1;
                (again.kind, again.at) = (kind(random), hour(random));
            }
            deliveries.push(again);
        }
        self.hits.extend(hits.iter().cloned());
        self.deliveries.extend(deliveries.iter().cloned());
        (hits, deliveries)
    }

    fn new_hit(&self, random: &mut Random) -> Hit {
        let at = hour(random);
        // One of them is hit more often than a mask has bits.
        let message = if random.chance(30) { 0 } else { random.below(MESSAGES) };
        let (actor, source, client) = verdict(random);
        Hit {
            event_id: Uuid::from_u128(u128::from(random.below(usize::MAX) as u64)),
            revision: 1,
            kind: random.pick(&["open", "open", "open", "click", "click", "unsubscribe", "trap"]),
            at,
            message_id: format!("m{message}"),
            campaign: ["c1", "c2", ""][message % 3].to_owned(),
            recipient_domain: ["a.example", "B.Example.", ""][message % 4 % 3].to_owned(),
            sent_at: (at - random.below(50) as i64 * HOUR) / 1000 * 1000,
            method: random.pick(&["GET", "GET", "HEAD", "POST"]),
            actor,
            source,
            client,
            link: random.pick(&[(Some(0), ""), (Some(1), "pricing"), (None, "")]),
        }
    }

    fn new_delivery(&self, random: &mut Random) -> Delivery {
        let at = hour(random);
        let message = random.below(MESSAGES);
        Delivery {
            message_id: format!("m{message}"),
            event_id: format!("d{}", random.below(usize::MAX)),
            kind: kind(random),
            at,
            received_at: at + 1,
            campaign: random.pick(&["c1", "c2", "", "c9"]).to_owned(),
            recipient_domain: ["a.example", "b.example", ""][message % 4 % 3].to_owned(),
            tracked: !random.chance(3),
            bounce_class: random.pick(&["hard", "soft", "block", "undetermined", "", "odd"]),
            bounce_reason: random.pick(&["", "mailbox_full", "reputation"]),
            mx_host: random.pick(&["", "mx.example", "aspmx.l.google.com"]),
        }
    }
}

fn kind(random: &mut Random) -> &'static str {
    random.pick(&[
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
    ])
}

fn verdict(random: &mut Random) -> (&'static str, String, &'static str) {
    let client = random.pick(&["", "Chrome", "Outlook"]);
    if random.chance(5) {
        return (random.pick(&["human", "automated", "unknown"]), "not_listed".to_owned(), client);
    }
    let source = &engagement::sources::all()[random.below(engagement::sources::all().len())];
    (source.actor.as_str(), source.id.clone(), client)
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn rolled_up_or_not_the_answer_is_the_same() {
    let connection = support::migrated().await;
    let client = connection.client();
    raw_views(&client).await;
    // Settled at once: nothing else asks between two rounds.
    let config = Config { rollup_settle_seconds: 0, rollup_messages: 60, ..Config::default() };
    let mut rollup = Rollup::new(client.clone(), Cluster::default(), config.clone());
    let mut random = Random(7);
    let mut history = History::default();
    let (mut seen, mut behind) = (0, 0);
    for step in 0..5 {
        let (hits, deliveries) = history.step(&mut random);
        insert_hits(&client, DEMO, &hits).await;
        insert_deliveries(&client, DEMO, &deliveries).await;
        // Not rolled up, some of it, all of it but not settled, all of it.
        let rounds = [0, 1, 2, 12][step % 4];
        for _ in 0..rounds {
            behind += usize::from(rollup.round().await.unwrap().is_behind);
        }
        if step == 3 {
            // The same parts once more, by a process that was not told; and a round that was cut off after it had written.
            client
                .query("INSERT INTO rollup_touched (account, message_id) SELECT 1, message_id FROM rollup_messages")
                .execute()
                .await
                .unwrap();
            Rollup::new(client.clone(), Cluster::default(), config.clone()).round().await.unwrap();
        }
        seen += compare(&client, &mut random, &format!("step {step}, {rounds} rounds")).await;
    }
    assert!(seen > 60, "the questions hit nothing: {seen}");
    assert!(behind > 0, "each round took all parts");

    let last = loop {
        let round = rollup.round().await.unwrap();
        if round.left == 0 {
            break round;
        }
    };
    // What it dropped was rolled up before, and is not again.
    assert_eq!((last.parts, last.touched, last.is_behind), (0, 0, false));
    let doubled: u64 = client
        .query(
            "SELECT count() FROM (SELECT message_id FROM rollup_messages GROUP BY message_id
             HAVING sum(copies) != if(message_id IN (SELECT message_id FROM rollup_wide), 0, 1))",
        )
        .fetch_one()
        .await
        .unwrap();
    let touched: u64 = client.query("SELECT count() FROM rollup_touched").fetch_one().await.unwrap();
    assert_eq!((doubled, touched), (0, 0));
    let wide: Vec<String> =
        client.query("SELECT DISTINCT message_id FROM rollup_wide").fetch_all().await.unwrap();
    assert_eq!(wide, ["m0"]);
    compare(&client, &mut random, "all rolled up").await;
    client.query("OPTIMIZE TABLE rollup_messages FINAL").execute().await.unwrap();
    compare(&client, &mut random, "all rolled up and merged").await;

    // A row that was stored twice is made one by the next round over its message.
    client.query("INSERT INTO rollup_messages SELECT * FROM rollup_messages").execute().await.unwrap();
    client
        .query("INSERT INTO rollup_touched (account, message_id) SELECT 1, message_id FROM rollup_messages")
        .execute()
        .await
        .unwrap();
    compare(&client, &mut random, "stored twice and touched").await;
    while rollup.round().await.unwrap().left > 0 {}
    compare(&client, &mut random, "stored twice and made one").await;
}

/// Every suppression by both cohorts; how many rows were compared.
async fn compare(client: &Client, random: &mut Random, what: &str) -> usize {
    let classes = [
        "[]",
        "['apple']",
        "['google']",
        "['scanners']",
        "['other']",
        "['apple','google','scanners','other']",
    ];
    let mut asked = Vec::new();
    for cohort in ["event", "sent"] {
        for suppress in classes {
            let view = question(random, cohort, suppress);
            asked.push(async move { same(client, what, &view).await });
        }
    }
    // Two at a time: the engine has a bound.
    stream::iter(asked).buffer_unordered(2).fold(0, async |sum, rows| sum + rows).await
}

/// A question in a random window: a summary, a breakdown, or a series.
fn question(random: &mut Random, cohort: &str, suppress: &str) -> String {
    let from = hour(random) - 12 * HOUR;
    // Sums are by day: many a window begins or ends with one.
    let from = if random.chance(50) { from / DAY * DAY } else { from };
    let window = (from, from + random.pick(&[6, 24, 100, 300]) * HOUR + random.pick(&[0, 1, 1234]));
    let window = if random.chance(20) { EVER } else { window };
    let filter = random.pick(&[
        NO_FILTER,
        NO_FILTER,
        "campaign = 'c1', recipient_domain = '', mailbox_provider = ''",
        "campaign = '', recipient_domain = 'b.example', mailbox_provider = 'google'",
    ]);
    let asked = parameters(window, cohort, filter, suppress);
    match random.below(4) {
        0 if window != EVER => {
            // Days of Kathmandu, 05:45 before those of UTC; hours; what begins at no hour.
            let (step, offset) = random.pick(&[(DAY, 20_700_000), (HOUR, 0), (HOUR + 420_000, 0)]);
            let first = (window.0 + offset) / step * step - offset + step;
            let next = (0..).map(|number| first + number * step).take_while(|edge| *edge < window.1);
            let edges: Vec<i64> = std::iter::once(window.0).chain(next).collect();
            format!("series({asked}, edges = {edges:?})")
        }
        1 => format!("hit_figures({asked}, by = '{}')", random.pick(&["source", "client"])),
        _ => {
            let by = random.pick(&["", "recipient_domain", "campaign", "mailbox_provider", "bounce_reason"]);
            format!("figures({asked}, by = '{by}')")
        }
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_window_of_days_reads_the_sums_and_not_the_messages() {
    let client = support::migrated().await.client();
    // Rows as a round writes them: 40 patterns over 20 days.
    client
        .query(
            "INSERT INTO rollup_messages
                 (account, day, message_id, content, copies, sent_ms, first_second, last_second, campaign, recipient_domain, pattern, times)
             SELECT 1, toDate('2026-03-01') + number % 20 AS day, toString(number), number, 1,
                 toInt64(toUInt16(day)) * 86400000 + 3600000 AS sent_ms, toUInt32(sent_ms / 1000), toUInt32(sent_ms / 1000) + 60,
                 'c1', 'a.example', number % 40, [sent_ms]
             FROM numbers(200000)",
        )
        .execute()
        .await
        .unwrap();
    let window = (facts::millis("2026-03-03T12:34:56Z"), facts::millis("2026-03-18T00:00:01Z"));
    for (cohort, by, sums) in [
        ("event", "", "by_campaign"),
        ("sent", "", "by_campaign"),
        ("event", "campaign", "by_campaign"),
        ("event", "recipient_domain", "by_receiver"),
        ("event", "mailbox_provider", "by_receiver"),
    ] {
        let asked = parameters(window, cohort, NO_FILTER, "[]");
        let plan: Vec<String> = client
            .query_raw(&format!("EXPLAIN SELECT * FROM report_figures({asked}, by = '{by}')"))
            .fetch_all()
            .await
            .unwrap();
        let sums = format!("ReadFromMergeTree ({sums})");
        assert!(plan.iter().any(|line| line.contains(&sums)), "{cohort} {by}: {}", plan.join("\n"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_summary_stays_exact_while_the_loader_writes() {
    let mut given = given().await;
    let client = given.connection.client();
    raw_views(&client).await;
    given.config.batch_rows = 300;
    given.config.rollup_seconds = 0;
    given.config.rollup_settle_seconds = 1;
    let running = given.start();
    // Hits are only added here, so each of these figures grows: an answer lies between what all events say before and after.
    let figures = |view: &str| {
        let asked = parameters(EVER, "event", NO_FILTER, "[]");
        let query = format!(
            "SELECT [opens_total, opens_unique, opens_human_total, messages_without_delivery] FROM {view}_figures({asked}, by = '')"
        );
        let client = client.clone();
        async move { client.query_raw(&query).fetch_optional::<Vec<u64>>().await.unwrap().unwrap_or(vec![0; 4]) }
    };
    let mut asked = 0;
    for _ in 0..8 {
        given.hits(&given::hits(1500)).await;
        let before = figures("raw").await;
        let answer = figures("report").await;
        let after = figures("raw").await;
        for place in 0..before.len() {
            assert!(
                before[place] <= answer[place] && answer[place] <= after[place],
                "{before:?} {answer:?} {after:?}"
            );
        }
        asked += 1;
    }
    given.loaded().await;
    assert_eq!(figures("report").await, figures("raw").await);
    // And once everything is rolled up.
    support::until("all messages to be rolled up", || async {
        given.count("SELECT count() FROM rollup_touched").await == 0
    })
    .await;
    let last = figures("report").await;
    assert_eq!(last, figures("raw").await);
    assert_eq!((asked, last[0]), (8, 12_000));
    assert!(given.count("SELECT toUInt64(sum(copies)) FROM rollup_messages").await >= 500);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_settled_is_let_go_without_waiting_for_the_next_round() {
    let mut given = given().await;
    let (hits, _) = History::default().step(&mut Random(3));
    insert_hits(&given.connection.client(), DEMO, &hits).await;
    assert!(given.count("SELECT count() FROM rollup_touched").await > 0);
    // One round, and none after it for an hour.
    given.config.rollup_seconds = 3600;
    given.config.rollup_settle_seconds = 1;
    let running = given.start();
    support::until("what was rolled up to be let go", || async {
        given.count("SELECT count() FROM rollup_touched").await == 0
    })
    .await;
    assert!(given.count("SELECT toUInt64(sum(copies)) FROM rollup_messages").await > 0);
    running.stop().await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_statement_that_a_dead_process_left_behind_is_seen_until_it_ends() {
    let client = support::migrated().await.client();
    let rollup = Rollup::new(client.clone(), Cluster::default(), Config::default());
    assert!(!rollup.is_staging().await.unwrap());
    let left = client.clone().with_setting("max_block_size", "1");
    let slow = "INSERT INTO rollup_staged (message_id) SELECT toString(sleepEachRow(1)) FROM numbers(3)";
    let left = tokio::spawn(async move { left.query(slow).execute().await });
    support::until("it to be seen", || async { rollup.is_staging().await.unwrap() }).await;
    left.await.unwrap().unwrap();
    assert!(!rollup.is_staging().await.unwrap());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_is_past_its_retention_leaves_the_roll_ups() {
    let connection = support::migrated().await;
    let client = connection.client();
    raw_views(&client).await;
    let mut random = Random(11);
    let mut history = History::default();
    let (hits, deliveries) = history.step(&mut random);
    insert_hits(&client, DEMO, &hits).await;
    insert_deliveries(&client, DEMO, &deliveries).await;
    let config = Config { rollup_settle_seconds: 0, ..Config::default() };
    let rolled = || async {
        let mut rollup = Rollup::new(client.clone(), Cluster::default(), config.clone());
        while rollup.round().await.unwrap().left > 0 {}
    };
    let rewritten = || {
        support::until("the rows to be rewritten", || async {
            let query =
                "SELECT count() FROM system.mutations WHERE database = currentDatabase() AND NOT is_done";
            client.query(query).fetch_one::<u64>().await.unwrap() == 0
        })
    };
    rolled().await;
    // The stored rows' time comes, of some before that of others: reports follow at once, the roll-ups after.
    let accounts = store::Accounts::new(client.clone());
    let days =
        u16::try_from((given::now().millis() - facts::millis("2026-03-05T00:00:00Z")) / 86_400_000).unwrap();
    let settings = store::Settings { retention_days: days, evidence_days: 1, ..store::Settings::default() };
    accounts.apply_retention(DEMO, &settings).await.unwrap();
    rewritten().await;
    let asked = parameters(EVER, "event", NO_FILTER, "[]");
    same(&client, "touched by the change", &format!("figures({asked}, by = 'campaign')")).await;
    rolled().await;
    assert!(same(&client, "rolled up again", &format!("figures({asked}, by = 'campaign')")).await > 0);
    // Facts whose time is over leave with the next round, nobody having touched their messages.
    let soon = Timestamp::from_millis(given::now().millis() + 3000).unwrap().millis() / 1000;
    for (table, end) in
        [("events", "retention_until"), ("deliveries", "retention_until"), ("rollup_facts", "retained_until")]
    {
        let change = format!(
            "ALTER TABLE {table} UPDATE {end} = toDateTime({soon}, 'UTC') WHERE sipHash64(message_id) % 2 = 0"
        );
        client.query(&change).with_setting("mutations_sync", "1").execute().await.unwrap();
    }
    client
        .query("INSERT INTO rollup_touched (account, message_id) SELECT account, message_id FROM rollup_messages")
        .execute()
        .await
        .unwrap();
    rolled().await;
    support::until("the time to be over", || async { given::now().millis() / 1000 > soon }).await;
    rolled().await;
    same(&client, "rolled up after retention", &format!("figures({asked}, by = 'campaign')")).await;

    // Once all of it is over, nothing is left beside the rows either: no id of a message, no name of a campaign or a receiver.
    let names = async || {
        let mut rows = Vec::new();
        for table in ["rollup_days", "rollup_wide", "rollup_campaigns", "rollup_receivers"] {
            let query = format!("SELECT count() FROM {table}");
            rows.push(client.query(&query).fetch_one::<u64>().await.unwrap());
        }
        rows
    };
    let wide = "INSERT INTO rollup_wide (account, message_id, day) VALUES (1, 'm1', '2026-03-07')";
    client.query(wide).execute().await.unwrap();
    assert!(names().await.iter().all(|rows| *rows > 0), "{:?}", names().await);
    let settings = store::Settings { retention_days: 1, evidence_days: 1, ..store::Settings::default() };
    client
        .query("INSERT INTO settings (account, version, changed_at, evidence_days, retention_days) VALUES (1, 1, now(), 1, 1)")
        .execute()
        .await
        .unwrap();
    accounts.apply_retention(DEMO, &settings).await.unwrap();
    rewritten().await;
    // The first takes the rows away, the second what they needed.
    rolled().await;
    rolled().await;
    assert_eq!(names().await, [0, 0, 0, 0]);
    assert_eq!(same(&client, "forgotten", &format!("figures({asked}, by = 'campaign')")).await, 0);
}
