//! Buckets against clocks and calendars worked out by hand.

use super::*;

fn buckets(interval: Interval, zone: &str, from: &str, to: &str) -> Result<Vec<Bucket>, Problem> {
    let pairs =
        [("from", from), ("to", to)].map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let window = Parameters::new(pairs).window(Timestamp::parse("2026-01-01T00:00:00Z").unwrap())?;
    let zone = Zone::named(zone).unwrap();
    let buckets = interval.buckets(&window, &zone)?;
    assert_eq!((buckets[0].from, buckets[buckets.len() - 1].to), (window.from, window.to));
    for pair in buckets.windows(2) {
        assert!(pair[0].from < pair[0].to && pair[0].to == pair[1].from, "{pair:?}");
    }
    Ok(buckets)
}

fn starts(interval: Interval, zone: &str, from: &str, to: &str) -> Vec<String> {
    buckets(interval, zone, from, to).unwrap().into_iter().map(|bucket| bucket.start).collect()
}

fn hours(bucket: &Bucket) -> f64 {
    (bucket.to.millis() - bucket.from.millis()) as f64 / 3_600_000.0
}

#[test]
fn days_have_as_many_hours_as_the_zone_gives_them() {
    let days =
        buckets(Interval::Day, "Europe/Berlin", "2026-03-28T00:00:00+01:00", "2026-03-31T00:00:00+02:00");
    let days = days.unwrap();
    assert_eq!(days.iter().map(hours).collect::<Vec<_>>(), [24.0, 23.0, 24.0]);
    assert_eq!(days[1].start, "2026-03-29T00:00:00+01:00");
    assert_eq!(days[2].start, "2026-03-30T00:00:00+02:00");
    let days =
        buckets(Interval::Day, "Europe/Berlin", "2026-10-25T00:00:00+02:00", "2026-10-26T00:00:00+01:00");
    assert_eq!(days.unwrap().iter().map(hours).collect::<Vec<_>>(), [25.0]);
    // Beirut's clocks go from midnight to one o'clock: the day begins at one.
    let days = starts(Interval::Day, "Asia/Beirut", "2026-03-28T00:00:00Z", "2026-03-29T12:00:00Z");
    assert_eq!(days, ["2026-03-28T00:00:00+02:00", "2026-03-29T01:00:00+03:00"]);
    // Samoa had no 30 December 2011.
    let days = starts(Interval::Day, "Pacific/Apia", "2011-12-29T10:00:00Z", "2011-12-31T10:00:01Z");
    assert_eq!(days, ["2011-12-29T00:00:00-10:00", "2011-12-31T00:00:00+14:00", "2012-01-01T00:00:00+14:00"]);
    // St John's put its clocks back at one past midnight, to the evening before.
    let days = starts(Interval::Day, "America/St_Johns", "2010-11-07T02:45:00Z", "2010-11-08T12:00:00Z");
    assert_eq!(days, ["2010-11-07T00:00:00-02:30", "2010-11-08T00:00:00-03:30"]);
}

#[test]
fn the_window_cuts_the_first_and_last_bucket() {
    let days =
        buckets(Interval::Day, "Asia/Kathmandu", "2026-03-09T18:14:59.999Z", "2026-03-10T18:15:00.001Z");
    let days = days.unwrap();
    let shown: Vec<_> =
        days.iter().map(|day| (day.start.as_str(), day.from.to_string(), day.to.to_string())).collect();
    let expected = [
        ("2026-03-09T00:00:00+05:45", "2026-03-09T18:14:59.999Z", "2026-03-09T18:15:00.000Z"),
        ("2026-03-10T00:00:00+05:45", "2026-03-09T18:15:00.000Z", "2026-03-10T18:15:00.000Z"),
        ("2026-03-11T00:00:00+05:45", "2026-03-10T18:15:00.000Z", "2026-03-10T18:15:00.001Z"),
    ];
    assert_eq!(shown, expected.map(|(start, from, to)| (start, from.to_owned(), to.to_owned())));
}

