//! A scanner's burst against the real tracker: each of its hits is judged at once, and corrected when its neighbours give
//! it away, in the report, in the timeline and on the classified stream; so is one link in each of many mails. Order
//! decides here, not time.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{Api, System, wait_until};
use engagement::{Classified, from_wire};
use futures_util::future::join_all;
use serde_json::{Value, json};
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use stream::{JournalConfig, Topic, TopicConfig};

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
/// Links of the mail: enough that a burst of them shows however the machine's mood spreads it.
const LINKS: usize = 24;
const ALL: &str = "?suppress=all";

async fn follow(client: &reqwest::Client, url: &str) {
    follow_from(client, url, "203.0.113.7").await;
}

async fn follow_from(client: &reqwest::Client, url: &str, ip: &str) {
    let request = client.get(url).header("user-agent", CHROME).header("x-forwarded-for", ip);
    let response = request.send().await.unwrap();
    assert!(response.status().as_u16() < 400, "{}", response.status());
}

fn count(summary: &Value, what: &str, actor: &str) -> u64 {
    summary[what][actor]["total"].as_u64().unwrap()
}

/// The actors said of each click, by event, in the order of the revisions as the timeline lists them.
fn revisions(timeline: &Value) -> BTreeMap<String, Vec<String>> {
    let hits = timeline["events"].as_array().unwrap().iter().filter(|entry| entry["type"] == "click");
    hits.map(|hit| {
        let revisions = hit["revisions"].as_array().unwrap();
        for (index, revision) in revisions.iter().enumerate() {
            assert_eq!(revision["revision"], index + 1, "{hit}");
            assert_eq!(revision["current"], index + 1 == revisions.len(), "{hit}");
        }
        assert_eq!(hit["verdict"], revisions[revisions.len() - 1]);
        let actors = revisions.iter().map(|revision| revision["actor"].as_str().unwrap().to_owned());
        (hit["event_id"].as_str().unwrap().to_owned(), actors.collect())
    })
    .collect()
}

/// Everything on the classified topic, by event and revision.
async fn classified(data: &Path) -> BTreeMap<(String, u32), String> {
    let name = "engagement.classified";
    let journal = JournalConfig::new(name, data.join("journal").join(name));
    let groups = ["loader", "classifier", "test"].map(str::to_owned).to_vec();
    let topic = Topic::open(TopicConfig { name: name.to_owned(), journal, groups }).unwrap();
    let mut consumer = topic.consumer("test").unwrap();
    let mut said = BTreeMap::new();
    while consumer.lag() > 0 {
        let batch =
            tokio::time::timeout(Duration::from_secs(30), consumer.next(1000, 1 << 20)).await.unwrap();
        for delivered in batch.unwrap() {
            let classified: Classified = from_wire(&delivered.record.unwrap().payload).unwrap();
            let verdict = classified.verdict;
            let id = (classified.hit.event_id.to_string(), verdict.revision);
            let known = said.entry(id).or_insert_with(|| verdict.actor.as_str().to_owned());
            assert_eq!(known, verdict.actor.as_str(), "one revision says two things");
            consumer.commit(delivered.partition, delivered.offset + 1).unwrap();
        }
    }
    topic.close().await;
    said
}

