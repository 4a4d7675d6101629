//! From counts to habits: when a domain's links are scanned, where that time stands out.
//!
//! Times are counted in bins that grow with them, for a scanner that comes after 40 s varies by seconds and one that comes
//! after 3 h by minutes.

use super::{Band, Habits, LONGEST_MS, Readers};
use crate::policy::Policy;

/// Each bin is so much longer than the one before.
const GROWTH: f64 = 1.15;
/// Where the second bin begins, in milliseconds; the first holds what is earlier.
const FIRST_MS: f64 = 1000.0;
/// How many bins there are: the last one ends after a day.
pub const BINS: usize = 83;
/// A habit is at most so many bins wide.
const WIDEST: usize = 3;
/// So many times of day at most are learned of a domain.
const MOST_BANDS: usize = 3;

/// What was counted of one domain.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Counted {
    /// Messages to it.
    pub messages: u64,
    /// Messages whose links a machine followed first so long after the delivery, by bin.
    pub scanned: Vec<u64>,
    /// Messages whose links a person followed first so long after the delivery, by bin.
    pub people: Vec<u64>,
    /// Messages that a person clicked in, and those of them with an image load before.
    pub readers: Readers,
}

/// Where a bin begins, in milliseconds after the delivery.
#[must_use]
pub fn bin_edge_ms(bin: usize) -> i64 {
    if bin == 0 {
        return 0;
    }
    let power = i32::try_from(bin - 1).unwrap_or(i32::MAX);
    ((FIRST_MS * GROWTH.powi(power)).round() as i64).min(LONGEST_MS)
}

/// The habits that the counts show; `None` where they show none.
pub(super) fn habits(counted: &Counted, policy: &Policy) -> Option<Habits> {
    let scans = bands(counted, policy);
    let enough = policy.learn_clicks().unsigned_abs();
    let readers = Some(counted.readers).filter(|readers| readers.clicks >= enough);
    let found = !scans.is_empty() || readers.is_some();
    found.then_some(Habits { messages: counted.messages, scans, readers })
}

/// The times in which scans are dense and people's clicks are not, earliest first.
fn bands(counted: &Counted, policy: &Policy) -> Vec<Band> {
    let mut scanned = counted.scanned.clone();
    let all: u64 = scanned.iter().sum();
    let least = policy.learn_clicks().unsigned_abs().max(percent(all, policy.scan_share_percent()));
    let mut bands: Vec<Band> = Vec::new();
    while bands.len() < MOST_BANDS {
        let Some((from, to)) = densest(&scanned) else { break };
        let of = |counts: &[u64]| counts.get(from..to).unwrap_or_default().iter().sum::<u64>();
        let (machines, people) = (of(&scanned), of(&counted.people));
        if machines < least {
            break;
        }
        if machines >= people.saturating_mul(policy.scan_people_times().unsigned_abs()) {
            let (from_ms, to_ms) = (bin_edge_ms(from), bin_edge_ms(to));
            bands.push(Band { from_ms, to_ms, scanned: machines, people });
        }
        scanned[from..to].fill(0);
    }
    bands.sort_by_key(|band| band.from_ms);
    bands
}

/// The bins, at most [`WIDEST`] side by side, that hold most; without what is next to nothing at their edges.
fn densest(counts: &[u64]) -> Option<(usize, usize)> {
    let sum = |from: usize, to: usize| counts[from..to].iter().sum::<u64>();
    let starts = 0..counts.len().saturating_sub(WIDEST - 1);
    let mut from = starts.rev().max_by_key(|from| sum(*from, from + WIDEST))?;
    let mut to = from + WIDEST;
    let little = sum(from, to) / 20;
    while to - from > 1 && counts[from] <= little {
        from += 1;
    }
    while to - from > 1 && counts[to - 1] <= little {
        to -= 1;
    }
    Some((from, to))
}

fn percent(all: u64, percent: i64) -> u64 {
    all.saturating_mul(percent.unsigned_abs()).div_ceil(100)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn bin(ms: i64) -> usize {
        (0..BINS).rev().find(|bin| bin_edge_ms(*bin) <= ms).unwrap()
    }

    fn counted(scans: &[(i64, u64)], people: &[(i64, u64)]) -> Counted {
        let count = |times: &[(i64, u64)]| {
            let mut bins = vec![0; BINS];
            times.iter().for_each(|(ms, count)| bins[bin(*ms)] += count);
            bins
        };
        let readers = Readers { clicks: 0, with_image: 0 };
        Counted { messages: 1000, scanned: count(scans), people: count(people), readers }
    }

    fn bands_of(scans: &[(i64, u64)], people: &[(i64, u64)]) -> Vec<Band> {
        bands(&counted(scans, people), &Policy::builtin())
    }

    #[test]
    fn bins_reach_over_a_day_and_grow() {
        assert_eq!((bin_edge_ms(0), bin_edge_ms(1), bin_edge_ms(BINS)), (0, 1000, LONGEST_MS));
        assert!((1..=BINS).all(|bin| bin_edge_ms(bin) > bin_edge_ms(bin - 1)));
        assert_eq!(bin(999), 0);
    }

    #[test]
    fn a_time_that_stands_out_is_found_and_one_that_does_not_is_not() {
        let found = bands_of(&[(39_000, 40), (41_000, 300), (44_000, 60), (9_000, 5)], &[(3_600_000, 200)]);
        let [band] = found.as_slice() else { panic!("{found:?}") };
        assert!(band.from_ms <= 39_000 && band.to_ms > 44_000 && band.to_ms < 60_000, "{band:?}");
        assert_eq!((band.scanned, band.people), (400, 0));

        // Scans all over the hour show no narrow time.
        let spread: Vec<(i64, u64)> = (1..60).map(|minute| (minute * 60_000, 10)).collect();
        assert!(bands_of(&spread, &[]).iter().all(|band| band.to_ms - band.from_ms > 60_000));
        // Few are none either, nor is a time at which people come as well.
        assert_eq!(bands_of(&[(40_000, 19)], &[]), []);
        assert_eq!(bands_of(&[(40_000, 300)], &[(40_000, 100)]), []);
    }

    #[test]
    fn two_scanners_are_two_times() {
        let found = bands_of(&[(10_800_000, 150), (40_000, 400)], &[(60_000, 50)]);
        assert_eq!(found.len(), 2, "{found:?}");
        assert!(found[0].to_ms < 60_000 && found[1].from_ms > 9_000_000);
    }

    #[test]
    fn what_shows_nothing_is_left_out() {
        let mut counted = counted(&[(40_000, 3)], &[]);
        assert_eq!(habits(&counted, &Policy::builtin()), None);
        counted.readers = Readers { clicks: 100, with_image: 96 };
        let found = habits(&counted, &Policy::builtin()).unwrap();
        assert_eq!((found.scans.len(), found.readers), (0, Some(counted.readers)));
    }
}
