//! The compact form in which a data set is kept: a line that says what it is, then the tables as they lie in memory.
//!
//! Read without parsing: eight megabytes for every autonomous system, where the CSV has thirty-two. The checksum is over the
//! tables, so a torn or changed file is refused. Numbers are big-endian.

use super::ranges::{Ranges, Table};
use super::{About, DataError, DataSet};
use aws_lc_rs::digest;
use serde::{Deserialize, Serialize};

/// The version of the form.
const FORMAT: u32 = 1;
/// The longest first line.
const HEADER_LIMIT: usize = 4096;

#[derive(Serialize, Deserialize)]
struct Header {
    trueopen_data_set: u32,
    about: About,
    v4: usize,
    v6: usize,
    sha256: String,
}

/// The hash of a data set's content.
pub(super) fn hash(ranges: &Ranges) -> String {
    digest_of(&body(ranges))
}

pub(super) fn write(set: &DataSet) -> Vec<u8> {
    let header = Header {
        trueopen_data_set: FORMAT,
        about: set.about.clone(),
        v4: set.ranges.v4().starts.len(),
        v6: set.ranges.v6().starts.len(),
        sha256: set.hash.clone(),
    };
    let mut bytes = serde_json::to_vec(&header).expect("numbers and texts");
    bytes.push(b'\n');
    bytes.extend(body(&set.ranges));
    bytes
}

pub(super) fn read(bytes: &[u8]) -> Result<DataSet, DataError> {
    let refuse = |reason| Err(DataError::Compiled(reason));
    let Some(end) = bytes.iter().take(HEADER_LIMIT).position(|byte| *byte == b'\n') else {
        return refuse("it has no first line");
    };
    let Ok(header) = serde_json::from_slice::<Header>(&bytes[..end]) else {
        return refuse("its first line says nothing known");
    };
    if header.trueopen_data_set != FORMAT {
        return refuse("it is of another version");
    }
    let body = &bytes[end + 1..];
    let length =
        header.v4.checked_mul(8).zip(header.v6.checked_mul(20)).and_then(|(v4, v6)| v4.checked_add(v6));
    if length != Some(body.len()) {
        return refuse("it is cut off or too long");
    }
    if digest_of(body) != header.sha256 {
        return refuse("its checksum is wrong");
    }
    let (starts4, rest) = body.split_at(header.v4 * 4);
    let (values4, rest) = rest.split_at(header.v4 * 4);
    let (starts6, values6) = rest.split_at(header.v6 * 16);
    let v4 = Table { starts: numbers(starts4), values: numbers(values4) };
    let v6 = Table { starts: wide(starts6), values: numbers(values6) };
    let Some(ranges) = Ranges::of(v4, v6) else { return refuse("its ranges are out of order") };
    Ok(DataSet { about: header.about, ranges, hash: header.sha256 })
}

fn body(ranges: &Ranges) -> Vec<u8> {
    let (v4, v6) = (ranges.v4(), ranges.v6());
    let mut bytes = Vec::with_capacity(v4.starts.len() * 8 + v6.starts.len() * 20);
    bytes.extend(v4.starts.iter().flat_map(|number| number.to_be_bytes()));
    bytes.extend(v4.values.iter().flat_map(|number| number.to_be_bytes()));
    bytes.extend(v6.starts.iter().flat_map(|number| number.to_be_bytes()));
    bytes.extend(v6.values.iter().flat_map(|number| number.to_be_bytes()));
    bytes
}

fn numbers(bytes: &[u8]) -> Vec<u32> {
    bytes.as_chunks().0.iter().map(|chunk| u32::from_be_bytes(*chunk)).collect()
}

fn wide(bytes: &[u8]) -> Vec<u128> {
    bytes.as_chunks().0.iter().map(|chunk| u128::from_be_bytes(*chunk)).collect()
}

fn digest_of(bytes: &[u8]) -> String {
    let hash = digest::digest(&digest::SHA256, bytes);
    hash.as_ref().iter().map(|byte| format!("{byte:02x}")).collect()
}