#[tokio::test(flavor = "multi_thread")]
async fn a_burst_is_provisional_first_and_then_corrected_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let system = System::start(&data);
    let api = system.api();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let urls: Vec<String> = (0..LINKS).map(|number| format!("https://example.com/{number}")).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let scanned = api.links("scanned", &urls).await;
    let read = api.links("read", &urls).await;
    let link =
        |answer: &Value, index: usize| answer["links"][index]["tracked_url"].as_str().unwrap().to_owned();

    // One click looks like a reader's, and implies an open. Another message has a reader for sure.
    follow(&client, &link(&scanned, 0)).await;
    follow(&client, read["pixel_url"].as_str().unwrap()).await;
    follow(&client, &link(&read, 3)).await;
    let before = wait_until(
        || api.summary(ALL),
        |summary| count(summary, "clicks", "human") == 2 && count(summary, "opens", "human") == 1,
    )
    .await;
    assert_eq!((&before["opens"]["unique"], &before["clicks"]["unique"]), (&2.into(), &2.into()));
    assert_eq!(count(&before, "clicks", "automated"), 0);

    // Then the same client asks for all other links at once.
    let others: Vec<String> = (1..LINKS).map(|index| link(&scanned, index)).collect();
    join_all(others.iter().map(|url| follow(&client, url))).await;
    // A busy machine may spread them, so that some are not clear; none is a person's in the end.
    let all = LINKS as u64 + 1;
    let after = wait_until(
        || api.summary(ALL),
        |summary| {
            let of = |actor| count(summary, "clicks", actor);
            of("human") == 1 && of("automated") >= 3 && of("human") + of("automated") + of("unknown") == all
        },
    )
    .await;
    let (machines, unclear) = (count(&after, "clicks", "automated"), count(&after, "clicks", "unknown"));
    // The first click is no longer taken for a person's, so the open that it implied is withdrawn.
    assert_eq!(count(&after, "clicks", "human"), 1);
    assert_eq!(after["opens"]["unique"], 1);
    assert_eq!(after["clicks"]["by_source"]["scanner_burst"]["total"], machines);
    assert_eq!(after["clicks"]["total"], 1 + unclear, "the reader's click, and what is not clear");
    // Nothing was lost: unsuppressed they are all there.
    assert_eq!(api.summary("?suppress=none").await["clicks"]["total"], all);

    // The timeline lists every revision. What came first in the burst could not be known for one at once.
    let timeline: Value = api.timeline("scanned").await.json().await.unwrap();
    let clicks = revisions(&timeline);
    assert_eq!(clicks.len(), LINKS);
    let hits = timeline["events"].as_array().unwrap().iter().filter(|entry| entry["type"] == "click");
    assert!(hits.clone().all(|hit| hit["provisional"] == true), "each may still be corrected: {timeline}");
    let corrected = |first: &str, last: &str| {
        let ends = |actors: &&Vec<String>| actors[0] == first && actors[actors.len() - 1] == last;
        clicks.values().filter(ends).count()
    };
    assert!(corrected("human", "automated") >= 1, "{clicks:?}");
    // The first click, taken for a person's at first: unclear or a machine's, as far as it lay before the others.
    let first = &clicks.values().next().unwrap();
    assert!(first[0] == "human" && first[first.len() - 1] != "human", "{clicks:?}");
    let read: Value = api.timeline("read").await.json().await.unwrap();
    assert_eq!(revisions(&read).into_values().collect::<Vec<_>>(), [["human"]]);

    // A restart neither says anything again in other words nor forgets anything.
    system.stop();
    let system = System::start(&data);
    assert_eq!(system.api().summary(ALL).await["clicks"], after["clicks"]);
    system.stop();
    let said = classified(&data).await;
    for (event, actors) in clicks {
        for (index, actor) in actors.into_iter().enumerate() {
            let revision = u32::try_from(index + 1).unwrap();
            assert_eq!(said.get(&(event.clone(), revision)), Some(&actor), "{event} {revision}");
        }
    }
}

/// Mails to readers of their own: message, and the URL of the first of two links.
async fn mailing(api: &Api, readers: usize) -> Vec<(String, String)> {
    let mut mails = Vec::new();
    for reader in 0..readers {
        let message = format!("m-{reader}");
        let body = json!({"message_id": message, "campaign": "autumn", "recipient_id": format!("r-{reader}"),
            "recipient_domain": "hospital.example", "links": [{"url": "https://example.com/a"}, {"url": "https://example.com/b"}]});
        let (status, answer) = api.send(reqwest::Method::POST, "/v1/accounts/demo/links", &body).await;
        assert!(status.is_success(), "{answer}");
        mails.push((message, answer["links"][0]["tracked_url"].as_str().unwrap().to_owned()));
    }
    mails
}

