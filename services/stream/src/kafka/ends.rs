//! Where partitions end, open transactions included: what a reader of committed records can't ask.

use super::settings::KafkaConfig;
use rdkafka::config::FromClientConfig as _;
use rdkafka::consumer::{BaseConsumer, Consumer as _};
use std::sync::{Mutex, PoisonError};
use std::time::Duration;

/// How long brokers may take to answer.
const ANSWER: Duration = Duration::from_secs(2);

/// One client for all who ask, made when first asked.
pub(super) struct Ends {
    config: KafkaConfig,
    client: Mutex<Option<BaseConsumer>>,
}

impl Ends {
    pub(super) fn new(config: KafkaConfig) -> Self {
        Self { config, client: Mutex::default() }
    }

    /// One past the newest record of a partition, visible or not; `None` when brokers don't say. May wait for them.
    pub(super) fn of(&self, topic: &str, partition: u32) -> Option<u64> {
        let mut client = self.client.lock().unwrap_or_else(PoisonError::into_inner);
        if client.is_none() {
            match BaseConsumer::from_config(&self.config.uncommitted()) {
                Ok(made) => *client = Some(made),
                Err(error) => tracing::error!(%error, "a client that asks for ends could not be made"),
            }
        }
        let client = client.as_ref()?;
        // Its own words pile up until they are asked for.
        while client.poll(Duration::ZERO).is_some() {}
        let number = i32::try_from(partition).unwrap_or(i32::MAX);
        match client.fetch_watermarks(topic, number, ANSWER) {
            Ok((_, end)) => u64::try_from(end).ok(),
            Err(error) => {
                tracing::debug!(partition, %error, "a partition's end is not known yet");
                // It reads nothing, so nothing else tells it that a partition has another leader.
                let _ = client.fetch_metadata(Some(topic), ANSWER);
                None
            }
        }
    }
}
