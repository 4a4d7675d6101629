//! What becomes of records, decided purely: a hit to be classified, or a dead letter that says why not; and what is
//! written of a verdict.

use super::StageError;
use super::live::Said;
use super::revise::LastSaid;
use crate::file::brief;
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use bytes::Bytes;
use engagement::{Actor, DeadLetter, Hit, Timestamp, WireError, from_wire, message_key, to_wire};
use serde::de::DeserializeOwned;
use stream::{AppendError, Delivered, Record, Topic};

/// What a record is.
#[derive(Debug, PartialEq)]
pub(super) enum Routed {
    /// A hit, to be classified.
    Hit(Box<Hit>),
    /// For the dead-letter topic.
    Dead(Dead),
}

/// A record for the classified topic.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Output {
    /// The hit with its verdict, under the message's key.
    pub(super) record: Record,
    /// Who made it, for the metrics.
    pub(super) actor: Actor,
    /// Which source it was, for the metrics.
    pub(super) source: String,
    /// A correction of an earlier verdict.
    pub(super) correction: bool,
    /// The partition of the raw topic on whose account it is said.
    pub(super) partition: u32,
    /// Where the record that made it was.
    pub(super) from: Place,
    /// What names it.
    pub(super) names: LastSaid,
}

/// Where a record was, and what it was.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Place {
    partition: u32,
    offset: u64,
    key: Vec<u8>,
    original: Bytes,
}

impl Output {
    /// What is to be written of a verdict; `from` is the raw record of the hit, which a correction has not.
    pub(super) fn new(said: Said, partition: u32, from: Option<&Delivered>) -> Self {
        let Said { classified, correction } = said;
        let key = message_key(classified.hit.account_number, &classified.hit.message_id);
        let payload = Bytes::from(to_wire(&classified));
        let names = LastSaid::of(&classified);
        let from = match from {
            Some(delivered) if !correction => Place::of(delivered),
            _ => Place { partition, offset: 0, key: key.clone(), original: payload.clone() },
        };
        Self {
            record: Record { key, payload },
            actor: classified.verdict.actor,
            source: classified.verdict.source,
            correction,
            partition,
            from,
            names,
        }
    }

    /// The dead letter of one that the classified topic refuses for its length.
    pub(super) fn too_large(&self, raw: &str, classified: &str, reason: String) -> Dead {
        let topic = if self.correction { classified } else { raw };
        self.from.clone().dead(topic, "too_large", reason)
    }
}

impl Place {
    fn of(delivered: &Delivered) -> Self {
        let (key, original) = match &delivered.record {
            Ok(record) => (record.key.clone(), record.payload.clone()),
            Err(undecodable) => (Vec::new(), undecodable.bytes.clone()),
        };
        Self { partition: delivered.partition, offset: delivered.offset, key, original }
    }

    fn dead(self, topic: &str, label: &'static str, reason: String) -> Dead {
        let letter = DeadLetter {
            v: DeadLetter::VERSION,
            reason: brief(reason),
            topic: topic.to_owned(),
            partition: self.partition,
            offset: self.offset,
            at: received_at(&self.original),
            original_base64: String::new(),
        };
        Dead { label, letter, key: self.key, original: self.original }
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

/// Decides what a record of `topic` is.
pub(super) fn route(delivered: &Delivered, topic: &str) -> Routed {
    match read::<Hit>(delivered, topic) {
        Ok(hit) => Routed::Hit(Box::new(hit)),
        Err(dead) => Routed::Dead(*dead),
    }
}

/// What a record of `topic` says, or its dead letter.
pub(super) fn read<T: DeserializeOwned>(delivered: &Delivered, topic: &str) -> Result<T, Box<Dead>> {
    let dead = |label, reason: String| Box::new(Place::of(delivered).dead(topic, label, reason));
    let record = match &delivered.record {
        Ok(record) => record,
        Err(undecodable) => return Err(dead("undecodable", undecodable.reason.to_string())),
    };
    from_wire::<T>(&record.payload).map_err(|error| match error {
        WireError::Newer { .. } => dead("newer", error.to_string()),
        WireError::Malformed(_) => dead("malformed", error.to_string()),
    })
}

impl Dead {
    /// Where the record was.
    pub(super) fn place(&self) -> (u32, u64) {
        (self.letter.partition, self.letter.offset)
    }

    /// The partition of the raw topic on whose account it is written.
    pub(super) fn partition(&self) -> u32 {
        self.letter.partition
    }

    /// Whether the record was in this topic.
    pub(super) fn is_of(&self, topic: &str) -> bool {
        self.letter.topic == topic
    }

    /// The record for the dead-letter topic.
    pub(super) fn record(&self) -> Record {
        self.with_original(&self.original, self.letter.reason.clone())
    }

    /// The record as its topic takes it; where that is cut, how many bytes it would have, and the limit.
    ///
    /// # Errors
    /// [`StageError::TooSmall`] when the topic takes not even one without its original.
    pub(super) fn fitted(&self, topic: &Topic) -> Result<(Record, Option<(usize, usize)>), StageError> {
        let record = self.record();
        let Err(AppendError::TooLarge { bytes, limit, .. }) = topic.takes(&record) else {
            return Ok((record, None));
        };
        let cut = self.cut_to_fit(bytes, limit).filter(|cut| topic.takes(cut).is_ok());
        let too_small = || StageError::TooSmall { topic: topic.name().to_owned(), limit };
        Ok((cut.ok_or_else(too_small)?, Some((bytes, limit))))
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
        match route(delivered, "engagement.raw") {
            Routed::Dead(dead) => dead,
            Routed::Hit(_) => panic!("a hit"),
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
