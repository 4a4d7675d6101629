//! A window and the one before it, and which of their rows belong together.

use crate::problem::Problem;
use std::collections::HashMap;
use std::hash::Hash;

/// Something of the window that is asked about, and where a comparison is wanted the same of the window before.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct Both<T> {
    pub(crate) now: T,
    pub(crate) before: Option<T>,
}

/// For each row of this window, the place of its like among those of the window before. No place is given twice.
pub(crate) type Pairs = Vec<Option<usize>>;

/// Rows of which each has at most one like in another answer to the same question.
pub(crate) trait Paired: Sized {
    fn pairs(now: &[Self], before: &[Self]) -> Pairs;
}

impl<T> Both<T> {
    /// Makes the same of each; the first refusal ends it.
    pub(crate) fn try_map<U>(self, make: impl Fn(T) -> Result<U, Problem>) -> Result<Both<U>, Problem> {
        Ok(Both { now: make(self.now)?, before: self.before.map(make).transpose()? })
    }

    /// Asks the same of each, one after the other: a comparison must not take more of the database at a time than the report.
    pub(crate) async fn each<U, F>(self, ask: impl Fn(T) -> F) -> Result<Both<U>, Problem>
    where
        F: Future<Output = Result<U, Problem>>,
    {
        let now = ask(self.now).await?;
        let before = match self.before {
            Some(before) => Some(ask(before).await?),
            None => None,
        };
        Ok(Both { now, before })
    }
}

/// Rows of the same group.
pub(crate) fn by_group<'a, T, K: Eq + Hash>(
    now: &'a [T],
    before: &'a [T],
    group: impl Fn(&'a T) -> K,
) -> Pairs {
    let places: HashMap<K, usize> =
        before.iter().enumerate().map(|(place, row)| (group(row), place)).collect();
    now.iter().map(|row| places.get(&group(row)).copied()).collect()
}

/// The last row with the last, and so back. The windows touch: what begins with a whole month or day ends the one before
/// with a whole one, while that one's own beginning may be cut by a shorter month or a change of clocks.
pub(crate) fn from_the_end<T>(now: &[T], before: &[T]) -> Pairs {
    (0..now.len()).map(|place| (place + before.len()).checked_sub(now.len())).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn rows_are_paired_by_group_or_from_the_end() {
        let (now, before) = (["a", "b", "c"], ["c", "d", "a"]);
        assert_eq!(by_group(&now, &before, |row| *row), [Some(2), None, Some(0)]);
        assert_eq!(by_group(&now, &[], |row| *row), [None; 3]);
        assert_eq!(from_the_end(&now, &before), [Some(0), Some(1), Some(2)]);
        assert_eq!(from_the_end(&now, &before[..2]), [None, Some(0), Some(1)]);
        assert_eq!(from_the_end(&now[..2], &before), [Some(1), Some(2)]);
    }
}
