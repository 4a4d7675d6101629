//! Parquet, read back by the engine's own reader: what it holds is what NDJSON says.

use crate::facts::{Hit, insert_hits};
use crate::seed::{at, seed};
use crate::support::scratch;
use crate::world::{DEMO, World};
use reporting::Config;
use reqwest::{Response, StatusCode};
use serde_json::{Map, Value, json};
use std::path::Path;
use uuid::Uuid;

const DAY: &str = "from=2026-03-10&to=2026-03-11";
pub(crate) const PARQUET: &str = "application/vnd.apache.parquet";

/// Every report, each with all that it groups by.
pub(crate) const REPORTS: [&str; 18] = [
    "breakdown?by=recipient_domain&",
    "breakdown?by=mailbox_provider&",
    "breakdown?by=campaign&",
    "breakdown?by=bounce_reason&",
    "breakdown?by=link&",
    "breakdown?by=source&",
    "breakdown?by=client&",
    "breakdown?by=country&",
    "summary?",
    "timeseries?interval=hour&tz=Asia/Kathmandu&",
    "latency?by=mailbox_provider&",
    "visits?",
    "machines?by=both&",
    "after-delivery?",
    "corrections?",
    "hours?tz=Asia/Kathmandu&",
    "refusals?",
    "delivery-times?",
];

pub(crate) async fn asked(world: &World, path: &str, accept: &str) -> Response {
    let request = reqwest::Client::new().get(format!("{}/v1/accounts/demo/{path}", world.url));
    let response = request.bearer_auth(&world.admin).header("accept", accept).send().await.unwrap();
    assert_eq!(response.status(), StatusCode::OK, "{path}");
    assert!(response.headers()["content-type"].to_str().unwrap().starts_with(accept), "{path}");
    response
}

pub(crate) fn lines(text: &str) -> Vec<Value> {
    text.lines().map(|line| serde_json::from_str(line).unwrap()).collect()
}

/// What ClickHouse answers to a query over a file, which stands in it as `FILE`.
pub(crate) async fn read_back(world: &World, file: &Path, query: &str) -> Vec<Value> {
    let query = query.replace("FILE", &format!("file('{}', 'Parquet')", file.display()));
    // Groups of rows are read side by side unless their order is asked for.
    let settings = "date_time_output_format = 'iso', output_format_json_quote_64bit_integers = 0,
        input_format_parquet_preserve_order = 1, max_threads = 1";
    let client = world.connection.client();
    let query = client.query(&format!("{query} SETTINGS {settings}"));
    let bytes = query.fetch_bytes("JSONEachRow").unwrap().collect().await.unwrap();
    lines(std::str::from_utf8(&bytes).unwrap())
}

/// Where a column of a report stands in its NDJSON.
fn told<'a>(row: &'a Value, column: &str, first: &str) -> &'a Value {
    let pointer = match column {
        _ if column == first => "/key".to_owned(),
        _ if row.get(column).is_some() => format!("/{column}"),
        _ if column.ends_with("_by_source") => column.replacen('_', "/", 1),
        _ if column.starts_with("rate_") => column.replacen("rate_", "rates/", 1),
        _ if column.starts_with("bounced_") => column.replacen('_', "/", 1),
        _ if column.starts_with("opens_") || column.starts_with("clicks_") => column.replace('_', "/"),
        _ => column.to_owned(),
    };
    row.pointer(&format!("/{}", pointer.trim_start_matches('/'))).unwrap_or(&Value::Null)
}

