//! docker-compose.yml and the Dockerfile, as far as they can be held to without a Docker engine: a compose parser takes
//! the file, it names what there is, and the program takes every setting that it gives.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::Program;
use serde_json::Value;
use std::io::Write as _;
use std::path::{Path, PathBuf};
use std::process::Command;

const PASSWORD: &str = "opensesame";
/// What `.env` has to hold: without one of these nothing starts.
const SECRETS: [&str; 3] = ["CLICKHOUSE_PASSWORD", "GRAFANA_CLICKHOUSE_PASSWORD", "GRAFANA_ADMIN_PASSWORD"];
/// The services that run a command of ours and end.
const ONCE: [&str; 2] = ["migrate", "grafana-user"];

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).parent().unwrap().to_owned()
}

/// The file with the variables of `.env` in place.
fn compose() -> Value {
    let text = std::fs::read_to_string(root().join("docker-compose.yml")).unwrap();
    let mut text = text.replace("${TRACKING_BASE_URL:-http://localhost:8080}", "http://localhost:8080");
    for secret in SECRETS {
        text = text.replace(&format!("${{{secret}:?set it in .env}}"), PASSWORD);
    }
    assert!(!text.contains("${"), "a variable that this test does not know");
    serde_saphyr::from_str(&text).unwrap()
}

fn strings(value: &Value) -> Vec<&str> {
    value
        .as_array()
        .map(|items| items.iter().map(|item| item.as_str().unwrap()).collect())
        .unwrap_or_default()
}

#[test]
fn a_compose_parser_takes_it() {
    let parsed = Command::new("docker-compose")
        .args(["--file", "docker-compose.yml", "config", "--quiet"])
        .current_dir(root())
        .envs(SECRETS.map(|secret| (secret, PASSWORD)))
        .output();
    match parsed {
        Ok(output) => assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr)),
        Err(error) => {
            assert!(std::env::var_os("CI").is_none(), "docker-compose: {error}");
            let _ = writeln!(std::io::stderr(), "skipped: docker-compose: {error}");
        }
    }
}

#[test]
fn everything_it_names_is_there_and_pinned() {
    let compose = compose();
    let services = compose["services"].as_object().unwrap();
    for stage in ["migrate", "grafana-user", "track", "classify", "load", "report"] {
        let service = &services[stage];
        assert_eq!(strings(&service["command"])[0], stage);
        assert_eq!(service["read_only"], true, "{stage}");
        assert_eq!(strings(&service["cap_drop"]), ["ALL"], "{stage}");
    }
    for (name, service) in services {
        let (_, tag) = service["image"].as_str().unwrap().rsplit_once(':').expect("an image with a tag");
        let digits = tag.strip_prefix('v').unwrap_or(tag);
        assert!(digits.starts_with(|digit: char| digit.is_ascii_digit()), "{name}: {tag} is no version");
        for other in service["depends_on"].as_object().into_iter().flat_map(|others| others.keys()) {
            assert!(services.contains_key(other), "{name} depends on {other}");
        }
        for volume in strings(&service["volumes"]) {
            let volume = volume.split(':').next().unwrap();
            if volume.starts_with("./") {
                assert!(root().join(volume).exists(), "{name} mounts {volume}, which is not there");
                continue;
            }
            assert!(compose["volumes"].as_object().unwrap().contains_key(volume), "{name}: {volume}");
        }
        if !ONCE.contains(&name.as_str()) {
            assert!(service["healthcheck"]["test"].is_array(), "{name} has no health check");
        }
    }
    // The image does not run as root, and the broker is the one that the tests run.
    let dockerfile = std::fs::read_to_string(root().join("Dockerfile")).unwrap();
    assert!(dockerfile.contains("\nUSER 10001:10001\n"));
    let toolchain = std::fs::read_to_string(root().join("rust-toolchain.toml")).unwrap();
    let rust = dockerfile.split("FROM rust:").nth(1).unwrap().split('-').next().unwrap();
    assert!(
        toolchain.contains(rust),
        "the Dockerfile builds with Rust {rust}, rust-toolchain.toml says {toolchain}"
    );
    let pom = std::fs::read_to_string(root().join("tests/kafka/pom.xml")).unwrap();
    let kafka = services["kafka"]["image"].as_str().unwrap().rsplit(':').next().unwrap();
    assert!(pom.contains(&format!("<version>{kafka}</version>")), "the tests run another Kafka than {kafka}");
}

