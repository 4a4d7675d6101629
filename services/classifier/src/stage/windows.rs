//! One partition's windows without the topics around them, so that they can be measured.

use super::live::Live;
use super::route::Output;
use crate::Ruleset;
use engagement::{DeliveryEvent, Hit, Neighbour, WireError, from_wire, to_wire};
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

    /// Judges a hit among its neighbours: how many verdicts that makes.
    pub fn judge(&mut self, hit: &Hit) -> usize {
        let mut verdicts = 0;
        self.0.judge(
            hit,
            |seen| _ = black_box(seen),
            |revised| {
                black_box(revised);
                verdicts += 1;
            },
        );
        verdicts
    }

    /// Takes a delivery event, as the stage does: how many verdicts it corrects.
    pub fn delivered(&mut self, event: &DeliveryEvent) -> usize {
        self.0.delivery(event).len()
    }

    /// Does with a record of the raw topic all that the stage does: reads the hit, judges it, and writes its verdict, those
    /// that it corrects and what its neighbours in other messages should know. How many bytes that makes.
    ///
    /// # Errors
    /// [`WireError`] when the record is no hit.
    pub fn step(&mut self, record: &[u8]) -> Result<usize, WireError> {
        let hit: Hit = from_wire(record)?;
        let mut bytes = 0;
        let tell = |neighbour: Neighbour| {
            black_box(neighbour.key());
            bytes += black_box(to_wire(&neighbour)).len();
        };
        let said = self.0.hit(hit, tell);
        let outputs = said.into_iter().map(|said| black_box(Output::new(said, 0, None)));
        Ok(outputs.map(|output| output.record.payload.len()).sum::<usize>() + bytes)
    }

    /// How many messages are live.
    #[must_use]
    pub fn messages(&self) -> usize {
        self.0.messages()
    }
}
