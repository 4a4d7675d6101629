//! Points in time on the wire: RFC 3339 in UTC with milliseconds.

use serde::{Deserialize, Serialize};

/// Milliseconds since 1970-01-01T00:00:00Z, between the years 2000 and 2100.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Timestamp(i64);

/// The first time that is accepted, 2000-01-01T00:00:00Z, in milliseconds.
const FIRST: i64 = 946_684_800_000;
/// The first time that is no longer accepted, 2100-01-01T00:00:00Z, in milliseconds.
const END: i64 = 4_102_444_800_000;
const MILLIS_A_DAY: i64 = 86_400_000;

/// Why a text or number is no usable time.
#[derive(Debug, thiserror::Error, PartialEq, Eq)]
pub enum TimeError {
    /// The text is not RFC 3339 with an offset.
    #[error("not a time in RFC 3339 with an offset, such as 2026-01-31T09:00:00Z")]
    Shape,
    /// A date no mail of ours can have.
    #[error("a time before the year 2000 or after 2099")]
    Range,
}

impl Timestamp {
    /// A time from milliseconds since 1970.
    ///
    /// # Errors
    /// [`TimeError::Range`] outside the years 2000 to 2099.
    pub const fn from_millis(millis: i64) -> Result<Self, TimeError> {
        if millis >= FIRST && millis < END { Ok(Self(millis)) } else { Err(TimeError::Range) }
    }

    /// A time read off a system clock; one outside the range is moved to its edge, since a hit must never be lost
    /// to a wrong clock.
    #[must_use]
    pub fn from_clock(clock: std::time::SystemTime) -> Self {
        let millis = clock.duration_since(std::time::UNIX_EPOCH).map_or(0, |d| d.as_millis());
        Self(i64::try_from(millis).unwrap_or(i64::MAX).clamp(FIRST, END - 1))
    }

    /// Reads RFC 3339 with any offset.
    ///
    /// # Errors
    /// [`TimeError`] says whether the shape or the range is wrong.
    pub fn parse(text: &str) -> Result<Self, TimeError> {
        let time: jiff::Timestamp = text.parse().map_err(|_| TimeError::Shape)?;
        Self::from_millis(time.as_millisecond())
    }

    /// Milliseconds since 1970.
    #[must_use]
    pub const fn millis(self) -> i64 {
        self.0
    }

    /// Days since 1970 in UTC.
    #[must_use]
    pub fn day(self) -> u16 {
        u16::try_from(self.0 / MILLIS_A_DAY).expect("the range ends in 2100, day 47482")
    }

    /// Whole seconds since midnight UTC.
    #[must_use]
    pub fn second_of_day(self) -> u32 {
        u32::try_from(self.0 % MILLIS_A_DAY / 1000).expect("less than 86400")
    }

    /// The time of a day and a second of it.
    ///
    /// # Errors
    /// [`TimeError::Range`] outside the accepted years or past the end of the day.
    pub fn from_day(day: u16, second: u32) -> Result<Self, TimeError> {
        if second >= 86_400 {
            return Err(TimeError::Range);
        }
        Self::from_millis(i64::from(day) * MILLIS_A_DAY + i64::from(second) * 1000)
    }

    /// Milliseconds from `earlier` to this time; negative when it is later.
    #[must_use]
    pub const fn since(self, earlier: Self) -> i64 {
        self.0 - earlier.0
    }

    /// This time moved by some milliseconds, kept inside the range.
    #[must_use]
    pub fn plus_millis(self, millis: i64) -> Self {
        Self(self.0.saturating_add(millis).clamp(FIRST, END - 1))
    }
}

impl std::fmt::Display for Timestamp {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let time = jiff::Timestamp::from_millisecond(self.0).expect("the range is far inside jiff's");
        write!(f, "{time:.3}")
    }
}

impl Serialize for Timestamp {
    fn serialize<S: serde::Serializer>(&self, serializer: S) -> Result<S::Ok, S::Error> {
        serializer.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for Timestamp {
    fn deserialize<D: serde::Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(deserializer)?;
        Self::parse(&text).map_err(serde::de::Error::custom)
    }
}

impl schemars::JsonSchema for Timestamp {
    fn schema_name() -> std::borrow::Cow<'static, str> {
        "Timestamp".into()
    }

    fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
        schemars::json_schema!({
            "type": "string",
            "format": "date-time",
            "description": "RFC 3339 in UTC with milliseconds, from 2000 to 2099"
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn writes_milliseconds_in_utc() {
        let time = Timestamp::parse("2026-01-31T10:30:00.5+05:45").unwrap();
        assert_eq!(time.to_string(), "2026-01-31T04:45:00.500Z");
        assert_eq!(Timestamp::parse(&time.to_string()), Ok(time));
        assert_eq!(
            Timestamp::from_day(time.day(), time.second_of_day()).unwrap().millis(),
            time.millis() - 500
        );
    }

    #[test]
    fn refuses_absurd_times() {
        assert_eq!(Timestamp::parse("yesterday"), Err(TimeError::Shape));
        assert_eq!(Timestamp::parse("2026-02-30T00:00:00Z"), Err(TimeError::Shape));
        assert_eq!(Timestamp::parse("2026-01-01T00:00:00"), Err(TimeError::Shape));
        assert_eq!(Timestamp::parse("0001-01-01T00:00:00Z"), Err(TimeError::Range));
        assert_eq!(Timestamp::parse("2100-01-01T00:00:00Z"), Err(TimeError::Range));
        assert_eq!(Timestamp::from_day(20_000, 86_400), Err(TimeError::Range));
    }
}
