//! The plugin's back-end macros. `tests/grafana/expansions.ndjson` is what the plugin's own code made of the statements; the
//! test below compares it where Go is. After a change of the dashboards delete it and run with `UPDATE_EXPANSIONS=1`. The same
//! holds of `tests/grafana/narrowed.ndjson`: what the plugin's own front end makes of statements under an ad-hoc filter.

use super::{FROM, INTERVAL, TO};
use crate::seed::seed;
use crate::world::World;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::{Command, Stdio};
use std::sync::{LazyLock, Mutex};

fn folder() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join("../../tests/grafana")
}

/// What is known of a file: what was asked, and what came of it.
type Known = Mutex<BTreeMap<String, String>>;
static KNOWN: LazyLock<Known> = LazyLock::new(|| read(FILE));
const FILE: &str = "expansions.ndjson";
static NARROWED: LazyLock<Known> = LazyLock::new(|| read(NARROWED_FILE));
const NARROWED_FILE: &str = "narrowed.ndjson";

fn read(file: &str) -> Known {
    let text = std::fs::read_to_string(folder().join(file)).unwrap_or_default();
    let line = |line: &str| {
        let line: Value = serde_json::from_str(line).unwrap();
        (line["sql"].as_str().unwrap().to_owned(), line["expanded"].as_str().unwrap().to_owned())
    };
    Mutex::new(text.lines().map(line).collect())
}

/// What came of a question: from the file, or from the plugin's code where the file is to be brought up to date.
fn known(all: &Known, file: &str, asked: &str, question: Value) -> String {
    let mut all = all.lock().unwrap();
    if let Some(known) = all.get(asked) {
        return known.clone();
    }
    assert!(
        std::env::var_os("UPDATE_EXPANSIONS").is_some(),
        "{file} does not have this statement; UPDATE_EXPANSIONS=1 with Go adds it\n{asked}"
    );
    let made = by_plugin(&[question]).expect("UPDATE_EXPANSIONS needs Go").remove(0);
    all.insert(asked.to_owned(), made.clone());
    let lines = all.iter().map(|(sql, expanded)| format!("{}\n", json!({"sql": sql, "expanded": expanded})));
    std::fs::write(folder().join(file), lines.collect::<String>()).unwrap();
    made
}

fn question(statement: &str) -> Value {
    json!({"sql": statement, "from_ms": FROM, "to_ms": TO, "interval_ms": INTERVAL})
}

/// A statement under one ad-hoc filter, `key = value`, before variables and macros are expanded.
pub(super) fn narrowed(statement: &str, key: &str, value: &str) -> String {
    let asked = format!("{key} = {value}\n{statement}");
    known(&NARROWED, NARROWED_FILE, &asked, narrowing(&asked))
}

/// The question of a line of the file.
fn narrowing(asked: &str) -> Value {
    let (filter, statement) = asked.split_once('\n').unwrap();
    let (key, value) = filter.split_once(" = ").unwrap();
    json!({"sql": statement, "filters": [{"key": key, "operator": "=", "value": value, "condition": ""}]})
}

/// A statement without macros. One that has none is itself.
pub(super) fn expanded(statement: &str) -> String {
    if !statement.contains("$__") {
        return statement.to_owned();
    }
    known(&KNOWN, FILE, statement, question(statement))
}

/// The plugin's code as a program, built once; `None`, with a line that says why, where it can't be had. CI must have it.
#[expect(clippy::print_stdout, reason = "a test that leaves something out says so")]
static PLUGIN: LazyLock<Option<PathBuf>> = LazyLock::new(|| {
    let program = Path::new(env!("CARGO_TARGET_TMPDIR")).join("grafana-macros");
    let skipped = |why: &str| {
        assert!(std::env::var_os("CI").is_none(), "{why}; CI must have it");
        println!("skipped: {why}; what the plugin's code made before was used");
    };
    let mut build = Command::new("go");
    build.args(["build", "-mod=readonly", "-o"]).arg(&program).arg(".").current_dir(folder().join("macros"));
    match build.output() {
        Ok(output) if output.status.success() => return Some(program),
        Ok(output) => {
            skipped(&format!("the plugin's code can't be built: {}", String::from_utf8_lossy(&output.stderr)))
        }
        Err(_) => skipped("there is no Go to run the plugin's own code"),
    }
    None
});

