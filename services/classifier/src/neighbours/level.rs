//! How many distinct readers make which level.

use crate::policy::Policy;

/// Counts distinct readers, and no further than decides.
#[derive(Debug)]
pub(super) struct Readers {
    known: Vec<u64>,
    enough: usize,
}

impl Readers {
    pub(super) fn up_to(enough: i64) -> Self {
        Self { known: Vec::new(), enough: usize::try_from(enough).unwrap_or(usize::MAX) }
    }

    /// Adds a reader; says whether there are enough by now.
    pub(super) fn add(&mut self, reader: u64) -> bool {
        if self.known.len() < self.enough && !self.known.contains(&reader) {
            self.known.push(reader);
        }
        self.enough()
    }

    pub(super) fn enough(&self) -> bool {
        self.known.len() >= self.enough
    }

    pub(super) fn count(&self) -> i64 {
        i64::try_from(self.known.len()).unwrap_or(i64::MAX)
    }
}

/// The level of so many readers who were touched together: 0 none, 1 few, 2 several, 3 many.
pub(super) fn level(readers: i64, policy: &Policy) -> u8 {
    let from = [policy.fanout_few_readers(), policy.fanout_several_readers(), policy.fanout_many_readers()];
    from.iter().map(|from| u8::from(readers >= *from)).sum()
}

/// The highest level there is.
pub(super) const HIGHEST: u8 = 3;
/// The lowest level that a network's or a domain's readers are told of.
pub(super) const SEVERAL: u8 = 2;
