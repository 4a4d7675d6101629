//! One partition's windows without the topics around them, so that they can be measured.

use super::live::Live;
use crate::Ruleset;
use engagement::Hit;
use std::hint::black_box;
use std::sync::Arc;

/// The windows of one partition without the topics around them, for `examples/windows.rs` to measure.
pub struct Windows(Live);

impl Windows {
    /// None yet, and room for so many messages.
    #[must_use]
    pub fn new(ruleset: Arc<Ruleset>, most: usize) -> Self {
        Self(Live::new(ruleset.into(), most))
    }

    /// Judges a hit among its neighbours, as the stage does: how many verdicts and how many records for other messages
    /// that makes.
    pub fn hit(&mut self, hit: Hit) -> (usize, usize) {
        let mut told = 0;
        let said = self.0.hit(hit, |neighbour| {
            black_box(neighbour);
            told += 1;
        });
        (black_box(said).len(), told)
    }

    /// How many messages are live.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.0.messages()
    }
}
