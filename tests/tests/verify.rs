//! The recount: it passes over a history with corrections, replays and late events, and names what is wrong once a row or a
//! view was tampered with in the engine.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{System, wait_until};
use std::path::Path;

/// A statement run in the engine, as its operator could, and the answer.
async fn execute(system: &System, data: &Path, statement: &str) -> String {
    let password = std::fs::read_to_string(data.join("clickhouse/engine.password")).unwrap();
    let request =
        reqwest::Client::new().post(system.told("ClickHouse")).basic_auth("default", Some(password.trim()));
    let response = request.body(statement.to_owned()).send().await.unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{statement}: {text}");
    text.trim().to_owned()
}

/// Whether the recount agreed, and what it said.
fn verify(system: &System, more: &[&str]) -> (bool, String) {
    let output = system.command(&[&["verify"], more].concat()).output();
    let said = [output.stdout, output.stderr].concat();
    (output.status.success(), String::from_utf8(said).unwrap())
}

const TRUST: (&str, &str) = ("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1/32");

/// The parameters that all views of reports have.
const COMMON: &str =
    "account = {account:UInt32}, from_ms = {from_ms:Int64}, to_ms = {to_ms:Int64}, cohort = {cohort:String},
    campaign = {campaign:String}, recipient_domain = {recipient_domain:String}";
const PROVIDER: &str = "mailbox_provider = {mailbox_provider:String}";

/// A running system that the recipients of 300 and what was sent in the weeks before have answered to.
async fn played(data: &Path) -> System {
    let system = System::start_with(data, &[TRUST]);
    let api = system.told("reporting API");
    let arguments = ["simulate", "--recipients", "300", "--seed", "3", "--api", &api];
    let played = system.command(&arguments).env(TRUST.0, TRUST.1).output();
    assert!(played.status.success(), "{}", String::from_utf8_lossy(&played.stderr));
    let table = String::from_utf8(played.stdout).unwrap();
    let hits = table.lines().find(|line| line.trim_end().ends_with("  hits")).unwrap().trim();
    let hits: u64 = hits.split(' ').next().unwrap().parse().unwrap();
    // Everything arrived: openings, clicks, and what came to the unsubscribe page, by verdicts of revision one or more.
    wait_until(|| system.metric("trueopen_loader_lag_records"), |lag| *lag == 0.0).await;
    let opened = |summary: &serde_json::Value| summary["opens"]["total"].as_u64().unwrap() > hits / 4;
    wait_until(|| async { system.api().summary("?suppress=none").await }, opened).await;
    system
}

/// A history of its own for the account `history`: what was simulated, and the same once more in the eight hours in which the
/// clocks of Berlin were last put on or back; hits that come on later days too; delivery events weeks late; verdicts that
/// are corrected; all of it stored twice. Its hits give no reasons: one that says `late` would be judged again meanwhile.
async fn history(system: &System, data: &Path) {
    let created = system.command(&["account", "create", "history"]).output();
    assert!(created.status.success(), "{}", String::from_utf8_lossy(&created.stderr));
    let number = execute(system, data, "SELECT number FROM accounts WHERE id = 'history'").await;
    execute(system, data, "SYSTEM STOP MERGES events").await;
    execute(system, data, "SYSTEM STOP MERGES deliveries").await;
    let changed = "SELECT toUnixTimestamp64Milli(toDateTime64(max(day), 3, 'Europe/Berlin')) FROM (SELECT today() - number AS day FROM numbers(3, 300))
        WHERE timezoneOffset(toDateTime(day, 'Europe/Berlin')) != timezoneOffset(toDateTime(day + 1, 'Europe/Berlin'))";
    let changed: i64 = execute(system, data, changed).await.parse().unwrap();
    let shift = format!(
        "toInt64({changed} - toUnixTimestamp64Milli(now64(3)) + sipHash64(replaceOne(message_id, 'then-', '')) % 28800000)"
    );
    let then = |column: &str| {
        format!("fromUnixTimestamp64Milli(toUnixTimestamp64Milli({column}) + {shift}, 'UTC') AS {column}")
    };
    let old = "concat('then-', message_id) AS message_id, 'then' AS campaign";
    let own = format!("account = {number}");
    // What is chosen stands in a query of its own: outside, a replaced column has its new meaning.
    for statement in [
        format!("INSERT INTO events SELECT * REPLACE (toUInt32({number}) AS account, '[]' AS reasons) FROM (SELECT * FROM events WHERE account = 1)"),
        format!("INSERT INTO deliveries SELECT * REPLACE (toUInt32({number}) AS account) FROM (SELECT * FROM deliveries WHERE account = 1)"),
        format!(
            "INSERT INTO events SELECT * REPLACE ({old}, generateUUIDv7() AS event_id, {}, {}) FROM (SELECT * FROM events WHERE {own})",
            then("received_at"),
            then("sent_at")
        ),
        format!(
            "INSERT INTO deliveries SELECT * REPLACE ({old}, concat('then-', event_id) AS event_id, {}) FROM (SELECT * FROM deliveries WHERE {own})",
            then("at")
        ),
        // Readers who come back to a link on another day.
        format!(
            "INSERT INTO events SELECT * REPLACE (generateUUIDv7() AS event_id, received_at + INTERVAL 30 HOUR AS received_at)
             FROM (SELECT * FROM events WHERE {own} AND campaign = 'then' AND actor = 'human' AND sipHash64(message_id) % 3 = 0)"
        ),
        // Of some messages it is heard weeks before or after that they bounced, were complained of, sent without tracking.
        format!(
            "INSERT INTO deliveries SELECT * REPLACE (concat('late-', event_id) AS event_id,
                 ['bounced', 'complained', 'delivered', 'sent'][sipHash64(message_id) % 4 + 1] AS type, false AS tracked,
                 at + toIntervalDay(toInt64(sipHash64(message_id) % 60) - 40) AS at, 'late.example' AS recipient_domain,
                 ['', 'soft', 'hard'][sipHash64(message_id) % 3 + 1] AS bounce_class)
             FROM (SELECT * FROM deliveries WHERE {own} AND type = 'delivered' AND sipHash64(message_id, 'late') % 20 = 0)"
        ),
        // Judged again: what seemed a person is a machine, and the other way round.
        format!(
            "INSERT INTO events SELECT * REPLACE (revision + 10 AS revision,
                 if(actor = 'human', 'automated', 'human') AS actor, if(actor = 'human', 'barracuda', 'chrome') AS source)
             FROM (SELECT * FROM events WHERE {own} AND actor != 'unknown' AND sipHash64(event_id) % 7 = 0)"
        ),
        format!("INSERT INTO events SELECT * FROM (SELECT * FROM events WHERE {own})"),
        format!("INSERT INTO deliveries SELECT * FROM (SELECT * FROM deliveries WHERE {own})"),
    ] {
        execute(system, data, &statement).await;
    }
}

