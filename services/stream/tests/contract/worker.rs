//! A worker's output and position become durable together.

use super::{Backing, record, take};
use std::collections::BTreeMap;
use std::time::Duration;
use stream::{
    AppendError, Assigned, Delivered, FinishError, GroupError, News, Output, Record, Topic, Worker,
};

pub(crate) const WAIT: Duration = Duration::from_secs(30);

/// Hears what comes, starting what is assigned, until there are so many records; the assignments and the records.
pub(crate) async fn hear(worker: &mut Worker, count: usize) -> (Vec<Assigned>, Vec<Delivered>) {
    let (mut assigned, mut records) = (Vec::new(), Vec::new());
    while records.len() < count {
        let news = tokio::time::timeout(WAIT, worker.next(count - records.len(), 1 << 20)).await;
        match news.expect("news arrive").unwrap() {
            News::Assigned(partitions) => {
                partitions.iter().for_each(|one| worker.start(one.partition));
                assigned.extend(partitions);
            }
            News::Revoked(partitions) => {
                records.retain(|one: &Delivered| !partitions.contains(&one.partition));
            }
            News::Records(batch) => records.extend(batch),
        }
    }
    (assigned, records)
}

/// One past the last record of each partition.
pub(crate) fn ends(records: &[Delivered]) -> Vec<(u32, u64)> {
    let mut ends = BTreeMap::new();
    for one in records {
        ends.insert(one.partition, one.offset + 1);
    }
    ends.into_iter().collect()
}

/// Each record again, for another topic.
pub(crate) fn copies<'a>(records: &[Delivered], topic: &'a Topic) -> Vec<Output<'a>> {
    let copy = |one: &Delivered| Output { topic, source: one.partition, record: one.record.clone().unwrap() };
    records.iter().map(copy).collect()
}

pub(crate) async fn a_worker_writes_and_moves_on_together<B: Backing>() {
    let Some(backing) = B::new() else { return };
    let (topic, other) = (backing.open(&["group"]).await, backing.open_beside("other", &["test"]).await);
    topic.append_all((0..100).map(|number| record(number, number)).collect()).await.unwrap();
    let mut worker = topic.worker("group").unwrap();
    assert!(!worker.owns(0));
    let (assigned, first) = hear(&mut worker, 60).await;
    assert!(assigned.iter().all(|one| one.position == 0 && worker.owns(one.partition)));
    assert_eq!(assigned.iter().map(|one| one.end).sum::<u64>(), 100);
    let outputs = copies(&first[..40], &other);
    let finished = worker.finish(&outputs, &ends(&first[..40])).await.unwrap();
    // Each is where the worker says.
    let mut written = take(&mut other.consumer("test").unwrap(), 40).await;
    for (output, offset) in outputs.iter().zip(&finished.offsets) {
        let at = written.iter().position(|one| one.record == Ok(output.record.clone())).unwrap();
        assert_eq!(Some(written.remove(at).offset), *offset);
    }
    drop(worker);
    topic.close().await;

    let topic = backing.open(&["group"]).await;
    let mut worker = topic.worker("group").unwrap();
    let (assigned, rest) = hear(&mut worker, 60).await;
    let not_finished = |one: &&Delivered| {
        let end = ends(&first[..40]).into_iter().find(|(partition, _)| *partition == one.partition);
        end.is_none_or(|(_, end)| one.offset >= end)
    };
    assert!(
        first.iter().filter(not_finished).all(|one| rest.contains(one)),
        "not finished, so it comes again"
    );
    assert!(rest.iter().all(|one| not_finished(&one)));
    assert_eq!(assigned.iter().map(|one| one.position).sum::<u64>(), 40);
    // Moved or not: a position goes with every output.
    let position = assigned[0].position;
    worker.finish(&copies(&rest[..0], &other), &[(assigned[0].partition, position)]).await.unwrap();
}

pub(crate) async fn what_is_no_position_is_not_finished<B: Backing>() {
    let Some(backing) = B::new() else { return };
    let topic = backing.open(&["group"]).await;
    assert!(matches!(topic.worker("other"), Err(GroupError::Unknown { .. })));
    assert!(matches!(topic.follower("other"), Err(GroupError::Unknown { .. })));
    topic.append(record(1, 1)).await.unwrap();
    let mut worker = topic.worker("group").unwrap();
    let (_, records) = hear(&mut worker, 1).await;
    let (partition, end) = ends(&records)[0];
    let beyond = worker.finish(&[], &[(partition, end + 5)]).await.unwrap_err();
    assert!(matches!(beyond, FinishError::Position(GroupError::NoSuchOffset { .. })), "{beyond}");
    let large = Record { key: Vec::new(), payload: vec![0; 20_000].into() };
    assert!(matches!(topic.takes(&large), Err(AppendError::TooLarge { bytes, limit, .. }) if bytes > limit));
    assert_eq!(topic.takes(&record(1, 1)), Ok(()));
    let large = Output { topic: &topic, source: partition, record: large };
    let refused = worker.finish(&[large], &[(partition, end)]).await.unwrap_err();
    assert!(matches!(refused, FinishError::Refused(AppendError::TooLarge { .. })), "{refused}");
    worker.finish(&[], &[(partition, end)]).await.unwrap();
}
