//! dashboards/: the committed JSON is what its code makes, and Prometheus is asked only for what the code counts. What the
//! other dashboards ask ClickHouse is tested in services/reporting, over the engine.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use serde_json::Value;
use std::collections::{BTreeMap, BTreeSet};
use std::path::{Path, PathBuf};
use std::process::Command;

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

fn read(path: &str) -> String {
    std::fs::read_to_string(root().join(path)).unwrap_or_else(|error| panic!("{path}: {error}"))
}

fn run(program: &str, arguments: &[&str], folder: &Path) {
    let output = Command::new(program).args(arguments).current_dir(folder).output().unwrap();
    let said =
        String::from_utf8_lossy(&output.stdout).into_owned() + &String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{program} {arguments:?}: {said}");
}

/// The code is held to the Grafana Foundation SDK's types by the compiler; so is what it writes.
#[test]
fn the_committed_dashboards_are_what_their_code_makes() {
    if Command::new("npm").arg("--version").output().is_err() {
        assert!(std::env::var_os("CI").is_none(), "there is no npm, and CI must have it");
        println!("skipped: there is no npm to build the dashboards with");
        return;
    }
    let scratch = tempfile::tempdir().unwrap();
    let source = root().join("dashboards/source");
    for name in ["package.json", "package-lock.json", "tsconfig.json"] {
        std::fs::copy(source.join(name), scratch.path().join(name)).unwrap();
    }
    std::fs::create_dir(scratch.path().join("src")).unwrap();
    for file in std::fs::read_dir(source.join("src")).unwrap() {
        let file = file.unwrap();
        std::fs::copy(file.path(), scratch.path().join("src").join(file.file_name())).unwrap();
    }
    run("npm", &["ci", "--ignore-scripts", "--no-audit", "--no-fund"], scratch.path());
    run("npm", &["run", "build"], scratch.path());
    run("node", &["build/main.js", "made"], scratch.path());
    let mut made = 0;
    for file in std::fs::read_dir(scratch.path().join("made")).unwrap() {
        let file = file.unwrap();
        let name = file.file_name().into_string().unwrap();
        assert!(
            std::fs::read_to_string(file.path()).unwrap() == read(&format!("dashboards/grafana/{name}")),
            "dashboards/grafana/{name} is not what dashboards/source makes: run `npm ci && npm run make` there"
        );
        made += 1;
    }
    assert_eq!(made, std::fs::read_dir(root().join("dashboards/grafana")).unwrap().count());
}

/// Every metric that a crate's metrics.rs defines, with its labels.
fn defined() -> BTreeMap<String, BTreeSet<String>> {
    let mut found = BTreeMap::new();
    for service in std::fs::read_dir(root().join("services")).unwrap() {
        let Ok(source) = std::fs::read_to_string(service.unwrap().path().join("src/metrics.rs")) else {
            continue;
        };
        for (start, _) in source.match_indices("\"trueopen_") {
            let rest = &source[start + 1..];
            let name = rest.split('"').next().unwrap().to_owned();
            // The labels stand before the statement's end, in `&["kind", "reason"]`.
            let statement = rest.split(';').next().unwrap();
            let labels = statement.split_once("&[").map_or("", |(_, list)| list.split(']').next().unwrap());
            let labels = labels.split(',').map(|label| label.trim().trim_matches('"').to_owned());
            found.insert(name, labels.filter(|label| !label.is_empty()).collect());
        }
    }
    found
}

/// The names of our metrics in an expression, without what Prometheus appends to a histogram's.
fn metrics(expression: &str) -> BTreeSet<String> {
    let words = expression.split(|letter: char| !letter.is_ascii_alphanumeric() && letter != '_');
    let base = |word: &str| {
        let histogram = ["_bucket", "_sum", "_count"].iter().find_map(|end| word.strip_suffix(end));
        histogram.unwrap_or(word).to_owned()
    };
    words.filter(|word| word.starts_with("trueopen_")).map(base).collect()
}

/// The labels that an expression groups or chooses by.
fn labels(expression: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    for (start, opening) in [("by (", ')'), ("{", '}')] {
        for list in expression.split(start).skip(1).map(|rest| rest.split(opening).next().unwrap()) {
            let name = |label: &str| label.split(['=', '!']).next().unwrap().trim().to_owned();
            found.extend(list.split(',').map(name));
        }
    }
    found
}

