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

#[cfg(test)]
mod tests {
    use super::*;
    use engagement::WIRE_VERSION;
    use stream::{DecodeError, Undecodable};

    fn letter_of(record: &Record) -> DeadLetter {
        from_wire(&record.payload).unwrap()
    }

    fn dead(delivered: &Delivered) -> Dead {
        match route(delivered, "engagement.raw", &Ruleset::builtin()) {
            Routed::Dead(dead) => dead,
            Routed::Classified { .. } => panic!("classified"),
        }
    }

    #[test]
    fn bytes_that_are_no_record_keep_their_place_and_reason() {
        let bytes = Bytes::from_static(b"\x02abc");
        let record = Err(Undecodable { reason: DecodeError::UnknownVersion(2), bytes: bytes.clone() });
        let dead = dead(&Delivered { partition: 3, offset: 9, record });
        let letter = letter_of(&dead.record());
        assert_eq!(dead.label, "undecodable");
        assert_eq!(letter.reason, "unknown record version 2");
        assert_eq!((letter.partition, letter.offset, letter.at), (3, 9, None));
        assert_eq!(STANDARD.decode(letter.original_base64).unwrap(), bytes);
    }

    #[test]
    fn a_record_that_is_no_hit_says_why() {
        let of = |payload: String| {
            let record = Ok(Record { key: b"k".to_vec(), payload: payload.into() });
            dead(&Delivered { partition: 0, offset: 1, record })
        };
        let newer = of(format!("{{\"v\":{}}}", WIRE_VERSION + 1));
        assert_eq!(newer.label, "newer");
        let dated = of("{\"v\":1,\"received_at\":\"2026-11-02T09:00:00Z\"}".to_owned());
        assert_eq!((dated.label, letter_of(&dated.record()).at.is_some()), ("malformed", true));
        // A parser quotes what it could not read; the letter's reason stays short all the same.
        let long = of(format!("{{\"v\":\"{}\"}}", "é".repeat(5000)));
        assert!(letter_of(&long.record()).reason.len() < 300);
    }

    #[test]
    fn a_cut_letter_fits_for_any_length() {
        for length in [2000, 2001, 2002, 5000, 100_000] {
            let record = Ok(Record { key: b"key".to_vec(), payload: "\"".repeat(length).into() });
            let dead = dead(&Delivered { partition: 0, offset: 1, record });
            let whole = dead.record().payload.len();
            for limit in [1000, 1500, 2500] {
                let cut = dead.cut_to_fit(whole, limit).unwrap();
                assert!(cut.payload.len() <= limit, "{} of {limit}", cut.payload.len());
                assert!(cut.payload.len() + 600 > limit, "{} of {limit}", cut.payload.len());
            }
            assert!(dead.cut_to_fit(whole, 100).is_none());
        }
    }
}
