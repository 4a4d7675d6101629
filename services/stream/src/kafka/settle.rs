//! Where partitions begin that a worker got: asked for until brokers say.

use super::lost;
use super::topic::Shared;
use super::working::Working;
use crate::worker::Assigned;
use rdkafka::consumer::{Consumer as _, StreamConsumer};
use rdkafka::{Offset, TopicPartitionList};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::mpsc;

/// How long brokers may take to say where a partition begins, stands and ends, before they are asked again.
const ANSWER: Duration = Duration::from_secs(5);
/// The longest pause before they are asked again.
const PAUSE: Duration = Duration::from_secs(1);

pub(super) type Client = StreamConsumer<Working>;

/// Where a partition begins, once that is known.
pub(super) struct Settled {
    pub(super) turn: u64,
    pub(super) assigned: Assigned,
}

/// Tells where partitions stand, each under the number of its assignment, until all are told or gone.
pub(super) async fn settle(
    inner: Arc<Client>,
    shared: Arc<Shared>,
    group: String,
    turns: Vec<(u32, u64)>,
    settle: mpsc::UnboundedSender<Settled>,
) {
    let mut open = turns;
    let mut pause = Duration::from_millis(50);
    while !open.is_empty() && !settle.is_closed() {
        let (client, topic, group) = (Arc::clone(&inner), shared.full_name.clone(), group.clone());
        let asked = open.clone();
        let answers = tokio::task::spawn_blocking(move || stand(&client, &topic, &group, &asked)).await;
        for settled in answers.unwrap_or_default() {
            open.retain(|(partition, _)| *partition != settled.assigned.partition);
            // Nobody to tell is somebody who left.
            let _ = settle.send(settled);
        }
        let standing = |(partition, turn): &(u32, u64)| {
            inner.context().standing().own.get(partition).is_some_and(|own| own.turn == *turn)
        };
        open.retain(standing);
        if !open.is_empty() {
            tokio::time::sleep(pause).await;
            pause = (pause * 2).min(PAUSE);
        }
    }
}

/// Where partitions stand, as far as brokers say. A position is said only when no transaction is open on it. May wait.
fn stand(client: &Client, topic: &str, group: &str, partitions: &[(u32, u64)]) -> Vec<Settled> {
    let mut list = TopicPartitionList::new();
    for (partition, _) in partitions {
        list.add_partition(topic, i32::try_from(*partition).unwrap_or(i32::MAX));
    }
    let committed = match client.committed_offsets(list, ANSWER) {
        Ok(committed) => committed,
        Err(error) => {
            tracing::debug!(%error, "the group's positions are not known yet");
            return Vec::new();
        }
    };
    let mut settled = Vec::new();
    for element in committed.elements() {
        let number = element.partition();
        let turn = partitions.iter().find(|(partition, _)| i32::try_from(*partition) == Ok(number));
        let (Some((partition, turn)), Ok(())) = (turn, element.error()) else { continue };
        let Ok((oldest, end)) = client.fetch_watermarks(topic, number, ANSWER) else { continue };
        let (oldest, end) = (u64::try_from(oldest).unwrap_or(0), u64::try_from(end).unwrap_or(0));
        let position = match element.offset() {
            Offset::Offset(offset) => u64::try_from(offset).unwrap_or(0),
            _ => oldest,
        };
        lost::before(topic, group, position, oldest);
        let assigned = Assigned { partition: *partition, position: position.max(oldest), end };
        settled.push(Settled { turn: *turn, assigned });
    }
    settled
}
