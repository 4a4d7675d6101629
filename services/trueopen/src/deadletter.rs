//! `trueopen deadletter`: what no stage could use, and the way back.
//!
//! - A letter's id is a hash of where the record was and of its bytes: a letter that was written twice is one.
//! - `list` reads and changes nothing, over Kafka as no member of any group, and over a data directory beside whoever holds it.
//! - `replay` puts the original bytes back onto the topic they came from, under their key, then notes that on the dead-letter
//!   topic itself. A kill between the two costs a repeat, and repeats end in the tables' keys.
//! - Content is shown to who asks for it by `--show` alone; a reason may quote content and is cut before the quotation.

pub(crate) mod control;
mod letters;
mod replay;

use crate::cli::{DeadLetterCommand, DeadLetterFilter, DeadLetterList};
use crate::settings::Settings;
use crate::topics::DEAD_LETTER;
use crate::{Failure, output};
use engagement::Timestamp;
use letters::{Letter, Opened, Shelf};
use std::time::SystemTime;
use stream::{Cluster, Found, Scan};

pub(crate) async fn deadletter(settings: &Settings, command: DeadLetterCommand) -> Result<(), Failure> {
    let place = Place::of(settings)?;
    match command {
        DeadLetterCommand::List(args) => list(&place, &args).await?,
        DeadLetterCommand::Replay(args) => replay::replay(settings, &place, &args).await?,
    }
    place.close().await;
    Ok(())
}

/// Where the dead letters of these settings lie.
enum Place<'a> {
    Kafka(&'a Settings, Cluster),
    DataDir(&'a Settings),
}

impl<'a> Place<'a> {
    fn of(settings: &'a Settings) -> Result<Self, Failure> {
        Ok(match settings.kafka.cluster()? {
            Some(cluster) => Self::Kafka(settings, cluster),
            None => Self::DataDir(settings),
        })
    }

    async fn scan(&self) -> Result<Scan, Failure> {
        match self {
            Self::Kafka(settings, cluster) => {
                let specs = settings.kafka.specs(&[DEAD_LETTER]);
                Ok(cluster.scan(&specs[0]).await?)
            }
            Self::DataDir(settings) => {
                let dir = settings.topic(DEAD_LETTER, &[]).journal.dir;
                Scan::of_journal(&dir).map_err(|error| {
                    format!(
                        "{} can't be read ({error}): name the data directory of `trueopen up` with --data-dir, or kafka.brokers",
                        dir.display()
                    )
                    .into()
                })
            }
        }
    }

    /// Everything that lies there, without the content.
    async fn shelf(&self) -> Result<Shelf, Failure> {
        let mut scan = self.scan().await?;
        let mut shelf = Shelf::default();
        while let Some(found) = scan.next().await? {
            found.iter().for_each(|found| shelf.take(found));
        }
        let unread = shelf.unreadable + scan.skipped();
        if unread > 0 {
            output::error(&format!("{unread} records there are no dead letters that this program reads"));
        }
        Ok(shelf)
    }

    /// Calls for every letter that a second look finds, with its record.
    async fn each(
        &self,
        mut take: impl AsyncFnMut(&Letter, &Found, Vec<u8>) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let mut scan = self.scan().await?;
        while let Some(found) = scan.next().await? {
            for found in found {
                if let Some(Opened::Letter(letter, original)) = letters::open(&found) {
                    take(&letter, &found, original).await?;
                }
            }
        }
        Ok(())
    }

    async fn close(self) {
        if let Self::Kafka(_, cluster) = self {
            cluster.close().await;
        }
    }
}

/// Whether a letter is asked for.
fn is_wanted(letter: &Letter, filter: &DeadLetterFilter, now: Timestamp) -> bool {
    let reason = filter.reason.as_ref().is_none_or(|part| letter.reason().contains(part.as_str()));
    let topic = filter.topic.as_ref().is_none_or(|topic| letter.topic() == topic);
    let since = filter
        .since
        .as_ref()
        .is_none_or(|since| letter.set_aside_at.is_none_or(|at| at >= since.before(now)));
    let id = filter.id.is_empty() || filter.id.contains(&letter.id);
    reason && topic && since && id
}

fn now() -> Timestamp {
    Timestamp::from_clock(SystemTime::now())
}

async fn list(place: &Place<'_>, args: &DeadLetterList) -> Result<(), Failure> {
    let shelf = place.shelf().await?;
    let now = now();
    let wanted: Vec<&Letter> =
        shelf.by_time().filter(|letter| is_wanted(letter, &args.filter, now)).collect();
    if args.show {
        // Content is read again and printed as it comes, so that none of it is held.
        let mut left: std::collections::BTreeMap<&str, &Letter> =
            wanted.iter().map(|letter| (letter.id.as_str(), *letter)).collect();
        place
            .each(async |letter, _, original| {
                if let Some(known) = left.remove(letter.id.as_str()) {
                    output::line(&known.shown(&original, args.json));
                }
                Ok(())
            })
            .await?;
    } else {
        for letter in &wanted {
            output::line(&if args.json { letter.json().to_string() } else { letter.line() });
        }
    }
    if !args.json {
        let waiting = wanted.iter().filter(|letter| letter.replayed_at.is_none()).count();
        output::line(&format!("{} dead letters, {waiting} of them not replayed", wanted.len()));
    }
    Ok(())
}
