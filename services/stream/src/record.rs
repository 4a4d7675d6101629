//! A record and how it is written into a backing that knows only bytes.
//!
//! `version u8 (1) | key length u32 little-endian | key | payload`. Kafka has keys of its own and needs none of this.

use bytes::Bytes;

const VERSION: u8 = 1;
const HEADER: usize = 5;

/// A keyed record. The key decides the partition, and records of one key stay in order.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Record {
    /// What the record is about.
    pub key: Vec<u8>,
    /// The record itself; a stage's JSON.
    pub payload: Bytes,
}

/// A record as a consumer gets it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Delivered {
    /// Where it was; always 0 over a journal.
    pub partition: u32,
    /// Its number in the partition. Numbers rise, with gaps.
    pub offset: u64,
    /// The record. `Err` carries bytes that are none: dead-letter them, then commit past them.
    pub record: Result<Record, Undecodable>,
}

/// Bytes of the topic that are no record.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
#[error("{reason}")]
pub struct Undecodable {
    /// Why not.
    pub reason: DecodeError,
    /// The bytes as they were stored.
    pub bytes: Bytes,
}

/// Why bytes are no record.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// Written by a later program.
    #[error("unknown record version {0}")]
    UnknownVersion(u8),
    /// Shorter than they claim.
    #[error("the record is cut short")]
    CutShort,
}

/// How many bytes [`encode`] makes.
pub(crate) fn encoded_length(record: &Record) -> usize {
    HEADER + record.key.len() + record.payload.len()
}

/// As it goes into the backing.
pub(crate) fn encode(record: &Record) -> Vec<u8> {
    let mut bytes = Vec::with_capacity(encoded_length(record));
    bytes.push(VERSION);
    bytes.extend_from_slice(&(record.key.len() as u32).to_le_bytes());
    bytes.extend_from_slice(&record.key);
    bytes.extend_from_slice(&record.payload);
    bytes
}

/// As it comes out of the backing.
pub(crate) fn decode(bytes: &Bytes) -> Result<Record, Undecodable> {
    let failed = |reason| Undecodable { reason, bytes: bytes.clone() };
    match bytes.first() {
        Some(&VERSION) => {}
        Some(&version) => return Err(failed(DecodeError::UnknownVersion(version))),
        None => return Err(failed(DecodeError::CutShort)),
    }
    let length = bytes.get(1..HEADER).and_then(|length| length.try_into().ok()).map(u32::from_le_bytes);
    let key_end = length.and_then(|length| HEADER.checked_add(length as usize));
    let key = key_end.and_then(|end| bytes.get(HEADER..end));
    match (key, key_end) {
        (Some(key), Some(end)) => Ok(Record { key: key.to_vec(), payload: bytes.slice(end..) }),
        _ => Err(failed(DecodeError::CutShort)),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_record_is_read_back() {
        for (key, payload) in [(&b"k"[..], &b"payload"[..]), (b"", b""), (b"k", b""), (b"", b"p")] {
            let record = Record { key: key.to_vec(), payload: Bytes::copy_from_slice(payload) };
            assert_eq!(decode(&Bytes::from(encode(&record))), Ok(record));
        }
    }

    #[test]
    fn the_written_form_is_pinned() {
        let record = Record { key: b"ab".to_vec(), payload: Bytes::from_static(b"xyz") };
        assert_eq!(encode(&record), b"\x01\x02\0\0\0abxyz");
    }

    #[test]
    fn what_is_no_record_comes_back_with_its_bytes() {
        let cases: [(&[u8], DecodeError); 5] = [
            (b"", DecodeError::CutShort),
            (b"\x01\x02\0", DecodeError::CutShort),
            (b"\x01\x02\0\0\0a", DecodeError::CutShort),
            (b"\x01\xff\xff\xff\xffa", DecodeError::CutShort),
            (b"\x02abc", DecodeError::UnknownVersion(2)),
        ];
        for (stored, reason) in cases {
            let bytes = Bytes::from_static(stored);
            assert_eq!(decode(&bytes), Err(Undecodable { reason, bytes: bytes.clone() }));
        }
    }
}
