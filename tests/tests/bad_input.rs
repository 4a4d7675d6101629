//! What is wrong is named, what is right beside it is kept, and nothing that a stranger wrote becomes part of a statement.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{System, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

const HOSTILE: &[&str] = &[
    "'; DROP TABLE events; --",
    "\\'; DROP TABLE events; --",
    "{account:UInt32}",
    "%27%20OR%201=1",
    "a' OR '1'='1",
    "${jndi:ldap://x}",
    "\u{0}",
    "😀\"`",
];

#[tokio::test]
async fn tokens_that_were_cut_or_forged_lead_nowhere() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    let answer = system.api().links("m", &["https://example.com/secret-place"]).await;
    let click = answer["links"][0]["tracked_url"].as_str().unwrap();
    let pixel = answer["pixel_url"].as_str().unwrap();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let start = click.find("/c/").unwrap() + 3;
    for end in [0, 1, 10, 40, click.len() - start - 1] {
        let response = client.get(&click[..start + end]).send().await.unwrap();
        assert_eq!(response.status(), 404, "{end}");
        let page = response.text().await.unwrap();
        assert!(
            !page.contains("secret-place") && !page.contains("seal"),
            "the page tells a stranger nothing"
        );
    }
    let forged = format!("{}{}{}", &click[..start + 30], "AAAA", &click[start + 34..]);
    assert_eq!(client.get(forged).send().await.unwrap().status(), 404);
    let cut = client.get(&pixel[..pixel.len() - 1]).send().await.unwrap();
    assert_eq!(
        (cut.status().as_u16(), cut.bytes().await.unwrap().len()),
        (200, 43),
        "no reader sees a broken picture"
    );
    // What a scanner appends is cut off, and the reader's link still works.
    let trailed = client.get(format!("{click}%27")).send().await.unwrap();
    assert_eq!(trailed.headers()["location"], "https://example.com/secret-place");
    assert_eq!(system.metric("trueopen_tracker_unopened_requests_total").await, 7.0);
    // Nothing of it in the log.
    let log = system.log();
    for secret in ["secret-place", &click[start..], "example.org", "r-1"] {
        assert!(!log.contains(secret), "the log holds {secret}");
    }
    system.stop();
}

#[tokio::test]
async fn requests_that_are_wrong_say_what_is_wrong() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    let api = system.api();
    for destination in
        ["javascript:alert(1)", "ftp://example.com/", "example.com", "mailto:a@example.org", ""]
    {
        let body = json!({"message_id": "m", "links": [{"url": destination}]});
        let (status, problem) = api.send(Method::POST, "/v1/accounts/demo/links", &body).await;
        assert!(status.is_client_error(), "{destination}: {status}");
        assert!(problem.to_string().contains("http"), "{destination}: {problem}");
    }
    let address = json!({"message_id": "m", "recipient_id": "jane@example.org", "links": []});
    let (status, problem) = api.send(Method::POST, "/v1/accounts/demo/links", &address).await;
    assert!(status.is_client_error() && problem.to_string().contains("recipient_id"), "{status} {problem}");
    assert!(!problem.to_string().contains("jane"), "{problem}");

    let lines = [
        r#"{"type":"delivered","message_id":"good-1","at":"2026-11-20T10:00:00Z"}"#,
        r#"{"type":"delivered","message_id":"cut"#,
        r#"{"type":"opened","message_id":"m","at":"2026-11-20T10:00:00Z"}"#,
        r#"{"type":"delivered","message_id":"m","at":"0001-01-01T00:00:00Z"}"#,
        r#"{"type":"delivered","message_id":"m","at":"2099-01-01T00:00:00Z"}"#,
        r#"{"type":"delivered","message_id":"good-2","at":"2026-11-20T10:00:00Z"}"#,
    ];
    let (status, answer) = api.events(&lines.join("\n")).await;
    assert_eq!(status, 202, "{answer}");
    assert_eq!(answer["accepted"], 2);
    let rejected: Vec<_> =
        answer["rejected"].as_array().unwrap().iter().map(|line| line["line"].as_u64().unwrap()).collect();
    assert_eq!(rejected, [2, 3, 4, 5], "{answer}");
    assert!(
        answer["rejected"].as_array().unwrap().iter().all(|line| !line["error"].as_str().unwrap().is_empty())
    );
    wait_until(|| api.summary("?from=2026-11-01T00:00:00Z"), |summary| summary["delivered"] == 2).await;

    let (status, problem) =
        api.send(Method::POST, "/v1/accounts/demo/keys", &json!({"scopes": ["reports:write"]})).await;
    assert!(status.is_client_error() && problem.to_string().contains("scope"), "{problem}");
    for query in [
        "from=yesterday",
        "from=0001-01-01T00:00:00Z",
        "from=2026-11-02T00:00:00Z&to=2026-11-01T00:00:00Z",
        "suppress=everything",
        "cohort=all",
        "colour=red",
    ] {
        let response = api.get(&format!("/v1/accounts/demo/reports/summary?{query}")).await;
        assert_eq!(response.status(), 400, "{query}");
        assert_eq!(response.headers()["content-type"], "application/problem+json");
        let name = query.split('=').next().unwrap();
        let text = response.text().await.unwrap();
        assert!(text.contains(name), "{query}: {text}");
    }
    let response = api.get("/v1/accounts/demo/reports/breakdown?by=colour").await;
    assert_eq!(response.status(), 400);
    assert_eq!(api.timeline("no-such-message").await.status(), 404);
    assert_eq!(api.get("/v1/nothing").await.status(), 404);
    system.stop();
}

