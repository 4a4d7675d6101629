//! Verdicts: who made a hit, how sure that is, and every reason for it.

use crate::sources;
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};
use std::borrow::Cow;

/// So many milliseconds after a hit arrived its verdict may still be corrected by what comes, in the progress of events' times;
/// until then it is provisional.
pub const PROVISIONAL_MS: i64 = 1_800_000;

/// Who stands behind a hit.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, Serialize, Deserialize, JsonSchema)]
#[serde(rename_all = "snake_case")]
pub enum Actor {
    /// A person, perhaps through a proxy that fetches when the person looks.
    Human,
    /// A machine, with no person looking.
    Automated,
    /// Nothing known decides. An answer, not a failure.
    Unknown,
}

impl Actor {
    /// The name on the wire.
    #[must_use]
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::Human => "human",
            Self::Automated => "automated",
            Self::Unknown => "unknown",
        }
    }
}

// Names are the program's own where it judges, and not copied for each verdict.
/// One rule that fired, with what it saw.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Reason {
    /// The rule's name.
    pub rule: Cow<'static, str>,
    /// The source it speaks for.
    pub source: Cow<'static, str>,
    /// How sure the rule alone is, 0 to 1.
    pub confidence: f64,
    /// What it saw, for people; never an address or a token.
    pub evidence: String,
}

/// The judgement on one hit.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Verdict {
    /// Who made it.
    pub actor: Actor,
    /// Which automation, or the client of a human: an id from `schema/sources.json`.
    pub source: String,
    /// How sure the verdict is, 0 to 1, three decimals.
    pub confidence: f64,
    /// Every rule that fired, the deciding one first.
    pub reasons: Vec<Reason>,
    /// The version of rules and data that judged.
    pub ruleset: String,
    /// 1 for the first verdict on an event, higher for each correction. Reports count the highest.
    pub revision: u32,
}

impl Verdict {
    /// The suppression class of the verdict's source, if it has one.
    #[must_use]
    pub fn class(&self) -> Option<sources::Class> {
        sources::find(&self.source).and_then(|source| source.class)
    }
}
