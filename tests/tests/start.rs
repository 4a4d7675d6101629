//! The first start, and every start that can't be: one clear line and an exit code that is not zero.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{Program, System};
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;

/// Runs `up` where it can't start; the last line of its error.
fn refused(program: Program) -> String {
    let output = program.output();
    assert!(!output.status.success());
    let stderr = String::from_utf8(output.stderr).unwrap();
    let lines: Vec<_> = stderr.lines().filter(|line| line.starts_with("trueopen: ")).collect();
    assert_eq!(lines.len(), 1, "one clear line:\n{stderr}");
    lines[0].to_owned()
}

#[tokio::test]
async fn the_first_start_makes_everything_and_a_second_goes_on() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = System::start(&data);
    let mode = |name: &str| std::fs::metadata(data.join(name)).unwrap().permissions().mode() & 0o777;
    assert_eq!(mode("master.key"), 0o600);
    assert_eq!(mode("admin.key"), 0o600);
    assert_eq!(mode("clickhouse/engine.password"), 0o600);
    assert_eq!(mode(""), 0o700);
    // Everything that the banner shows works as it stands there.
    let admin = system.told("admin");
    for path in ["/livez", "/readyz", "/metrics"] {
        assert_eq!(reqwest::get(format!("{admin}{path}")).await.unwrap().status(), 200, "{path}");
    }
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    assert_eq!(client.get(system.told("pixel")).send().await.unwrap().status(), 200);
    assert_eq!(client.get(system.told("click")).send().await.unwrap().status(), 302);
    let curl =
        system.banner().lines().find(|line| line.contains("/reports/summary")).unwrap().trim().to_owned();
    let output = std::process::Command::new("sh").args(["-c", &curl]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("\"opens\""), "{curl}");

    // A second program on the same data is told so.
    let line = refused(Program::new(&data, &["up"]));
    assert!(line.contains("in use by another trueopen"), "{line}");
    let key = std::fs::read_to_string(data.join("admin.key")).unwrap();
    system.stop();

    let again = System::start(&data);
    assert_eq!(std::fs::read_to_string(data.join("admin.key")).unwrap(), key);
    assert_eq!(again.api().json("/v1/accounts/demo/settings").await["evidence_days"], 30);
    let curl =
        again.banner().lines().find(|line| line.contains("/reports/summary")).unwrap().trim().to_owned();
    let output = std::process::Command::new("sh").args(["-c", &curl]).output().unwrap();
    assert!(String::from_utf8(output.stdout).unwrap().contains("\"opens\""), "{curl}");
    again.stop();
}

#[test]
fn a_port_in_use_is_named() {
    let held = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let address = held.local_addr().unwrap().to_string();
    for variable in [
        "TRUEOPEN_TRACKER__LISTEN",
        "TRUEOPEN_REPORT__LISTEN",
        "TRUEOPEN_ADMIN__LISTEN",
        "TRUEOPEN_ENGINE__LISTEN",
    ] {
        let dir = tempfile::tempdir().unwrap();
        let line = refused(Program::new(&dir.path().join("data"), &["up"]).env(variable, &address));
        assert!(line.contains(&address) && line.contains("in use"), "{variable}: {line}");
    }
}

#[test]
fn what_else_stops_a_start_is_named() {
    let dir = tempfile::tempdir().unwrap();
    let file = dir.path().join("file");
    std::fs::write(&file, "").unwrap();
    let line = refused(Program::new(&file.join("data"), &["up"]));
    assert!(line.contains("data directory") && line.contains("can't be made or written"), "{line}");

    let data = dir.path().join("data");
    let line = refused(Program::new(&data, &["up"]).env("TRUEOPEN_ENGINE__LIBRARY", "/nowhere/libchdb.so"));
    assert!(line.contains("/nowhere/libchdb.so") && line.contains("fetch.sh"), "{line}");

    // The keys were made by then; with another's in their place, mails that were sent would die.
    let key = data.join("master.key");
    let good = std::fs::read_to_string(&key).unwrap();
    let digits = good.rsplit("hex = \"").next().unwrap()[..8].to_owned();
    std::fs::write(&key, good.replace(&digits, "01234567")).unwrap();
    let line = refused(Program::new(&data, &["up"]));
    assert!(line.contains("wrong master key"), "{line}");
    std::fs::remove_file(&key).unwrap();
    let line = refused(Program::new(&data, &["up"]));
    assert!(line.contains("is missing"), "{line}");
    std::fs::write(&key, &good).unwrap();
    let line = refused(Program::new(&data, &["up"]));
    assert!(line.contains("chmod 600"), "{line}");

    for (name, value, named) in [
        ("TRUEOPEN_TRACKER__LISTEN", "nowhere", "tracker.listen"),
        ("TRUEOPEN_JOURNAL__MAX_BYTES", "-1", "journal.max_bytes"),
        ("TRUEOPEN_TRACKER__TYPO", "1", "typo"),
        ("TRUEOPEN_ENGINE__LISTEN", "0.0.0.0:8123", "engine.listen"),
        ("TRUEOPEN_LOG__FILTER", "=,=", "log.filter"),
    ] {
        let line = refused(Program::new(&data, &["up"]).env(name, value));
        assert!(line.contains(named), "{name}={value}: {line}");
    }
}

#[test]
fn settings_show_with_secrets_masked() {
    let dir = tempfile::tempdir().unwrap();
    let output = Program::new(dir.path(), &["config", "--set", "tracker.durable_millis=99"])
        .env("TRUEOPEN_CLICKHOUSE__PASSWORD", "opensesame")
        .output();
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success() && text.contains("durable_millis = 99"), "{text}");
    assert!(text.contains("********") && !text.contains("opensesame"), "{text}");
    // What it prints can be read back.
    let file = dir.path().join("trueopen.toml");
    std::fs::write(&file, text.replace("********", "x")).unwrap();
    let again = Program::new(dir.path(), &["config", "--config", file.to_str().unwrap()]).output();
    assert!(again.status.success(), "{}", String::from_utf8_lossy(&again.stderr));
    assert!(Path::new(&file).exists());
}
