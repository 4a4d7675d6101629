//! A follower reads named partitions and says when it has read to the end.

use super::worker::WAIT;
use super::{Backing, OverKafka, record};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, BaseRecord, Producer as _};
use std::time::Duration;
use stream::{Delivered, Follower};

/// Reads until so many partitions were read to their end; the records, and how many of them came before that.
async fn read_to_end(follower: &mut Follower, partitions: usize) -> Vec<Delivered> {
    let (mut records, mut reached) = (Vec::new(), Vec::new());
    while reached.len() < partitions {
        let read = tokio::time::timeout(WAIT, follower.next(30, 1 << 20)).await;
        let followed = read.expect("an end is reached").unwrap();
        records.extend(followed.records);
        reached.extend(followed.reached);
    }
    reached.sort_unstable();
    reached.dedup();
    assert_eq!(reached.len(), partitions, "an end is reached once");
    records
}

pub(crate) async fn a_follower_says_when_it_has_read_to_the_end<B: Backing>() {
    let Some(backing) = B::new() else { return };
    let topic = backing.open(&["group"]).await;
    let mut follower = topic.follower("group").unwrap();
    follower.assign(&[0]);
    assert_eq!(read_to_end(&mut follower, 1).await, [], "there is nothing yet");
    // One key, so one partition; perhaps not the first.
    topic.append_all((0..100).map(|number| record(1, number)).collect()).await.unwrap();
    let partition = 'found: {
        for partition in 0..3 {
            follower.release(&[0, 1, 2]);
            follower.assign(&[partition]);
            let reading = tokio::time::timeout(Duration::from_secs(5), read_to_end(&mut follower, 1)).await;
            if reading.is_ok_and(|records| records.len() == 100) {
                break 'found partition;
            }
        }
        panic!("the records are nowhere");
    };
    // What comes later comes without another end.
    topic.append(record(1, 100)).await.unwrap();
    let later = tokio::time::timeout(WAIT, follower.next(30, 1 << 20)).await.unwrap().unwrap();
    assert_eq!((later.records[0].record.clone(), later.reached), (Ok(record(1, 100)), vec![]));
    follower.commit(partition, later.records[0].offset).unwrap();
    assert!(follower.commit(99, 0).is_err());
    follower.release(&[partition]);
    topic.append(record(1, 101)).await.unwrap();
    let none = tokio::time::timeout(Duration::from_millis(300), follower.next(30, 1 << 20)).await;
    assert!(none.is_err(), "it was released: {none:?}");
    drop(follower);
    topic.close().await;

    let topic = backing.open(&["group"]).await;
    let mut follower = topic.follower("group").unwrap();
    follower.assign(&[partition]);
    let records: Vec<_> =
        read_to_end(&mut follower, 1).await.into_iter().map(|one| one.record.unwrap()).collect();
    assert_eq!(records, [record(1, 100), record(1, 101)]);
}

/// What a transaction has written is not there and not passed by until it is decided.
#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_end_waits_for_what_is_not_decided() {
    let Some(backing) = OverKafka::<1>::new() else { return };
    let topic = backing.open(&["group"]).await;
    let other: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &backing.broker)
        .set("transactional.id", format!("{}-foreign", backing.name))
        .create()
        .unwrap();
    other.init_transactions(WAIT).unwrap();
    for (number, commit) in [(0, false), (1, true)] {
        topic.append(record(1, number)).await.unwrap();
        other.begin_transaction().unwrap();
        let name = topic.name().to_owned();
        other.send(BaseRecord::to(&name).partition(0).key("k").payload("undecided")).unwrap();
        other.flush(WAIT).unwrap();
        let mut follower = topic.follower("group").unwrap();
        follower.assign(&[0]);
        let early = tokio::time::timeout(Duration::from_secs(1), follower.next(30, 1 << 20)).await;
        assert!(early.is_err(), "the end is not decided yet: {early:?}");
        if commit {
            other.commit_transaction(WAIT).unwrap();
        } else {
            other.abort_transaction(WAIT).unwrap();
        }
        let records = read_to_end(&mut follower, 1).await;
        let undecided = records.iter().filter(|one| one.record.as_ref().unwrap().key == b"k").count();
        assert_eq!(undecided, usize::from(commit));
        assert_eq!(records.len(), number as usize + 1 + undecided);
    }
}
