//! How the loader works: every bound, and what happens at it.

use serde::{Deserialize, Serialize};
use std::time::Duration;

/// The loader's settings.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize, Serialize)]
#[serde(default, deny_unknown_fields)]
pub struct Config {
    /// The consumer group under which it reads its topics.
    pub group: String,
    /// So many rows make a batch full: it is inserted at once, and more records wait in their topic. Shows in
    /// `trueopen_loader_insert_rows`.
    pub batch_rows: usize,
    /// So many bytes of records make a batch full, as `batch_rows` does; one longer record is taken alone. Each topic's
    /// batch takes about three times this in memory. Shows in `trueopen_loader_waiting_records`.
    pub batch_bytes: usize,
    /// A batch that is not full is inserted when its topic runs dry, but not sooner than this after the last insert into
    /// the table: a quiet system shows a hit at once, and a busy one makes few large parts. Milliseconds.
    pub spacing_ms: u64,
    /// A batch is inserted when its first record has waited so long, even if the topic never runs dry. Milliseconds.
    pub age_ms: u64,
    /// An insert without an answer after so many seconds counts as failed and is made again; should it happen after all,
    /// its rows are the same. Shows in `trueopen_loader_insert_failures_total{class="transient"}`.
    pub insert_seconds: u64,
    /// The first pause after a failure that passes by itself; each further pause doubles. Milliseconds.
    pub retry_first_ms: u64,
    /// No such pause is longer. Milliseconds.
    pub retry_cap_ms: u64,
    /// The pause after a failure that a person has to resolve. Meanwhile the loader is not ready, and records wait in
    /// their topics. Shows in `trueopen_loader_insert_failures_total{class="misconfigured"}`. Seconds.
    pub misconfigured_seconds: u64,
    /// How often ClickHouse is asked whether it is there while nothing is to be loaded, and how often accounts' retention
    /// settings are compared with those that rows were written under. Seconds.
    pub look_seconds: u64,
    /// How long the batch in hand may take after a stop was asked for. Past it the batch is left for the next start:
    /// repeated, not lost. Seconds.
    pub stop_seconds: u64,
    /// The least time between two rounds of rolling up; a round that takes longer is followed by a pause as long. Until its
    /// round, a message of which something was inserted is counted from the events. Shows in
    /// `trueopen_loader_rollup_lag_seconds`. Seconds.
    pub rollup_seconds: u64,
    /// So many touched messages are rolled up at a time; more wait for the next round, or are taken in pieces. A round takes
    /// about two kilobytes of memory for each. Shows in `trueopen_loader_rollup_waiting_messages`.
    pub rollup_messages: u64,
    /// How long a message goes on being counted from the events after its roll-up was stored: longer than it may take from
    /// the first to the last table that one report begins to read, and than replicas may be behind each other. Seconds.
    pub rollup_settle_seconds: u64,
}

impl Default for Config {
    fn default() -> Self {
        Self {
            group: "loader".to_owned(),
            batch_rows: 50_000,
            batch_bytes: 32 << 20,
            spacing_ms: 500,
            age_ms: 1000,
            insert_seconds: 120,
            retry_first_ms: 100,
            retry_cap_ms: 5000,
            misconfigured_seconds: 10,
            look_seconds: 10,
            stop_seconds: 10,
            rollup_seconds: 5,
            rollup_messages: 250_000,
            rollup_settle_seconds: 10,
        }
    }
}

/// A setting that can't be worked with.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("loader.{field} must not be 0")]
pub struct ConfigError {
    /// The setting.
    pub field: &'static str,
}

impl Config {
    pub(crate) fn check(&self) -> Result<(), ConfigError> {
        let zero = [
            ("batch_rows", self.batch_rows == 0),
            ("batch_bytes", self.batch_bytes == 0),
            ("insert_seconds", self.insert_seconds == 0),
            ("retry_first_ms", self.retry_first_ms == 0),
            ("misconfigured_seconds", self.misconfigured_seconds == 0),
            ("look_seconds", self.look_seconds == 0),
            ("rollup_messages", self.rollup_messages == 0),
        ];
        zero.into_iter().find(|(_, is_zero)| *is_zero).map_or(Ok(()), |(field, _)| Err(ConfigError { field }))
    }

    pub(crate) fn spacing(&self) -> Duration {
        Duration::from_millis(self.spacing_ms)
    }

    pub(crate) fn age(&self) -> Duration {
        Duration::from_millis(self.age_ms)
    }

    pub(crate) fn insert_limit(&self) -> Duration {
        Duration::from_secs(self.insert_seconds)
    }

    pub(crate) fn misconfigured_pause(&self) -> Duration {
        Duration::from_secs(self.misconfigured_seconds)
    }

    pub(crate) fn look_every(&self) -> Duration {
        Duration::from_secs(self.look_seconds)
    }

    pub(crate) fn stop_limit(&self) -> Duration {
        Duration::from_secs(self.stop_seconds)
    }

    pub(crate) fn rollup_every(&self) -> Duration {
        Duration::from_secs(self.rollup_seconds)
    }

    pub(crate) fn rollup_settle(&self) -> Duration {
        Duration::from_secs(self.rollup_settle_seconds)
    }

    /// The pause after so many failures in a row, the first being 1.
    pub(crate) fn pause(&self, failures: u32) -> Duration {
        let doubled = self.retry_first_ms.saturating_mul(1 << failures.saturating_sub(1).min(20));
        Duration::from_millis(doubled.min(self.retry_cap_ms.max(self.retry_first_ms)))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn pauses_double_up_to_their_cap() {
        let config = Config::default();
        let pauses: Vec<_> = (1..=8).map(|failures| config.pause(failures).as_millis()).collect();
        assert_eq!(pauses, [100, 200, 400, 800, 1600, 3200, 5000, 5000]);
        assert_eq!(config.pause(u32::MAX).as_millis(), 5000);
    }

    #[test]
    fn a_bound_of_nothing_is_named() {
        assert_eq!(Config::default().check(), Ok(()));
        let none = Config { batch_rows: 0, ..Config::default() };
        assert_eq!(none.check().unwrap_err().to_string(), "loader.batch_rows must not be 0");
        assert!(serde_json::from_str::<Config>(r#"{"bach_rows": 1}"#).is_err());
    }
}
