//! The figures over time: buckets worked out by hand, shapes and refusals. Random histories are in `recount`.

use crate::seed::{Seed, seed};
use crate::world::{World, close, problem};
use serde_json::{Value, json};

const PATH: &str = "/v1/accounts/demo/reports/timeseries";

/// A message sent a moment before 29 March in Berlin, read on that day of 23 hours, in its last second, and on the next;
/// and one read a moment before and at midnight of 11 March in Kathmandu.
fn travellers() -> Seed {
    let mut seed = Seed::default();
    seed.delivery("b1", "sent", "28. 22:59:59.999");
    seed.delivery("b1", "delivered", "28. 23:00:00");
    seed.hit("b1", "open", ("human", "chrome"), "28. 23:00:00");
    seed.hit("b1", "open", ("human", "chrome"), "29. 21:59:59.999");
    seed.hit("b1", "open", ("human", "chrome"), "29. 22:00:00");
    seed.hit("b1", "click", ("automated", "barracuda"), "29. 22:00:01");
    seed.delivery("k1", "sent", "10. 18:14:59.999");
    seed.hit("k1", "open", ("human", "chrome"), "10. 18:14:59.999");
    seed.hit("k1", "open", ("automated", "apple_mpp"), "10. 18:15:00");
    seed
}

/// sent, delivered, opens total, unique, clicks total of each bucket.
fn shown(answer: &Value) -> Vec<(String, [u64; 5])> {
    let count = |value: &Value| value.as_u64().unwrap();
    answer["rows"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| {
            let figures = [
                &row["sent"],
                &row["delivered"],
                &row["opens"]["total"],
                &row["opens"]["unique"],
                &row["clicks"]["total"],
            ];
            (row["bucket"].as_str().unwrap().to_owned(), figures.map(count))
        })
        .collect()
}

async fn assert_shown(world: &World, query: &str, expected: &[(&str, [u64; 5])]) {
    let answer = world.json(&format!("{PATH}?{query}")).await;
    let expected: Vec<_> = expected.iter().map(|(start, figures)| ((*start).to_owned(), *figures)).collect();
    assert_eq!(shown(&answer), expected, "{query}");
}

#[tokio::test(flavor = "multi_thread")]
async fn every_bucket_is_as_worked_out_by_hand() {
    let world = World::new().await;
    travellers().insert(&world).await;
    let berlin = "from=2026-03-27T23:00:00Z&to=2026-03-30T22:00:00Z&interval=day&tz=Europe/Berlin";
    let days = ["2026-03-28T00:00:00+01:00", "2026-03-29T00:00:00+01:00", "2026-03-30T00:00:00+02:00"];
    // One message opened on two days is one of each; the implied sum of three opens is nowhere.
    let by_event = [(days[0], [1, 0, 0, 0, 0]), (days[1], [0, 1, 2, 1, 0]), (days[2], [0, 0, 1, 1, 1])];
    assert_shown(&world, &format!("{berlin}&suppress=none"), &by_event).await;
    // Barracuda's click is left out.
    let suppressed = [by_event[0], by_event[1], (days[2], [0, 0, 1, 1, 0])];
    assert_shown(&world, berlin, &suppressed).await;
    let by_sending = [(days[0], [1, 1, 3, 1, 1]), (days[1], [0; 5]), (days[2], [0; 5])];
    assert_shown(&world, &format!("{berlin}&suppress=none&cohort=sent"), &by_sending).await;
    assert_shown(&world, &format!("{berlin}&campaign=other"), &days.map(|day| (day, [0; 5]))).await;

    let kathmandu = "from=2026-03-10T17:15:00Z&to=2026-03-10T19:15:00Z&suppress=none&tz=Asia/Kathmandu";
    let hours =
        [("2026-03-10T23:00:00+05:45", [1, 0, 1, 1, 0]), ("2026-03-11T00:00:00+05:45", [0, 0, 1, 1, 0])];
    assert_shown(&world, &format!("{kathmandu}&interval=hour"), &hours).await;
    let days = [("2026-03-10T00:00:00+05:45", hours[0].1), ("2026-03-11T00:00:00+05:45", hours[1].1)];
    assert_shown(&world, &format!("{kathmandu}&interval=day"), &days).await;
    let month = [("2026-03-01T00:00:00+05:45", [1, 0, 2, 1, 0])];
    assert_shown(&world, &format!("{kathmandu}&interval=month"), &month).await;
    let week = [("2026-03-09T00:00:00+05:45", month[0].1)];
    assert_shown(&world, &format!("{kathmandu}&interval=week"), &week).await;
}

