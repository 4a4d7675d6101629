//! The engine dies while rows are on their way, again and again; and the loader does.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod given;

use given::{given_over, hits, support};
use std::process::Command;
use store::Connection;

fn kill(pid: u32) {
    let status = Command::new("kill").args(["-9", &pid.to_string()]).status().unwrap();
    assert!(status.success());
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn nothing_is_lost_and_nothing_doubled() {
    let engine = support::start(&support::scratch("outage")).await;
    let connection = support::connection(&engine, "outage");
    store::migrate(&connection.client()).await.unwrap();
    let mut given = given_over(connection);
    // Many inserts: each kill meets one, or the wait for the engine.
    given.config.batch_rows = 500;
    let rounds = 4;
    let each = 10_000;
    let mut running = given.start();
    for round in 0..rounds {
        given.hits(&hits(each)).await;
        support::until("some rows of this round", || async {
            let lag = given.classified.consumer("loader").unwrap().lag();
            lag < (each - 1000) as u64
        })
        .await;
        let pid = engine.pid().unwrap();
        kill(pid);
        support::until("another engine", || async { engine.pid().is_some_and(|now| now != pid) }).await;
        if round % 2 == 1 {
            running.kill().await;
            running = given.start();
        }
    }
    given.loaded().await;
    support::until("readiness", || async { running.health.check().is_ok() }).await;
    let all = (rounds * each) as u64;
    assert_eq!(given.count("SELECT uniqExact(event_id) FROM events").await, all, "nothing is lost");
    assert_eq!(given.count("SELECT count() FROM events FINAL").await, all, "nothing is doubled");
    assert_eq!(engine.restarts(), rounds as u64);
    running.stop().await;
    engine.stop().await.unwrap();
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn readiness_tells_whether_the_engine_is_there() {
    let engine = support::start(&support::scratch("readiness")).await;
    let connection = support::connection(&engine, "readiness");
    store::migrate(&connection.client()).await.unwrap();
    let given = given_over(connection);
    let running = given.start();
    support::until("readiness", || async { running.health.check().is_ok() }).await;
    // Nothing is to be loaded: the loader finds out by itself.
    engine.stop().await.unwrap();
    support::until("the outage to show", || async { running.health.check().is_err() }).await;
    let why = running.health.check().unwrap_err();
    assert!(why.contains("not reachable"), "{why}");
    running.stop().await;
}

#[tokio::test]
async fn a_stop_without_a_database_leaves_the_batch_for_the_next_start() {
    let mut given = given_over(support::migrated().await);
    given.config.stop_seconds = 1;
    let there = given.connection.clone();
    given.hits(&hits(20)).await;
    given.connection = Connection { url: "http://127.0.0.1:9".to_owned(), ..there.clone() };
    let running = given.start();
    support::until("the outage to show", || async { running.health.check().is_err() }).await;
    running.stop().await;
    assert_eq!(given.classified.consumer("loader").unwrap().lag(), 20, "the position did not move");

    given.connection = there;
    let running = given.start();
    given.loaded().await;
    assert_eq!(given.count("SELECT count() FROM events").await, 20);
    running.stop().await;
}
