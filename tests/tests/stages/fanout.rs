//! Facts across messages over a real broker: the messages of a scan lie in different partitions, and its network in one.

use crate::place::{Place, TURN, engine};
use acceptance::{Api, Broker, wait_until};
use futures_util::future::join_all;
use serde_json::{Value, json};

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";

/// The first of two links in mails to readers of their own.
async fn mailing(api: &Api, name: &str) -> Vec<String> {
    let mut urls = Vec::new();
    for reader in 0..30 {
        let body = json!({"message_id": format!("{name}-{reader}"), "campaign": name, "recipient_id": format!("r-{reader}"),
            "recipient_domain": "hospital.example", "links": [{"url": "https://example.com/a"}, {"url": "https://example.com/b"}]});
        let (status, answer) = api.send(reqwest::Method::POST, "/v1/accounts/demo/links", &body).await;
        assert!(status.is_success(), "{answer}");
        urls.push(answer["links"][0]["tracked_url"].as_str().unwrap().to_owned());
    }
    urls
}

async fn scan(client: &reqwest::Client, urls: &[String], ip: impl Fn(usize) -> String) {
    let follow = |(index, url): (usize, &String)| {
        client.get(url).header("user-agent", CHROME).header("x-forwarded-for", ip(index)).send()
    };
    for answer in join_all(urls.iter().enumerate().map(follow)).await {
        assert_eq!(answer.unwrap().status(), 302);
    }
}

async fn clicks(api: &Api, campaign: &str) -> Value {
    let path = format!("/v1/accounts/demo/reports/summary?suppress=none&campaign={campaign}");
    api.json(&path).await["clicks"].clone()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_fanout_over_partitions_is_found_whatever_dies() {
    let _turn = TURN.lock().await;
    let dir = tempfile::tempdir().unwrap();
    let Some(broker) = Broker::start(&dir.path().join("kafka")) else { return };
    let engine = engine(dir.path()).await;
    let place = Place::new(dir.path(), &broker.address(), &engine)
        .with("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1");
    place.command(&["migrate"]);
    let api = place.demo();
    let [track, mut classify, load, report] = place.start_all().await;
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();

    let found = |clicks: &Value| clicks["by_source"]["scanner_fanout"]["total"] == 30;
    let (first, second, people) =
        (mailing(&api, "first").await, mailing(&api, "second").await, mailing(&api, "people").await);
    scan(&client, &first, |_| "203.0.113.7".to_owned()).await;
    let told = wait_until(|| clicks(&api, "first"), found).await;
    assert_eq!((&told["total"], &told["human"]["total"]), (&json!(30), &json!(0)));

    // The process that compares dies with what it had in hand, and knows it again; so do readers who are none of it.
    scan(&client, &second, |_| "203.0.113.99".to_owned()).await;
    scan(&client, &people, |reader| format!("198.51.{reader}.1")).await;
    classify.kill();
    classify.restart();
    wait_until(|| clicks(&api, "second"), found).await;
    let told = wait_until(|| clicks(&api, "people"), |clicks| clicks["total"] == 30).await;
    assert_eq!(told["human"]["total"], 30, "{told}");
    assert_eq!(clicks(&api, "first").await["by_source"]["scanner_fanout"]["total"], 30);
    for stage in [track, classify, load, report] {
        stage.stop();
    }
    engine.stop().await.unwrap();
}
