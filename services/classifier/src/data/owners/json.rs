//! The forms that are JSON documents.

use super::{Rows, Shape};
use crate::data::DataError;
use serde::Deserialize;
use serde::de::DeserializeOwned;

#[derive(Deserialize)]
struct Google {
    #[serde(rename = "creationTime")]
    creation_time: Option<String>,
    prefixes: Vec<GooglePrefix>,
}

#[derive(Deserialize)]
struct GooglePrefix {
    #[serde(rename = "ipv4Prefix")]
    v4: Option<String>,
    #[serde(rename = "ipv6Prefix")]
    v6: Option<String>,
}

/// One of Microsoft's endpoint sets. Some have names alone.
#[derive(Deserialize)]
struct EndpointSet {
    id: u32,
    #[serde(default)]
    ips: Vec<String>,
}

#[derive(Deserialize)]
struct Zscaler {
    #[serde(rename = "hubPrefixes")]
    hub_prefixes: Vec<String>,
}

#[derive(Deserialize)]
struct Aws {
    #[serde(rename = "createDate")]
    create_date: Option<String>,
    prefixes: Vec<AwsPrefix>,
    ipv6_prefixes: Vec<AwsWidePrefix>,
}

#[derive(Deserialize)]
struct AwsPrefix {
    ip_prefix: String,
}

#[derive(Deserialize)]
struct AwsWidePrefix {
    ipv6_prefix: String,
}

#[derive(Deserialize)]
struct Azure {
    values: Vec<AzureTag>,
}

#[derive(Deserialize)]
struct AzureTag {
    name: String,
    properties: AzureProperties,
}

#[derive(Deserialize)]
struct AzureProperties {
    #[serde(rename = "addressPrefixes")]
    address_prefixes: Vec<String>,
}

#[derive(Deserialize)]
struct Oracle {
    last_updated_timestamp: Option<String>,
    regions: Vec<OracleRegion>,
}

#[derive(Deserialize)]
struct OracleRegion {
    cidrs: Vec<OracleRange>,
}

#[derive(Deserialize)]
struct OracleRange {
    cidr: String,
}

pub(super) fn read(shape: Shape, bytes: &[u8], rows: &mut Rows) -> Result<(), DataError> {
    match shape {
        Shape::GooglePrefixes => {
            let document: Google = document(bytes)?;
            rows.dated(document.creation_time.as_deref());
            let prefix = |prefix: GooglePrefix| prefix.v4.or(prefix.v6);
            all(document.prefixes.into_iter().filter_map(prefix), rows)
        }
        Shape::MicrosoftFiltering | Shape::MicrosoftMail => {
            let wanted: &[u32] = if shape == Shape::MicrosoftMail { &[1] } else { &[9, 10] };
            let sets: Vec<EndpointSet> = document(bytes)?;
            let sets = sets.into_iter().filter(|set| wanted.contains(&set.id));
            all(sets.flat_map(|set| set.ips), rows)
        }
        Shape::ZscalerHubs => all(document::<Zscaler>(bytes)?.hub_prefixes, rows),
        Shape::AwsPrefixes => {
            let document: Aws = document(bytes)?;
            rows.dated(document.create_date.as_deref());
            all(document.prefixes.into_iter().map(|prefix| prefix.ip_prefix), rows)?;
            all(document.ipv6_prefixes.into_iter().map(|prefix| prefix.ipv6_prefix), rows)
        }
        Shape::AzureTags => {
            let document: Azure = document(bytes)?;
            let tags = document.values.into_iter().filter(|tag| tag.name == "AzureCloud");
            all(tags.flat_map(|tag| tag.properties.address_prefixes), rows)
        }
        Shape::OracleRegions => {
            let document: Oracle = document(bytes)?;
            rows.dated(document.last_updated_timestamp.as_deref());
            all(document.regions.into_iter().flat_map(|region| region.cidrs).map(|range| range.cidr), rows)
        }
        _ => Err(DataError::Shape("not a form in JSON".to_owned())),
    }
}

fn document<T: DeserializeOwned>(bytes: &[u8]) -> Result<T, DataError> {
    serde_json::from_slice(bytes)
        .map_err(|error| DataError::Line { line: error.line(), reason: error.to_string() })
}

fn all(ranges: impl IntoIterator<Item = String>, rows: &mut Rows) -> Result<(), DataError> {
    ranges.into_iter().try_for_each(|range| rows.add_range(&range).map_err(DataError::Shape))
}
