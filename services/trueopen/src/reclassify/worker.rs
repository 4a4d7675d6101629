//! The worker: takes jobs, and hits that came when their window was closed, and judges again.
//!
//! It runs beside the classifier's stage, in the process that holds the messages' windows, and only through it does it say
//! anything: the stage refuses what is still open there, and what it spoke of since the worker last made sure that all
//! that was said is stored. So the revision that is read from ClickHouse is the highest there is, and no revision says two
//! things. What it says itself is stored before it reads again, so a worker that begins anew repeats nothing.

use super::compare::compare;
use super::jobs::{Job, Jobs, Progress};
use super::rows::{self, Judging, Messages, Stretch};
use super::tally::Tally;
use super::{STRETCH_MS, late, next_length, next_stretch};
use crate::Failure;
use classifier::stage::{Place, Revisions, Said};
use classifier::{InForce, Outcome, Ruleset};
use clickhouse::Client;
use engagement::{Classified, message_key};
use runtime::Shutdown;
use std::collections::HashSet;
use std::convert::Infallible;
use std::time::{Duration, Instant};
use store::{Account, Accounts};
use tracing::{info, warn};
use uuid::Uuid;

/// How often jobs are looked for.
const LOOK: Duration = Duration::from_secs(1);
/// How often it is looked whether something is stored.
const STORED: Duration = Duration::from_millis(100);
/// After how long without that a line says so.
const SLOW: Duration = Duration::from_secs(30);
/// The longest pause after failures.
const PAUSE: Duration = Duration::from_secs(30);
/// So many verdicts at most are handed to the stage at once.
const MOST_AT_ONCE: usize = 256;

/// Judges stored events again.
pub(crate) struct Worker {
    client: Client,
    accounts: Accounts,
    jobs: Jobs,
    ruleset: InForce,
    revisions: Revisions,
    unread: Unread,
    /// Jobs that are known to be done.
    done: HashSet<Uuid>,
    /// How long a stretch is judged in one go; shorter after one that had to be cut.
    stretch_ms: i64,
}

/// How much of the classified topic the loader has before it, where that is known without asking ClickHouse.
pub(crate) type Unread = Box<dyn Fn() -> u64 + Send + Sync>;

impl Worker {
    /// A worker beside the stage that `revisions` belongs to. `unread` decides where nothing that was said is in the topic
    /// any more: then all was stored, or the topic gave it up while the loader was behind.
    pub(crate) fn new(client: Client, ruleset: InForce, revisions: Revisions, unread: Unread) -> Self {
        let (accounts, jobs) = (Accounts::new(client.clone()), Jobs::new(client.clone()));
        let (done, stretch_ms) = (HashSet::new(), STRETCH_MS);
        Self { client, accounts, jobs, ruleset, revisions, unread, done, stretch_ms }
    }

    /// Works until a stop is asked for. What fails is tried again, for a job that was asked for is not forgotten.
    pub(crate) async fn run(mut self, shutdown: Shutdown) -> Result<(), Infallible> {
        let stop = shutdown.requested();
        tokio::pin!(stop);
        tokio::select! {
            biased;
            () = &mut stop => {}
            () = self.work() => {}
        }
        Ok(())
    }

    async fn work(&mut self) {
        let mut rounds = late::Rounds::from(Instant::now());
        let (mut pause, mut failing) = (LOOK, false);
        loop {
            let worked = match self.round(&mut rounds).await {
                Ok(worked) => {
                    (pause, failing) = (LOOK, false);
                    worked
                }
                Err(error) => {
                    if !failing {
                        warn!(%error, "judging stored events again has to wait, trying again");
                    }
                    failing = true;
                    pause = (pause * 2).min(PAUSE);
                    false
                }
            };
            if !worked {
                tokio::time::sleep(pause).await;
            }
        }
    }

    /// One stretch of a job, or a look at what came late; says whether there may be more at once.
    async fn round(&mut self, rounds: &mut late::Rounds) -> Result<bool, Failure> {
        // A long job does not keep what came late waiting, nor one that fails another.
        let mut failed = None;
        if rounds.are_due(Instant::now()) {
            let found = self.sweep().await;
            rounds.went(Instant::now(), matches!(found, Ok(true)));
            failed = found.err();
        }
        for job in self.jobs.asked().await? {
            if self.done.contains(&job.id) {
                continue;
            }
            match self.step(&job).await {
                Ok(true) => return failed.map_or(Ok(true), Err),
                Ok(false) => {}
                Err(error) => failed = Some(error),
            }
        }
        failed.map_or(Ok(false), Err)
    }