#[test]
fn hours_follow_the_local_clock() {
    let clock = starts(Interval::Hour, "Asia/Kathmandu", "2026-03-10T00:00:00Z", "2026-03-10T02:00:00Z");
    let expected = ["2026-03-10T05:00:00+05:45", "2026-03-10T06:00:00+05:45", "2026-03-10T07:00:00+05:45"];
    assert_eq!(clock, expected);
    // One o'clock, then three o'clock in spring; two o'clock twice in autumn.
    let clock = starts(Interval::Hour, "Europe/Berlin", "2026-03-29T00:00:00Z", "2026-03-29T02:00:00Z");
    assert_eq!(clock, ["2026-03-29T01:00:00+01:00", "2026-03-29T03:00:00+02:00"]);
    let clock = starts(Interval::Hour, "Europe/Berlin", "2026-10-25T00:00:00Z", "2026-10-25T02:00:00Z");
    assert_eq!(clock, ["2026-10-25T02:00:00+02:00", "2026-10-25T02:00:00+01:00"]);
    // Lord Howe goes back by half an hour: the half hour that it repeats stands for itself.
    let clock = starts(Interval::Hour, "Australia/Lord_Howe", "2026-04-04T14:00:00Z", "2026-04-04T16:30:00Z");
    let expected = ["2026-04-05T01:00:00+11:00", "2026-04-05T01:30:00+10:30", "2026-04-05T02:00:00+10:30"];
    assert_eq!(clock, expected);
    // The same asked from within it.
    let clock = starts(Interval::Hour, "Australia/Lord_Howe", "2026-04-04T15:10:00Z", "2026-04-04T15:30:00Z");
    assert_eq!(clock, [expected[1]]);
    assert_eq!(starts(Interval::Minute, "UTC", "2026-04-04T15:10:30Z", "2026-04-04T15:12:00Z").len(), 2);
}

#[test]
fn weeks_begin_on_monday_and_months_on_the_first() {
    let weeks = starts(Interval::Week, "Europe/Berlin", "2026-03-28T12:00:00Z", "2026-04-06T12:00:00Z");
    let expected = ["2026-03-23T00:00:00+01:00", "2026-03-30T00:00:00+02:00", "2026-04-06T00:00:00+02:00"];
    assert_eq!(weeks, expected);
    let months = starts(Interval::Month, "UTC", "2025-12-31T23:59:59Z", "2026-02-01T00:00:01Z");
    assert_eq!(
        months,
        ["2025-12-01T00:00:00+00:00", "2026-01-01T00:00:00+00:00", "2026-02-01T00:00:00+00:00"]
    );
    // The first and the last time there can be.
    let months = starts(Interval::Month, "Pacific/Kiritimati", "2000-01-01", "2099-12-31T23:59:59.999Z");
    assert_eq!(months.len(), 1201);
}

#[test]
fn absurd_numbers_of_buckets_are_refused() {
    let refused = |interval, to| {
        let problem = buckets(interval, "UTC", "2026-01-01", to).unwrap_err();
        serde_json::to_value(problem).unwrap()["detail"].as_str().unwrap().to_owned()
    };
    assert!(refused(Interval::Minute, "2099-01-01").starts_with("interval: makes more than 3000 buckets"));
    assert!(refused(Interval::Minute, "2026-01-03T02:00:00.001Z").starts_with("interval"));
    assert_eq!(starts(Interval::Minute, "UTC", "2026-01-01", "2026-01-03T02:00:00Z").len(), MOST_BUCKETS);
}

#[test]
fn zones_are_those_of_the_database() {
    for name in ["UTC", "Asia/Kathmandu", "europe/berlin", "America/Argentina/Buenos_Aires", "Etc/GMT+12"] {
        assert!(Zone::named(name).is_some(), "{name}");
    }
    assert_eq!(Zone::named("europe/BERLIN").unwrap().name, "Europe/Berlin");
    for name in ["", "Berlin", "+05:45", "../etc/passwd", "CET-1CEST", "'; DROP TABLE events --"] {
        assert!(Zone::named(name).is_none(), "{name}");
    }
}
