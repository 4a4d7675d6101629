//! MaxMind's database format: what senders with a licence have.

use super::Rows;
use super::text::no_country;
use crate::data::{DataError, Name, country};
use maxminddb::{Reader, WithinOptions};
use serde::Deserialize;

/// What is read of a record: GeoLite2-ASN's number, another maker's `AS64500`, and the ways to write a country.
#[derive(Deserialize)]
struct Record<'a> {
    autonomous_system_number: Option<u32>,
    #[serde(borrow)]
    asn: Option<&'a str>,
    country: Option<Country<'a>>,
    country_code: Option<&'a str>,
}

#[derive(Deserialize)]
#[serde(untagged)]
enum Country<'a> {
    Coded { iso_code: Option<&'a str> },
    Plain(&'a str),
}

pub(super) fn read(name: Name, bytes: &[u8], rows: &mut Rows) -> Result<(), DataError> {
    let refuse = |error: maxminddb::MaxMindDbError| DataError::Shape(error.to_string());
    let reader = Reader::from_source(bytes).map_err(refuse)?;
    let built =
        i64::try_from(reader.metadata().build_epoch).ok().and_then(|seconds| seconds.checked_mul(1000));
    if let Some(Ok(built)) = built.map(engagement::Timestamp::from_millis) {
        rows.dated(Some(&built.to_string()));
    }
    for found in reader.networks(WithinOptions::default()).map_err(refuse)? {
        let found = found.map_err(refuse)?;
        let Some(record) = found.decode::<Record<'_>>().map_err(refuse)? else { continue };
        let network = found.network().map_err(refuse)?;
        let value = if name == Name::Country { record.country()? } else { record.system()? };
        if let Some(value) = value {
            rows.add(network.network(), network.broadcast(), value).map_err(DataError::Shape)?;
        }
    }
    Ok(())
}

impl Record<'_> {
    fn system(&self) -> Result<Option<u32>, DataError> {
        if let Some(number) = self.autonomous_system_number {
            return Ok(Some(number).filter(|number| *number != 0));
        }
        let Some(text) = self.asn.filter(|text| !text.is_empty()) else { return Ok(None) };
        let number = text.strip_prefix("AS").unwrap_or(text).parse().ok().filter(|number| *number != 0);
        number.map(Some).ok_or_else(|| DataError::Shape(format!("\"{text}\" is no system's number")))
    }

    fn country(&self) -> Result<Option<u32>, DataError> {
        let letters = match &self.country {
            Some(Country::Coded { iso_code }) => *iso_code,
            Some(Country::Plain(letters)) if letters.len() == 2 => Some(*letters),
            _ => None,
        };
        let Some(letters) = self.country_code.or(letters).filter(|letters| !letters.is_empty()) else {
            return Ok(None);
        };
        country(letters).map(Some).ok_or_else(|| DataError::Shape(no_country(letters)))
    }
}
