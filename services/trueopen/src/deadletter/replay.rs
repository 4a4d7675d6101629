//! Puts dead letters back onto the topics they came from.

use super::control::Client;
use super::letters::Letter;
use super::{Place, is_wanted, now};
use crate::cli::DeadLetterReplay;
use crate::data_dir::{DataDir, DataDirError};
use crate::settings::Settings;
use crate::topics::{CLASSIFIED, DEAD_LETTER, DELIVERY, NEIGHBOURS, RAW, Topics};
use crate::{Failure, output};
use engagement::{AccountNumber, Neighbour, from_wire, message_key, to_wire};
use std::collections::BTreeSet;
use std::time::{Duration, Instant};
use stream::{AppendError, Record, Topic};

/// The topics that letters come from.
const SOURCES: [&str; 4] = [RAW, CLASSIFIED, DELIVERY, NEIGHBOURS];
/// So many letters, or so many bytes of them, go together.
const BATCH: usize = 256;
const BATCH_BYTES: usize = 1 << 20;
/// How long a topic may refuse for now.
const PATIENCE: Duration = Duration::from_secs(30);
const PAUSE: Duration = Duration::from_millis(500);

pub(super) async fn replay(
    settings: &Settings,
    place: &Place<'_>,
    args: &DeadLetterReplay,
) -> Result<(), Failure> {
    if !args.all && args.filter.is_empty() {
        return Err("say which: --id, --reason, --topic or --since, or --all".into());
    }
    let shelf = place.shelf().await?;
    let now = now();
    let (mut wanted, mut before) = (BTreeSet::new(), 0);
    for letter in shelf.by_time().filter(|letter| is_wanted(letter, &args.filter, now)) {
        if letter.replayed_at.is_some() && !args.again {
            before += 1;
        } else {
            wanted.insert(letter.id.clone());
        }
    }
    let mut work =
        Work { target: None, settings, place, batch: Vec::new(), bytes: 0, replayed: 0, failed: 0 };
    place
        .each(async |letter, found, original| {
            if wanted.remove(&letter.id) {
                let key = found.record.as_ref().map(|record| record.key.clone()).unwrap_or_default();
                work.take(letter, key, original).await?;
            }
            Ok(())
        })
        .await?;
    work.send().await?;
    let Work { target, replayed, failed, .. } = work;
    if let Some(target) = target {
        target.close().await;
    }
    let repeated = if before > 0 {
        format!(", {before} were replayed before (--again repeats them)")
    } else {
        String::new()
    };
    output::line(&format!("replayed {replayed} dead letters{repeated}"));
    if failed > 0 {
        return Err(format!("{failed} dead letters could not be replayed, each is named above").into());
    }
    Ok(())
}

/// A letter on its way back.
struct Parcel {
    letter: Letter,
    /// For the topic it came from.
    record: Record,
    /// The letter's own key: its note lies beside it.
    note_key: Vec<u8>,
}

struct Work<'a> {
    /// Made when the first letter is there to be sent.
    target: Option<Target>,
    settings: &'a Settings,
    place: &'a Place<'a>,
    batch: Vec<Parcel>,
    bytes: usize,
    replayed: usize,
    failed: usize,
}

impl Work<'_> {
    async fn take(&mut self, letter: &Letter, key: Vec<u8>, original: Vec<u8>) -> Result<(), Failure> {
        if !SOURCES.contains(&letter.topic()) {
            return self.refuse(letter, "it came from no topic of ours");
        }
        if let Some(whole) = letter.cut_from() {
            return self.refuse(letter, &format!("only the first of its {whole} bytes were kept"));
        }
        let Some(record_key) = key_of(letter.topic(), &key, &original) else {
            let why = match letter.topic() {
                NEIGHBOURS => {
                    "its key is not known; its hit was classified without it, and nothing of the hit is lost"
                }
                _ => "its key is not known",
            };
            return self.refuse(letter, why);
        };
        self.bytes += original.len();
        let record = Record { key: record_key, payload: original.into() };
        self.batch.push(Parcel { letter: letter.clone(), record, note_key: key });
        if self.batch.len() >= BATCH || self.bytes >= BATCH_BYTES {
            self.send().await?;
        }
        Ok(())
    }

    #[allow(clippy::unnecessary_wraps, reason = "it ends calls that can fail")]
    fn refuse(&mut self, letter: &Letter, why: &str) -> Result<(), Failure> {
        output::error(&format!("{}: {why}", letter.id));
        self.failed += 1;
        Ok(())
    }

    /// Puts a batch back, then notes that.
    async fn send(&mut self) -> Result<(), Failure> {
        let batch = std::mem::take(&mut self.batch);
        self.bytes = 0;
        if batch.is_empty() {
            return Ok(());
        }
        let mut target = match self.target.take() {
            Some(target) => target,
            None => Target::of(self.settings, self.place).await?,
        };
        let mut done = Vec::new();
        for topic in SOURCES {
            let parcels: Vec<&Parcel> =
                batch.iter().filter(|parcel| parcel.letter.topic() == topic).collect();
            let records = parcels.iter().map(|parcel| parcel.record.clone()).collect();
            match target.append(topic, records).await? {
                None => done.extend(parcels),
                // One of them is too long, and the answer doesn't say which: each goes alone.
                Some(_) => {
                    for parcel in parcels {
                        match target.append(topic, vec![parcel.record.clone()]).await? {
                            None => done.push(parcel),
                            Some(why) => self.refuse(&parcel.letter, &why)?,
                        }
                    }
                }
            }
        }
        let now = now();
        let note = |parcel: &&Parcel| Record {
            key: parcel.note_key.clone(),
            payload: to_wire(&parcel.letter.note(now)).into(),
        };
        if let Some(why) = target.append(DEAD_LETTER, done.iter().map(note).collect()).await? {
            return Err(format!("letters were put back, but that could not be noted: {why}").into());
        }
        self.replayed += done.len();
        self.target = Some(target);
        Ok(())
    }
}

