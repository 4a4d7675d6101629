//! A record that a stage could not use, as a dead-letter topic carries it: nothing is dropped in silence.

use crate::{Timestamp, WIRE_VERSION};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// A record that was set aside, with its original bytes.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct DeadLetter {
    /// The wire version of this record, not of the one that was set aside.
    pub v: u32,
    /// Why it was set aside, for an operator.
    pub reason: String,
    /// The topic it came from.
    pub topic: String,
    /// The partition it came from.
    pub partition: u32,
    /// Its number in the partition.
    pub offset: u64,
    /// When the hit or event happened, if the record still says so: never the time at which it was set aside, so that a
    /// replay sets aside the same bytes.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub at: Option<Timestamp>,
    /// The original bytes, in base64 with padding.
    pub original_base64: String,
}

impl DeadLetter {
    /// The version that new dead letters carry.
    pub const VERSION: u32 = WIRE_VERSION;
}

/// A note on the dead-letter topic that a letter was put back onto the topic it came from: the letter again, without the
/// original bytes. Whoever knows only [`DeadLetter`] reads it as an empty one.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Replayed {
    /// The letter, `original_base64` empty.
    #[serde(flatten)]
    pub letter: DeadLetter,
    /// The letter's id, as `trueopen deadletter list` shows it.
    pub replayed_id: String,
    /// When it was put back.
    pub replayed_at: Timestamp,
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn is_read_back_as_written() {
        let letter = DeadLetter {
            v: DeadLetter::VERSION,
            reason: "not a readable record".to_owned(),
            topic: "engagement.raw".to_owned(),
            partition: 0,
            offset: 7,
            at: Timestamp::parse("2026-11-02T09:00:00Z").ok(),
            original_base64: "e30=".to_owned(),
        };
        let wire = crate::to_wire(&letter);
        let expected = r#"{"v":1,"reason":"not a readable record","topic":"engagement.raw","partition":0,"offset":7,"at":"2026-11-02T09:00:00.000Z","original_base64":"e30="}"#;
        assert_eq!(String::from_utf8_lossy(&wire), expected);
        assert_eq!(crate::from_wire::<DeadLetter>(&wire).unwrap(), letter);
        assert!(crate::from_wire::<Replayed>(&wire).is_err(), "a letter is no note");

        let letter = DeadLetter { original_base64: String::new(), ..letter };
        let replayed_at = Timestamp::parse("2026-11-03T09:00:00Z").unwrap();
        let note =
            Replayed { letter: letter.clone(), replayed_id: "0123456789abcdef".to_owned(), replayed_at };
        let wire = crate::to_wire(&note);
        assert_eq!(crate::from_wire::<Replayed>(&wire).unwrap(), note);
        assert_eq!(crate::from_wire::<DeadLetter>(&wire).unwrap(), letter, "readable without knowing notes");
    }
}
