//! Rolling up: the messages of which something was inserted get their row of `rollup_messages` anew, a while after.
//!
//! What the tables promise, and how reports read them, stands in `schema/clickhouse/0015_rollups.sql`. Invariants kept here:
//! - One process rolls up at a time (a lock), in rounds. Who takes the lock over waits for statements of the one before that
//!   still run, and who lost it says no further one. A round takes whole parts of `rollup_touched`, so it knows exactly
//!   what it has seen; what is inserted meanwhile lies in other parts.
//! - A round writes the difference between what the events say and what the stored rows add up to. Cut off anywhere and run
//!   again, it comes to the same rows.
//! - A part is dropped only when the rows of all its messages are stored and every report that began before they were has
//!   its snapshots. Until then reports count these messages from the events: being late costs time, never exactness.

mod statements;

use crate::config::Config;
use crate::metrics;
use clickhouse::{Client, Row};
use runtime::Shutdown;
use serde::Deserialize;
use statements::Step;
use std::collections::HashMap;
use std::time::{Duration, Instant};
use store::error::within;
use store::lock::{Lock, LockError};
use store::{Cluster, DatabaseError, Settings};
use tracing::{debug, info, warn};

/// So many parts at most are taken in a round: their names travel in the URL of each statement.
const MOST_PARTS: usize = 1000;
/// Past so many parts they are merged into one: there are no merges by themselves, and a part costs each report a file.
const TOO_MANY_PARTS: usize = 2000;
/// How long one statement of a round may take.
const STATEMENT_LIMIT: Duration = Duration::from_secs(60 * 60);
/// How often is looked whether statements of an earlier holder of the lock have ended.
const LOOK: Duration = Duration::from_millis(500);
/// How often rows that are past the retention of a fact are looked for.
const EXPIRY_EVERY: Duration = Duration::from_secs(60);
/// How often ids and names that no row needs any more are looked for.
const FORGET_EVERY: Duration = Duration::from_secs(24 * 60 * 60);

/// Keeps `rollup_messages` at what the events say.
pub struct Rollup {
    client: Client,
    cluster: Cluster,
    config: Config,
    lock: Option<Lock>,
    /// Parts whose messages are rolled up, and since when; they are dropped a while later.
    settling: HashMap<String, Instant>,
    looked_for_expired: Option<Instant>,
    forgot: Option<Instant>,
}

/// What a round did.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Round {
    /// Parts of touched messages that were rolled up.
    pub parts: usize,
    /// Touched messages in them, counted as often as they were touched.
    pub touched: u64,
    /// Parts that were dropped, from this round and those before.
    pub dropped: usize,
    /// Parts that are still there.
    pub left: usize,
    /// Whether there were more parts than a round takes.
    pub is_behind: bool,
}

#[derive(Row, Deserialize)]
struct Part {
    name: String,
    rows: u64,
    age_seconds: i64,
}

impl Rollup {
    /// Over this database.
    #[must_use]
    pub fn new(client: Client, cluster: Cluster, config: Config) -> Self {
        // Messages may have been sent in any month.
        let client = client.with_setting("max_partitions_per_insert_block", "0");
        Self {
            client,
            cluster,
            config,
            lock: None,
            settling: HashMap::new(),
            looked_for_expired: None,
            forgot: None,
        }
    }

    /// Rolls up until the stop, while no other process does.
    pub(crate) async fn run(mut self, shutdown: Shutdown) {
        let mut failures = 0_u32;
        while !shutdown.is_requested() {
            let lock = tokio::select! {
                biased;
                () = shutdown.clone().requested() => return,
                lock = Lock::take_on(&self.client, &self.cluster, "rollup", Duration::ZERO) => lock,
            };
            let ended = match lock {
                Ok(lock) => {
                    self.lock = Some(lock);
                    let ended = self.rounds(&shutdown, &mut failures).await;
                    if let Some(lock) = self.lock.take() {
                        lock.release().await;
                    }
                    ended
                }
                Err(error) => Err(error),
            };
            if let Err(LockError::Database(error)) = ended {
                failures = failures.saturating_add(1);
                metrics::ROLLUP_FAILURES.inc();
                // Nothing is lost and no report is wrong: they count these messages from the events meanwhile.
                if failures == 1 {
                    warn!(%error, "roll-ups can't be brought up to date, trying again");
                } else {
                    debug!(%error, failures, "roll-ups can't be brought up to date");
                }
            } else {
                // What waits is for whoever holds the lock now to say.
                metrics::ROLLUP_WAITING.set(0);
                metrics::ROLLUP_LAG.set(0);
            }
            tokio::select! {
                biased;
                () = shutdown.clone().requested() => return,
                () = tokio::time::sleep(self.config.pause(failures).max(self.config.rollup_every())) => {}
            }
        }
    }

