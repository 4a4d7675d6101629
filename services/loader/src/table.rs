//! What a lane needs to know of the table that it fills.

use crate::retention::Days;
use clickhouse::{Row, RowOwned, RowWrite};
use engagement::{AccountNumber, WireError};
use serde::Serialize;
use serde::de::DeserializeOwned;

/// A table and the records that become its rows.
pub(crate) trait Table: Send + 'static {
    /// The table's name.
    const NAME: &'static str;
    /// What the topic carries.
    type Record: DeserializeOwned;
    /// One row.
    type Row: RowOwned + RowWrite + for<'a> Row<Value<'a> = Self::Row> + Serialize + Send + Sync + 'static;

    /// Whose record it is.
    fn account(record: &Self::Record) -> AccountNumber;

    /// The row of a record: a pure function of the record and of how long its account keeps things.
    fn row(record: Self::Record, days: Days) -> Result<Self::Row, OutOfRange>;
}

/// A field holds what its column can't.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("{field} is out of its column's range")]
pub(crate) struct OutOfRange {
    /// The field.
    pub(crate) field: &'static str,
}

/// Why a record can't become a row.
#[derive(Debug, thiserror::Error)]
pub(crate) enum Unreadable {
    /// Not a record of the topic.
    #[error(transparent)]
    Undecodable(#[from] stream::Undecodable),
    /// Not JSON of ours, or newer than this program.
    #[error(transparent)]
    Wire(#[from] WireError),
    /// A field does not fit.
    #[error(transparent)]
    OutOfRange(#[from] OutOfRange),
}

impl Unreadable {
    /// The value of a metric's `reason` label.
    pub(crate) fn label(&self) -> &'static str {
        match self {
            Self::Undecodable(_) => "undecodable",
            Self::Wire(WireError::Newer { .. }) => "newer",
            Self::Wire(WireError::Malformed(_)) => "malformed",
            Self::OutOfRange(_) => "out_of_range",
        }
    }
}
