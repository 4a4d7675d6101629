//! The forms that have a row a line.

use super::{LISTED, Rows, brief};
use crate::data::DataError;
use std::net::IpAddr;

/// First address, last address, the system's number, its name.
pub(super) fn systems(bytes: &[u8], rows: &mut Rows) -> Result<(), DataError> {
    each(bytes, |line| {
        let (first, last, rest) = two_addresses(line)?;
        let number = rest.split(',').next().unwrap_or_default().trim_matches('"');
        let number: u32 =
            number.parse().map_err(|_| format!("\"{}\" is no system's number", brief(number)))?;
        // 0 stands for what nobody announces.
        if number == 0 { Ok(()) } else { rows.add(first, last, number) }
    })
}

/// First address, last address, the country's two letters.
pub(super) fn countries(bytes: &[u8], rows: &mut Rows) -> Result<(), DataError> {
    each(bytes, |line| {
        let (first, last, rest) = two_addresses(line)?;
        let letters = rest.split(',').next().unwrap_or_default().trim_matches('"');
        rows.add(first, last, super::super::country(letters).ok_or_else(|| no_country(letters))?)
    })
}

/// First and last address.
pub(super) fn list(bytes: &[u8], rows: &mut Rows) -> Result<(), DataError> {
    each(bytes, |line| {
        let (first, last) = line.split_once(',').ok_or("two addresses are asked for")?;
        rows.add(address(first)?, address(last)?, LISTED)
    })
}

/// A range in CIDR form, and whatever else.
pub(super) fn ranges(bytes: &[u8], rows: &mut Rows) -> Result<(), DataError> {
    each(bytes, |line| rows.add_range(line.split(',').next().unwrap_or_default()))
}

fn each(bytes: &[u8], mut read: impl FnMut(&str) -> Result<(), String>) -> Result<(), DataError> {
    for (number, line) in bytes.split(|byte| *byte == b'\n').enumerate() {
        let refuse = |reason| DataError::Line { line: number + 1, reason };
        let line = std::str::from_utf8(line).map_err(|_| refuse("not UTF-8".to_owned()))?.trim();
        if line.is_empty() || line.starts_with('#') {
            continue;
        }
        read(line).map_err(refuse)?;
    }
    // A text that was cut off has a last line without an end; of a row that may still look whole, nobody can tell.
    match bytes.last() {
        Some(b'\n') => Ok(()),
        _ => {
            let line = bytes.split(|byte| *byte == b'\n').count();
            Err(DataError::Line { line, reason: "the text ends in the middle of a line".to_owned() })
        }
    }
}

fn two_addresses(line: &str) -> Result<(IpAddr, IpAddr, &str), String> {
    let mut parts = line.splitn(3, ',');
    let first = address(parts.next().unwrap_or_default())?;
    let last = address(parts.next().ok_or("two addresses are asked for")?)?;
    Ok((first, last, parts.next().ok_or("a value is asked for behind two addresses")?))
}

fn address(text: &str) -> Result<IpAddr, String> {
    text.trim_matches('"').parse().map_err(|_| format!("\"{}\" is no address", brief(text)))
}

pub(super) fn no_country(letters: &str) -> String {
    format!("\"{}\" is no country's two letters", brief(letters))
}
