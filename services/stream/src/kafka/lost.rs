//! Records that retention dropped before a group had read them: counted and said, for each is an event that no report has.

use crate::metrics;
use rdkafka::consumer::{BaseConsumer, Consumer as _, ConsumerContext};
use rdkafka::{Offset, TopicPartitionList};
use std::time::Duration;

/// How long brokers may take to say where a group stands and where a partition begins. They have just answered, for they
/// gave the partitions; without an answer nothing is said.
const ANSWER: Duration = Duration::from_secs(2);

/// Looks whether partitions that a group got begin behind where it stands, before librdkafka silently goes on from there.
pub(super) fn at_assignment<C: ConsumerContext>(
    consumer: &BaseConsumer<C>,
    topic: &str,
    group: &str,
    partitions: &TopicPartitionList,
) {
    let mut list = TopicPartitionList::new();
    for element in partitions.elements() {
        list.add_partition(element.topic(), element.partition());
    }
    if list.count() == 0 {
        return;
    }
    let committed = match consumer.committed_offsets(list, ANSWER) {
        Ok(committed) => committed,
        Err(error) => return tracing::debug!(%error, "where the group stands is not known"),
    };
    for element in committed.elements() {
        let Offset::Offset(position) = element.offset() else { continue };
        let oldest = consumer.fetch_watermarks(topic, element.partition(), ANSWER).map(|(oldest, _)| oldest);
        if let (Ok(position), Ok(Ok(oldest))) = (u64::try_from(position), oldest.map(u64::try_from)) {
            before(topic, group, position, oldest);
        }
    }
}

/// Notes that a group's position lay before the oldest record.
pub(super) fn before(topic: &str, group: &str, position: u64, oldest: u64) {
    count(topic, group, oldest.saturating_sub(position));
}

/// Judges a gap that came between two records: what lies before the oldest record was dropped, the rest are numbers that no
/// record has, such as the marks of transactions.
pub(super) fn in_gap(topic: &str, group: &str, gap: Option<(u64, u64)>, oldest: i64) {
    let (Some((from, to)), Ok(oldest)) = (gap, u64::try_from(oldest)) else { return };
    count(topic, group, oldest.min(to).saturating_sub(from));
}

fn count(topic: &str, group: &str, records: u64) {
    if records == 0 {
        return;
    }
    metrics::DROPPED_UNREAD.with_label_values(&[topic, group]).inc_by(records);
    tracing::error!(
        topic,
        group,
        records,
        "retention dropped records before this group had read them: lengthen the topic's retention.ms or add members"
    );
}
