//! A hit with its verdict, as the topic `engagement.classified` carries it.

use crate::{Hit, Verdict};
use schemars::JsonSchema;
use serde::{Deserialize, Serialize};

/// One event: the hit, the client that was read off its agent, and the verdict.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize, JsonSchema)]
pub struct Classified {
    /// The hit; its `v` is the version of the whole record.
    #[serde(flatten)]
    pub hit: Hit,
    /// The client family that the agent names, such as `Chrome`; empty when none is known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub client: String,
    /// The judgement.
    pub verdict: Verdict,
}
