//! `trueopen verify`: recounts the reports from the raw events and compares.
//!
//! Invariants: the recount reads tables and never a view; each question is asked of the views before the recount and, where
//! the two differ, again after it, so that what was loaded meanwhile is told apart from what is wrong; nothing is changed.
//!
//! An account's rows are read once, message by message, for all questions together. What grows in memory is the answers: a
//! row a group, and of what has percentiles each different millisecond.

mod ask;
mod clock;
mod facts;
mod picks;
mod plan;
mod question;
mod recount;
mod rows;
mod table;
#[cfg(test)]
mod tests;

use crate::settings::Settings;
use crate::{Failure, output};
use clickhouse::Client;
use engagement::{AccountId, Timestamp};
use futures_util::{StreamExt as _, TryStreamExt as _};
use picks::Picks;
use question::Question;
pub(crate) use question::Report;
use recount::{Recount, Scoped};
use rows::Messages;
use std::time::SystemTime;
use store::{Account, Accounts};
use table::{Table, differences, shown};

/// How many conflicts are printed; all are counted.
const SHOWN: usize = 20;
/// How many questions the database works on at a time: most of a small one is planning, on one core.
const AT_A_TIME: usize = 2;

/// Verifies the reports that are named, or all, of one account, or of all.
pub(crate) async fn verify(
    settings: &Settings,
    account: Option<String>,
    reports: &[String],
) -> Result<(), Failure> {
    let client = settings.connection()?.client();
    let accounts = Accounts::new(client.clone());
    let chosen = match account {
        Some(name) => {
            let id = AccountId::new(name)?;
            vec![accounts.find(&id).await?.ok_or_else(|| format!("there is no account {id}"))?]
        }
        None => accounts.list().await?,
    };
    let mut faults = 0;
    for account in &chosen {
        faults += one(&client, &accounts, account, reports).await?;
    }
    match faults {
        0 => Ok(()),
        faults => Err(format!("{faults} differences").into()),
    }
}

/// How many faults an account's data has.
async fn one(
    client: &Client,
    accounts: &Accounts,
    account: &Account,
    reports: &[String],
) -> Result<usize, Failure> {
    let (settings, _) = accounts.settings(account.number).await?;
    let now = Timestamp::from_clock(SystemTime::now()).millis();
    let picks = Picks::of(client, account.number).await?.unwrap_or_else(|| Picks::nothing(now));
    let questions = plan::questions(&picks, &settings.suppress.classes(), reports);
    let answers = answers(client, account, &questions).await?;
    let Recounted { recounts, counts } = recount(client, account, &questions).await?;

    let (mut faults, mut moved) = (0, 0);
    for ((question, answer), recount) in questions.iter().zip(&answers).zip(recounts) {
        let found = differences(&recount.table(), answer);
        if found.is_empty() {
            continue;
        }
        if ask::ask(client, account.number, question).await? != *answer {
            moved += 1;
            continue;
        }
        for one in &found {
            let group = if one.group.is_empty() { String::new() } else { format!("{}: ", one.group) };
            output::line(&format!(
                "{}: {question}: {group}{} is {} by the events, {} in the report",
                account.id,
                one.figure,
                shown(one.said),
                shown(one.answered)
            ));
        }
        faults += found.len();
    }
    let conflicts = rows::conflicts(client, account.number).await?;
    for conflict in conflicts.iter().take(SHOWN) {
        output::line(&format!(
            "{}: event {} has {} contents under revision {}",
            account.id, conflict.event_id, conflict.contents, conflict.revision
        ));
    }
    faults += conflicts.len();
    output::line(&format!(
        "{}: {} messages with {} hits and {} delivery events recounted for {} reports, {faults} differences",
        account.id,
        counts.messages,
        counts.hits,
        counts.deliveries,
        questions.len()
    ));
    if moved > 0 {
        return Err(format!(
            "{}: {moved} reports changed while they were recounted: verify again when less is arriving",
            account.id
        )
        .into());
    }
    Ok(faults)
}

/// What the views answer to each question.
async fn answers(client: &Client, account: &Account, questions: &[Question]) -> Result<Vec<Table>, Failure> {
    let mut answers = Vec::with_capacity(questions.len());
    let asked = questions.iter().map(|question| ask::ask(client, account.number, question));
    let mut asked = futures_util::stream::iter(asked).buffered(AT_A_TIME);
    while let Some(answer) = asked.try_next().await? {
        answers.push(answer);
        output::progress(&format!("{}: {} of {} reports asked", account.id, answers.len(), questions.len()));
    }
    Ok(answers)
}

/// How much was recounted.
#[derive(Debug, Default)]
struct Counts {
    messages: u64,
    hits: u64,
    deliveries: u64,
}

struct Recounted {
    recounts: Vec<Box<dyn Recount>>,
    counts: Counts,
}

/// What the events say to each question.
async fn recount(client: &Client, account: &Account, questions: &[Question]) -> Result<Recounted, Failure> {
    let begun: Option<Vec<Box<dyn Recount>>> = questions.iter().map(recount::of).collect();
    let mut recounts = begun.ok_or("a time zone of the questions is missing in this build")?;
    let mut messages = Messages::of(client, account.number).await?;
    let mut counts = Counts::default();
    while let Some(message) = messages.next().await? {
        for (question, recount) in questions.iter().zip(&mut recounts) {
            if let Some(scoped) = Scoped::new(question, &message) {
                recount.add(&scoped);
            }
        }
        counts.messages += 1;
        counts.hits += message.hits.len() as u64;
        counts.deliveries += message.deliveries.len() as u64;
        if counts.messages.is_multiple_of(10_000) {
            output::progress(&format!("{}: {} messages recounted", account.id, counts.messages));
        }
    }
    output::progress("");
    Ok(Recounted { recounts, counts })
}
