//! A scanner's burst against the real tracker: each of its hits is judged at once, and corrected when its neighbours give
//! it away, in the report, in the timeline and on the classified stream. Order decides here, not time.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{System, wait_until};
use engagement::{Classified, from_wire};
use futures_util::future::join_all;
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::time::Duration;
use stream::{JournalConfig, Topic, TopicConfig};

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
/// Links of the mail: enough that a burst of them shows however the machine's mood spreads it.
const LINKS: usize = 24;
const ALL: &str = "?suppress=all";

async fn follow(client: &reqwest::Client, url: &str) {
    let response = client.get(url).header("user-agent", CHROME).send().await.unwrap();
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