#[tokio::test]
async fn sql_in_every_parameter_is_only_text() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    let api = system.api();
    let mut written = 0;
    for text in HOSTILE {
        let body = json!({"message_id": text, "campaign": text, "recipient_id": text.replace('@', ""), "links":
            [{"url": "https://example.com/", "label": text}]});
        let (status, answer) = api.send(Method::POST, "/v1/accounts/demo/links", &body).await;
        assert!(status.is_success(), "{text:?}: {answer}");
        reqwest::get(answer["pixel_url"].as_str().unwrap()).await.unwrap();
        written += 1;
    }
    let summary = wait_until(
        || api.summary("?suppress=none"),
        |summary| summary["opens"]["unique"].as_u64() == Some(written),
    )
    .await;
    for text in HOSTILE {
        let quoted: String = text.bytes().map(|byte| format!("%{byte:02X}")).collect();
        let of_campaign =
            api.get(&format!("/v1/accounts/demo/reports/summary?suppress=none&campaign={quoted}")).await;
        assert_eq!(of_campaign.status(), 200, "{text:?}");
        let of_campaign: Value = of_campaign.json().await.unwrap();
        assert_eq!(of_campaign["opens"]["unique"], 1, "{text:?} filters as itself");
        let timeline = api.timeline(&quoted).await;
        assert_eq!(timeline.status(), 200, "{text:?}");
        assert_eq!(timeline.json::<Value>().await.unwrap()["message_id"], *text);
        for path in [
            format!("/v1/accounts/{quoted}/reports/summary"),
            format!("/v1/accounts/demo/reports/summary?suppress={quoted}"),
            format!("/v1/accounts/demo/reports/summary?from={quoted}"),
            format!("/v1/accounts/demo/reports/summary?cohort={quoted}"),
            format!("/v1/accounts/demo/reports/breakdown?by={quoted}"),
            format!("/v1/accounts/demo/keys/{quoted}"),
        ] {
            let status = api.get(&path).await.status();
            assert!(status.is_client_error(), "{path}: {status}");
        }
        let domain =
            api.get(&format!("/v1/accounts/demo/reports/summary?recipient_domain={quoted}")).await.status();
        assert!(domain == 200 || domain == 400, "{text:?}: {domain}");
    }
    assert_eq!(api.summary("?suppress=none").await["opens"], summary["opens"]);
    system.stop();
}
