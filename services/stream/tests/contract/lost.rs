//! Records that retention dropped before a group had read them are counted.

use super::worker::{ends, hear};
use super::{Backing as _, OverKafka, commit, record, take};
use rdkafka::admin::{AdminClient, AdminOptions};
use rdkafka::client::DefaultClientContext;
use rdkafka::{ClientConfig, Offset, TopicPartitionList};

fn dropped(topic: &str, group: &str) -> u64 {
    let families = prometheus::gather();
    let all = families.iter().filter(|one| one.name() == "trueopen_stream_dropped_unread_records_total");
    let metrics = all.flat_map(|family| family.get_metric());
    let of = metrics.filter(|one| {
        let label = |value: &str| one.get_label().iter().any(|label| label.value() == value);
        label(topic) && label(group)
    });
    of.map(|one| one.get_counter().get_value() as u64).sum()
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn what_retention_drops_unread_is_counted() {
    let Some(backing) = OverKafka::<1>::new() else { return };
    let topic = backing.open(&["readers", "workers"]).await;
    let name = format!("{}-topic", backing.name);
    topic.append_all((0..100).map(|number| record(1, number)).collect()).await.unwrap();
    let mut consumer = topic.consumer("readers").unwrap();
    let read = take(&mut consumer, 10).await;
    commit(&consumer, &read);
    let mut worker = topic.worker("workers").unwrap();
    let (_, first) = hear(&mut worker, 20).await;
    worker.finish(&[], &ends(&first)).await.unwrap();
    drop((consumer, worker));
    topic.close().await;

    let admin: AdminClient<DefaultClientContext> =
        ClientConfig::new().set("bootstrap.servers", &backing.broker).create().unwrap();
    let mut before = TopicPartitionList::new();
    before.add_partition_offset(&name, 0, Offset::Offset(50)).unwrap();
    admin.delete_records(&before, &AdminOptions::new()).await.unwrap();

    let topic = backing.open(&["readers", "workers"]).await;
    let mut consumer = topic.consumer("readers").unwrap();
    assert_eq!(take(&mut consumer, 50).await[0].offset, 50);
    let mut worker = topic.worker("workers").unwrap();
    let (assigned, rest) = hear(&mut worker, 50).await;
    assert_eq!((assigned[0].position, rest[0].offset), (50, 50));
    assert_eq!((dropped(&name, "readers"), dropped(&name, "workers")), (40, 30));
}
