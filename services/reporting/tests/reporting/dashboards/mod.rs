//! Grafana's dashboards over the seeded engine: every statement is answered in the shape that its panel needs, headline
//! panels show the API's figures under each suppression, and what must be written at each panel is.
//!
//! A statement becomes what ClickHouse gets in two steps. Grafana's own: variables, and the plugin's two macros that its
//! front end expands, by [`grafana`], after their published behaviour. Then the plugin's back end: its macros, by the
//! plugin's own published Go code; what that code made is checked in ([`expansions`]), and is made anew where Go is.

mod adhoc;
mod expansions;
mod filters;
mod grafana;
mod headlines;
mod shapes;
mod words;

use crate::seed::seed;
use crate::world::World;
use grafana::{Dashboard, Panel, Variables};
use reqwest::Method;
use serde_json::{Value, json};

/// The seed's day, in hours.
const FROM: i64 = 1_773_100_800_000;
const TO: i64 = FROM + 86_400_000;
const HOUR: i64 = 3_600_000;
const WINDOW: &str = "from=2026-03-10&to=2026-03-11";
/// The `$__interval` that the panels are asked with.
const INTERVAL: i64 = HOUR;

/// What the engine answers a statement.
async fn ask(world: &World, sql: &str) -> Value {
    let connection = &world.connection;
    let settings = "default_format=JSONCompact&output_format_json_quote_64bit_integers=0&readonly=2";
    let response = reqwest::Client::new()
        .post(format!("{}/?database={}&{settings}", connection.url, connection.database))
        .basic_auth(&connection.user, Some(connection.password.reveal()))
        .body(sql.to_owned())
        .send()
        .await
        .unwrap();
    let status = response.status();
    let text = response.text().await.unwrap();
    assert!(status.is_success(), "{text}\n{sql}");
    serde_json::from_str(&text).unwrap_or_else(|error| panic!("{error}: {text}\n{sql}"))
}

/// A dashboard's variables as Grafana fills them in on its first load, with the switch where it is put.
async fn load(world: &World, dashboard: &Dashboard, chosen: &[(&str, &str)]) -> Variables {
    let mut variables = Variables::new(FROM, TO);
    // What is stored or chosen first: Grafana asks in the order in which variables need each other.
    for variable in dashboard.variables() {
        if variable["type"] != "query" || variable["includeAll"] == true {
            variables.keep(variable);
        }
    }
    for (name, value) in chosen {
        variables.choose(name, value);
    }
    for variable in dashboard.variables() {
        if variable["type"] == "query" && variable["includeAll"] != true {
            // Where none is stored Grafana takes the first option; the first column is its value.
            let rows = options(world, &variables, variable).await;
            variables.choose(variable["name"].as_str().unwrap(), rows[0][0].as_str().unwrap());
        }
    }
    variables
}

/// What a variable offers to choose from.
async fn options(world: &World, variables: &Variables, variable: &Value) -> Vec<Value> {
    let statement = variables.interpolate(variable["query"]["rawSql"].as_str().unwrap());
    let rows = ask(world, &statement).await["data"].as_array().unwrap().clone();
    assert!(!rows.is_empty(), "{} has nothing to choose from", variable["name"]);
    rows
}

async fn answer(world: &World, variables: &Variables, statement: &str) -> Value {
    ask(world, &expansions::expanded(&variables.interpolate(statement))).await
}

async fn seeded() -> World {
    let world = World::new().await;
    seed().insert(&world).await;
    world
}

#[tokio::test(flavor = "multi_thread")]
async fn every_statement_has_an_answer_of_its_panels_shape() {
    let world = seeded().await;
    let mut asked = 0;
    for chosen in [
        &[("message", "m14")][..],
        &[
            ("message", "m01"),
            ("suppress", "apple,scanners"),
            ("cohort", "sent"),
            ("zone", "Asia/Kathmandu"),
            ("campaign", "c1"),
            ("recipient_domain", "a.example"),
        ],
    ] {
        for dashboard in reports() {
            let variables = load(&world, &dashboard, chosen).await;
            for variable in dashboard.variables().iter().filter(|variable| variable["includeAll"] == true) {
                options(&world, &variables, variable).await;
            }
            for panel in dashboard.panels() {
                for statement in panel.statements() {
                    shapes::check(&panel, &answer(&world, &variables, statement).await);
                    asked += 1;
                }
            }
        }
    }
    assert!(asked > 100, "{asked} statements");
}

