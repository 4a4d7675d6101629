//! What becomes of one raw record, decided purely: a classified record, or a dead letter that says why not.

use crate::file::brief;
use crate::ruleset::Ruleset;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use engagement::{Actor, DeadLetter, Hit, Timestamp, WireError, from_wire, message_key, to_wire};
use stream::{Delivered, Record};

/// Where a record goes.
#[derive(Debug, Clone, PartialEq)]
pub(super) enum Routed {
    /// To the classified topic.
    Classified {
        /// The hit with its verdict, under the message's key.
        record: Record,
        /// Who made it, for the metrics.
        actor: Actor,
        /// Which source it was, for the metrics.
        source: String,
    },
    /// To the dead-letter topic.
    Dead(Dead),
}

impl Routed {
    /// The record for the classified topic, if it goes there.
    pub(super) fn classified(&self) -> Option<&Record> {
        match self {
            Self::Classified { record, .. } => Some(record),
            Self::Dead(_) => None,
        }
    }

    /// The dead letter, if it is one.
    pub(super) fn dead(&self) -> Option<&Dead> {
        match self {
            Self::Classified { .. } => None,
            Self::Dead(dead) => Some(dead),
        }
    }
}

/// A record that can't be classified.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Dead {
    /// Why, as a metric's label.
    pub(super) label: &'static str,
    /// Where it came from and why it is here, all but the original bytes.
    letter: DeadLetter,
    key: Vec<u8>,
    original: Bytes,
}

/// Decides what becomes of a record of `topic`. The same record under the same ruleset always becomes the same bytes.
pub(super) fn route(delivered: &Delivered, topic: &str, ruleset: &Ruleset) -> Routed {
    let record = match &delivered.record {
        Ok(record) => record,
        Err(undecodable) => {
            let reason = undecodable.reason.to_string();
            return dead(delivered, topic, "undecodable", reason, Vec::new(), undecodable.bytes.clone());
        }
    };
    match from_wire::<Hit>(&record.payload) {
        Ok(hit) => {
            let key = message_key(hit.account_number, &hit.message_id);
            let classified = ruleset.classify(hit);
            Routed::Classified {
                record: Record { key, payload: to_wire(&classified).into() },
                actor: classified.verdict.actor,
                source: classified.verdict.source,
            }
        }
        Err(error) => {
            let label = match error {
                WireError::Newer { .. } => "newer",
                WireError::Malformed(_) => "malformed",
            };
            let payload = record.payload.clone();
            dead(delivered, topic, label, error.to_string(), record.key.clone(), payload)
        }
    }
}

/// The dead letter of a record whose verdict the classified topic refuses for its length.
pub(super) fn too_large(delivered: &Delivered, topic: &str, reason: String) -> Dead {
    let (key, original) = match &delivered.record {
        Ok(record) => (record.key.clone(), record.payload.clone()),
        Err(undecodable) => (Vec::new(), undecodable.bytes.clone()),
    };
    Dead { label: "too_large", letter: letter(delivered, topic, reason, &original), key, original }
}

impl Dead {
    /// The record for the dead-letter topic.
    pub(super) fn record(&self) -> Record {
        self.with_original(&self.original, self.letter.reason.clone())
    }

    /// The record with only as much of the original as lets a record of `bytes` bytes fit into `limit`; for a topic that
    /// refused the whole. `None` when not even an empty original would.
    pub(super) fn cut_to_fit(&self, bytes: usize, limit: usize) -> Option<Record> {
        let note = format!("{} (the first bytes of {})", self.letter.reason, self.original.len());
        // Three bytes become four characters; the note and the padding take a little more.
        let over = bytes.saturating_sub(limit) + note.len() + 4;
        let keep = self.original.len().checked_sub(over.div_ceil(4) * 3)?;
        Some(self.with_original(&self.original[..keep], note))
    }

    fn with_original(&self, original: &[u8], reason: String) -> Record {
        let letter = DeadLetter { reason, original_base64: STANDARD.encode(original), ..self.letter.clone() };
        Record { key: self.key.clone(), payload: to_wire(&letter).into() }
    }
}

fn dead(
    delivered: &Delivered,
    topic: &str,
    label: &'static str,
    reason: String,
    key: Vec<u8>,
    original: Bytes,
) -> Routed {
    Routed::Dead(Dead { label, letter: letter(delivered, topic, reason, &original), key, original })
}

fn letter(delivered: &Delivered, topic: &str, reason: String, original: &[u8]) -> DeadLetter {
    DeadLetter {
        v: DeadLetter::VERSION,
        reason: brief(reason),
        topic: topic.to_owned(),
        partition: delivered.partition,
        offset: delivered.offset,
        at: received_at(original),
        original_base64: String::new(),
    }
}

/// When the hit arrived, if the bytes still say so.
fn received_at(original: &[u8]) -> Option<Timestamp> {
    #[derive(serde::Deserialize)]
    struct When {
        received_at: Timestamp,
    }
    serde_json::from_slice::<When>(original).ok().map(|when| when.received_at)
}
