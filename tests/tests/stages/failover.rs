//! Two brokers, each with a copy of everything: one dies, hits go on, and nothing is missing or doubled. Meanwhile a second
//! loader joins and leaves, once in order and once by `kill -9`, so that partitions move under load.
//!
//! `min.insync.replicas` is 1 here: with two brokers and 2 nothing would be taken while one is away. So each broker is killed
//! only once the other has a copy of all; the promise of 2 of 3 is what a place of three brokers keeps by itself.

use crate::place::{Place, TURN, engine};
use crate::steady;
use acceptance::{Brokers, Stage, wait_until};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

const RATE: u64 = 25;
/// More than will be sent.
const HITS: u64 = 3000;

/// A loader with partitions of its own.
async fn joined(place: &Place, folder: &str) -> Stage {
    let mut loader = place.start_in("load", folder);
    loader.ready().await;
    let assigned = || loader.metric("trueopen_stream_rebalanced_partitions_total");
    wait_until(assigned, |partitions| *partitions >= 1.0).await;
    loader
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_dead_broker_and_loaders_that_come_and_go_lose_and_double_nothing() {
    let _turn = TURN.lock().await;
    if !acceptance::kcat() {
        return;
    }
    let dir = tempfile::tempdir().unwrap();
    let Some(mut brokers) = Brokers::start(&dir.path().join("kafka")) else { return };
    let engine = engine(dir.path()).await;
    let place = Place::new(dir.path(), &brokers.address(), &engine).with("TRUEOPEN_KAFKA__REPLICATION", "2");
    place.command(&["migrate"]);
    let api = place.demo();
    let stages = place.start_all().await;
    let mails = steady::mails(&api, "failover", HITS).await;
    let stop = Arc::new(AtomicBool::new(false));
    let sending = tokio::spawn(steady::send(mails, RATE, Arc::clone(&stop)));
    let asked = steady::Place::of(&engine);
    let count = || async { asked.stored().await.values().sum::<u64>() };
    wait_until(count, |stored| *stored > 0).await;

    for broker in [0, 1] {
        // Each has a copy of all, so that losing one loses nothing.
        brokers.wait_in_sync();
        let before = count().await;
        brokers.kill(broker);
        // With one broker dead, hits still reach the reports.
        wait_until(count, |stored| *stored > before + 3 * RATE).await;
        let second = joined(&place, &format!("second-{broker}")).await;
        brokers.restart(broker);
        let before = count().await;
        wait_until(count, |stored| *stored > before + 2 * RATE).await;
        // Once it leaves in order, once it dies with whatever it holds.
        if broker == 0 {
            second.stop();
        } else {
            drop(second);
        }
    }
    stop.store(true, Ordering::Relaxed);
    let sent = sending.await.unwrap();
    assert_eq!(sent.answers(), sent.hits(), "the tracker was there all the time");
    let stored = wait_until(|| asked.stored(), |stored| steady::missing(&sent, stored) == 0).await;
    assert_eq!(steady::spurious(&sent, &stored), [""; 0]);
    steady::reported(&api, sent.answers()).await;
    assert!(sent.slowest < Duration::from_secs(4), "a reader waited {:?}", sent.slowest);
    println!("{} hits, the slowest answer {:?}", sent.hits(), sent.slowest);
    for stage in stages {
        stage.stop();
    }
    engine.stop().await.unwrap();
}
