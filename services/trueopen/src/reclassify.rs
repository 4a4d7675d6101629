//! `trueopen reclassify`: today's rules over stored events, as higher revisions.
//!
//! The command asks for it and follows; the work is done where verdicts are given, by the process that holds the messages'
//! windows (see [`worker`]), so that two judges never write one revision. A dry run only reads, and does so here.
//!
//! Invariants: an event changes only when its verdict does, so a second run changes nothing; a job that was stopped, or
//! whose worker died, goes on where it was; what is read at once is a stretch of time of one account, whatever its size.

mod compare;
mod hit;
mod jobs;
mod late;
mod rows;
mod tally;
mod worker;

pub(crate) use worker::Worker;

use crate::cli::ReclassifyArgs;
use crate::settings::Settings;
use crate::{Failure, output};
use classifier::{Outcome, Ruleset};
use clickhouse::Client;
use compare::compare;
use engagement::{AccountId, Timestamp};
use jobs::{Job, Jobs, Progress};
use rows::{Judging, Messages, Stretch};
use runtime::lifecycle;
use std::future::Future;
use std::time::{Duration, Instant};
use store::{Account, Accounts};
use tally::{Changes, Tally};

/// How much of an account's time is judged in one go. Messages are read with their neighbours, so shorter ones read more
/// of them twice; after longer ones a crash costs more repeats.
const STRETCH_MS: i64 = 6 * 3_600_000;
/// How often the progress is looked at.
const LOOK: Duration = Duration::from_millis(500);
/// After how long without a worker the command says what is missing.
const PATIENCE: Duration = Duration::from_secs(10);

/// Judges stored events again, or says what that would change.
pub(crate) async fn reclassify(settings: &Settings, args: ReclassifyArgs) -> Result<(), Failure> {
    let time = |name: &str, text: &str| Timestamp::parse(text).map_err(|error| format!("{name} is {error}"));
    let (from, to) = (time("--from", &args.from)?, time("--to", &args.to)?);
    if from >= to {
        return Err("--from is not before --to".into());
    }
    let range = Stretch { from: from.millis(), to: to.millis() };
    let client = settings.connection()?.client();
    store::migrate::check(&client).await?;
    let accounts = Accounts::new(client.clone());
    let account = match &args.account {
        Some(name) => {
            let id = AccountId::new(name.as_str())?;
            Some(accounts.find(&id).await?.ok_or_else(|| format!("there is no account {id}"))?)
        }
        None => None,
    };
    if args.dry_run {
        return dry_run(&settings.ruleset()?, &client, &accounts, account, range).await;
    }
    let jobs = Jobs::new(client);
    let (job, resumed) = jobs.ask(account.as_ref(), range).await?;
    let what = if resumed { "goes on" } else { "asked for" };
    output::line(&format!("reclassification {} {what}: events from {from} to {to}", job.id));
    follow(&jobs, job, lifecycle::stop_signal()?).await
}

/// Follows a job to its end, or stops it when a stop is asked for.
async fn follow(jobs: &Jobs, job: Job, stop: impl Future<Output = ()>) -> Result<(), Failure> {
    tokio::pin!(stop);
    let started = Instant::now();
    let mut told = false;
    loop {
        let progress = jobs.progress(job.id).await?;
        let tally = Progress::tally(&progress);
        if Progress::is_done(&progress) {
            output::progress("");
            output::line(&tally.sentence("changed"));
            return Ok(());
        }
        match Progress::furthest_behind(&progress) {
            Some(at) => {
                output::progress(&format!("{} events judged, up to {at}", tally.same + tally.changed))
            }
            None if !told && started.elapsed() > PATIENCE => {
                told = true;
                output::error(
                    "nobody has taken it yet: it is done by a running `trueopen up`, or by `trueopen classify` with clickhouse.url set",
                );
            }
            None => {}
        }
        tokio::select! {
            () = tokio::time::sleep(LOOK) => {}
            () = &mut stop => {
                jobs.stop(job).await?;
                output::progress("");
                output::line(&format!("stopped: {}; the same command goes on from here", tally.sentence("changed")));
                return Ok(());
            }
        }
    }
}

/// Prints what reclassifying would change, by source and account, and changes nothing.
async fn dry_run(
    ruleset: &Ruleset,
    client: &Client,
    accounts: &Accounts,
    account: Option<Account>,
    range: Stretch,
) -> Result<(), Failure> {
    let chosen = match account {
        Some(account) => vec![account],
        None => accounts.list().await?,
    };
    // What can still be revised by what arrives is no business of a reclassification.
    let closed = rows::newest(client).await?.map_or(i64::MAX, |newest| newest - 2 * ruleset.window_ms());
    output::line(&format!("by ruleset {}; nothing is changed", ruleset.version()));
    for account in &chosen {
        let (mut tally, mut changes) = (Tally::default(), Changes::default());
        let mut left = range;
        let mut length = STRETCH_MS;
        while let Some(stretch) = next_stretch(client, account, left, length).await? {
            let (judged, compared) = compare(client, ruleset, account, stretch, &Messages::All).await?;
            let mut judging =
                Judging::begin(client, ruleset, account, judged, &Messages::All, &compared).await?;
            while let Some(message) = judging.next().await? {
                for outcome in &message.outcomes {
                    match outcome {
                        Outcome::Expired(_) => tally.expired += 1,
                        _ if outcome.received_at().millis() > closed => tally.open += 1,
                        Outcome::Same(_) => tally.same += 1,
                        Outcome::Changed { .. } => {
                            tally.changed += 1;
                            changes.note(outcome);
                        }
                    }
                }
            }
            length = next_length(length, stretch, judged);
            left.from = judged.to;
            output::progress(&format!("{}: {} events judged", account.id, tally.same + tally.changed));
        }
        output::progress("");
        output::line(&format!("{}: {}", account.id, tally.sentence("would change")));
        changes.lines().iter().for_each(|line| output::line(line));
    }
    Ok(())
}

/// The next stretch of an account's time that holds a hit, at most so long; empty time is stepped over.
async fn next_stretch(
    client: &Client,
    account: &Account,
    left: Stretch,
    length_ms: i64,
) -> Result<Option<Stretch>, Failure> {
    let first = rows::first(client, account, left).await?;
    Ok(first.map(|from| Stretch { from, to: left.to.min(from + length_ms) }))
}

/// How long the next stretch may be after one of at most so long: where much is found one is cut, and the next will be like it.
fn next_length(length_ms: i64, asked: Stretch, judged: Stretch) -> i64 {
    if judged.to < asked.to { judged.to - judged.from } else { (length_ms * 2).min(STRETCH_MS) }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_stretch_is_short_only_after_one_that_was_cut() {
        let stretch = |to: i64| Stretch { from: 0, to };
        let cut = next_length(STRETCH_MS, stretch(STRETCH_MS), stretch(STRETCH_MS / 8));
        assert_eq!(cut, STRETCH_MS / 8);
        let on = next_length(cut, stretch(cut), stretch(cut));
        assert_eq!(on, STRETCH_MS / 4);
        // The rest of an account's time may be little.
        assert_eq!(next_length(STRETCH_MS, stretch(1000), stretch(1000)), STRETCH_MS);
    }
}