fn same(found: &Value, told: &Value) -> bool {
    match (found, told) {
        // A document of changing shape is JSON text in its column.
        (Value::String(text), Value::Object(_) | Value::Array(_)) => {
            serde_json::from_str::<Value>(text).unwrap() == *told
        }
        (Value::Number(found), Value::Number(told)) => found.as_f64() == told.as_f64(),
        _ => found == told,
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn every_report_is_the_same_in_parquet_and_ndjson() {
    let world = World::new().await;
    let mut seed = seed();
    // A comma, a quote, a line's end and no ASCII in a text that others wrote.
    seed.hit("m01", "click", ("human", "chrome"), "10:00:00").link = (Some(1), "a,\"ü\"\n漢字");
    seed.insert(&world).await;
    let folder = scratch("parquet");
    let mut paths: Vec<(String, &str)> = REPORTS
        .into_iter()
        .map(|report| {
            let first = report.strip_prefix("breakdown?by=").unwrap_or_default().trim_end_matches('&');
            (format!("reports/{report}{DAY}"), first)
        })
        .collect();
    // Nothing at all is a table too.
    for path in ["events?limit=10000&", "events?limit=all&", "reports/visits?campaign=none&"] {
        paths.push((format!("{path}{DAY}"), ""));
    }
    for (number, (path, first)) in paths.iter().enumerate() {
        let expected = lines(&asked(&world, path, "application/x-ndjson").await.text().await.unwrap());
        let by_name = asked(&world, &format!("{path}&format=parquet"), PARQUET).await.bytes().await.unwrap();
        let by_header = asked(&world, path, PARQUET).await.bytes().await.unwrap();
        assert_eq!(by_name, by_header, "{path}");
        let file = folder.join(format!("{number}.parquet"));
        std::fs::write(&file, &by_name).unwrap();
        let found = read_back(&world, &file, "SELECT * FROM FILE").await;
        assert_eq!(found.len(), expected.len(), "{path}");
        assert!(!found.is_empty() || path.contains("none"), "{path}");
        for (found, expected) in found.iter().zip(&expected) {
            let found: &Map<String, Value> = found.as_object().unwrap();
            for (column, value) in found {
                let told = told(expected, column, first);
                assert!(same(value, told), "{path}: {column} is {value}, NDJSON says {told}");
            }
            // And nothing that NDJSON says is left out.
            for name in expected.as_object().unwrap().keys().filter(|name| *name != "key" && *name != "rates")
            {
                let there = found.keys().any(|column| column.starts_with(name.as_str()));
                assert!(there, "{path}: {name} has no column");
            }
        }
    }
    // Types: moments and numbers, not texts.
    let columns = "toTypeName(at) AS at, toTypeName(confidence) AS confidence, toTypeName(link_index) AS link, toTypeName(tracked) AS tracked";
    let events = folder
        .join(format!("{}.parquet", paths.iter().position(|(path, _)| path.contains("10000")).unwrap()));
    let types = read_back(&world, &events, &format!("SELECT {columns} FROM FILE LIMIT 1")).await.remove(0);
    assert!(types["at"].as_str().unwrap().contains("DateTime64(3"), "{types}");
    assert!(types["confidence"].as_str().unwrap().contains("Float64"), "{types}");
    assert!(
        types["link"].as_str().unwrap().contains("Int64")
            && types["tracked"].as_str().unwrap().contains("Bool")
    );
    let wrong = world.get("/v1/accounts/demo/reports/visits?format=xlsx").await;
    assert_eq!(wrong.status(), StatusCode::BAD_REQUEST);
    let filtered = world.get(&format!("/v1/accounts/demo/events?{DAY}&campaign=c1")).await;
    assert_eq!(filtered.status(), StatusCode::BAD_REQUEST, "a filter that would change nothing is refused");
    let json = world.get(&format!("/v1/accounts/demo/events?{DAY}&limit=all")).await;
    assert_eq!(json.status(), StatusCode::BAD_REQUEST, "JSON has pages");
}

#[tokio::test(flavor = "multi_thread")]
async fn all_of_a_window_comes_in_one_file_over_many_pages() {
    const HITS: u128 = 45_000;
    let world = World::with(Config { exports: 2, ..Config::default() }).await;
    let hit = |number: u128| Hit {
        event_id: Uuid::from_u128(number + 1),
        revision: 1,
        kind: "open",
        at: at("09:00:00") + i64::try_from(number % 3_600_000).unwrap(),
        message_id: format!("m{}", number / 3),
        campaign: "c1".to_owned(),
        recipient_domain: "a.example".to_owned(),
        sent_at: at("08:59:00"),
        method: "GET",
        actor: "human",
        source: "chrome".to_owned(),
        client: "Chrome",
        link: (None, ""),
    };
    let hits: Vec<Hit> = (0..HITS).map(hit).collect();
    insert_hits(&world.connection.client(), DEMO, &hits).await;
    // Some judged again: once each in the file, as they stand.
    let again: Vec<Hit> =
        hits[..500].iter().map(|hit| Hit { revision: 2, actor: "unknown", ..hit.clone() }).collect();
    insert_hits(&world.connection.client(), DEMO, &again).await;
    let mut seed = crate::seed::Seed::default();
    seed.delivery("m0", "delivered", "09:00:00");
    seed.insert(&world).await;

    let path = format!("events?limit=all&{DAY}");
    // Two that nobody reads on take all the room there is, and no third comes in until they are gone.
    let unread = [asked(&world, &path, "application/x-ndjson").await, asked(&world, &path, "text/csv").await];
    let url = format!("/v1/accounts/demo/{path}&format=csv");
    let (status, problem) = crate::world::problem(world.get(&url).await).await;
    assert_eq!(status, StatusCode::SERVICE_UNAVAILABLE, "{problem}");
    drop(unread);
    // Room for both again; what is read to its end keeps none.
    crate::support::until("room for two exports", || async {
        let (one, other) = tokio::join!(world.get(&url), world.get(&url));
        let is_room = [one.status(), other.status()] == [StatusCode::OK; 2];
        one.bytes().await.is_ok() && other.bytes().await.is_ok() && is_room
    })
    .await;

    let file = scratch("whole").join("events.parquet");
    std::fs::write(&file, asked(&world, &path, PARQUET).await.bytes().await.unwrap()).unwrap();
    let query = "SELECT record, count() AS rows, uniqExact(event_id) AS events, countIf(revision = 2 AND actor = 'unknown') AS again
        FROM FILE GROUP BY record ORDER BY record";
    let found = read_back(&world, &file, query).await;
    let row = |record: &str, rows: u128, again: u128| json!({"record": record, "rows": rows, "events": rows, "again": again});
    assert_eq!(found, [row("delivery", 1, 0), row("hit", HITS, 500)]);
    let told = asked(&world, &path, "application/x-ndjson").await.text().await.unwrap();
    let ids: Vec<String> =
        lines(&told).iter().map(|row| row["event_id"].as_str().unwrap().to_owned()).collect();
    let found = read_back(&world, &file, "SELECT event_id FROM FILE").await;
    assert!(found.iter().map(|row| row["event_id"].as_str().unwrap()).eq(ids.iter().map(String::as_str)));
    let csv = asked(&world, &path, "text/csv").await.text().await.unwrap();
    assert_eq!(csv.lines().count(), 1 + ids.len());
    let audit = world.json("/v1/accounts/demo/audit?limit=1").await;
    assert!(audit["entries"][0]["detail"].as_str().unwrap().starts_with("all events from"), "{audit}");
}
