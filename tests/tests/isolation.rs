//! A key sees its own account; another account looks like none. A token opens on its own account's host.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{System, wait_until};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn another_accounts_key_sees_nothing() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    let admin = system.api();
    let pixel = admin.links("secret-message", &[]).await["pixel_url"].as_str().unwrap().to_owned();
    reqwest::get(&pixel).await.unwrap();
    wait_until(|| async { admin.timeline("secret-message").await.status() }, |status| *status == 200).await;

    let (status, _) = admin.send(Method::POST, "/v1/accounts", &json!({"id": "other"})).await;
    assert_eq!(status, 201);
    let scopes = json!({"scopes": ["reports:read", "events:write", "settings:write"], "label": "test"});
    let (status, key) = admin.send(Method::POST, "/v1/accounts/other/keys", &scopes).await;
    assert_eq!(status, 201, "{key}");
    let other = admin.with_key(key["key"].as_str().unwrap());

    let own = other.json("/v1/accounts/other/reports/summary?suppress=none").await;
    assert_eq!(own["opens"]["total"], 0);
    assert_eq!(other.get("/v1/accounts/other/messages/secret-message/timeline").await.status(), 404);
    for path in [
        "/v1/accounts/demo/reports/summary",
        "/v1/accounts/demo/reports/breakdown?by=source",
        "/v1/accounts/demo/messages/secret-message/timeline",
        "/v1/accounts/demo/settings",
        "/v1/accounts/demo/audit",
    ] {
        let foreign = other.get(path).await;
        let missing = other.get(&path.replace("/demo/", "/nobody/")).await;
        assert_eq!(foreign.status(), 404, "{path}");
        assert_eq!(missing.status(), 404);
        let clean = |text: String| text.replace("demo", "X").replace("nobody", "X");
        assert_eq!(clean(foreign.text().await.unwrap()), clean(missing.text().await.unwrap()), "{path}");
    }
    for (method, path, body) in [
        (Method::PUT, "/v1/accounts/demo/settings", json!({})),
        (Method::POST, "/v1/accounts/demo/links", json!({"message_id": "m", "links": []})),
        (Method::POST, "/v1/accounts/demo/keys", scopes.clone()),
    ] {
        let status = other.send(method, path, &body).await.0;
        assert!(status == 404 || status == 403, "{path}: {status}");
    }
    // Without a key, with a wrong one, and with a revoked one: nothing.
    for wrong in ["", "to_nonsense"] {
        assert_eq!(other.with_key(wrong).get("/v1/accounts/other/settings").await.status(), 401);
    }
    let id = key["id"].as_str().unwrap();
    let revoked =
        admin.request(Method::DELETE, &format!("/v1/accounts/other/keys/{id}")).send().await.unwrap();
    assert!(revoked.status().is_success(), "{}", revoked.status());
    assert_eq!(other.get("/v1/accounts/other/settings").await.status(), 401);
    system.stop();
}

#[tokio::test]
async fn a_token_opens_on_its_accounts_host_alone() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    let admin = system.api();
    let unbound = admin.links("before", &["https://example.com/"]).await;
    for account in ["branded", "rival"] {
        assert_eq!(admin.send(Method::POST, "/v1/accounts", &json!({"id": account})).await.0, 201);
    }
    let command = system.command(&[
        "settings",
        "set",
        "--account",
        "branded",
        r#"{"tracking_base_url":"https://t.branded.example"}"#,
    ]);
    assert!(command.output().status.success());
    let rival = system
        .command(&[
            "settings",
            "set",
            "--account",
            "rival",
            r#"{"tracking_base_url":"https://t.branded.example"}"#,
        ])
        .output();
    assert!(!rival.status.success(), "two accounts can't have one host");
    let link = || async {
        let output = system
            .command(&["link", "--account", "branded", "--message", "m", "--to", "https://example.com/x"])
            .output();
        String::from_utf8(output.stdout).unwrap().trim().to_owned()
    };
    // The services learn of the host within their next refresh.
    let bound = wait_until(link, |url| url.starts_with("https://t.branded.example/c/")).await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let ask = |url: &str, host: &'static str| {
        let path = url[url.find("/c/").unwrap()..].to_owned();
        client.get(format!("{}{path}", system.tracker())).header("host", host).send()
    };
    assert_eq!(ask(&bound, "t.branded.example").await.unwrap().status(), 302);
    assert_eq!(ask(&bound, "127.0.0.1").await.unwrap().status(), 404, "not on the default host");
    let unbound = unbound["links"][0]["tracked_url"].as_str().unwrap().to_owned();
    assert_eq!(ask(&unbound, "127.0.0.1").await.unwrap().status(), 302);
    let borrowed = ask(&unbound, "t.branded.example").await.unwrap().status();
    assert_eq!(borrowed, 404, "no other account's token borrows the host's good name");
    system.stop();
}
