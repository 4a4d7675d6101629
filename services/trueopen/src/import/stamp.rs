//! Times as mail servers write them.

use engagement::Timestamp;
use jiff::civil::DateTime;
use jiff::fmt::strtime;
use jiff::tz::TimeZone;

/// How far ahead of the reference a time without a year may lie before it is taken for last year's.
const AHEAD_MILLIS: i64 = 86_400_000;

/// Splits a syslog line into its time and the rest: RFC 3339 (`2026-11-21T23:14:52.1+01:00 …`) or the traditional form
/// (`Nov 21 23:14:52 …`), which has no year: the latest that is not after `reference`.
pub(super) fn syslog<'a>(
    line: &'a str,
    zone: &TimeZone,
    reference: Timestamp,
) -> Option<(Timestamp, &'a str)> {
    if line.starts_with(|c: char| c.is_ascii_digit()) {
        let (stamp, rest) = line.split_once(' ')?;
        return Some((rfc3339(stamp, zone)?, rest));
    }
    let (stamp, rest) = (line.get(..15)?, line.get(16..)?);
    Some((without_year(stamp, zone, reference)?, rest))
}

/// RFC 3339, or the same without an offset in the zone.
pub(super) fn rfc3339(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    Timestamp::parse(text).ok().or_else(|| {
        let local: DateTime = text.replacen(' ', "T", 1).parse().ok()?;
        at(local, zone)
    })
}

/// `2012-03-05 11:53:49+0100`, RFC 3339, or seconds since 1970.
pub(super) fn loose(text: &str, zone: &TimeZone) -> Option<Timestamp> {
    let text = text.trim();
    if let Ok(seconds) = text.parse::<f64>() {
        return seconds_since_1970(seconds);
    }
    let offset = strtime::parse("%Y-%m-%d %H:%M:%S%z", text).and_then(|parsed| parsed.to_timestamp());
    match offset {
        Ok(time) => Timestamp::from_millis(time.as_millisecond()).ok(),
        Err(_) => rfc3339(text, zone),
    }
}

/// Seconds since 1970.
pub(super) fn seconds_since_1970(seconds: f64) -> Option<Timestamp> {
    #[expect(clippy::cast_possible_truncation, reason = "out of range becomes an edge, which is refused")]
    Timestamp::from_millis((seconds * 1000.0).round() as i64).ok()
}

fn without_year(stamp: &str, zone: &TimeZone, reference: Timestamp) -> Option<Timestamp> {
    let mut words = stamp.split_ascii_whitespace();
    let (month, day, clock) = (words.next()?, words.next()?, words.next()?);
    let months = ["Jan", "Feb", "Mar", "Apr", "May", "Jun", "Jul", "Aug", "Sep", "Oct", "Nov", "Dec"];
    let month = months.iter().position(|name| *name == month)? + 1;
    let day: u8 = day.parse().ok()?;
    let year: i16 = reference.to_string().get(..4)?.parse().ok()?;
    // A 29th of February may be up to eight years back; next year covers a clock that runs ahead at new year.
    let years = (0..10).map(|back| year + 1 - back);
    let times =
        years.filter_map(|year| at(format!("{year:04}-{month:02}-{day:02}T{clock}").parse().ok()?, zone));
    times.into_iter().find(|time| time.since(reference) <= AHEAD_MILLIS)
}

fn at(local: DateTime, zone: &TimeZone) -> Option<Timestamp> {
    let time = zone.to_ambiguous_zoned(local).compatible().ok()?;
    Timestamp::from_millis(time.timestamp().as_millisecond()).ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn years_zones_and_leap_days() {
        let reference = Timestamp::parse("2026-01-02T00:30:00Z").unwrap();
        let read =
            |line| syslog(line, &TimeZone::UTC, reference).map(|(time, rest)| (time.to_string(), rest));
        for (line, expected) in [
            ("Dec 31 23:59:58 host x", "2025-12-31T23:59:58.000Z"),
            ("Jan  2 00:29:58 host x", "2026-01-02T00:29:58.000Z"),
            ("Jan  2 12:00:00 host x", "2026-01-02T12:00:00.000Z"),
            ("Jan  4 00:00:00 host x", "2025-01-04T00:00:00.000Z"),
            ("Feb 29 10:00:00 host x", "2024-02-29T10:00:00.000Z"),
            ("2026-01-01T10:00:00.123456+01:00 host x", "2026-01-01T09:00:00.123Z"),
        ] {
            assert_eq!(read(line), Some((expected.to_owned(), "host x")), "{line}");
        }
        for bad in [
            "",
            "Nov",
            "Foo 12 10:00:00 host",
            "Nov 31 10:00:00 host",
            "2026-13-01T00:00:00Z host",
            "Nov 12 99:00:00 h",
        ] {
            assert_eq!(read(bad), None, "{bad}");
        }
        let berlin = TimeZone::get("Europe/Berlin").unwrap();
        let (time, _) = syslog("Dec 31 23:59:58 host x", &berlin, reference).unwrap();
        assert_eq!(time.to_string(), "2025-12-31T22:59:58.000Z");
        for text in ["2012-03-05 11:53:49+0100", "2012-03-05T10:53:49Z", "1330944829", "2012-03-05 10:53:49"]
        {
            assert_eq!(
                loose(text, &TimeZone::UTC).unwrap().to_string(),
                "2012-03-05T10:53:49.000Z",
                "{text}"
            );
        }
    }
}
