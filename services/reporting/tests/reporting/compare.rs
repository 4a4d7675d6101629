//! `compare=previous`: what an answer says of the window before is what that window says when it is asked by itself, in every
//! report and every form; groups and buckets that have no other; refusals.

use crate::parquet::{PARQUET, REPORTS, asked, lines, read_back};
use crate::seed::{Seed, at, seed};
use crate::support::scratch;
use crate::world::{World, problem};
use reporting::Config;
use serde_json::{Value, json};
use std::path::Path;
use uuid::Uuid;

const NOW: &str = "from=2026-03-11&to=2026-03-12";
const BEFORE: &str = "from=2026-03-10&to=2026-03-11";
const CSV: &str = "text/csv";
const NDJSON: &str = "application/x-ndjson";

/// The made-up sending, and on the next day one much like it: some groups are in both, some in either.
fn two_days() -> Seed {
    let mut first = seed();
    for (place, label) in [(0, "0 pricing"), (1, "")] {
        first.hit("m01", "click", ("human", "chrome"), "10:06:00").link = (Some(place), label);
    }
    let mut second = first.clone();
    let day = at("11. 00:00:00") - at("10. 00:00:00");
    second.hits.retain(|hit| !["m19", "m20", "m23"].contains(&hit.message_id.as_str()));
    second.deliveries.retain(|delivery| !["m16", "m20", "m23"].contains(&delivery.message_id.as_str()));
    for hit in &mut second.hits {
        hit.event_id = Uuid::from_u128(hit.event_id.as_u128() + 1000);
        (hit.at, hit.sent_at) = (hit.at + day, hit.sent_at + day);
        hit.client = if hit.client == "Safari" { "Firefox" } else { hit.client };
        hit.link = if hit.link.0 == Some(1) { (Some(2), "security") } else { hit.link };
        if hit.message_id == "m14" {
            (hit.campaign, hit.recipient_domain) = ("c3".to_owned(), "c.example".to_owned());
        }
        hit.message_id = hit.message_id.replace('m', "n");
    }
    for delivery in &mut second.deliveries {
        delivery.event_id = format!("second-{}", delivery.event_id);
        (delivery.at, delivery.received_at) = (delivery.at + day, delivery.received_at + day);
        if delivery.message_id == "m14" {
            (delivery.campaign, delivery.recipient_domain) = ("c3".to_owned(), "c.example".to_owned());
        }
        delivery.message_id = delivery.message_id.replace('m', "n");
    }
    // A link without a place whose label reads like another's place and label.
    second.hits.last_mut().unwrap().link = (None, "0 0 pricing");
    first.hits.extend(second.hits);
    first.deliveries.extend(second.deliveries);
    first
}

/// The columns by which a report's rows belong together.
fn group(report: &str) -> &'static [&'static str] {
    match report.split('?').next().unwrap() {
        "breakdown" if report.contains("by=link") => &["index", "label"],
        "breakdown" | "latency" => &["key"],
        "visits" => &["label", "index"],
        "machines" => &["source", "recipient_domain"],
        "corrections" => &["first_actor", "first_source", "actor", "source"],
        "hours" => &["weekday", "hour"],
        "refusals" => &["bounce_class", "bounce_reason", "enhanced_code", "smtp_code"],
        "after-delivery" | "delivery-times" => &["from_seconds"],
        other => panic!("{other} has no groups"),
    }
}

fn rows(answer: &Value) -> &Vec<Value> {
    answer["rows"].as_array().unwrap_or_else(|| panic!("{answer}"))
}

/// Takes fields out of a row.
fn without(row: &Value, names: &[&str]) -> Value {
    let mut row = row.clone();
    names.iter().for_each(|name| drop(row.as_object_mut().unwrap().remove(*name)));
    row
}

async fn report(world: &World, report: &str, rest: &str) -> Value {
    world.json(&format!("/v1/accounts/demo/reports/{report}{rest}")).await
}