/// A view, what its rows say otherwise, its parameters, and what verify must name: the report, and what the question and the
/// figure are.
type Lie = (&'static str, &'static str, String, Vec<(&'static str, &'static str)>);

fn lies() -> Vec<Lie> {
    let with = |more: &str| [COMMON, PROVIDER, more].join(", ").trim_end_matches(", ").to_owned();
    let (suppress, by) = ("suppress = {suppress:Array(String)}", "by = {by:String}");
    vec![
        (
            "report_figures",
            "* REPLACE (delivered + ({by:String} != '') AS delivered)",
            with(&format!("{suppress}, {by}")),
            vec![
                ("breakdown", " by=campaign: then: delivered is "),
                ("breakdown", " by=recipient_domain: gmail.com: delivered is "),
                ("breakdown", " by=mailbox_provider: gmail: delivered is "),
                ("breakdown", " by=bounce_reason: "),
            ],
        ),
        (
            "report_hit_figures",
            "* REPLACE (opens_unknown_unique + 1 AS opens_unknown_unique)",
            with(&format!("{suppress}, {by}")),
            vec![
                ("breakdown", " by=source: apple_mpp: opens_unknown_unique is "),
                ("breakdown", " by=client: "),
            ],
        ),
        (
            "report_country_figures",
            "* REPLACE (mapApply((id, hits) -> (id, hits + 1), clicks_by_source_total) AS clicks_by_source_total)",
            with(suppress),
            vec![("breakdown", ": clicks_by_source_total.chrome is ")],
        ),
        (
            "report_link_figures",
            "* REPLACE (clicks_human_unique + 1 AS clicks_human_unique)",
            with(suppress),
            vec![("breakdown", " by=link: 0 ")],
        ),
        // Who leaves out nothing, whatever is asked.
        (
            "report_series",
            "*",
            with(
                "suppress = if(empty({suppress:Array(String)}), {suppress:Array(String)}, []), edges = {edges:Array(Int64)}",
            ),
            vec![
                ("timeseries", " suppress=apple interval="),
                ("timeseries", " campaign="),
                ("timeseries", " interval=hour tz=Europe/Berlin: "),
                ("timeseries", " interval=week "),
                ("timeseries", ": rate_open is "),
            ],
        ),
        // Who looks at no filter of providers.
        (
            "report_latency",
            "*",
            format!("{COMMON}, mailbox_provider = substring({{mailbox_provider:String}}, 1, 0), {by}"),
            vec![("latency", ": messages is "), ("latency", ": p50 is ")],
        ),
        (
            "report_visits",
            "* REPLACE (returning + 1 AS returning)",
            with(&format!("{suppress}, tz = {{tz:String}}")),
            vec![("visits", " tz=Europe/Berlin: "), ("visits", ": returning is ")],
        ),
        (
            "report_machine_groups",
            "* REPLACE (seconds_after_median + 0.001 AS seconds_after_median)",
            with(by),
            vec![
                ("machines", " by=source: apple_mpp (apple): seconds_after_median is "),
                ("machines", " by=both: apple_mpp (apple) "),
                ("machines", " by=recipient_domain: "),
            ],
        ),
        (
            "report_after_delivery",
            "* REPLACE (scanners + 1 AS scanners)",
            with(""),
            vec![("after-delivery", ": scanners is ")],
        ),
        (
            "report_corrections",
            "* REPLACE (hits + 1 AS hits)",
            with(""),
            vec![("corrections", " to automated barracuda: hits is ")],
        ),
        // Whose clock is that of Greenwich.
        (
            "report_hours",
            "*",
            with("zone = if({zone:String} = '', '', 'UTC')"),
            vec![("hours", " tz=Asia/Kathmandu: "), ("hours", ": human is ")],
        ),
        (
            "report_refusals",
            "* REPLACE (recipient_domains + 1 AS recipient_domains)",
            with(""),
            vec![("refusals", ": recipient_domains is ")],
        ),
        (
            "report_delivery_spans",
            "* REPLACE (messages + 1 AS messages)",
            with(""),
            vec![("delivery-times", ": messages is ")],
        ),
    ]
}

