//! The forms in which owners publish their networks, each read whole or refused.

mod json;
mod mmdb;
mod text;

use super::ranges::{Ranges, Table};
use super::{DataError, Name};
use ipnetwork::IpNetwork;
use std::net::IpAddr;

/// A form in which networks are published.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Shape {
    /// CSV: first address, last address, the system's number, its name.
    Systems,
    /// CSV: first address, last address, the country's two letters.
    Countries,
    /// CSV of our own: first address, last address; a line that begins with `#` says something to people.
    List,
    /// Apple's CSV: range, country, region, city.
    AppleEgress,
    /// A geofeed (RFC 8805): range, country, region, city, postal code.
    Geofeed,
    /// Google's JSON: `prefixes[].ipv4Prefix` or `ipv6Prefix`.
    GooglePrefixes,
    /// Microsoft 365's JSON: the endpoint sets 9 and 10.
    MicrosoftFiltering,
    /// Microsoft 365's JSON: the endpoint set 1.
    MicrosoftMail,
    /// Zscaler's JSON: `hubPrefixes[]`.
    ZscalerHubs,
    /// Amazon's JSON: `prefixes[].ip_prefix`, `ipv6_prefixes[].ipv6_prefix`.
    AwsPrefixes,
    /// Microsoft's service tags: `values[].properties.addressPrefixes[]` of the tag `AzureCloud`.
    AzureTags,
    /// Oracle's JSON: `regions[].cidrs[].cidr`.
    OracleRegions,
    /// MaxMind's database format, such as GeoLite2-ASN and GeoLite2-Country.
    Mmdb,
}

/// One published file of a data set.
#[derive(Debug, Clone, Copy)]
pub struct Part<'a> {
    /// Its form.
    pub shape: Shape,
    /// Its content.
    pub bytes: &'a [u8],
}

/// What was read.
#[derive(Debug)]
pub(super) struct Read {
    pub(super) ranges: Ranges,
    pub(super) rows: u64,
    /// The day that the owner gives it, the latest of the parts.
    pub(super) date: Option<String>,
}

/// Collects what a form has.
#[derive(Debug, Default)]
struct Rows {
    v4: Vec<(u32, u32, u32)>,
    v6: Vec<(u128, u128, u32)>,
    count: u64,
    date: Option<String>,
}

/// The value of what is in a list.
const LISTED: u32 = 1;

impl Rows {
    /// Adds a row from the first to the last address.
    fn add(&mut self, first: IpAddr, last: IpAddr, value: u32) -> Result<(), String> {
        match (first, last) {
            (IpAddr::V4(first), IpAddr::V4(last)) if first <= last => {
                self.v4.push((first.into(), last.into(), value));
            }
            (IpAddr::V6(first), IpAddr::V6(last)) if first <= last => {
                self.v6.push((first.into(), last.into(), value));
            }
            _ => return Err(format!("{first} to {last} is no range")),
        }
        self.count += 1;
        Ok(())
    }

    /// Adds a range in CIDR form to a list.
    fn add_range(&mut self, text: &str) -> Result<(), String> {
        let range: IpNetwork = text.trim().parse().map_err(|_| format!("\"{}\" is no range", brief(text)))?;
        // The widest networks that one owner has are Apple's 17.0.0.0/8 and IPv6 allocations of /19.
        if range.prefix() < if range.is_ipv4() { 8 } else { 16 } {
            return Err(format!("{range} is wider than any owner's network"));
        }
        self.add(range.network(), range.broadcast(), LISTED)
    }

    /// The latest date that was named.
    fn dated(&mut self, text: Option<&str>) {
        let Some(day) = text.and_then(day) else { return };
        if self.date.as_deref().is_none_or(|known| known < day) {
            self.date = Some(day.to_owned());
        }
    }
}

/// Reads all parts of a data set.
pub(super) fn read(name: Name, parts: &[Part<'_>]) -> Result<Read, DataError> {
    let mut rows = Rows::default();
    for part in parts {
        match part.shape {
            Shape::Systems => text::systems(part.bytes, &mut rows)?,
            Shape::Countries => text::countries(part.bytes, &mut rows)?,
            Shape::List => text::list(part.bytes, &mut rows)?,
            Shape::AppleEgress | Shape::Geofeed => text::ranges(part.bytes, &mut rows)?,
            Shape::Mmdb => mmdb::read(name, part.bytes, &mut rows)?,
            _ => json::read(part.shape, part.bytes, &mut rows)?,
        }
    }
    let ranges = Ranges::of(Table::of(rows.v4), Table::of(rows.v6))
        .ok_or_else(|| DataError::Shape("the ranges don't make a table".to_owned()))?;
    Ok(Read { ranges, rows: rows.count, date: rows.date })
}

/// A text of the file, short enough for an error.
fn brief(text: &str) -> String {
    text.chars().take(60).collect()
}

/// The day at the beginning of a time such as `2026-10-20T21:00:00` or `2026-10-20-21-00-00`.
fn day(text: &str) -> Option<&str> {
    let day = text.get(..10)?;
    let digits = |place: usize| day.as_bytes().get(place).is_some_and(u8::is_ascii_digit);
    let dashed = day.as_bytes().get(4) == Some(&b'-') && day.as_bytes().get(7) == Some(&b'-');
    (dashed && [0, 1, 2, 3, 5, 6, 8, 9].into_iter().all(digits)).then_some(day)
}