#[tokio::test(flavor = "multi_thread")]
async fn each_row_stands_beside_that_of_the_window_asked_by_itself() {
    let world = World::new().await;
    two_days().insert(&world).await;
    let mut kinds = [0; 3];
    for name in REPORTS {
        let now = report(&world, name, NOW).await;
        let before = report(&world, name, BEFORE).await;
        let both = report(&world, name, &format!("{NOW}&compare=previous")).await;
        let window = &both["previous"];
        if name.starts_with("summary") {
            assert_eq!(window, &without(&before, &["account", "cohort", "suppress"]));
            assert_eq!(without(&both, &["previous"]), now);
            continue;
        }
        assert_eq!((&window["from"], &window["to"]), (&before["from"], &before["to"]), "{name}");
        assert_eq!(window["truncated"], before["truncated"], "{name}");
        // What is said of this window is what is said without a comparison.
        let alone: Vec<Value> = rows(&both).iter().map(|row| without(row, &["previous"])).collect();
        let mut told = without(&both, &["previous"]);
        told["rows"] = Value::Array(alone);
        assert_eq!(told, now, "{name}");
        assert!(!now.to_string().contains("previous") && !rows(&now).is_empty(), "{name}");
        if name.starts_with("timeseries") {
            let beside: Vec<&Value> = rows(&both).iter().map(|row| &row["previous"]).collect();
            assert_eq!(beside, rows(&before).iter().collect::<Vec<_>>(), "{name}");
            assert_eq!(rows(window), &[] as &[Value], "{name}");
            continue;
        }
        let like = |left: &Value, right: &Value| group(name).iter().all(|name| left[name] == right[name]);
        let mut left: Vec<&Value> = rows(&before).iter().collect();
        for row in rows(&both) {
            let found = left.iter().position(|other| like(row, other)).map(|place| left.remove(place));
            assert_eq!(&row["previous"], found.unwrap_or(&Value::Null), "{name}: {row}");
            kinds[usize::from(found.is_some())] += 1;
        }
        kinds[2] += left.len();
        assert_eq!(rows(window).iter().collect::<Vec<_>>(), left, "{name}");
        let more = name.contains("recipient_domain") || name.contains("by=link");
        assert!(!more || !left.is_empty(), "{name} has nothing that only the window before has");
    }
    assert!(kinds.iter().all(|count| *count > 5), "{kinds:?}");
}

/// A report as a table of each form: as it stands in CSV, and as rows.
struct Table {
    csv: String,
    ndjson: Vec<Value>,
    parquet: Vec<Value>,
}

