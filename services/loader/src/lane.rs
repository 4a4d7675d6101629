//! One topic into one table: collect a batch, insert it, set aside what was refused, move the position.

use crate::batch::Batch;
use crate::config::Config;
use crate::dead::{self, Dead};
use crate::health::Health;
use crate::retention::Retention;
use crate::sink::Sink;
use crate::table::Table;
use crate::{LoaderError, metrics};
use clickhouse::Client;
use runtime::Shutdown;
use store::{Accounts, Directory};
use stream::{Consumer, Delivered, ReadError, Topic};
use tokio::time::Instant;
use tracing::{info, warn};

/// So many records at most are taken and read in one go: other tasks have their turn between.
const TAKEN_AT_ONCE: usize = 2048;

/// What both lanes share.
pub(crate) struct Place {
    pub(crate) config: Config,
    pub(crate) client: Client,
    pub(crate) directory: Directory,
    pub(crate) dead_letter: Topic,
    pub(crate) health: Health,
}

/// The way from a topic to a table.
pub(crate) struct Lane<T: Table> {
    config: Config,
    topic: String,
    consumer: Consumer,
    sink: Sink<T>,
    dead_letter: Topic,
    retention: Retention,
    accounts: Accounts,
    /// When the last insert was made.
    inserted: Option<Instant>,
    /// When ClickHouse was last asked for its own sake, and retention compared.
    looked: Instant,
    /// Failed reads in a row.
    read_failures: u32,
}

/// What collecting ended with.
enum Collected {
    /// Something may be in hand: load it and go on.
    More,
    /// The stop was asked for or the topic ended: load what is in hand and end.
    Last,
}

impl<T: Table> Lane<T> {
    pub(crate) fn build(place: &Place, topic: &Topic) -> Result<Self, LoaderError> {
        metrics::prepare(topic.name(), T::NAME);
        Ok(Self {
            topic: topic.name().to_owned(),
            consumer: topic.consumer(&place.config.group)?,
            sink: Sink::new(place.client.clone(), place.config.clone(), place.health.clone()),
            dead_letter: place.dead_letter.clone(),
            retention: Retention::new(place.directory.clone(), T::NAME),
            accounts: Accounts::new(place.client.clone()),
            config: place.config.clone(),
            inserted: None,
            looked: Instant::now(),
            read_failures: 0,
        })
    }

    /// Loads until the stop or the end of the topic.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), LoaderError> {
        let stop = shutdown.clone().requested();
        tokio::pin!(stop);
        tokio::select! {
            biased;
            () = &mut stop => return Ok(()),
            () = self.sink.ready() => {}
        }
        info!(topic = %self.topic, table = T::NAME, "loading");
        loop {
            let mut batch = Batch::default();
            let collected = self.collect(&mut batch, &shutdown).await;
            let stop_limit = self.config.stop_limit();
            let too_late = async {
                shutdown.clone().requested().await;
                tokio::time::sleep(stop_limit).await;
            };
            let records = batch.records();
            tokio::select! {
                biased;
                done = self.load(batch) => done?,
                () = too_late => {
                    warn!(topic = %self.topic, records, "stopped before the batch in hand was loaded, it comes again");
                    return Ok(());
                }
            }
            if matches!(collected, Collected::Last) {
                return Ok(());
            }
            tokio::select! {
                biased;
                () = &mut stop => return Ok(()),
                () = self.look() => {}
            }
        }
    }

    /// Fills a batch until it is full, old, or the topic is dry and the last insert long enough ago.
    async fn collect(&mut self, batch: &mut Batch<T>, shutdown: &Shutdown) -> Collected {
        let stop = shutdown.clone().requested();
        tokio::pin!(stop);
        self.retention.begin();
        let mut began = Instant::now();
        loop {
            let room = (self.config.batch_rows - batch.records()).min(TAKEN_AT_ONCE);
            let room_bytes = self.config.batch_bytes - batch.bytes();
            let due = if batch.is_empty() {
                self.looked + self.config.look_every()
            } else {
                let spaced = self.inserted.map_or(began, |inserted| inserted + self.config.spacing());
                spaced.min(began + self.config.age())
            };
            let next = tokio::select! {
                biased;
                () = &mut stop => return Collected::Last,
                next = self.consumer.next(room, room_bytes) => next,
                () = tokio::time::sleep_until(due) => return Collected::More,
            };
            match next {
                Ok(records) => {
                    self.read_failures = 0;
                    if batch.is_empty() {
                        began = Instant::now();
                    }
                    self.take(batch, records);
                }
                Err(ReadError::Closed) => return Collected::Last,
                Err(ReadError::Backing(reason)) => {
                    self.read_failures = self.read_failures.saturating_add(1);
                    if self.read_failures == 1 {
                        warn!(topic = %self.topic, %reason, "can't read, trying again");
                    }
                    tokio::select! {
                        biased;
                        () = &mut stop => return Collected::Last,
                        () = tokio::time::sleep(self.config.pause(self.read_failures)) => return Collected::More,
                    }
                }
            }
            let is_full =
                batch.records() >= self.config.batch_rows || batch.bytes() >= self.config.batch_bytes;
            if is_full || began.elapsed() >= self.config.age() {
                return Collected::More;
            }
        }
    }

    fn take(&mut self, batch: &mut Batch<T>, records: Vec<Delivered>) {
        let topic = [self.topic.as_str()];
        metrics::CONSUMED.with_label_values(&topic).inc_by(records.len() as u64);
        for record in records {
            batch.take(record, &self.topic, &mut self.retention);
        }
        metrics::WAITING.with_label_values(&topic).set(i64::try_from(batch.records()).unwrap_or(i64::MAX));
    }

    /// Makes all of a batch durable, one way or the other, then moves the position behind it, then counts it.
    async fn load(&mut self, batch: Batch<T>) -> Result<(), LoaderError> {
        if batch.is_empty() {
            return Ok(());
        }
        let Batch { rows, sources, mut dead, ends, .. } = batch;
        let refused = self.sink.store(&rows).await;
        self.inserted = Some(Instant::now());
        let loaded = rows.len() - refused.len();
        let mut sources: Vec<_> = sources.into_iter().map(Some).collect();
        for refusal in refused {
            if let Some(source) = sources[refusal.index].take() {
                dead.push(Dead::new(&self.topic, source, "refused", refusal.error.to_string()));
            }
        }
        dead::set_aside(&dead, &self.topic, &self.dead_letter, &self.config).await?;
        for (partition, next_offset) in ends {
            self.consumer.commit(partition, next_offset)?;
        }
        self.count(loaded, &dead);
        Ok(())
    }

    fn count(&self, loaded: usize, dead: &[Dead]) {
        let topic = self.topic.as_str();
        metrics::LOADED.with_label_values(&[topic]).inc_by(loaded as u64);
        for letter in dead {
            metrics::DEAD_LETTERED.with_label_values(&[topic, letter.label]).inc();
        }
        if !dead.is_empty() {
            warn!(
                topic,
                records = dead.len(),
                reason = dead[0].label,
                "records went to the dead-letter topic"
            );
        }
        metrics::WAITING.with_label_values(&[topic]).set(0);
        metrics::LAG.with_label_values(&[topic]).set(i64::try_from(self.consumer.lag()).unwrap_or(i64::MAX));
    }

    /// Now and then, with nothing in hand: is ClickHouse there, and do stored rows keep what their accounts say?
    async fn look(&mut self) {
        if self.looked.elapsed() < self.config.look_every() {
            return;
        }
        self.sink.ready().await;
        self.retention.follow(&self.accounts).await;
        self.looked = Instant::now();
    }
}