    /// Round after round under the lock, until the stop or a failure.
    async fn rounds(&mut self, shutdown: &Shutdown, failures: &mut u32) -> Result<(), LockError> {
        // Another process may have worked since these were noted.
        self.settling.clear();
        // One that died may have left a statement behind that still runs.
        while self.is_staging().await? {
            tokio::select! {
                biased;
                () = shutdown.clone().requested() => return Ok(()),
                () = tokio::time::sleep(LOOK) => {}
            }
        }
        loop {
            let started = Instant::now();
            let round = tokio::select! {
                biased;
                () = shutdown.clone().requested() => return Ok(()),
                round = self.round() => round?,
            };
            if *failures > 0 {
                info!(failures = *failures, "roll-ups are brought up to date again");
                *failures = 0;
            }
            // A round reads much to find little, so rounds over large tables are made seldom, unless more waits already.
            let every = self.config.rollup_every();
            let pause = if round.is_behind { every } else { every.max(started.elapsed()) };
            tokio::select! {
                biased;
                () = shutdown.clone().requested() => return Ok(()),
                ended = self.pause(Instant::now() + pause) => ended?,
            }
        }
    }

    /// Until the next round. Parts go as soon as they are settled, since reports count their messages from the events until then.
    async fn pause(&mut self, until: Instant) -> Result<(), LockError> {
        loop {
            let settle = self.config.rollup_settle();
            let settled = self.settling.values().map(|since| *since + settle).min();
            let wake = settled.map_or(until, |settled| settled.min(until));
            tokio::time::sleep_until(wake.into()).await;
            if wake == until {
                return Ok(());
            }
            let mut parts = self.parts().await?;
            self.drop_settled(&mut parts).await?;
            self.show(&parts);
        }
    }

    /// One round, for a caller that holds the lock or is alone.
    ///
    /// # Errors
    /// What ClickHouse says, or that the lock is another's by now. The next round makes up for what this one left.
    pub async fn round(&mut self) -> Result<Round, LockError> {
        let mut parts = self.parts().await?;
        self.show(&parts);
        if parts.len() > TOO_MANY_PARTS {
            self.settling.clear();
            self.execute("OPTIMIZE TABLE rollup_touched FINAL").await?;
            return Ok(Round { parts: 0, touched: 0, dropped: 0, left: parts.len(), is_behind: true });
        }
        let dropped = self.drop_settled(&mut parts).await?;
        let left = parts.len();
        let nothing = Round { parts: 0, touched: 0, dropped, left, is_behind: false };
        // Facts that are being rewritten would be rolled up half old and half new.
        if self.rewriting().await? {
            return Ok(nothing);
        }
        if self.looked_for_expired.is_none_or(|looked| looked.elapsed() >= EXPIRY_EVERY) {
            self.execute(statements::TOUCH_EXPIRED).await?;
            self.looked_for_expired = Some(Instant::now());
        }
        if self.forgot.is_none_or(|forgot| forgot.elapsed() >= FORGET_EVERY) {
            self.forget().await?;
            self.forgot = Some(Instant::now());
        }
        let waiting = self.waiting(&parts).count();
        let (names, touched) = self.chosen(&parts);
        if names.is_empty() {
            return Ok(nothing);
        }
        let started = Instant::now();
        let pieces = u32::try_from(touched.div_ceil(self.config.rollup_messages)).unwrap_or(u32::MAX);
        for account in self.accounts(&names).await? {
            for piece in 0..pieces {
                for step in statements::STEPS {
                    self.step(step, account, &names, piece, pieces).await?;
                }
            }
        }
        metrics::ROLLUP_SECONDS.observe(started.elapsed().as_secs_f64());
        metrics::ROLLUP_MESSAGES.inc_by(touched);
        let now = Instant::now();
        let parts = names.len();
        self.settling.extend(names.into_iter().map(|name| (name, now)));
        Ok(Round { parts, touched, dropped, left, is_behind: waiting > parts })
    }

    /// The oldest parts that are not rolled up yet, as many as a round takes.
    fn chosen(&self, parts: &[Part]) -> (Vec<String>, u64) {
        let mut names = Vec::new();
        let mut touched = 0;
        for part in self.waiting(parts) {
            if names.len() == MOST_PARTS || (touched > 0 && touched + part.rows > self.config.rollup_messages)
            {
                break;
            }
            touched += part.rows;
            names.push(part.name.clone());
        }
        (names, touched)
    }

    /// Those that are not rolled up yet, the oldest first.
    fn waiting<'a>(&'a self, parts: &'a [Part]) -> impl Iterator<Item = &'a Part> + Clone {
        parts.iter().filter(|part| !self.settling.contains_key(&part.name))
    }

