//! Records that can't be loaded, as the dead-letter topic takes them: with the reason and the original bytes.

use crate::batch::Source;
use crate::config::Config;
use crate::{LoaderError, metrics};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use engagement::{DeadLetter, Timestamp, to_wire};
use stream::{AppendError, Record, Topic};
use tracing::{error, info, warn};

/// The most characters of a reason.
const REASON_CHARACTERS: usize = 300;

/// A record to set aside.
pub(crate) struct Dead {
    /// Why, as a metric's label.
    pub(crate) label: &'static str,
    /// All but the original bytes.
    letter: DeadLetter,
    key: Vec<u8>,
    original: Bytes,
}

impl Dead {
    /// A record of `topic` with the reason why it is here. The reason may quote the record: it is for whoever may read
    /// the record itself, and goes nowhere else.
    pub(crate) fn new(topic: &str, source: Source, label: &'static str, reason: String) -> Self {
        let letter = DeadLetter {
            v: DeadLetter::VERSION,
            reason: reason.chars().take(REASON_CHARACTERS).collect(),
            topic: topic.to_owned(),
            partition: source.partition,
            offset: source.offset,
            at: received_at(&source.original),
            original_base64: String::new(),
        };
        Self { label, letter, key: source.key, original: source.original }
    }

    fn record(&self) -> Record {
        self.with_original(&self.original, self.letter.reason.clone())
    }

    /// The record with only as much of the original as lets one of `bytes` bytes fit into `limit`, if any does.
    fn cut_to_fit(&self, bytes: usize, limit: usize) -> Option<Record> {
        let note = format!("{} (the first bytes of {})", self.letter.reason, self.original.len());
        // Three bytes become four characters; the note, escaped, and the padding take more.
        let over = bytes.saturating_sub(limit) + 2 * note.len() + 8;
        let keep = self.original.len().checked_sub(over.div_ceil(4) * 3)?;
        Some(self.with_original(&self.original[..keep], note))
    }

    fn with_original(&self, original: &[u8], reason: String) -> Record {
        let letter = DeadLetter { reason, original_base64: STANDARD.encode(original), ..self.letter.clone() };
        Record { key: self.key.clone(), payload: to_wire(&letter).into() }
    }
}

/// When the record was received, if its bytes still say so.
fn received_at(original: &[u8]) -> Option<Timestamp> {
    #[derive(serde::Deserialize)]
    struct When {
        received_at: Timestamp,
    }
    serde_json::from_slice::<When>(original).ok().map(|when| when.received_at)
}

/// Makes dead letters durable; one that is too long for the topic is cut to fit.
pub(crate) async fn set_aside(
    dead: &[Dead],
    from: &str,
    topic: &Topic,
    config: &Config,
) -> Result<(), LoaderError> {
    let records: Vec<Record> = dead.iter().map(Dead::record).collect();
    if records.is_empty() || append(topic, &records, config).await?.is_none() {
        return Ok(());
    }
    // One of them is too long, and the answer doesn't say which.
    for (dead, record) in dead.iter().zip(records) {
        let Some((bytes, limit)) = append(topic, &[record], config).await? else { continue };
        let too_small = || LoaderError::TooSmall { topic: topic.name().to_owned(), limit };
        let cut = dead.cut_to_fit(bytes, limit).ok_or_else(too_small)?;
        if append(topic, &[cut], config).await?.is_some() {
            return Err(too_small());
        }
        metrics::CUT.with_label_values(&[from]).inc();
        error!(topic = from, bytes, limit, "a dead letter was cut to fit its topic");
    }
    Ok(())
}

/// Appends records, trying again for as long as the topic refuses for now. Gives the bytes and the limit when one of
/// them is longer than the topic takes.
async fn append(
    topic: &Topic,
    records: &[Record],
    config: &Config,
) -> Result<Option<(usize, usize)>, LoaderError> {
    let mut failures = 0;
    loop {
        match topic.append_all(records.to_vec()).await {
            Ok(()) => {
                if failures > 0 {
                    info!(topic = topic.name(), "dead letters are taken again");
                }
                return Ok(None);
            }
            Err(AppendError::TooLarge { bytes, limit, .. }) => return Ok(Some((bytes, limit))),
            Err(AppendError::Closed { topic }) => return Err(LoaderError::Closed { topic }),
            Err(refused) => {
                failures += 1;
                if failures == 1 {
                    warn!(
                        topic = topic.name(),
                        reason = refused.reason(),
                        "dead letters are refused, trying again"
                    );
                }
                tokio::time::sleep(config.pause(failures)).await;
            }
        }
    }
}
