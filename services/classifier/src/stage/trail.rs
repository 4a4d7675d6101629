//! How far back a restart reads a topic again: behind everything that is still live.

use std::collections::VecDeque;

/// Places of one partition of a topic, each with the record time that was the newest when it was passed.
#[derive(Debug)]
pub(super) struct Trail {
    hold_ms: i64,
    /// One entry for each second of record time: the newest time then, the next offset, how many records.
    passed: VecDeque<(i64, u64, u64)>,
    records: u64,
}

impl Trail {
    /// A trail that reaches so far behind the newest record time.
    pub(super) fn new(hold_ms: i64) -> Self {
        Self { hold_ms, passed: VecDeque::new(), records: 0 }
    }

    /// Notes that `records` records up to `next_offset` were dealt with when `newest` was the newest record time.
    pub(super) fn pass(&mut self, newest: i64, next_offset: u64, records: u64) {
        self.records += records;
        match self.passed.back_mut() {
            Some((then, next, count)) if then.div_euclid(1000) == newest.div_euclid(1000) => {
                (*then, *next, *count) = ((*then).max(newest), (*next).max(next_offset), *count + records);
            }
            _ => self.passed.push_back((newest, next_offset, records)),
        }
    }

    /// The place that a restart may begin at, if it has moved: record times have gone on by so much since it was passed, or
    /// more than `most` records lie behind it, and then a restart won't know the oldest. What was passed last is never left
    /// behind, so that a restart knows what was said last.
    pub(super) fn begin(&mut self, newest: i64, most: u64) -> Option<u64> {
        let mut begin = None;
        while let Some((then, next, count)) = self.passed.front().copied().filter(|_| self.passed.len() > 1) {
            if self.records <= most && newest.saturating_sub(then) <= self.hold_ms {
                break;
            }
            self.passed.pop_front();
            self.records -= count;
            begin = Some(next);
        }
        begin
    }

    /// Lets go of everything; says whether there was anything.
    pub(super) fn forget(&mut self) -> bool {
        self.records = 0;
        !std::mem::take(&mut self.passed).is_empty()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const HOLD_MS: i64 = 3_600_000;

    #[test]
    fn a_place_is_let_go_when_time_has_gone_on_or_too_much_lies_behind_it() {
        let mut trail = Trail::new(HOLD_MS);
        trail.pass(1000, 10, 10);
        trail.pass(1500, 12, 2);
        trail.pass(61_000, 20, 8);
        assert_eq!(trail.begin(1500 + HOLD_MS, 100), None);
        assert_eq!(trail.begin(1501 + HOLD_MS, 100), Some(12));
        trail.pass(62_000, 24, 4);
        assert_eq!(trail.begin(1501 + HOLD_MS, 12), None);
        assert_eq!(trail.begin(1501 + HOLD_MS, 11), Some(20));
        assert_eq!(trail.begin(i64::MAX, 0), None, "what was passed last stays");
        assert!(trail.forget() && !trail.forget());
        trail.pass(i64::MIN, 30, 1);
        assert!(trail.forget() && trail.begin(i64::MAX, 0).is_none());
    }
}