    /// Drops what was rolled up long enough ago, and takes it out of `parts`.
    async fn drop_settled(&mut self, parts: &mut Vec<Part>) -> Result<usize, LockError> {
        self.settling.retain(|name, _| parts.iter().any(|part| part.name == *name));
        let settle = self.config.rollup_settle();
        let due: Vec<String> = self
            .settling
            .iter()
            .filter(|(_, since)| since.elapsed() >= settle)
            .map(|(name, _)| name.clone())
            .collect();
        for name in &due {
            // A part's name is ClickHouse's own: letters, digits and underscores.
            self.execute(&format!("ALTER TABLE rollup_touched DROP PART '{name}'")).await?;
            self.settling.remove(name);
        }
        parts.retain(|part| !due.contains(&part.name));
        Ok(due.len())
    }

    /// Takes ids and names away that outlived their messages. Between two rounds, so that no row which needs one is about to
    /// be written.
    async fn forget(&self) -> Result<(), LockError> {
        let days_kept = Settings::default().retention_days;
        let asked = |statement: &str| self.client.query_raw(statement).param("days_kept", days_kept);
        // Touched before they are forgotten, so that no report finds them in neither.
        self.still_ours().await?;
        within(STATEMENT_LIMIT, asked(&statements::touch_wide()).execute()).await?;
        for outlived in statements::FORGETTABLE {
            let rows: u64 = within(STATEMENT_LIMIT, asked(&outlived.count()).fetch_one()).await?;
            if rows > 0 {
                self.still_ours().await?;
                let delete = asked(&outlived.delete()).with_setting("mutations_sync", "1");
                within(STATEMENT_LIMIT, delete.execute()).await?;
                debug!(rows, "ids and names that outlived their messages are forgotten");
            }
        }
        Ok(())
    }

    async fn parts(&self) -> Result<Vec<Part>, DatabaseError> {
        let query = self.client.query(
            "SELECT name, rows, dateDiff('second', modification_time, now()) AS age_seconds FROM system.parts
             WHERE database = currentDatabase() AND table = 'rollup_touched' AND active
             ORDER BY min_block_number",
        );
        within(self.config.insert_limit(), query.fetch_all()).await
    }

    /// Whether stored facts wait to follow a change of their account's retention.
    async fn rewriting(&self) -> Result<bool, DatabaseError> {
        let query = self.client.query(
            "SELECT count() FROM system.mutations
             WHERE database = currentDatabase() AND table = 'rollup_facts' AND NOT is_done",
        );
        Ok(within(self.config.insert_limit(), query.fetch_one::<u64>()).await? > 0)
    }

    /// Whether a statement of a round runs, as one may that a process left behind when it died. Asks the server that the
    /// client talks to, since that process talked to it as well.
    ///
    /// # Errors
    /// What ClickHouse says.
    pub async fn is_staging(&self) -> Result<bool, DatabaseError> {
        let query = self.client.query(
            "SELECT count() FROM system.processes
             WHERE current_database = currentDatabase() AND query_id != queryID() AND position(query, 'rollup_staged') > 0",
        );
        Ok(within(self.config.insert_limit(), query.fetch_one::<u64>()).await? > 0)
    }

    async fn accounts(&self, parts: &[String]) -> Result<Vec<u32>, DatabaseError> {
        let query = self
            .client
            .query("SELECT DISTINCT account FROM rollup_touched WHERE has({parts: Array(String)}, _part) ORDER BY account")
            .param("parts", parts);
        within(self.config.insert_limit(), query.fetch_all()).await
    }

    async fn step(
        &self,
        step: Step,
        account: u32,
        parts: &[String],
        piece: u32,
        pieces: u32,
    ) -> Result<(), LockError> {
        self.still_ours().await?;
        let query = self
            .client
            .query_raw(step.statement)
            .param("account", account)
            .param("parts", parts)
            .param("piece", piece)
            .param("pieces", pieces);
        Ok(within(STATEMENT_LIMIT, query.execute()).await?)
    }

    async fn execute(&self, statement: &str) -> Result<(), LockError> {
        self.still_ours().await?;
        Ok(within(STATEMENT_LIMIT, self.client.query_raw(statement).execute()).await?)
    }

    /// Makes sure of the lock, where one is held, before something is changed.
    async fn still_ours(&self) -> Result<(), LockError> {
        match &self.lock {
            Some(lock) => lock.check().await,
            None => Ok(()),
        }
    }

    fn show(&self, parts: &[Part]) {
        let waiting = self.waiting(parts);
        let oldest = waiting.clone().map(|part| part.age_seconds).max().unwrap_or(0);
        let rows: u64 = waiting.map(|part| part.rows).sum();
        metrics::ROLLUP_WAITING.set(i64::try_from(rows).unwrap_or(i64::MAX));
        metrics::ROLLUP_LAG.set(oldest);
    }
}