async fn lie(system: &System, data: &Path, view: &str, says: &str, parameters: &str) {
    execute(system, data, &format!("RENAME TABLE {view} TO true_{view}")).await;
    execute(system, data, &format!("CREATE VIEW {view} AS SELECT {says} FROM true_{view}({parameters})"))
        .await;
}

#[tokio::test]
async fn the_recount_agrees_over_all_reports_and_names_the_one_that_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = played(&data).await;
    history(&system, &data).await;
    let own = ["--account", "history"];
    let (agreed, said) = verify(&system, &own);
    assert!(agreed && said.contains("history: 2400 messages with "), "{said}");
    assert!(said.contains(" reports, 0 differences"), "{said}");

    for (view, says, parameters, _) in lies() {
        lie(&system, &data, view, says, &parameters).await;
    }
    let (agreed, said) = verify(&system, &own);
    assert!(!agreed);
    let named = |report: &str| -> Vec<&str> {
        said.lines().filter(|line| line.starts_with(&format!("history: {report} cohort="))).collect()
    };
    for (view, _, _, found) in lies() {
        for (report, what) in found {
            assert!(named(report).iter().any(|line| line.contains(what)), "{view}: {report}{what}\n{said}");
        }
    }
    // Those alone that are wrong, and where they are.
    assert!(named("summary").is_empty(), "{said}");
    assert!(named("latency").iter().all(|line| line.contains(" mailbox_provider=")), "{said}");
    assert!(named("timeseries").iter().all(|line| !line.contains(" suppress=none ")), "{said}");
    system.stop();
}

#[tokio::test]
async fn a_tampered_row_or_view_is_found() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = played(&data).await;
    let summary = ["--account", "demo", "--report", "summary"];
    let said = wait_until(|| async { verify(&system, &summary) }, |(agreed, _)| *agreed).await.1;
    assert!(said.contains("demo: 1200 messages with ") && said.contains(" 0 differences"), "{said}");

    // One revision with two contents: a human who was none.
    execute(&system, &data, "SYSTEM STOP MERGES events").await;
    let forged = "INSERT INTO events SELECT * REPLACE ('human' AS actor)
        FROM (SELECT * FROM events WHERE actor = 'automated' LIMIT 1)";
    execute(&system, &data, forged).await;
    let (agreed, said) = verify(&system, &summary);
    assert!(!agreed && said.contains("has 2 contents under revision"), "{said}");
    execute(&system, &data, "SYSTEM START MERGES events").await;

    // A view that answers otherwise: Apple's prefetch no longer hides its reader, and belongs to no class.
    let lie = "CREATE OR REPLACE VIEW report_sources AS SELECT id, '' AS class, false AS masked FROM sources GROUP BY id";
    execute(&system, &data, lie).await;
    let (agreed, said) = verify(&system, &summary);
    assert!(!agreed && said.contains("suppress=apple: opens_total is"), "{said}");
    assert!(said.contains("by the events,") && said.contains(": masked is"), "{said}");

    // A table of providers that says otherwise than the file it is made of.
    let lie = "INSERT INTO mailbox_providers SELECT kind, name, version + 1, 'nobody' FROM mailbox_providers";
    execute(&system, &data, lie).await;
    let (agreed, said) = verify(&system, &["--account", "demo", "--report", "breakdown"]);
    assert!(!agreed && said.contains("by=mailbox_provider: gmail: sent is"), "{said}");

    // The figures of all messages.
    let parameters = [COMMON, PROVIDER, "suppress = {suppress:Array(String)}, by = {by:String}"].join(", ");
    self::lie(&system, &data, "report_figures", "* REPLACE (complained + 1 AS complained)", &parameters)
        .await;
    let (agreed, said) = verify(&system, &summary);
    assert!(!agreed && said.contains("demo: summary cohort=sent from "), "{said}");
    assert!(said.contains(": complained is ") && said.contains(": rate_complaint is "), "{said}");

    let (found, said) = verify(&system, &["--account", "nobody"]);
    assert!(!found && said.contains("there is no account nobody"), "{said}");
    let (known, said) = verify(&system, &["--report", "weather"]);
    assert!(!known && said.contains("after-delivery"), "the reports there are: {said}");
    system.stop();
}