    /// Judges the next stretch of a job in those partitions that are furthest behind; `false` when nothing is left to do
    /// here.
    async fn step(&mut self, job: &Job) -> Result<bool, Failure> {
        let known = self.jobs.progress(job.id).await?;
        let ruleset = self.ruleset.current();
        if Progress::is_done(&known) {
            // It never becomes undone: who asks for the same again asks for another.
            self.done.insert(job.id);
            return Ok(false);
        }
        let Some(places) = self.revisions.begin().await else { return Ok(false) };
        let mut own: Vec<(Place, Progress)> = places
            .into_iter()
            .map(|place| {
                let progress = known.iter().find(|progress| {
                    progress.partition == place.partition && progress.ruleset == ruleset.version()
                });
                let begin = || {
                    let version = known.iter().map(|progress| progress.version).max().unwrap_or(0);
                    Progress::begin(job, place.partition, place.partitions, ruleset.version(), version)
                };
                let progress = progress.cloned().unwrap_or_else(begin);
                (place, progress)
            })
            .filter(|(_, progress)| !progress.done)
            .collect();
        let Some(behind) = own.iter().map(|(_, progress)| progress.reached()).min() else { return Ok(false) };
        own.retain(|(_, progress)| progress.reached() == behind);

        let (number, done_to) = behind;
        let mut accounts = self.accounts.list().await?;
        accounts.retain(|account| {
            account.number.0 >= number && job.account().is_none_or(|only| only == account.number.0)
        });
        accounts.sort_by_key(|account| account.number.0);
        let mut reached = None;
        for account in &accounts {
            let from = if account.number.0 == number { done_to } else { job.range().from };
            let left = Stretch { from, to: job.range().to };
            let next = next_stretch(&self.client, account, left, self.stretch_ms).await?;
            let Some(stretch) = next else { continue };
            let places: Vec<&Place> = own.iter().map(|(place, _)| place).collect();
            let judged = self.judge(&ruleset, account, stretch, &Messages::All, &places).await?;
            let Some((judged, tallies)) = judged else {
                // A partition went to another process, or began again: what is done is found out anew.
                return Ok(true);
            };
            for ((_, progress), tally) in own.iter_mut().zip(tallies) {
                progress.add(tally);
            }
            self.stretch_ms = next_length(self.stretch_ms, stretch, judged);
            reached = Some((account.number.0, judged.to));
            break;
        }
        for (_, progress) in &mut own {
            match reached {
                Some(reached) => progress.reach(reached),
                None => progress.done = true,
            }
            self.jobs.note(progress).await?;
            if progress.done {
                info!(
                    job = %job.id,
                    partition = progress.partition,
                    same = progress.same,
                    changed = progress.changed,
                    expired = progress.expired,
                    open = progress.open,
                    "reclassification done"
                );
            }
        }
        Ok(true)
    }

    /// Judges the messages again of which a hit came when its window was closed; says whether that changed anything. What the
    /// stage still holds open has to wait, and is no reason to look again at once.
    async fn sweep(&mut self) -> Result<bool, Failure> {
        let ruleset = self.ruleset.current();
        let batches = late::batches(&self.client, ruleset.window_ms()).await?;
        if batches.is_empty() {
            return Ok(false);
        }
        let accounts = self.accounts.list().await?;
        let mut all = 0;
        for batch in batches {
            let Some(account) = accounts.iter().find(|account| account.number == batch.account) else {
                continue;
            };
            let Some(places) = self.revisions.begin().await else { break };
            let places: Vec<&Place> = places.iter().collect();
            let messages = Messages::Of(batch.message_ids);
            let judged = self.judge(&ruleset, account, batch.stretch, &messages, &places).await?;
            let Some((_, tallies)) = judged else { break };
            let changed: u64 = tallies.iter().map(|tally| tally.changed).sum();
            all += changed;
            if changed > 0 {
                info!(changed, "hits that came late were judged again with their neighbours");
            }
        }
        Ok(all > 0)
    }

    /// Judges a stretch in some partitions, and says what changes; how much of the stretch that was, and what was counted in
    /// each partition. `None` when one of them is no longer ours.
    async fn judge(
        &self,
        ruleset: &Ruleset,
        account: &Account,
        stretch: Stretch,
        messages: &Messages,
        places: &[&Place],
    ) -> Result<Option<(Stretch, Vec<Tally>)>, Failure> {
        for place in places {
            self.stored(place).await?;
        }
        let mut tallies = vec![Tally::default(); places.len()];
        let mut waiting: Vec<Vec<Classified>> = vec![Vec::new(); places.len()];
        let (stretch, compared) = compare(&self.client, ruleset, account, stretch, messages).await?;
        let mut judging =
            Judging::begin(&self.client, ruleset, account, stretch, messages, &compared).await?;
        while let Some(judged) = judging.next().await? {
            let key = message_key(account.number, &judged.message_id);
            let index =
                places.iter().position(|place| place.partition == stream::partition(&key, place.partitions));
            let Some(index) = index else { continue };
            let tally = &mut tallies[index];
            for outcome in judged.outcomes {
                match outcome {
                    Outcome::Same(_) => tally.same += 1,
                    Outcome::Expired(_) => tally.expired += 1,
                    Outcome::Changed { now, .. } => waiting[index].push(*now),
                }
            }
            if waiting[index].len() >= MOST_AT_ONCE
                && !self.say(places[index], std::mem::take(&mut waiting[index]), tally).await
            {
                return Ok(None);
            }
        }
        for ((place, waiting), tally) in places.iter().zip(waiting).zip(&mut tallies) {
            if !waiting.is_empty() && !self.say(place, waiting, tally).await {
                return Ok(None);
            }
        }
        Ok(Some((stretch, tallies)))
    }

    /// Hands verdicts to the stage and counts what became of them; `false` when the partition is no longer ours.
    async fn say(&self, place: &Place, verdicts: Vec<Classified>, tally: &mut Tally) -> bool {
        let Some(said) = self.revisions.say(place, verdicts).await else { return false };
        for said in said {
            match said {
                Said::Durable => tally.changed += 1,
                Said::Open => tally.open += 1,
            }
        }
        true
    }

    /// Waits until what was said last in a partition is stored, and with it all that was said before.
    async fn stored(&self, place: &Place) -> Result<(), Failure> {
        let started = Instant::now();
        let mut told = false;
        loop {
            let stored = match &place.last {
                Some(last) => rows::is_stored(&self.client, last).await?,
                None => (self.unread)() == 0,
            };
            if stored {
                return Ok(());
            }
            if !told && started.elapsed() > SLOW {
                told = true;
                warn!(
                    partition = place.partition,
                    "waiting for the loader before stored events are judged again"
                );
            }
            tokio::time::sleep(STORED).await;
        }
    }
}