async fn table(world: &World, file: &Path, path: &str) -> Table {
    std::fs::write(file, asked(world, path, PARQUET).await.bytes().await.unwrap()).unwrap();
    Table {
        csv: asked(world, path, CSV).await.text().await.unwrap(),
        ndjson: lines(&asked(world, path, NDJSON).await.text().await.unwrap()),
        parquet: read_back(world, file, "SELECT * FROM FILE").await,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn a_table_has_the_rows_of_both_windows_as_each_says_them() {
    let world = World::new().await;
    two_days().insert(&world).await;
    let file = scratch("compare").join("rows.parquet");
    // The others by which there is a breakdown have the columns of one of these.
    let others = ["mailbox_provider", "campaign", "bounce_reason", "client", "country"];
    for name in REPORTS
        .into_iter()
        .filter(|name| !others.iter().any(|by| name.starts_with(&format!("breakdown?by={by}&"))))
    {
        let ask = async |window: &str| {
            table(&world, &file, &format!("reports/{name}cohort=sent&suppress=none&{window}")).await
        };
        let both = ask(&format!("{NOW}&compare=previous")).await;
        // The rows of these say their times themselves, and the others' are said for them.
        let timed = ["summary", "timeseries"].iter().any(|timed| name.starts_with(timed));
        let (cells, added): (usize, &[&str]) =
            if timed { (1, &["window"]) } else { (3, &["window", "from", "to"]) };
        let csv: Vec<(&str, &str)> = both
            .csv
            .split("\r\n")
            .filter(|line| !line.is_empty())
            .map(|line| line.split_at(line.match_indices(',').nth(cells - 1).unwrap().0 + 1))
            .collect();
        let mut expected = Vec::new();
        for (window, span, from, to) in
            [("current", NOW, "2026-03-11", "2026-03-12"), ("previous", BEFORE, "2026-03-10", "2026-03-11")]
        {
            let alone = ask(span).await;
            assert!(!alone.ndjson.is_empty(), "{name}");
            let [from, to] = [from, to].map(|day| format!("{day}T00:00:00.000Z"));
            for (form, both, alone) in
                [("ndjson", &both.ndjson, &alone.ndjson), ("parquet", &both.parquet, &alone.parquet)]
            {
                let of: Vec<&Value> = both.iter().filter(|row| row["window"] == window).collect();
                let bare: Vec<Value> = of.iter().map(|row| without(row, added)).collect();
                assert_eq!(&bare, alone, "{name} {form} {window}");
                let times = |row: &&Value| timed || (row["from"] == from && row["to"] == to);
                assert!(of.iter().all(times), "{name} {form} {window}: {of:?}");
            }
            let first = if timed { format!("{window},") } else { format!("{window},{from},{to},") };
            let mut lines = alone.csv.split("\r\n").filter(|line| !line.is_empty()).map(str::to_owned);
            let header = lines.next().unwrap();
            if expected.is_empty() {
                expected.push((format!("{},", added.join(",")), header));
            }
            expected.extend(lines.map(|line| (first.clone(), line)));
        }
        let expected: Vec<(&str, &str)> =
            expected.iter().map(|(first, rest)| (first.as_str(), rest.as_str())).collect();
        assert_eq!(csv, expected, "{name}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn groups_that_come_and_go_are_told() {
    let world = World::new().await;
    let mut seed = Seed::default();
    for (message, campaign, time) in [
        ("a", "stays", "09:00:00"),
        ("b", "goes", "09:00:00"),
        ("c", "goes", "23:59:59.999"),
        ("d", "stays", "11. 00:00:00.000"),
        ("e", "stays", "11. 09:00:00"),
        ("f", "comes", "11. 09:00:00"),
    ] {
        seed.delivery(message, "sent", time).campaign = campaign.to_owned();
    }
    seed.insert(&world).await;
    let shown = |rows: &Vec<Value>| -> Vec<Value> {
        rows.iter().map(|row| json!([row["key"], row["sent"], row["previous"]["sent"]])).collect()
    };
    let query = format!("{NOW}&compare=previous");
    let answer = report(&world, "breakdown?by=campaign&", &query).await;
    assert_eq!(shown(rows(&answer)), [json!(["stays", 2, 1]), json!(["comes", 1, null])]);
    assert_eq!(answer["rows"][1].get("previous"), Some(&Value::Null));
    assert_eq!(shown(rows(&answer["previous"])), [json!(["goes", 2, null])]);
    let times = ["from", "to"].map(|name| answer["previous"][name].as_str().unwrap());
    assert_eq!(times, ["2026-03-10T00:00:00.000Z", "2026-03-11T00:00:00.000Z"]);

    // Where not all groups are shown, one beside which nothing stands may be among the others: both windows say so.
    let few = World::with(Config { breakdown_rows: 1, ..Config::default() }).await;
    seed.insert(&few).await;
    let answer = report(&few, "breakdown?by=campaign&", &query).await;
    assert_eq!(shown(rows(&answer)), [json!(["stays", 2, null])]);
    assert_eq!(shown(rows(&answer["previous"])), [json!(["goes", 2, null])]);
    assert_eq!((&answer["truncated"], &answer["previous"]["truncated"]), (&json!(true), &json!(true)));
    // A table that lacks rows of the window before alone lacks rows.
    for (campaign, cut) in [("", true), ("stays", false)] {
        let path = format!(
            "reports/breakdown?by=campaign&from=2026-03-11T10:00:00Z&to=2026-03-12T10:00:00Z&campaign={campaign}&compare=previous"
        );
        let response = asked(&few, &path, CSV).await;
        assert_eq!(response.headers().contains_key("trueopen-truncated"), cut, "{campaign}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn buckets_are_paired_from_the_end_and_the_calendar_decides_how_many_there_are() {
    let world = World::new().await;
    let series = async |query: &str| {
        let answer = report(&world, "timeseries?", &format!("{query}&compare=previous")).await;
        let beside: Vec<Value> =
            rows(&answer).iter().map(|row| json!([row["bucket"], row["previous"]["bucket"]])).collect();
        let rest: Vec<Value> = rows(&answer["previous"])
            .iter()
            .map(|row| json!([row["bucket"], row["from"], row["to"]]))
            .collect();
        (beside, rest)
    };
    // October has an hour more than 31 days, so the window before begins an hour before 31 August.
    let october = "from=2026-10-01T00:00:00%2B02:00&to=2026-11-01T00:00:00%2B01:00&tz=Europe/Berlin";
    let (beside, rest) = series(october).await;
    assert_eq!(beside.len(), 31);
    assert_eq!(beside[0], json!(["2026-10-01T00:00:00+02:00", "2026-08-31T00:00:00+02:00"]));
    assert_eq!(beside[30], json!(["2026-10-31T00:00:00+01:00", "2026-09-30T00:00:00+02:00"]));
    let hour = ["2026-08-30T00:00:00+02:00", "2026-08-30T21:00:00.000Z", "2026-08-30T22:00:00.000Z"];
    assert_eq!(rest, [json!(hour)]);
    // February has three days fewer than March.
    let (beside, rest) = series("from=2026-03-01&to=2026-04-01&interval=month").await;
    assert_eq!(beside, [json!(["2026-03-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"])]);
    let january = ["2026-01-01T00:00:00+00:00", "2026-01-29T00:00:00.000Z", "2026-02-01T00:00:00.000Z"];
    assert_eq!(rest, [json!(january)]);
    // Twelve hours over midnight, and the twelve hours of one day before them.
    let (beside, rest) = series("from=2026-03-10T18:00:00Z&to=2026-03-11T06:00:00Z").await;
    let day = |day: u8| format!("2026-03-{day}T00:00:00+00:00");
    assert_eq!(beside, [json!([day(10), null]), json!([day(11), day(10)])]);
    assert_eq!(rest, [] as [Value; 0]);
}

#[tokio::test(flavor = "multi_thread")]
async fn another_comparison_is_refused_by_name() {
    let world = World::new().await;
    let wrong = ["compare=foo", "compare=", "compare=previous&compare=previous"];
    for path in REPORTS.map(|name| format!("reports/{name}{NOW}")) {
        for wrong in wrong {
            let response = world.get(&format!("/v1/accounts/demo/{path}&{wrong}")).await;
            let (status, document) = problem(response).await;
            let named = document["detail"].as_str().unwrap().starts_with("compare: ");
            assert!(status == 400 && named, "{path} {wrong}: {document}");
            assert_eq!(document["type"], "urn:trueopen:problem:bad-parameter");
        }
    }
    // Nothing is earlier than 2000; lists of single things have nothing to compare; the window before has buckets of its own.
    for path in [
        "reports/visits?from=2000-01-01&to=2000-01-02&compare=previous",
        "events?compare=previous",
        "unsubscribes?compare=previous",
    ] {
        let (status, document) = problem(world.get(&format!("/v1/accounts/demo/{path}")).await).await;
        assert!(status == 400 && document["errors"][0]["parameter"] == "compare", "{path}: {document}");
    }
    let most = "from=2026-03-10T00:00:30Z&to=2026-03-12T01:59:30Z&interval=minute";
    let answer = report(&world, "timeseries?", &format!("{most}&compare=previous")).await;
    assert_eq!((rows(&answer).len(), rows(&answer["previous"]).len()), (3000, 0));
}