#[test]
fn the_program_takes_every_setting_that_it_gives() {
    let dir = tempfile::tempdir().unwrap();
    let compose = compose();
    for stage in ["migrate", "grafana-user", "track", "classify", "load", "report"] {
        let service = &compose["services"][stage];
        let mut arguments = vec!["config"];
        arguments.extend(strings(&service["command"])[1..].iter().filter(|_| !ONCE.contains(&stage)));
        let mut program = Program::new(dir.path(), &arguments);
        for (name, value) in service["environment"].as_object().unwrap() {
            // Read by the command line and not a setting.
            if name != "TRUEOPEN_GRAFANA_PASSWORD" {
                program = program.env(name, value.as_str().unwrap());
            }
        }
        let output = program.output();
        assert!(output.status.success(), "{stage}: {}", String::from_utf8_lossy(&output.stderr));
        let printed = String::from_utf8(output.stdout).unwrap();
        for shown in ["kafka:9092", "http://clickhouse:8123", "database = \"trueopen\"", "format = \"json\""]
        {
            assert!(printed.contains(shown), "{stage} lacks {shown}: {printed}");
        }
        assert!(!printed.contains(PASSWORD), "{printed}");
    }
}

/// Every `$NAME` of a text.
fn variables(text: &str) -> Vec<&str> {
    text.split('$')
        .skip(1)
        .map(|rest| rest.split(|c: char| !c.is_ascii_uppercase() && c != '_').next().unwrap_or_default())
        .filter(|name| !name.is_empty())
        .collect()
}

#[test]
fn prometheus_and_grafana_find_what_they_are_told_of() {
    let compose = compose();
    let services = &compose["services"];
    let read = |path: &str| std::fs::read_to_string(root().join("dashboards").join(path)).unwrap();
    // Every target of Prometheus is a stage at its admin port, and every stage is a target.
    let prometheus: Value = serde_saphyr::from_str(&read("prometheus/prometheus.yml")).unwrap();
    let mut targets = strings(&prometheus["scrape_configs"][0]["static_configs"][0]["targets"]);
    targets.sort_unstable();
    let mut expected = Vec::new();
    for stage in ["classify", "load", "report", "track"] {
        let listen = services[stage]["environment"]["TRUEOPEN_ADMIN__LISTEN"].as_str().unwrap();
        expected.push(listen.replace("0.0.0.0", stage));
    }
    assert_eq!(targets, expected);
    let mounts = strings(&services["prometheus"]["volumes"]).join(" ");
    for rules in strings(&prometheus["rule_files"]) {
        assert!(mounts.contains(&format!(":{rules}:ro")), "{rules} is not mounted");
    }
    // Every variable of Grafana's data sources is set, and leads to services of this file.
    let grafana = &services["grafana"];
    let environment = grafana["environment"].as_object().unwrap();
    let sources = read("provisioning/datasources/trueopen.yml");
    assert!(variables(&sources).len() >= 6, "{sources}");
    for name in variables(&sources) {
        assert!(environment.contains_key(name), "Grafana is not told {name}");
    }
    assert!(services[environment["CLICKHOUSE_HOST"].as_str().unwrap()].is_object());
    assert!(services["prometheus"].is_object() && environment["PROMETHEUS_URL"] == "http://prometheus:9090");
    let made = &services["grafana-user"];
    assert_eq!(
        strings(&made["command"]),
        ["grafana-user", "create", environment["CLICKHOUSE_USER"].as_str().unwrap()]
    );
    let providers: Value = serde_saphyr::from_str(&read("provisioning/dashboards/trueopen.yml")).unwrap();
    let path = providers["providers"][0]["options"]["path"].as_str().unwrap();
    let mounts = strings(&grafana["volumes"]);
    assert!(mounts.contains(&format!("./dashboards/grafana:{path}:ro").as_str()), "{mounts:?}");
    // The plugin is the one that the data source names.
    let plugin = environment["GF_PLUGINS_PREINSTALL"].as_str().unwrap().split('@').next().unwrap();
    assert!(sources.contains(&format!("type: {plugin}")), "{sources}");
}
