//! The networks that owners publish and the operator's own signature files: where they lie on disk, how they are refreshed,
//! and the ruleset made with them.
//!
//! What the program ships with comes first, then what lies in `signatures` under the data directory, then the files that
//! the settings name. Nothing here needs the internet: what can't be had is left as it is, and the last good one stays.

mod fetch;
mod files;
mod folder;
pub(crate) mod own;
mod refresh;
#[cfg(test)]
mod tests;

pub(crate) use fetch::Bounds;
pub(crate) use files::{FileError, Given, find, read as read_files, today};
pub(crate) use folder::Folder;
pub(crate) use refresh::{start, update};

use crate::Failure;
use crate::settings::{Settings, SettingsError};
use classifier::data::{Data, DataSet, Name};
use engagement::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use tracing::warn;

/// The data of the signatures.
#[derive(Debug, Clone, Default, Deserialize, Serialize)]
#[serde(deny_unknown_fields, default)]
pub(crate) struct SignatureSettings {
    /// The folder of the operator's own signature files, `*.toml`: one that is named like a file that the program ships with
    /// takes its place, the others add; `signatures` in the data directory if not set. A file with an error stops the
    /// start with its line; while the program runs, the ruleset in force stays.
    pub(crate) folder: Option<PathBuf>,
    /// The database of autonomous systems: a `.mmdb` such as GeoLite2-ASN, a `.csv` of first address, last address, number
    /// and name, or what `trueopen signatures update` wrote (`.ranges`). If not set, the one in the data directory, or else
    /// where `services/classifier/fetch-asn.sh` puts it.
    pub(crate) asn: Option<PathBuf>,
    /// A database of countries, in the same forms; none if not set.
    pub(crate) country: Option<PathBuf>,
    /// Every so many hours the data sets are fetched from their owners while the classifier runs; 0 means never, for nothing
    /// here needs the internet. One that is refused leaves the last good one.
    pub(crate) update_hours: u64,
    /// Other places to fetch data sets from than their owners', such as a mirror inside: lists of URLs by name.
    pub(crate) urls: BTreeMap<Name, Vec<String>>,
}

/// All data sets that are at hand.
pub(crate) fn data(settings: &Settings) -> Result<Data, SettingsError> {
    let mut data = Data::shipped();
    if let Some(path) = fetched_systems().filter(|path| path.is_file()) {
        match named(Name::Asn, &path) {
            Ok(set) => data.put(Arc::new(set)),
            Err(error) => {
                warn!(%error, path = %path.display(), "the fetched database of autonomous systems is unreadable")
            }
        }
    }
    for (name, installed) in Folder::of(settings).all() {
        match installed {
            Ok(set) => data.put(Arc::new(set)),
            Err(error) => warn!(data_set = %name, %error, "an installed data set is unreadable and left out"),
        }
    }
    // What the settings name must be there: whoever set it relies on it.
    let own = [
        (Name::Asn, "signatures.asn", &settings.signatures.asn),
        (Name::Country, "signatures.country", &settings.signatures.country),
    ];
    for (name, setting, path) in own {
        let Some(path) = path else { continue };
        let wrong = |error: FileError| SettingsError::Value { name: setting, reason: error.to_string() };
        data.put(Arc::new(named(name, path).map_err(wrong)?));
    }
    Ok(data)
}

/// A data set from one file, in whichever form.
fn named(name: Name, path: &Path) -> Result<DataSet, FileError> {
    files::read(name, &Given::File(path), &today())
}

/// Where `services/classifier/fetch-asn.sh` puts the database of autonomous systems.
fn fetched_systems() -> Option<PathBuf> {
    Some(crate::settings::cache_folder()?.join("asn-2.3.2026061719/asn.ranges"))
}

/// Milliseconds between a day, `2026-05-31`, and now.
pub(crate) fn age_ms(date: &str, now: Timestamp) -> Option<i64> {
    let day = Timestamp::parse(&format!("{date}T00:00:00Z")).ok()?;
    Some(now.since(day))
}

/// Puts a data set in place of the last good one, if it is no worse.
pub(crate) fn install(folder: &Folder, set: &DataSet) -> Result<(), Failure> {
    // One that can't be read any more is no measure for the new one.
    if let Ok(Some(last)) = folder.read(set.about().name) {
        set.replaces(last.about())?;
    }
    Ok(folder.install(set)?)
}
