//! The commands, as a user types them: beside a running `up`, and with no server at all.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{Program, System, wait_until};
use serde_json::{Value, json};
use std::process::Output;

fn text(output: Output) -> String {
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

#[tokio::test]
async fn accounts_keys_and_settings_beside_a_running_system() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    let run = |arguments: &[&str]| text(system.command(arguments).output());
    assert!(run(&["migrate"]).contains("nothing to do"));
    assert!(run(&["account", "create", "clinic"]).contains("clinic"));
    assert!(run(&["account", "list"]).contains("demo"));
    let twice = system.command(&["account", "create", "clinic"]).output();
    assert!(!twice.status.success() && String::from_utf8_lossy(&twice.stderr).contains("clinic"));
    let key =
        run(&["key", "create", "--account", "clinic", "--scope", "reports:read", "--label", "dashboard"]);
    let list = run(&["key", "list", "--account", "clinic"]);
    assert!(list.contains("dashboard") && !list.contains(&key));
    let api = system.api().with_key(&key);
    let path = "/v1/accounts/clinic/reports/summary";
    wait_until(|| async { api.get(path).await.status() }, |status| *status == 200).await;
    let id = list.split_whitespace().next().unwrap();
    run(&["key", "revoke", "--account", "clinic", id]);
    wait_until(|| async { api.get(path).await.status() }, |status| *status == 401).await;

    let settings: Value = serde_json::from_str(&run(&["settings", "get", "--account", "clinic"])).unwrap();
    assert_eq!(settings["suppress"]["apple"], true);
    run(&["settings", "set", "--account", "clinic", r#"{"suppress":{"apple":false}}"#]);
    let settings: Value = serde_json::from_str(&run(&["settings", "get", "--account", "clinic"])).unwrap();
    assert_eq!(
        (&settings["suppress"]["apple"], &settings["suppress"]["google"]),
        (&json!(false), &json!(true))
    );

    // A link that the command line makes is a link of the running system.
    let message = ["--account", "demo", "--message", "cli-1", "--recipient-domain", "example.org"];
    let pixel = run(&[&["link"], &message[..]].concat());
    assert_eq!(reqwest::get(&pixel).await.unwrap().bytes().await.unwrap().len(), 43);
    let html = "<html><body><a href='https://example.com/a?x=1&amp;y=2'>go</a></body></html>";
    let tracked = text(system.command(&[&["instrument"], &message[..]].concat()).output_of(html));
    assert!(
        tracked.contains("/c/") && tracked.contains("<img") && !tracked.contains("example.com"),
        "{tracked}"
    );
    let link = tracked.split("href='").nth(1).unwrap().split('\'').next().unwrap();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response = client.get(link).send().await.unwrap();
    assert_eq!(response.headers()["location"], "https://example.com/a?x=1&y=2");
    wait_until(|| async { system.api().timeline("cli-1").await.status() }, |status| *status == 200).await;
    system.stop();

    // The database is away now: said in one line, with what to do.
    let away = Program::new(&dir.path().join("data"), &["account", "list"])
        .env("TRUEOPEN_ENGINE__LISTEN", "127.0.0.1:1")
        .output();
    let error = String::from_utf8(away.stderr).unwrap();
    assert!(!away.status.success() && error.lines().count() == 1, "{error}");
    // Minting needs no server.
    let offline = Program::new(&dir.path().join("data"), &[&["link"], &message[..]].concat())
        .env("TRUEOPEN_TRACKER__LISTEN", "127.0.0.1:8080")
        .output();
    assert!(text(offline).starts_with("http://127.0.0.1:8080/o/"));
}

#[test]
fn users_for_grafana_are_a_servers() {
    let dir = tempfile::tempdir().unwrap();
    let output = Program::new(dir.path(), &["grafana-user", "create", "grafana"]).output();
    let said = String::from_utf8(output.stderr).unwrap();
    assert!(!output.status.success() && said.lines().count() == 1, "{said}");
    assert!(said.contains("the embedded engine keeps none"), "{said}");
}

#[test]
fn explain_and_classify_file_need_no_server() {
    let dir = tempfile::tempdir().unwrap();
    let run = |arguments: &[&str]| Program::new(dir.path(), arguments);
    let said = text(run(&["explain", "--ua", "Mozilla/5.0", "--ip", "172.224.226.1"]).output());
    assert!(said.contains("Apple"), "{said}");
    let said = text(run(&["explain", "--ua", "Mozilla/5.0", "--method", "head", "--json"]).output());
    let verdict: Value = serde_json::from_str(&said).unwrap();
    assert_eq!(verdict["actor"], "automated");
    let said = text(
        run(&[
            "explain",
            "--kind",
            "click",
            "--header",
            "Sec-Purpose: prefetch",
            "--after-delivery",
            "40s",
            "--json",
        ])
        .output(),
    );
    assert_eq!(serde_json::from_str::<Value>(&said).unwrap()["source"], "browser_prefetch");

    let lines = [
        json!({"event_id": "e2", "kind": "click", "received_at": "2026-11-20T10:00:05Z", "message_id": "m", "method": "GET",
            "ip": "192.0.2.1", "ua": "curl/8.0", "headers": {}}).to_string(),
        json!({"event_id": "e1", "kind": "open", "received_at": "2026-11-20T10:00:00Z", "message_id": "m", "method": "GET",
            "ip": "192.0.2.1", "ua": "Mozilla/5.0", "headers": {}}).to_string(),
    ]
    .join("\n");
    let judged = text(run(&["classify-file", "-"]).output_of(&lines));
    let judged: Vec<Value> = judged.lines().map(|line| serde_json::from_str(line).unwrap()).collect();
    assert_eq!(judged.len(), 2);
    assert_eq!((&judged[0]["event_id"], &judged[0]["source"]), (&json!("e2"), &json!("http_library")));
    assert_eq!((&judged[1]["event_id"], &judged[1]["source"]), (&json!("e1"), &json!("apple_mpp")));
    for field in ["actor", "source", "confidence", "reasons", "ruleset", "revision"] {
        assert!(judged[0].get(field).is_some(), "{field}");
    }
    let broken = run(&["classify-file", "-"]).output_of(&format!("{{broken\n{lines}"));
    assert!(!broken.status.success());
    assert!(String::from_utf8_lossy(&broken.stderr).contains("line 1"));
    assert_eq!(
        String::from_utf8_lossy(&broken.stdout).lines().count(),
        2,
        "the good lines are judged all the same"
    );
}

#[test]
fn help_reads_well() {
    let dir = tempfile::tempdir().unwrap();
    let help = text(Program::new(dir.path(), &["--help"]).output());
    for command in [
        "up",
        "track",
        "report",
        "migrate",
        "account",
        "key",
        "settings",
        "link",
        "instrument",
        "explain",
        "classify-file",
        "simulate",
        "verify",
        "config",
    ] {
        assert!(
            help.lines().any(|line| line.trim_start().starts_with(&format!("{command} "))),
            "{command}:\n{help}"
        );
        let of_command = Program::new(dir.path(), &[command, "--help"]).output();
        assert!(of_command.status.success(), "{command}");
    }
    assert!(!help.contains("engine"), "the hidden command stays hidden");
    let wrong = Program::new(dir.path(), &["upp"]).output();
    assert!(String::from_utf8_lossy(&wrong.stderr).contains("up"), "a slip is answered with what was meant");
}

/// The tracker keeps every header that a rule reads.
#[tokio::test]
async fn every_header_that_rules_read_is_kept() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    let pixel = system.api().links("m", &[]).await["pixel_url"].as_str().unwrap().to_owned();
    let mut request = reqwest::Client::new().get(&pixel);
    for name in classifier::HEADERS_READ {
        request = request.header(*name, "https://value.example/");
    }
    assert_eq!(request.send().await.unwrap().status(), 200);
    let timeline = wait_until(
        || async { system.api().timeline("m").await.json::<Value>().await.unwrap() },
        |timeline| timeline["events"].is_array(),
    )
    .await;
    for name in classifier::HEADERS_READ {
        assert_eq!(timeline["events"][0]["evidence"]["headers"][*name], "https://value.example/", "{name}");
    }
    system.stop();
}