#[tokio::test(flavor = "multi_thread")]
async fn one_link_in_each_of_many_mails_is_provisional_first_and_then_corrected_everywhere() {
    let dir = tempfile::tempdir().unwrap();
    let data = dir.path().join("data");
    let variables = [("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1")];
    let system = System::start_with(&data, &variables);
    let api = system.api();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let mails = mailing(&api, 31).await;

    // One address follows the link of thirty readers at once; another reader elsewhere follows one too.
    let (read, scanned) = mails.split_last().unwrap();
    follow_from(&client, &read.1, "198.51.100.9").await;
    join_all(scanned.iter().map(|(_, url)| follow(&client, url))).await;
    let after = wait_until(
        || api.summary(ALL),
        |summary| summary["clicks"]["by_source"]["scanner_fanout"]["total"] == 30,
    )
    .await;
    assert_eq!((count(&after, "clicks", "human"), count(&after, "clicks", "automated")), (1, 30));
    assert_eq!((&after["clicks"]["total"], &after["opens"]["unique"]), (&1.into(), &1.into()));
    assert_eq!(api.summary("?suppress=none").await["clicks"]["total"], 31);

    // Each was believed at first, for its own mail shows nothing; the reader's verdict was never another.
    let mut told = BTreeMap::new();
    for (message, _) in &mails {
        let timeline: Value = api.timeline(message).await.json().await.unwrap();
        for (event, actors) in revisions(&timeline) {
            let (first, last) = (&actors[0], &actors[actors.len() - 1]);
            let expected = if *message == read.0 { ["human", "human"] } else { ["human", "automated"] };
            assert_eq!([first, last], expected, "{message}: {actors:?}");
            told.insert(event, actors);
        }
    }
    assert_eq!(told.len(), 31);

    // A restart reads back what it knew, and says nothing in other words.
    system.stop();
    let system = System::start_with(&data, &variables);
    assert_eq!(system.api().summary(ALL).await["clicks"], after["clicks"]);
    assert!(system.metric("trueopen_classifier_neighbour_records_total").await >= 31.0);
    system.stop();
    let said = classified(&data).await;
    assert_eq!(said.len(), told.values().map(Vec::len).sum::<usize>());
    for (event, actors) in told {
        for (index, actor) in actors.into_iter().enumerate() {
            assert_eq!(said.get(&(event.clone(), u32::try_from(index + 1).unwrap())), Some(&actor));
        }
    }
}

#[tokio::test(flavor = "multi_thread")]
async fn an_unsubscribe_in_a_scan_takes_effect_is_flagged_and_can_be_reversed() {
    let dir = tempfile::tempdir().unwrap();
    let variables = [("TRUEOPEN_TRACKER__TRUSTED_PROXIES", "127.0.0.1")];
    let system = System::start_with(&dir.path().join("data"), &variables);
    let api = system.api();
    let client = reqwest::Client::builder().redirect(reqwest::redirect::Policy::none()).build().unwrap();
    let urls: Vec<String> = (0..LINKS).map(|number| format!("https://example.com/{number}")).collect();
    let urls: Vec<&str> = urls.iter().map(String::as_str).collect();
    let (scanned, read) = (api.links("scanned", &urls).await, api.links("read", &urls).await);
    let unsubscribe = async |answer: &Value| {
        let url = answer["unsubscribe_url"].as_str().unwrap();
        let form = ("content-type", "application/x-www-form-urlencoded");
        let request = client.post(url).header("user-agent", CHROME).header("x-forwarded-for", "203.0.113.7");
        let request = request.header(form.0, form.1).body("List-Unsubscribe=One-Click");
        assert_eq!(request.send().await.unwrap().status(), 200);
    };
    unsubscribe(&read).await;
    let links = scanned["links"].as_array().unwrap();
    join_all(links.iter().map(|link| follow(&client, link["tracked_url"].as_str().unwrap()))).await;
    unsubscribe(&scanned).await;

    wait_until(|| api.summary(""), |summary| summary["unsubscribed"] == 2).await;
    let suspect = wait_until(
        || api.json("/v1/accounts/demo/unsubscribes?suspect=true"),
        |list| list["unsubscribes"].as_array().is_some_and(|list| !list.is_empty()),
    )
    .await;
    let suspect = suspect["unsubscribes"].as_array().unwrap();
    assert_eq!((suspect.len(), &suspect[0]["message_id"]), (1, &json!("scanned")));
    assert_eq!(suspect[0]["reasons"][0]["rule"], "suspect_unsubscribe");
    let path = format!("/v1/accounts/demo/unsubscribes/{}/reverse", suspect[0]["event_id"].as_str().unwrap());
    let (status, answer) = api.send(reqwest::Method::POST, &path, &Value::Null).await;
    assert!(status.is_success(), "{answer}");
    assert_eq!(api.summary("").await["unsubscribed"], 1);
    let timeline: Value = api.timeline("scanned").await.json().await.unwrap();
    let mut events = timeline["events"].as_array().unwrap().iter();
    let posted = events.find(|event| event["method"] == "POST").unwrap();
    assert_eq!(
        (&posted["unsubscribe"]["suspect"], &posted["verdict"]["actor"]),
        (&json!(true), &json!("unknown"))
    );
    assert!(posted["unsubscribe"]["reversed_at"].is_string());
    let verified = system.command(&["verify"]).output();
    assert!(verified.status.success(), "{}", String::from_utf8_lossy(&verified.stdout));
    system.stop();
}
