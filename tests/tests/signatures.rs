//! One message fetched by a person and by machines: each verdict has its source, and suppression is a question that can
//! be asked either way at any time.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{System, wait_until};
use reqwest::Method;
use serde_json::{Value, json};

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
const GOOGLE_PREFETCH: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) \
    Chrome/42.0.2311.135 Safari/537.36 Edge/12.246 Mozilla/5.0";

async fn fetch(url: &str, agent: &str) {
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let response = client.get(url).header("user-agent", agent).send().await.unwrap();
    assert!(response.status().as_u16() < 400, "{}", response.status());
}

/// The opens of a summary as (total, unique).
fn opens(summary: &Value) -> (u64, u64) {
    (summary["opens"]["total"].as_u64().unwrap(), summary["opens"]["unique"].as_u64().unwrap())
}

#[tokio::test]
async fn each_machine_has_its_source_and_suppression_goes_both_ways() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    let api = system.api();

    // Message a is fetched by four machines and read by a person; message b by Apple's prefetch alone.
    let a = api.links("a", &["https://example.com/1"]).await;
    let b = api.links("b", &["https://example.com/1"]).await;
    let pixel = |answer: &Value| answer["pixel_url"].as_str().unwrap().to_owned();
    let machines = [
        ("Mozilla/5.0", "apple_mpp"),
        (GOOGLE_PREFETCH, "google_prefetch"),
        ("Barracuda Sentinel (EE)", "barracuda"),
        ("python-requests/2.32.3", "http_library"),
    ];
    for (agent, _) in machines {
        fetch(&pixel(&a), agent).await;
    }
    fetch(&pixel(&a), CHROME).await;
    fetch(&pixel(&b), "Mozilla/5.0").await;
    let lines: String = ["a", "b"]
        .map(|id| {
            let event = json!({"type": "delivered", "message_id": id, "recipient_domain": "example.org",
                "at": "2026-11-20T10:00:00Z", "campaign": "autumn"});
            format!("{event}\n")
        })
        .concat();
    assert_eq!(api.events(&lines).await.0, 202);

    let all = "?suppress=none&from=2026-11-01T00:00:00Z";
    let none =
        wait_until(|| api.summary(all), |summary| opens(summary).0 == 6 && summary["delivered"] == 2).await;
    assert_eq!(opens(&none), (6, 2));
    for (_, source) in machines {
        let expected = if source == "apple_mpp" {
            json!({"total": 2, "unique": 2})
        } else {
            json!({"total": 1, "unique": 1})
        };
        assert_eq!(none["opens"]["by_source"][source], expected, "{source}");
    }
    assert_eq!(none["opens"]["human"], json!({"total": 1, "unique": 1}));
    assert_eq!(none["opens"]["automated"], json!({"total": 5, "unique": 2}));
    assert_eq!(none["rates"]["open"], 1.0);
    assert_eq!(none["rates"]["open_low"], 0.5);
    assert_eq!(none["rates"]["open_high"], 1.0, "b's only open is masked");
    assert_eq!(none["rates"]["open_estimate"], Value::Null, "under 100 messages");

    // What remains under a suppression differs; the whole truth beside it never does.
    for (suppress, expected) in
        [("all", (1, 1)), ("apple", (4, 1)), ("google,scanners,other", (3, 2)), ("account", (1, 1))]
    {
        let summary = api.summary(&format!("?suppress={suppress}&from=2026-11-01T00:00:00Z")).await;
        assert_eq!(opens(&summary), expected, "{suppress}");
        for truth in ["human", "automated", "unknown", "by_source"] {
            assert_eq!(summary["opens"][truth], none["opens"][truth], "{suppress} {truth}");
        }
    }

    // The account's own setting: off and on again gives the first figures again, over all history.
    let path = "/v1/accounts/demo/settings";
    let account = "?from=2026-11-01T00:00:00Z&to=2026-12-31T00:00:00Z";
    let before = api.summary(account).await;
    assert_eq!(opens(&before), (1, 1));
    let mut settings = api.json(path).await;
    for class in ["apple", "google", "scanners", "other"] {
        settings["suppress"][class] = json!(false);
    }
    assert_eq!(api.send(Method::PUT, path, &settings).await.0, 200);
    assert_eq!(opens(&api.summary(account).await), (6, 2));
    for class in ["apple", "google", "scanners", "other"] {
        settings["suppress"][class] = json!(true);
    }
    assert_eq!(api.send(Method::PUT, path, &settings).await.0, 200);
    assert_eq!(api.summary(account).await, before);

    // The breakdown by source says the same.
    let rows = api
        .json("/v1/accounts/demo/reports/breakdown?by=source&suppress=none&from=2026-11-01T00:00:00Z")
        .await;
    let text = rows.to_string();
    assert!(machines.iter().all(|(_, source)| text.contains(source)), "{text}");
    let domains =
        api.json("/v1/accounts/demo/reports/breakdown?by=recipient_domain&from=2026-11-01T00:00:00Z").await;
    assert!(domains.to_string().contains("example.org"), "{domains}");

    // Stop and start keeps every figure.
    system.stop();
    let system = System::start(&dir.path().join("data"));
    assert_eq!(system.api().summary(account).await, before);
    assert_eq!(opens(&system.api().summary(all).await), (6, 2));
    system.stop();
}

#[tokio::test]
async fn get_and_head_unsubscribe_nobody_and_a_post_does() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    let api = system.api();
    let answer = api.links("m", &[]).await;
    let url = answer["unsubscribe_url"].as_str().unwrap();
    assert_eq!(answer["headers"]["List-Unsubscribe"], format!("<{url}>"));
    assert_eq!(answer["headers"]["List-Unsubscribe-Post"], "List-Unsubscribe=One-Click");
    let client = reqwest::Client::new();
    for _ in 0..3 {
        assert_eq!(client.get(url).send().await.unwrap().status(), 200);
        assert_eq!(client.head(url).send().await.unwrap().status(), 200);
    }
    // A hit that comes after them shows that they have been loaded.
    fetch(answer["pixel_url"].as_str().unwrap(), CHROME).await;
    let summary = wait_until(|| api.summary(""), |summary| opens(summary) == (1, 1)).await;
    assert_eq!(summary["unsubscribed"], 0);
    assert_eq!(summary["clicks"]["total"], 0);
    let post = client.post(url).header("content-type", "application/x-www-form-urlencoded");
    assert_eq!(post.body("List-Unsubscribe=One-Click").send().await.unwrap().status(), 200);
    let after = wait_until(|| api.summary(""), |summary| summary["unsubscribed"] == 1).await;
    assert_eq!(after["opens"], summary["opens"]);
    system.stop();
}
