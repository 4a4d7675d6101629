//! Rows into ClickHouse, for as long as it takes: the retry policy.

use crate::config::Config;
use crate::failure::{Failure, class_label};
use crate::health::Health;
use crate::metrics;
use crate::table::Table;
use clickhouse::Client;
use std::marker::PhantomData;
use std::ops::Range;
use std::time::{Duration, Instant};
use store::error::within;
use store::{DatabaseError, ErrorClass};
use tracing::{error, info, warn};

/// A row that ClickHouse refuses for what it holds.
pub(crate) struct Refused {
    /// Its place in the batch.
    pub(crate) index: usize,
    /// Why.
    pub(crate) error: DatabaseError,
}

/// One table of ClickHouse.
pub(crate) struct Sink<T> {
    client: Client,
    config: Config,
    health: Health,
    /// Failures in a row, and of which class the last one was.
    failing: Option<(u32, ErrorClass)>,
    /// Whether the schema was this program's since ClickHouse was last away.
    checked: bool,
    table: PhantomData<T>,
}

impl<T: Table> Sink<T> {
    pub(crate) fn new(client: Client, config: Config, health: Health) -> Self {
        health.bad(T::NAME, "clickhouse was not asked yet".to_owned());
        // A batch may span more months than a server expects of one insert; splitting it would only make more parts.
        let client =
            client.with_setting("async_insert", "0").with_setting("max_partitions_per_insert_block", "0");
        Self { client, config, health, failing: None, checked: false, table: PhantomData }
    }

    /// Inserts rows and returns when each is confirmed or refused for what it holds. It tries for as long as it takes.
    pub(crate) async fn store(&mut self, rows: &[T::Row]) -> Vec<Refused> {
        let mut refused = Vec::new();
        let mut waiting: Vec<Range<usize>> = std::iter::once(0..rows.len()).collect();
        while let Some(range) = waiting.pop().filter(|range| !range.is_empty()) {
            let Err(error) = self.insert_patiently(&rows[range.clone()]).await else { continue };
            if range.len() == 1 {
                refused.push(Refused { index: range.start, error });
            } else {
                let middle = range.start + range.len() / 2;
                waiting.push(middle..range.end);
                waiting.push(range.start..middle);
            }
        }
        refused
    }

    /// Returns when ClickHouse is there and its schema is this program's.
    pub(crate) async fn ready(&mut self) {
        loop {
            self.checked = false;
            match self.check().await {
                Ok(()) => return self.succeeded(),
                Err(failure) => self.failed(&failure).await,
            }
        }
    }

    /// Inserts until it succeeds or the rows themselves are refused.
    async fn insert_patiently(&mut self, rows: &[T::Row]) -> Result<(), DatabaseError> {
        loop {
            match self.insert(rows).await {
                Ok(()) => {
                    self.succeeded();
                    return Ok(());
                }
                Err(Failure::Insert(refusal)) if refusal.class() == ErrorClass::Poison => {
                    metrics::FAILURES.with_label_values(&[T::NAME, class_label(ErrorClass::Poison)]).inc();
                    // It answers, so it is there.
                    self.succeeded();
                    return Err(refusal);
                }
                Err(failure) => self.failed(&failure).await,
            }
        }
    }

    async fn insert(&mut self, rows: &[T::Row]) -> Result<(), Failure> {
        self.check().await?;
        let started = Instant::now();
        let insert = async {
            let mut insert = self.client.insert::<T::Row>(T::NAME).await?;
            for row in rows {
                insert.write(row).await?;
            }
            insert.end().await
        };
        within(self.config.insert_limit(), insert).await?;
        metrics::INSERT_SECONDS.with_label_values(&[T::NAME]).observe(started.elapsed().as_secs_f64());
        metrics::INSERT_ROWS.with_label_values(&[T::NAME]).observe(rows.len() as f64);
        Ok(())
    }

    /// The schema is looked at once after each time that ClickHouse was away: it may have come back as another.
    async fn check(&mut self) -> Result<(), Failure> {
        if !self.checked {
            // Columns that the client remembers may be another schema's.
            self.client.clear_cached_metadata().await;
            store::migrate::check(&self.client).await?;
            self.checked = true;
        }
        Ok(())
    }

    fn succeeded(&mut self) {
        if let Some((failures, _)) = self.failing.take() {
            info!(table = T::NAME, failures, "clickhouse takes rows again");
        }
        self.health.good(T::NAME);
    }

    /// Says what is wrong, the first time, and waits.
    async fn failed(&mut self, failure: &Failure) {
        let class = failure.class();
        self.checked = false;
        metrics::FAILURES.with_label_values(&[T::NAME, class_label(class)]).inc();
        self.health.bad(T::NAME, failure.to_string());
        let failures = self.failing.map_or(0, |(failures, _)| failures).saturating_add(1);
        let is_news = self.failing.is_none_or(|(_, before)| before != class);
        self.failing = Some((failures, class));
        if class == ErrorClass::Misconfigured {
            if is_news {
                error!(
                    table = T::NAME,
                    error = %failure,
                    "clickhouse takes no rows until somebody changes something, nothing is lost meanwhile"
                );
            }
        } else if is_news {
            warn!(table = T::NAME, error = %failure, "clickhouse does not take rows, trying again");
        }
        tokio::time::sleep(self.pause(class, failures)).await;
    }

    fn pause(&self, class: ErrorClass, failures: u32) -> Duration {
        match class {
            ErrorClass::Misconfigured => self.config.misconfigured_pause(),
            ErrorClass::Transient | ErrorClass::Poison => self.config.pause(failures),
        }
    }
}
