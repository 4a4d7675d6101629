//! Percentiles, exactly, in memory that grows with how many different values there are.

use std::collections::BTreeMap;

/// The spans of time that histograms have: where each begins, in seconds.
const SPANS: [i64; 13] = [0, 1, 2, 5, 10, 30, 60, 300, 900, 3600, 14_400, 86_400, 604_800];

/// Where the span begins that so many milliseconds lie in, in seconds.
pub(super) fn span(millis: i64) -> i64 {
    SPANS.into_iter().rfind(|seconds| seconds * 1000 <= millis).unwrap_or(0)
}

/// Milliseconds, each with how often it is there.
#[derive(Debug, Default)]
pub(super) struct Values {
    counts: BTreeMap<i64, u64>,
    len: u64,
}

impl Values {
    pub(super) fn add(&mut self, millis: i64) {
        *self.counts.entry(millis).or_default() += 1;
        self.len += 1;
    }

    pub(super) const fn len(&self) -> u64 {
        self.len
    }

    /// The largest, in seconds.
    pub(super) fn slowest(&self) -> f64 {
        self.counts.last_key_value().map_or(0.0, |(millis, _)| *millis as f64 / 1000.0)
    }

    /// The upper one of the two in the middle where there are two, in seconds.
    pub(super) fn median(&self) -> f64 {
        self.at(self.len / 2) as f64 / 1000.0
    }

    /// That of which so many hundredths are at most as large, in seconds; between two values where it must be.
    pub(super) fn percentile(&self, hundredths: u64) -> f64 {
        let (whole, part) = {
            let place = hundredths * self.len.saturating_sub(1);
            (place / 100, (place % 100) as f64 / 100.0)
        };
        let (lower, upper) = (self.at(whole) as f64, self.at(whole + 1) as f64);
        (lower + (upper - lower) * part) / 1000.0
    }

    /// The value of a place in their order; the last one past the end.
    fn at(&self, place: u64) -> i64 {
        let mut seen = 0;
        for (millis, count) in &self.counts {
            seen += count;
            if seen > place {
                return *millis;
            }
        }
        self.counts.last_key_value().map_or(0, |(millis, _)| *millis)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn percentiles_lie_between_two_values_and_a_median_does_not() {
        let mut values = Values::default();
        [4000, 1000, 2000, 2000].into_iter().for_each(|millis| values.add(millis));
        assert_eq!((values.percentile(50), values.median(), values.slowest()), (2.0, 2.0, 4.0));
        assert_eq!(values.percentile(90), 3.4);
        values.add(9000);
        values.add(9000);
        assert_eq!((values.percentile(50), values.median()), (3.0, 4.0));
        assert_eq!((values.percentile(99), values.len()), (9.0, 6));
        assert_eq!((span(0), span(999), span(1000), span(86_400_000)), (0, 0, 1, 86_400));
    }
}