/// Where the plugin's sources lie, its front end among them.
fn source() -> String {
    let plugin =
        ["list", "-mod=readonly", "-m", "-f", "{{.Dir}}", "github.com/grafana/clickhouse-datasource"];
    let found = Command::new("go").args(plugin).current_dir(folder().join("macros")).output().unwrap();
    String::from_utf8(found.stdout).unwrap().trim().to_owned()
}

/// What the plugin's code makes of each question.
fn by_plugin(questions: &[Value]) -> Option<Vec<String>> {
    let mut go = Command::new(PLUGIN.as_ref()?);
    go.env("PLUGIN_SOURCE", source()).stdin(Stdio::piped()).stdout(Stdio::piped());
    let mut go = go.spawn().unwrap();
    let mut input = go.stdin.take().unwrap();
    let lines: String = questions.iter().map(|question| format!("{question}\n")).collect();
    let writer = std::thread::spawn(move || input.write_all(lines.as_bytes()));
    let output = go.wait_with_output().unwrap();
    let _ = writer.join();
    assert!(output.status.success(), "the plugin's code failed");
    let answers = String::from_utf8(output.stdout).unwrap();
    let answer = |line: &str| {
        let answer: Value = serde_json::from_str(line).unwrap();
        answer["sql"].as_str().unwrap_or_else(|| panic!("{answer}")).to_owned()
    };
    Some(answers.lines().map(answer).collect())
}

#[test]
fn the_checked_in_expansions_are_what_the_plugins_code_makes() {
    let (expanded, narrowed) = (KNOWN.lock().unwrap().clone(), NARROWED.lock().unwrap().clone());
    assert!(expanded.len() > 20, "{FILE} has {} lines", expanded.len());
    assert!(narrowed.len() > 20, "{NARROWED_FILE} has {} lines", narrowed.len());
    let questions: Vec<_> = expanded
        .keys()
        .map(|statement| question(statement))
        .chain(narrowed.keys().map(|asked| narrowing(asked)))
        .collect();
    let Some(made) = by_plugin(&questions) else { return };
    for (known, made) in expanded.values().chain(narrowed.values()).zip(&made) {
        assert_eq!(known, made);
    }
    assert!(made.iter().take(expanded.len()).all(|made| !made.contains("$__")));
}

/// The one published Go module of the plugin is of its version 1; versions since 4 write times in another way. Both ways
/// choose the same rows: `published` is what version 4's own tests expect, for the window of those tests.
#[tokio::test(flavor = "multi_thread")]
async fn newer_versions_of_the_plugin_write_the_same_times_differently() {
    let world = World::new().await;
    seed().insert(&world).await;
    for (older, published) in [
        ("toDateTime(intDiv(1415792726371,1000))", "toDateTime(1415792726)"),
        ("toDateTime(intDiv(1447328726371,1000))", "toDateTime(1447328726)"),
    ] {
        let answer = super::ask(
            &world,
            &format!(
                "SELECT {older} = {published} AND {older} = toDateTime('{}', 'UTC')",
                if older.contains("14157") { "2014-11-12 11:45:26" } else { "2015-11-12 11:45:26" }
            ),
        )
        .await;
        assert_eq!(answer["data"][0][0], 1, "{older} {published}");
    }
    let (from, to) = (FROM / 1000, TO / 1000);
    let counts = |filter: String| format!("SELECT count(), min(at), max(at) FROM deliveries WHERE {filter}");
    let older = super::ask(&world, &counts(format!("at >= '{from}' AND at <= '{to}'"))).await;
    let newer =
        super::ask(&world, &counts(format!("at >= toDateTime({from}) AND at <= toDateTime({to})"))).await;
    assert_eq!(older["data"], newer["data"]);
    assert!(older["data"][0][0].as_u64().unwrap() > 20);
}
