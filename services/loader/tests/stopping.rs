//! A stop with a batch in hand. Alone in its binary: the gauge of records in hand is the process's.

#![allow(clippy::unwrap_used, reason = "helpers of tests are tests")]

mod given;

use given::{given, hits, support};

#[tokio::test]
async fn what_was_taken_is_loaded_before_a_stop() {
    let mut given = given().await;
    // Nothing but the stop ends this batch.
    given.config.spacing_ms = 3_600_000;
    given.config.age_ms = 3_600_000;
    let running = given.start();
    given.hits(&hits(1)).await;
    given.loaded().await;
    given.hits(&hits(20)).await;
    support::until("the batch to be in hand", || async { given::waiting("engagement.classified") >= 20 })
        .await;
    running.stop().await;
    assert_eq!(given.classified.consumer("loader").unwrap().lag(), 0);
    assert_eq!(given.count("SELECT count() FROM events").await, 21);
}