/// The key of the original: that of its letter, else what the record itself says it is about. Neighbour records lie under
/// what their hit has in common with others, all others under their message.
fn key_of(topic: &str, letter_key: &[u8], original: &[u8]) -> Option<Vec<u8>> {
    #[derive(serde::Deserialize)]
    struct About {
        account_number: u32,
        message_id: String,
    }
    if !letter_key.is_empty() {
        return Some(letter_key.to_vec());
    }
    if topic == NEIGHBOURS {
        return from_wire::<Neighbour>(original).ok().map(|record| record.key());
    }
    let about: About = serde_json::from_slice(original).ok()?;
    Some(message_key(AccountNumber(about.account_number), &about.message_id))
}

/// Whoever appends to the topics.
enum Target {
    Kafka(Vec<Topic>),
    /// Nothing runs on the data directory, so this command holds it.
    Held(DataDir, Topics),
    /// A running `up` holds it and takes records for us.
    Running(Client),
}

impl Target {
    async fn of(settings: &Settings, place: &Place<'_>) -> Result<Self, Failure> {
        if let Place::Kafka(_, cluster) = place {
            let specs = settings.kafka.specs(&[RAW, CLASSIFIED, DELIVERY, NEIGHBOURS, DEAD_LETTER]);
            return Ok(Self::Kafka(cluster.open(&specs, &[]).await?));
        }
        match DataDir::take(&settings.data_dir) {
            Ok(held) => Ok(Self::Held(held, Topics::open(settings)?)),
            Err(DataDirError::InUse { .. }) => Ok(Self::Running(Client::connect(&settings.data_dir).await?)),
            Err(error) => Err(error.into()),
        }
    }

    /// Appends records in order. `Some` says why one of them never will be.
    async fn append(&mut self, name: &str, records: Vec<Record>) -> Result<Option<String>, Failure> {
        if records.is_empty() {
            return Ok(None);
        }
        let topic = match self {
            Self::Kafka(topics) => topics.iter().find(|topic| topic.name() == name),
            Self::Held(_, topics) => topics.named(name),
            Self::Running(client) => return client.append(name, &records).await,
        };
        let topic = topic.ok_or_else(|| format!("there is no topic {name}"))?;
        append(topic, records).await
    }

    async fn close(self) {
        match self {
            Self::Kafka(topics) => {
                for topic in topics {
                    topic.close().await;
                }
            }
            Self::Held(_held, topics) => topics.close().await,
            Self::Running(_) => {}
        }
    }
}

/// Appends to a topic of this process, trying again for a while when it refuses for now.
pub(super) async fn append(topic: &Topic, records: Vec<Record>) -> Result<Option<String>, Failure> {
    let began = Instant::now();
    loop {
        match topic.append_all(records.clone()).await {
            Ok(()) => return Ok(None),
            Err(error @ AppendError::TooLarge { .. }) => return Ok(Some(error.to_string())),
            Err(error) if error.is_transient() && began.elapsed() < PATIENCE => {
                tokio::time::sleep(PAUSE).await
            }
            Err(error) => return Err(error.into()),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use engagement::neighbour::{Ground, Hashed};
    use engagement::{Kind, Timestamp};

    #[test]
    fn a_record_without_a_key_goes_under_what_it_is_about() {
        assert_eq!(key_of(RAW, b"k", b"{}"), Some(b"k".to_vec()));
        let about = br#"{"v":1,"account_number":7,"message_id":"m"}"#;
        assert_eq!(key_of(RAW, b"", about), Some(message_key(AccountNumber(7), "m")));
        assert_eq!(key_of(RAW, b"", b"no record"), None);
        assert_eq!(key_of(NEIGHBOURS, b"", about), None, "no neighbour record, and no message's topic");
        let of = Hashed::of(AccountNumber(7), "network", b"203.0.113");
        let record = Neighbour {
            v: Neighbour::VERSION,
            account_number: AccountNumber(7),
            ground: Ground::Client,
            of,
            address: None,
            message_id: "m".to_owned(),
            reader: of,
            kind: Kind::Click,
            link_index: None,
            link_count: None,
            received_at: Timestamp::from_millis(1_793_610_000_000).unwrap(),
        };
        assert_eq!(key_of(NEIGHBOURS, b"", &to_wire(&record)), Some(record.key()));
    }
}
