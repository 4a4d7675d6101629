//! Workers over Kafka come and go, and who has lost a partition says nothing of it any more.

use super::worker::{WAIT, copies, ends, hear};
use super::{Backing as _, OverKafka, record, take};
use rdkafka::ClientConfig;
use rdkafka::producer::{BaseProducer, Producer as _};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Arc, Mutex};
use std::time::{Duration, Instant};
use stream::{Delivered, FinishError, News, Record, Topic, Worker};

/// A group that notices within two seconds that somebody asks for nothing any more.
const QUICK: &[(&str, &str)] =
    &[("session.timeout.ms", "2000"), ("max.poll.interval.ms", "2000"), ("heartbeat.interval.ms", "300")];

fn number(record: &Record) -> u64 {
    std::str::from_utf8(&record.payload).unwrap().parse().unwrap()
}

/// All that a topic shows so far.
async fn shown(topic: &Topic, partitions: &[u32]) -> Vec<Delivered> {
    let mut follower = topic.follower("test").unwrap();
    follower.assign(partitions);
    let (mut records, mut reached) = (Vec::new(), BTreeSet::new());
    while reached.len() < partitions.len() {
        let followed = tokio::time::timeout(WAIT, follower.next(1000, 1 << 20)).await.unwrap().unwrap();
        records.extend(followed.records);
        reached.extend(followed.reached);
    }
    records
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn who_slept_past_its_turn_says_nothing_visible() {
    let Some(backing) = OverKafka::<2>::new() else { return };
    let topic = backing.open_as("one", QUICK, "topic", &["group"]).await;
    let other = backing.open_as("one", QUICK, "other", &["test"]).await;
    topic.append_all((0..40).map(|number| record(number, number)).collect()).await.unwrap();
    let mut sleeper = topic.worker("group").unwrap();
    let (_, held) = hear(&mut sleeper, 40).await;

    // It asks for nothing more; another takes over, and finishes the same records.
    let topic_of_other = backing.open_as("two", QUICK, "topic", &["group"]).await;
    let mut waker = topic_of_other.worker("group").unwrap();
    let (_, again) = hear(&mut waker, 40).await;
    waker.finish(&copies(&again, &other), &ends(&again)).await.unwrap();

    // Awake again, it tells what it has to tell, once and for all it knows: refused, left out, or both.
    for _ in 0..3 {
        match sleeper.finish(&copies(&held, &other), &ends(&held)).await {
            Ok(finished) => assert!(finished.offsets.iter().all(Option::is_none), "{finished:?}"),
            Err(FinishError::Refused(refused)) => assert!(refused.is_transient(), "{refused}"),
            Err(error) => panic!("{error}"),
        }
    }
    assert_eq!(shown(&other, &[0, 1]).await.len(), 40);
    // It hears that it lost them, and may work again when the other leaves.
    let news = tokio::time::timeout(WAIT, sleeper.next(10, 1000)).await.unwrap().unwrap();
    assert!(matches!(&news, News::Revoked(_)), "{news:?}");
    drop(waker);
    topic.append(record(1, 40)).await.unwrap();
    let (assigned, last) = hear(&mut sleeper, 1).await;
    assert!(assigned.iter().any(|one| one.partition == last[0].partition));
    sleeper.finish(&copies(&last, &other), &ends(&last)).await.unwrap();
    assert_eq!(shown(&other, &[0, 1]).await.len(), 41);
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn a_life_that_was_shut_out_begins_again() {
    let Some(backing) = OverKafka::<1>::new() else { return };
    let topic = backing.open(&["group"]).await;
    let other = backing.open_beside("other", &["test"]).await;
    topic.append_all((0..10).map(|number| record(number, number)).collect()).await.unwrap();
    let mut worker = topic.worker("group").unwrap();
    let (_, held) = hear(&mut worker, 10).await;
    worker.finish(&copies(&held[..4], &other), &ends(&held[..4])).await.unwrap();
    // Another process under the same name.
    let usurper: BaseProducer = ClientConfig::new()
        .set("bootstrap.servers", &backing.broker)
        .set("transactional.id", format!("trueopen.group.{}-one", backing.name))
        .create()
        .unwrap();
    usurper.init_transactions(WAIT).unwrap();
    let undone = worker.finish(&copies(&held[4..], &other), &ends(&held)).await.unwrap_err();
    assert_eq!(undone, FinishError::Undone);
    assert!(!worker.owns(0));
    // The partition begins again where it stood.
    let news = tokio::time::timeout(WAIT, worker.next(10, 1000)).await.unwrap().unwrap();
    assert_eq!(news, News::Revoked(vec![0]));
    let (assigned, rest) = hear(&mut worker, 6).await;
    assert_eq!((assigned.len(), assigned[0].position, &rest[..]), (1, 4, &held[4..]));
    worker.finish(&copies(&rest, &other), &ends(&rest)).await.unwrap();
    let mut numbers: Vec<_> =
        shown(&other, &[0]).await.into_iter().map(|one| number(&one.record.unwrap())).collect();
    numbers.sort_unstable();
    assert_eq!(numbers, Vec::from_iter(0..10));
}

/// What happened to one member, in order.
type Diary = Arc<Mutex<Vec<News>>>;

/// Copies what comes until told to stop.
async fn member(
    mut worker: Worker,
    other: Topic,
    mut stop: tokio::sync::watch::Receiver<bool>,
    diary: Diary,
) {
    loop {
        let news = tokio::select! {
            _ = stop.wait_for(|asked| *asked) => return,
            news = worker.next(50, 1 << 20) => news.unwrap(),
        };
        diary.lock().unwrap().push(news.clone());
        match news {
            News::Assigned(partitions) => partitions.iter().for_each(|one| worker.start(one.partition)),
            News::Revoked(_) => {}
            News::Records(batch) => {
                let deadline = Instant::now() + WAIT;
                while let Err(refused) = worker.finish(&copies(&batch, &other), &ends(&batch)).await {
                    assert!(matches!(refused, FinishError::Refused(_)), "{refused}");
                    assert!(Instant::now() < deadline, "{refused}");
                }
            }
        }
    }
}

/// The partitions of a diary that are its member's in the end. News must be in order: records only of what was assigned.
fn held(diary: &Diary) -> BTreeSet<u32> {
    let mut own = BTreeSet::new();
    for news in diary.lock().unwrap().iter() {
        match news {
            News::Assigned(partitions) => {
                partitions.iter().for_each(|one| assert!(own.insert(one.partition), "assigned twice"));
            }
            News::Revoked(partitions) => own.retain(|one| !partitions.contains(one)),
            News::Records(batch) => batch.iter().for_each(|one| assert!(own.contains(&one.partition))),
        }
    }
    own
}

async fn holds(diary: &Diary, count: usize) {
    let deadline = Instant::now() + WAIT;
    while held(diary).len() != count {
        assert!(Instant::now() < deadline, "{:?}", diary.lock().unwrap());
        tokio::time::sleep(Duration::from_millis(20)).await;
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn members_come_and_go_and_every_record_is_answered_once() {
    let Some(backing) = OverKafka::<4>::new() else { return };
    let topic = backing.open(&["group"]).await;
    let other = backing.open_beside("other", &["test"]).await;
    let (stop_first, stop_second) =
        (tokio::sync::watch::Sender::new(false), tokio::sync::watch::Sender::new(false));
    let (diary, second_diary) = (Diary::default(), Diary::default());
    let first = tokio::spawn(member(
        topic.worker("group").unwrap(),
        other.clone(),
        stop_first.subscribe(),
        Arc::clone(&diary),
    ));
    holds(&diary, 4).await;
    let sending = tokio::spawn({
        let topic = topic.clone();
        async move {
            for part in 0..200 {
                let records = (part * 20..part * 20 + 20).map(|number| record(number, number));
                topic.append_all(records.collect()).await.unwrap();
            }
        }
    });
    let second_topic = backing.open_as("two", &[], "topic", &["group"]).await;
    let second = tokio::spawn(member(
        second_topic.worker("group").unwrap(),
        other.clone(),
        stop_second.subscribe(),
        Arc::clone(&second_diary),
    ));
    holds(&second_diary, 2).await;
    assert_eq!(held(&diary).len(), 2, "each has half");
    let changes = diary.lock().unwrap().iter().filter(|news| !matches!(news, News::Records(_))).count();
    assert!(changes <= 4 + 2, "what stays is not taken away for a moment: {changes} changes");
    stop_first.send_replace(true);
    first.await.unwrap();
    holds(&second_diary, 4).await;
    sending.await.unwrap();
    let mut consumer = other.consumer("test").unwrap();
    let mut counts: BTreeMap<u64, u32> = BTreeMap::new();
    for one in take(&mut consumer, 4000).await {
        *counts.entry(number(&one.record.unwrap())).or_default() += 1;
    }
    stop_second.send_replace(true);
    second.await.unwrap();
    assert_eq!(shown(&other, &[0, 1, 2, 3]).await.len(), 4000, "nothing is answered twice");
    assert_eq!(counts.len(), 4000, "nothing is skipped");
}
