//! Power cuts under load: every hit that was answered is in the report, once.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

use acceptance::{System, wait_until};
use serde_json::Value;
use std::collections::BTreeMap;
use std::path::Path;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::Duration;

const CHROME: &str = "Mozilla/5.0 (Windows NT 10.0; Win64; x64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/142.0.0.0 Safari/537.36";
/// The messages that are hit.
const MESSAGES: usize = 8;
/// Clients that ask at once.
const CLIENTS: usize = 8;

/// Hits pixels until told to stop or the tracker is gone; counts what was answered and what was sent by message.
async fn load(
    pixels: Arc<Vec<String>>,
    stop: Arc<AtomicBool>,
    answered: Arc<Vec<AtomicUsize>>,
    sent: Arc<Vec<AtomicUsize>>,
    first: usize,
) {
    let client = reqwest::Client::new();
    let mut turn = first;
    while !stop.load(Ordering::Relaxed) {
        let index = turn % MESSAGES;
        turn += 1;
        sent[index].fetch_add(1, Ordering::Relaxed);
        let Ok(response) = client.get(&pixels[index]).header("user-agent", CHROME).send().await else {
            return;
        };
        if response.status() == 200 && response.bytes().await.is_ok() {
            answered[index].fetch_add(1, Ordering::Relaxed);
        }
    }
}

/// The pixel of a message, with the port of the tracker as it is now: a new start takes a new port.
fn at(url: &str, system: &System) -> String {
    let path = url.find("/o/").unwrap();
    format!("{}{}", system.tracker(), &url[path..])
}

async fn opens(system: &System, index: usize) -> u64 {
    let timeline = system.api().timeline(&format!("m{index}")).await;
    if timeline.status() != 200 {
        return 0;
    }
    let timeline: Value = timeline.json().await.unwrap();
    let mut ids = BTreeMap::new();
    for entry in timeline["events"].as_array().unwrap() {
        if entry["type"] == "open" {
            *ids.entry(entry["event_id"].as_str().unwrap().to_owned()).or_insert(0) += 1;
        }
    }
    assert!(ids.values().all(|count| *count == 1), "an event stands twice in the timeline");
    ids.len() as u64
}

#[tokio::test(flavor = "multi_thread")]
async fn every_answered_hit_survives_five_kills_of_the_whole_tree() {
    let dir = tempfile::tempdir().unwrap();
    let data: &Path = &dir.path().join("data");
    let counters = || Arc::new((0..MESSAGES).map(|_| AtomicUsize::new(0)).collect::<Vec<_>>());
    let (answered, sent) = (counters(), counters());
    let mut urls = Vec::new();
    for round in 0..5_u64 {
        let system = System::start(data);
        if urls.is_empty() {
            for index in 0..MESSAGES {
                let links = system.api().links(&format!("m{index}"), &[]).await;
                urls.push(links["pixel_url"].as_str().unwrap().to_owned());
            }
        }
        let pixels: Arc<Vec<String>> = Arc::new(urls.iter().map(|url| at(url, &system)).collect());
        let stop = Arc::new(AtomicBool::new(false));
        let before: usize = answered.iter().map(|count| count.load(Ordering::Relaxed)).sum();
        let clients: Vec<_> = (0..CLIENTS)
            .map(|first| {
                tokio::spawn(load(pixels.clone(), stop.clone(), answered.clone(), sent.clone(), first))
            })
            .collect();
        // Killed while the loader is at work, at another moment each time, once a fair number was answered.
        let many = || async { answered.iter().map(|count| count.load(Ordering::Relaxed)).sum::<usize>() };
        wait_until(many, |count| *count >= before + 300).await;
        tokio::time::sleep(Duration::from_millis(137 * round)).await;
        system.kill();
        for client in clients {
            client.await.unwrap();
        }
    }

    let system = System::start(data);
    // What was written and not answered may still be on its way: the timelines and the report are read until they agree.
    let both = || async {
        let mut counts = Vec::new();
        for index in 0..MESSAGES {
            counts.push(opens(&system, index).await);
        }
        let classifier = system.metric("trueopen_classifier_lag_records").await;
        let lag = classifier + system.metric("trueopen_loader_lag_records").await;
        (counts, system.api().summary("?suppress=none").await, lag)
    };
    let (counts, summary, _) = wait_until(both, |(counts, summary, lag)| {
        let all_there = counts
            .iter()
            .zip(answered.iter())
            .all(|(count, least)| *count >= least.load(Ordering::Relaxed) as u64);
        all_there && *lag == 0.0 && summary["opens"]["total"].as_u64() == Some(counts.iter().sum())
    })
    .await;
    for (index, count) in counts.iter().enumerate() {
        let most = sent[index].load(Ordering::Relaxed) as u64;
        assert!(*count <= most, "message {index}: {count} events of {most} hits");
    }
    let total: u64 = counts.iter().sum();
    assert_eq!(summary["opens"]["unique"], MESSAGES);
    system.stop();

    // The read positions are hints: without them the whole journal is read again, and no figure moves.
    let mut removed = 0;
    for topic in std::fs::read_dir(data.join("journal")).unwrap() {
        let positions = topic.unwrap().path().join("positions");
        if positions.exists() {
            removed += std::fs::read_dir(&positions).unwrap().count();
            std::fs::remove_dir_all(positions).unwrap();
        }
    }
    assert!(removed > 0, "there were no positions to lose");
    let system = System::start(data);
    let all = |name| {
        let system = &system;
        async move { system.metric(name).await }
    };
    wait_until(|| all("trueopen_loader_loaded_records_total"), |loaded| *loaded >= total as f64).await;
    let again = system.api().summary("?suppress=none").await;
    for figure in ["opens", "clicks", "sent", "delivered"] {
        assert_eq!(again[figure], summary[figure], "{figure}");
    }
    system.stop();
}

#[tokio::test(flavor = "multi_thread")]
async fn a_dead_engine_is_started_again_and_nothing_is_lost() {
    let dir = tempfile::tempdir().unwrap();
    let system = System::start(&dir.path().join("data"));
    let links = system.api().links("m0", &[]).await;
    let pixel = links["pixel_url"].as_str().unwrap();
    let client = reqwest::Client::new();
    let hit = || async {
        assert_eq!(client.get(pixel).header("user-agent", CHROME).send().await.unwrap().status(), 200)
    };
    hit().await;
    wait_until(|| opens(&system, 0), |count| *count == 1).await;
    let engine = system.processes().into_iter().find(|id| *id != system.id()).unwrap();
    rustix::process::kill_process(
        rustix::process::Pid::from_raw(i32::try_from(engine).unwrap()).unwrap(),
        rustix::process::Signal::KILL,
    )
    .unwrap();
    // Readers are served while it is away.
    for _ in 0..20 {
        hit().await;
    }
    let count = wait_until(
        || async {
            let summary = system.api().get("/v1/accounts/demo/reports/summary?suppress=none").await;
            let summary: Value = summary.json().await.unwrap();
            summary["opens"]["total"].as_u64().unwrap_or(0)
        },
        |count| *count == 21,
    )
    .await;
    assert_eq!(count, 21);
    let metric = |name| system.metric(name);
    assert_eq!(metric("trueopen_tracker_received_hits_total").await, 21.0);
    assert_eq!(
        metric("trueopen_tracker_received_hits_total").await,
        metric("trueopen_tracker_journaled_hits_total").await
            + metric("trueopen_tracker_refused_hits_total").await,
        "received = journaled + refused"
    );
    system.stop();
}
