//! What was asked for and how far it is: two tables in ClickHouse, written by one process each.
//!
//! A job is the command's: it asks, and it stops. Its progress is the workers': one row a partition of the topics, written
//! by the process that holds the partition, so that several classifiers share a job as they share the topics.

use super::rows::Stretch;
use super::tally::Tally;
use crate::Failure;
use clickhouse::{Client, Row, RowOwned, RowWrite};
use engagement::Timestamp;
use serde::{Deserialize, Serialize};
use std::time::SystemTime;
use store::Account;
use uuid::Uuid;

/// In place of an account's number: all accounts.
const ALL: u32 = 0;

/// What was asked for.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Row, Serialize, Deserialize)]
pub(super) struct Job {
    #[serde(with = "clickhouse::serde::uuid")]
    pub(super) id: Uuid,
    version: u32,
    changed_at: i64,
    account: u32,
    from_at: i64,
    to_at: i64,
    stopped: bool,
}

/// How far a job is in one partition.
#[derive(Debug, Clone, PartialEq, Eq, Row, Serialize, Deserialize)]
pub(super) struct Progress {
    #[serde(with = "clickhouse::serde::uuid")]
    pub(super) job: Uuid,
    pub(super) partition: u32,
    pub(super) version: u64,
    pub(super) changed_at: i64,
    /// How many partitions there are.
    pub(super) partitions: u32,
    /// What judged; under another ruleset the job begins anew.
    pub(super) ruleset: String,
    /// The account that is being judged; those with smaller numbers are done.
    pub(super) account: u32,
    /// Up to when that account is done.
    pub(super) done_to: i64,
    pub(super) same: u64,
    pub(super) changed: u64,
    pub(super) expired: u64,
    pub(super) open: u64,
    pub(super) done: bool,
}

/// The tables of jobs.
#[derive(Clone)]
pub(super) struct Jobs {
    client: Client,
}

impl Job {
    /// The account, or all.
    pub(super) fn account(&self) -> Option<u32> {
        (self.account != ALL).then_some(self.account)
    }

    pub(super) fn range(&self) -> Stretch {
        Stretch { from: self.from_at, to: self.to_at }
    }
}

impl Progress {
    /// The beginning of a job in a partition, in place of what is stored under versions up to this one.
    pub(super) fn begin(job: &Job, partition: u32, partitions: u32, ruleset: &str, version: u64) -> Self {
        Self {
            job: job.id,
            partition,
            version,
            changed_at: now(),
            partitions,
            ruleset: ruleset.to_owned(),
            account: 0,
            done_to: job.from_at,
            same: 0,
            changed: 0,
            expired: 0,
            open: 0,
            done: false,
        }
    }

    /// How far it is: the account, and up to when that is done.
    pub(super) fn reached(&self) -> (u32, i64) {
        (self.account, self.done_to)
    }

    /// Notes how far it is now.
    pub(super) fn reach(&mut self, (account, done_to): (u32, i64)) {
        (self.account, self.done_to) = (account, done_to);
    }

    /// Counts what was judged.
    pub(super) fn add(&mut self, tally: Tally) {
        self.same += tally.same;
        self.changed += tally.changed;
        self.expired += tally.expired;
        self.open += tally.open;
    }

    /// What is counted so far in all partitions.
    pub(super) fn tally(all: &[Self]) -> Tally {
        let mut tally = Tally::default();
        for Self { same, changed, expired, open, .. } in all {
            tally.add(Tally { same: *same, changed: *changed, expired: *expired, open: *open });
        }
        tally
    }

    /// Whether every partition is done.
    pub(super) fn is_done(all: &[Self]) -> bool {
        let partitions = all.iter().map(|progress| progress.partitions).max().unwrap_or(u32::MAX);
        all.iter().filter(|progress| progress.done).count() as u64 >= u64::from(partitions)
    }

    /// Up to when the partition that is furthest behind is done.
    pub(super) fn furthest_behind(all: &[Self]) -> Option<Timestamp> {
        let open = all.iter().filter(|progress| !progress.done);
        let least = open.min_by_key(|progress| (progress.account, progress.done_to))?;
        Timestamp::from_millis(least.done_to).ok()
    }
}

impl Jobs {
    pub(super) fn new(client: Client) -> Self {
        Self { client }
    }

    /// Asks for a range of an account or of all; the second value says whether an unfinished job of the same range goes
    /// on.
    pub(super) async fn ask(
        &self,
        account: Option<&Account>,
        range: Stretch,
    ) -> Result<(Job, bool), Failure> {
        let account = account.map_or(ALL, |account| account.number.0);
        for job in self.all().await?.into_iter().rev() {
            if (job.account, job.range()) == (account, range)
                && !Progress::is_done(&self.progress(job.id).await?)
            {
                let job = Job { version: job.version + 1, changed_at: now(), stopped: false, ..job };
                self.insert("reclassify_jobs", &job).await?;
                return Ok((job, true));
            }
        }
        let Stretch { from, to } = range;
        let (id, changed_at) = (Uuid::now_v7(), now());
        let job = Job { id, version: 1, changed_at, account, from_at: from, to_at: to, stopped: false };
        self.insert("reclassify_jobs", &job).await?;
        Ok((job, false))
    }

    /// Stops a job; it goes on when the same is asked for again.
    pub(super) async fn stop(&self, job: Job) -> Result<(), Failure> {
        let job = Job { version: job.version + 1, changed_at: now(), stopped: true, ..job };
        self.insert("reclassify_jobs", &job).await
    }

    /// Jobs that are asked for, stopped or done, oldest first.
    async fn all(&self) -> Result<Vec<Job>, Failure> {
        let query = self.client.query("SELECT ?fields FROM reclassify_jobs FINAL ORDER BY toString(id)");
        Ok(query.fetch_all::<Job>().await?)
    }

    /// The jobs that are not stopped, oldest first.
    pub(super) async fn asked(&self) -> Result<Vec<Job>, Failure> {
        Ok(self.all().await?.into_iter().filter(|job| !job.stopped).collect())
    }

    /// How far a job is, one entry a partition that was begun.
    pub(super) async fn progress(&self, job: Uuid) -> Result<Vec<Progress>, Failure> {
        let query = self
            .client
            .query("SELECT ?fields FROM reclassify_progress FINAL WHERE job = ? ORDER BY partition");
        Ok(query.bind(job).fetch_all::<Progress>().await?)
    }

    /// Notes how far a partition is.
    pub(super) async fn note(&self, progress: &mut Progress) -> Result<(), Failure> {
        progress.version += 1;
        progress.changed_at = now();
        self.insert("reclassify_progress", progress).await
    }

    async fn insert<T>(&self, table: &str, row: &T) -> Result<(), Failure>
    where
        T: RowOwned + RowWrite,
        T: for<'a> Row<Value<'a> = T>,
    {
        let mut insert = self.client.insert::<T>(table).await?;
        insert.write(row).await?;
        insert.end().await?;
        Ok(())
    }
}

fn now() -> i64 {
    Timestamp::from_clock(SystemTime::now()).millis()
}
