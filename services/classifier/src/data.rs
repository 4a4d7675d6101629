//! Data sets: networks that their owners publish and that change over time, apart from the signatures that say what they mean.
//!
//! A [`DataSet`] is made of an owner's published file, checked whole: a file with an error is refused with its line and
//! changes nothing. It is kept in a compact form of our own, which carries a checksum of its content. A signature names a
//! list by its name; while a list is not at hand the signature's own ranges count.

mod catalogue;
mod compiled;
mod owners;
pub(crate) mod ranges;

pub use catalogue::{CATALOGUE, Entry, Name};
pub use owners::{Part, Shape};

use ranges::{NONE, Ranges};
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::net::IpAddr;
use std::sync::Arc;

/// Why a data set is refused.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum DataError {
    /// A line of a text that is not of the published form.
    #[error("line {line}: {reason}")]
    Line {
        /// The line, from 1.
        line: usize,
        /// What is wrong with it.
        reason: String,
    },
    /// A document that is not of the published form.
    #[error("{0}")]
    Shape(String),
    /// Fewer rows than there can be.
    #[error("{rows} rows, where at least {least} are there")]
    Few {
        /// The rows that were read.
        rows: u64,
        /// The fewest that make sense.
        least: u64,
    },
    /// Far fewer rows than the last good one has.
    #[error("{rows} rows, where the last good one has {last}: it shrank by more than half")]
    Shrunken {
        /// The rows that were read.
        rows: u64,
        /// The rows of the last good one.
        last: u64,
    },
    /// A compiled file that is damaged or of another version.
    #[error("not a readable compiled data set: {0}")]
    Compiled(&'static str),
}

/// What is known of a data set beside its ranges.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
pub struct About {
    /// Which data set it is.
    pub name: Name,
    /// Where it was read from: a URL or a file's name.
    pub from: String,
    /// The day that its owner gives it, or the day it was fetched; `2026-05-31`.
    pub date: String,
    /// Rows in the published file.
    pub rows: u64,
}

/// Networks of one owner, ready to be asked.
#[derive(Debug)]
pub struct DataSet {
    about: About,
    ranges: Ranges,
    hash: String,
}

impl DataSet {
    /// Reads what an owner published, in the parts in which it is published.
    ///
    /// # Errors
    /// [`DataError`]: where and why it is refused.
    pub fn read(name: Name, parts: &[Part<'_>], from: &str, today: &str) -> Result<Self, DataError> {
        let entry = name.entry();
        let read = owners::read(name, parts)?;
        if read.rows < entry.least {
            return Err(DataError::Few { rows: read.rows, least: entry.least });
        }
        let date = read.date.unwrap_or_else(|| today.to_owned());
        let about = About { name, from: from.to_owned(), date, rows: read.rows };
        Ok(Self::of(about, read.ranges))
    }

    /// Refuses a data set that lost more than half of the rows of the last good one.
    ///
    /// # Errors
    /// [`DataError::Shrunken`].
    pub fn replaces(&self, last: &About) -> Result<(), DataError> {
        if self.about.rows.saturating_mul(2) < last.rows {
            return Err(DataError::Shrunken { rows: self.about.rows, last: last.rows });
        }
        Ok(())
    }

    /// Reads the compact form.
    ///
    /// # Errors
    /// [`DataError::Compiled`] for anything but what [`DataSet::to_bytes`] wrote.
    pub fn from_bytes(bytes: &[u8]) -> Result<Self, DataError> {
        compiled::read(bytes)
    }

    /// The compact form.
    #[must_use]
    pub fn to_bytes(&self) -> Vec<u8> {
        compiled::write(self)
    }

    fn of(about: About, ranges: Ranges) -> Self {
        let hash = compiled::hash(&ranges);
        Self { about, ranges, hash }
    }

    /// What is known of it.
    #[must_use]
    pub fn about(&self) -> &About {
        &self.about
    }

    /// A hash of its content.
    #[must_use]
    pub fn hash(&self) -> &str {
        &self.hash
    }

    /// Bytes on the heap.
    #[must_use]
    pub fn heap_bytes(&self) -> usize {
        self.ranges.heap_bytes()
    }

    /// The value at an address: a system's number, a country's letters, or 1 of a list.
    pub(crate) fn find(&self, ip: IpAddr) -> Option<u32> {
        Some(self.ranges.find(ip)).filter(|value| *value != NONE)
    }

    pub(crate) fn ranges(&self) -> &Ranges {
        &self.ranges
    }
}

/// The data sets that a ruleset is made with.
#[derive(Debug, Clone, Default)]
pub struct Data {
    sets: BTreeMap<Name, Arc<DataSet>>,
}

impl Data {
    /// What the program ships with.
    #[must_use]
    pub fn shipped() -> Self {
        let mut data = Self::default();
        for entry in CATALOGUE {
            let Some((text, date)) = entry.shipped else { continue };
            let parts = [Part { shape: Shape::List, bytes: text.as_bytes() }];
            let set = DataSet::read(entry.name, &parts, "shipped", date)
                .expect("the shipped data sets are checked by a test");
            data.put(Arc::new(set));
        }
        data
    }

    /// Adds a data set, in place of the one of that name.
    pub fn put(&mut self, set: Arc<DataSet>) {
        self.sets.insert(set.about.name, set);
    }

    /// One of them.
    #[must_use]
    pub fn get(&self, name: Name) -> Option<&Arc<DataSet>> {
        self.sets.get(&name)
    }

    /// All of them, in the order of their names.
    pub fn all(&self) -> impl Iterator<Item = &DataSet> {
        self.sets.values().map(AsRef::as_ref)
    }

    /// The autonomous system that announces an address.
    pub(crate) fn asn(&self, ip: IpAddr) -> Option<u32> {
        self.get(Name::Asn)?.find(ip)
    }

    /// The country of an address, as two letters.
    pub(crate) fn country(&self, ip: IpAddr) -> Option<[u8; 2]> {
        let [_, _, first, second] = self.get(Name::Country)?.find(ip)?.to_be_bytes();
        Some([first, second])
    }
}

/// A country's two letters as a value.
fn country(letters: &str) -> Option<u32> {
    match letters.as_bytes() {
        [first, second] if first.is_ascii_uppercase() && second.is_ascii_uppercase() => {
            Some(u32::from_be_bytes([0, 0, *first, *second]))
        }
        _ => None,
    }
}