/// What a name could do to a statement, it can't: it is found or not found, and changes nothing else.
#[tokio::test(flavor = "multi_thread")]
async fn values_of_variables_never_become_part_of_a_statement() {
    let world = seeded().await;
    for hostile in ["\\' OR 1=1 --", "'{}%27,ü\u{1f600}$__all')\\"] {
        for dashboard in reports() {
            let chosen =
                ["campaign", "recipient_domain", "message", "source", "suppress"].map(|name| (name, hostile));
            let variables = load(&world, &dashboard, &chosen).await;
            // Every panel of the other dashboards asks in the words of the first.
            let all = ["scanners", "message"].contains(&dashboard.name.as_str());
            for panel in dashboard.panels().take(if all { usize::MAX } else { 1 }) {
                let found = answer(&world, &variables, panel.statements()[0]).await;
                let nothing = |value: &Value| value.is_null() || value.as_f64() == Some(0.0);
                for row in found["data"].as_array().unwrap() {
                    assert!(
                        row.as_array().unwrap().iter().all(nothing),
                        "{hostile} finds {row} in {}",
                        panel.title()
                    );
                }
            }
        }
    }
}

/// The dashboards over ClickHouse.
fn reports() -> impl Iterator<Item = Dashboard> {
    grafana::all().into_iter().filter(|dashboard| dashboard.name != "pipeline")
}

/// Switching the account's setting through the API switches what the dashboards show, both ways.
#[tokio::test(flavor = "multi_thread")]
async fn the_accounts_own_setting_is_the_default_and_is_followed() {
    let world = seeded().await;
    let engagement = reports().find(|dashboard| dashboard.name == "engagement").unwrap();
    let panel = engagement.panel("Open rate");
    let mut rates = Vec::new();
    for settings in [
        json!({}),
        json!({"apple": false}),
        json!({"apple": false, "google": false, "scanners": false, "other": false}),
        json!({"apple": true, "google": true, "scanners": true, "other": true}),
    ] {
        let put = world.give(Method::PUT, "/v1/accounts/demo/settings", json!({"suppress": settings})).await;
        assert!(put.0.is_success(), "{put:?}");
        let variables = load(&world, &engagement, &[]).await;
        let shown = answer(&world, &variables, panel.statements()[0]).await["data"][0][0].clone();
        let said = world.json(&format!("/v1/accounts/demo/reports/summary?{WINDOW}")).await;
        assert_same(&shown, &said["rates"]["open"], &said["suppress"].to_string());
        rates.push(shown);
    }
    assert_ne!(rates[0], rates[1]);
    assert_ne!(rates[1], rates[2]);
    assert_eq!(rates[0], rates[3]);
}

fn assert_same(shown: &Value, said: &Value, what: &str) {
    match (shown.as_f64(), said.as_f64()) {
        (Some(shown), Some(said)) => {
            assert!((shown - said).abs() < 1e-9, "{what}: {shown}, the API says {said}")
        }
        _ => assert_eq!(shown, said, "{what}"),
    }
}

/// Every settings change of the window is marked, by a statement with a macro of the plugin's.
#[tokio::test(flavor = "multi_thread")]
async fn the_annotations_have_answers() {
    let world = seeded().await;
    for (at, classes) in [
        ("2026-03-09 23:59:59.000", "'apple'"),
        ("2026-03-10 12:00:00.000", "'apple','other'"),
        ("2026-03-10 13:00:00.000", ""),
    ] {
        let insert = format!(
            "INSERT INTO settings (account, version, changed_at, suppress, evidence_days, retention_days, trap_links)
             SELECT 1, toUnixTimestamp(changed_at), toDateTime64('{at}', 3, 'UTC') AS changed_at, [{classes}], 30, 400, false"
        );
        world.connection.client().query(&insert).execute().await.unwrap();
    }
    let mut found = 0;
    for dashboard in grafana::all() {
        for statement in dashboard.annotations() {
            let variables = load(&world, &dashboard, &[]).await;
            let answer = answer(&world, &variables, statement).await;
            let texts: Vec<_> = answer["data"].as_array().unwrap().iter().map(|row| row[1].clone()).collect();
            assert_eq!(texts, ["Now left out: apple, other", "Now left out: nothing"], "{answer}");
            found += 1;
        }
    }
    assert_eq!(found, 2);
}

/// The panel behind a title, for messages.
impl Dashboard {
    fn panel(&self, title: &str) -> Panel {
        self.panels()
            .find(|panel| panel.title() == title)
            .unwrap_or_else(|| panic!("{}: no panel {title}", self.name))
    }
}
