//! `trueopen verify`: recounts the reports from the raw events and compares.
//!
//! Invariants: the recount reads tables and never a view; each question is asked of the views before the recount and, where
//! the two differ, again after it, so that what was loaded meanwhile is told apart from what is wrong; nothing is changed.

mod recount;
mod rows;

use crate::settings::Settings;
use crate::{Failure, output};
use clickhouse::Client;
use engagement::sources::Class;
use engagement::{AccountId, Timestamp};
use recount::{By, Figures, Question};
use rows::Messages;
use std::time::SystemTime;
use store::{Account, Accounts};

const HOUR: i64 = 3_600_000;
/// Before every time there can be, and after.
const EVER: (i64, i64) = (946_684_800_000, 4_102_444_800_000);
/// How many conflicts are printed; all are counted.
const SHOWN: usize = 20;

/// Verifies one account, or all.
pub(crate) async fn verify(settings: &Settings, account: Option<String>) -> Result<(), Failure> {
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
        faults += one(&client, &accounts, account).await?;
    }
    match faults {
        0 => Ok(()),
        faults => Err(format!("{faults} differences").into()),
    }
}

/// How many faults an account's data has.
async fn one(client: &Client, accounts: &Accounts, account: &Account) -> Result<usize, Failure> {
    let (settings, _) = accounts.settings(account.number).await?;
    let now = Timestamp::from_clock(SystemTime::now()).millis();
    let questions = questions(now, settings.suppress.classes());
    let mut answers = Vec::with_capacity(questions.len());
    for question in &questions {
        answers.push(rows::ask(client, account.number, question).await?);
    }

    let mut recounted = vec![Figures::new(); questions.len()];
    let mut messages = Messages::of(client, account.number).await?;
    let mut count = 0_u64;
    while let Some(message) = messages.next().await? {
        for (question, figures) in questions.iter().zip(&mut recounted) {
            message.count(question, figures);
        }
        count += 1;
        if count.is_multiple_of(10_000) {
            output::progress(&format!("{}: {count} messages", account.id));
        }
    }
    output::progress("");

    let (mut faults, mut moved) = (0, 0);
    for ((question, answer), figures) in questions.iter().zip(&answers).zip(recounted) {
        let expected = comparable(figures);
        let found = differences(&expected, answer);
        if found.is_empty() {
            continue;
        }
        if rows::ask(client, account.number, question).await? != *answer {
            moved += 1;
            continue;
        }
        for (figure, said, answered) in &found {
            output::line(&format!(
                "{}: {}: {figure} is {said} by the events, {answered} in the report",
                account.id,
                shown(question)
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
        "{}: {count} messages recounted for {} reports, {faults} differences",
        account.id,
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

/// What is asked: all time under every suppression, and windows of which none begins or ends on a full hour under the
/// account's own; each by event and by sending.
fn questions(now: i64, own: Vec<Class>) -> Vec<Question> {
    let names = |classes: &[Class]| classes.iter().map(|class| class.as_str()).collect::<Vec<_>>();
    let mut questions = Vec::new();
    for sent_cohort in [false, true] {
        let mut grouped =
            |(from, to), suppress, by| questions.push(Question { from, to, sent_cohort, suppress, by });
        for by in [By::RecipientDomain, By::MailboxProvider, By::BounceReason] {
            grouped(EVER, names(&own), by);
            grouped((now - 29 * HOUR - 123_456, now - 5 * HOUR), names(&own), by);
        }
        // Days that begin where no day of any calendar does.
        grouped((now - 30 * 24 * HOUR - 123_456, now), names(&own), By::Day);
        let mut ask = |window, suppress| grouped(window, suppress, By::All);
        ask(EVER, Vec::new());
        ask(EVER, names(&Class::ALL));
        Class::ALL.into_iter().for_each(|class| ask(EVER, names(&[class])));
        for (from, to) in [(30 * 24, 0), (7 * 24, 0), (24, 0), (29, 5), (1, 0)] {
            ask((now - from * HOUR - 123_456, now - to * HOUR), names(&own));
        }
    }
    questions
}

/// The recounted figures as the views can tell them: a numerator shows only where there is a denominator.
fn comparable(mut figures: Figures) -> Figures {
    let count = |figures: &Figures, name: &str| figures.get(name).copied().unwrap_or(0);
    for (numerator, denominator, least) in [
        ("open_high", "delivered_tracked", 1),
        ("open_estimate", "delivered_unmasked", 100),
        ("click_to_open", "opens_unique", 1),
    ] {
        let named: Vec<String> = figures.keys().filter(|name| name.ends_with(numerator)).cloned().collect();
        for name in named {
            if count(&figures, &name.replace(numerator, denominator)) < least {
                figures.remove(&name);
            }
        }
    }
    figures
}

/// The figures that differ: name, by the events, in the report. One that is missing is zero.
fn differences(expected: &Figures, answer: &Figures) -> Vec<(String, u64, u64)> {
    let names: std::collections::BTreeSet<&String> = expected.keys().chain(answer.keys()).collect();
    let count = |figures: &Figures, name: &str| figures.get(name).copied().unwrap_or(0);
    let both = names.into_iter().map(|name| (name.clone(), count(expected, name), count(answer, name)));
    both.filter(|(_, said, answered)| said != answered).collect()
}

fn shown(question: &Question) -> String {
    let time = |at| Timestamp::from_millis(at).map_or("the end of time".to_owned(), |at| at.to_string());
    format!(
        "cohort={} from {} to {} suppress={}{}",
        if question.sent_cohort { "sent" } else { "event" },
        time(question.from),
        time(question.to),
        if question.suppress.is_empty() { "none".to_owned() } else { question.suppress.join(",") },
        if question.by == By::All { String::new() } else { format!(" by={}", question.by.as_str()) }
    )
}