fn check(expression: &str, more: &str, defined: &BTreeMap<String, BTreeSet<String>>) {
    // What Prometheus itself adds, and its own metric `up`.
    let mut known: BTreeSet<String> = ["instance", "job", "le"].map(str::to_owned).into();
    for metric in metrics(expression) {
        known.extend(
            defined.get(&metric).unwrap_or_else(|| panic!("no code defines {metric}: {expression}")).clone(),
        );
    }
    let named = labels(expression).into_iter().chain(
        more.split("{{")
            .skip(1)
            .map(|rest| rest.split("}}").next().unwrap().trim().trim_start_matches("$labels.").to_owned()),
    );
    for label in named.filter(|label| !label.starts_with("$value")) {
        assert!(known.contains(&label), "no metric of it has the label {label}: {expression}");
    }
}

#[test]
fn prometheus_is_asked_only_for_metrics_and_labels_that_the_code_defines() {
    let defined = defined();
    assert!(defined.len() > 60 && defined["trueopen_tracker_refused_hits_total"].contains("reason"));
    let dashboard: Value = serde_json::from_str(&read("dashboards/grafana/pipeline.json")).unwrap();
    let mut asked = 0;
    for target in
        dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap())
    {
        let expression = target["expr"].as_str().unwrap();
        assert!(!metrics(expression).is_empty(), "{expression}");
        check(expression, target["legendFormat"].as_str().unwrap(), &defined);
        asked += 1;
    }
    assert!(asked > 20);
    let runbook = read("dashboards/RUNBOOK.md");
    let alerts: Value = serde_saphyr::from_str(&read("dashboards/prometheus/alerts.yml")).unwrap();
    let rules = alerts["groups"][0]["rules"].as_array().unwrap();
    for rule in rules {
        let name = rule["alert"].as_str().unwrap();
        check(rule["expr"].as_str().unwrap(), rule["annotations"]["summary"].as_str().unwrap(), &defined);
        assert!(["page", "ticket"].contains(&rule["labels"]["severity"].as_str().unwrap()), "{name}");
        let paragraph =
            runbook.split(&format!("\n## {name}\n")).nth(1).unwrap_or_else(|| panic!("{name}: no paragraph"));
        assert!(paragraph.split("\n## ").next().unwrap().len() > 150, "{name}: too little is said");
        assert_eq!(rule["annotations"]["runbook"], format!("dashboards/RUNBOOK.md#{}", name.to_lowercase()));
    }
    assert_eq!(runbook.matches("\n## ").count(), rules.len(), "paragraphs without an alert");
}

#[test]
fn promtool_takes_the_alert_rules_and_their_tests() {
    let found = Command::new(root().join("tests/promtool.sh")).output().unwrap();
    if !found.status.success() {
        let why = String::from_utf8_lossy(&found.stderr).trim().to_owned();
        assert!(std::env::var_os("CI").is_none(), "{why}; CI must have it");
        println!("skipped: {why}");
        return;
    }
    let promtool = String::from_utf8(found.stdout).unwrap().trim().to_owned();
    let folder = root().join("dashboards/prometheus");
    run(&promtool, &["check", "rules", "alerts.yml"], &folder);
    run(&promtool, &["test", "rules", "alerts_test.yml"], &folder);
    // Every expression of the dashboard is PromQL too.
    let dashboard: Value = serde_json::from_str(&read("dashboards/grafana/pipeline.json")).unwrap();
    let targets =
        dashboard["panels"].as_array().unwrap().iter().flat_map(|panel| panel["targets"].as_array().unwrap());
    let rules: Vec<Value> = targets
        .enumerate()
        .map(|(place, target)| {
            // Grafana puts a span of time in these places.
            let span = |text: &str| text.replace("$__range", "1h").replace("$__rate_interval", "1m");
            serde_json::json!({"record": format!("panel:{place}"), "expr": span(target["expr"].as_str().unwrap())})
        })
        .collect();
    let scratch = tempfile::tempdir().unwrap();
    let file = serde_json::json!({"groups": [{"name": "panels", "rules": rules}]});
    std::fs::write(scratch.path().join("panels.yml"), file.to_string()).unwrap();
    run(&promtool, &["check", "rules", "panels.yml"], scratch.path());
}
