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
    /// What else is known of the client; it stays when the evidence it was read from is gone.
    #[serde(flatten)]
    pub traits: Traits,
    /// The judgement.
    pub verdict: Verdict,
    /// Stored events were judged again, and this is what came of it: the event's window was closed before.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub reclassified: bool,
}

/// What is known of the client beside its family: its network, and what its agent says of device and mail app. None of it
/// tells who the reader is, so it stays with the verdict when address and agent are dropped.
#[derive(Debug, Clone, Default, PartialEq, Eq, Serialize, Deserialize, JsonSchema)]
pub struct Traits {
    /// The autonomous system that announced the address, where a database of them was at hand.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub asn: Option<u32>,
    /// The country of the address, as two letters, where a database of them was at hand.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub country: String,
    /// `desktop`, `phone` or `tablet`; empty when the agent doesn't say.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub device: String,
    /// The mail app or webmail, such as `Outlook`; empty when the client is none or not known.
    #[serde(default, skip_serializing_if = "String::is_empty")]
    pub mail_app: String,
}