#[tokio::test(flavor = "multi_thread")]
async fn a_bucket_is_the_summary_of_its_window() {
    let world = World::new().await;
    seed().insert(&world).await;
    for query in ["suppress=none", "cohort=sent&suppress=apple", "campaign=c1&recipient_domain=a.example"] {
        let query = format!("{query}&from=2026-03-04T12:00:00Z&to=2026-03-13T01:30:00Z");
        let series = world.json(&format!("{PATH}?{query}")).await;
        assert_eq!((&series["interval"], &series["tz"]), (&json!("day"), &json!("UTC")));
        let rows = series["rows"].as_array().unwrap();
        assert_eq!(rows.len(), 10);
        for row in rows {
            let [from, to] = ["from", "to"].map(|name| row[name].as_str().unwrap());
            let rest = query.split("&from=").next().unwrap();
            let path = format!("/v1/accounts/demo/reports/summary?{rest}&from={from}&to={to}");
            let mut expected = world.json(&path).await;
            for name in ["account", "cohort", "suppress"] {
                expected.as_object_mut().unwrap().remove(name);
            }
            expected["bucket"] = row["bucket"].clone();
            assert!(close(row, &expected), "{query}\n{row}\n{expected}");
        }
        let sent: u64 = rows.iter().map(|row| row["sent"].as_u64().unwrap()).sum();
        assert!(sent > 20, "{query}");
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn tables_and_refusals() {
    let world = World::new().await;
    travellers().insert(&world).await;
    let query = "from=2026-03-10T17:15:00Z&to=2026-03-10T19:15:00Z&interval=hour&tz=asia/kathmandu";
    let get = |path: String, accept: &'static str| {
        let request = reqwest::Client::new().get(format!("{}{path}", world.url));
        request.bearer_auth(&world.admin).header("accept", accept).send()
    };
    let response = get(format!("{PATH}?{query}"), "text/csv").await.unwrap();
    assert_eq!(response.headers()["content-type"], "text/csv; charset=utf-8");
    let text = response.text().await.unwrap();
    let lines: Vec<Vec<&str>> = text.lines().map(|line| line.split(',').collect()).collect();
    assert_eq!(lines.len(), 3, "{text}");
    assert_eq!(lines[0][..4], ["bucket", "from", "to", "sent"]);
    let cut = ["2026-03-10T23:00:00+05:45", "2026-03-10T17:15:00.000Z", "2026-03-10T18:15:00.000Z", "1"];
    assert_eq!(lines[1][..4], cut);
    assert!(lines.iter().all(|line| line.len() == lines[0].len()), "{text}");

    let response = get(format!("{PATH}?{query}"), "application/x-ndjson").await.unwrap();
    let text = response.text().await.unwrap();
    let rows: Vec<Value> = text.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    let answer = world.json(&format!("{PATH}?{query}")).await;
    assert_eq!((Value::Array(rows), &answer["tz"]), (answer["rows"].clone(), &json!("Asia/Kathmandu")));

    // The most buckets there may be travel to the database and back.
    let most = "from=2026-03-10T00:00:00Z&to=2026-03-12T02:00:00Z&interval=minute";
    let answer = world.json(&format!("{PATH}?{most}")).await;
    let rows = answer["rows"].as_array().unwrap();
    assert_eq!((rows.len(), &rows[18 * 60 + 14]["sent"]), (3000, &json!(1)));

    for (query, named) in [
        ("interval=minute", "interval"),
        ("interval=fortnight", "interval"),
        ("interval=day&interval=hour", "interval"),
        ("interval=minute&from=2000-01-01&to=2099-12-31", "interval"),
        ("tz=Mars/Olympus", "tz"),
        ("tz=", "tz"),
        ("tz=%27%29%3B%20DROP%20TABLE%20events%20--", "tz"),
        ("by=source", "by"),
        ("from=2026-03-12&to=2026-03-11", "from"),
    ] {
        let (status, document) = problem(world.get(&format!("{PATH}?{query}")).await).await;
        let detail = document["detail"].as_str().unwrap();
        assert!(status == 400 && detail.starts_with(&format!("{named}: ")), "{query}: {document}");
    }
    let other = "/v1/accounts/other/reports/timeseries";
    let key = world.key(&[store::Scope::ReportsRead]).await;
    let response = world.send(reqwest::Method::GET, other, Some(&key), None).await;
    assert_eq!(problem(response).await.0, 404);
}
