//! The table of rules over a message's neighbours. Each is one file: what it looks for among the hits around one, the
//! evidence for it, and the false positives that are known. Its numbers stand in `policy.toml`.

use super::{Around, Crowd, Seen};
use crate::finding::Finding;

/// One rule over a hit's neighbours.
#[derive(Debug, Clone, Copy)]
pub struct WindowRule {
    /// The name that reasons carry.
    pub name: &'static str,
    /// How much of it is to be seen around a hit; 0 for nothing.
    pub(super) see: for<'a> fn(&Around<'a>) -> u8,
    /// What a level says about the hit, given whether the hit alone shows a sign of a machine.
    pub(super) say: fn(u8, bool) -> Option<Finding<'static>>,
    /// Its source text, which the ruleset's version hashes.
    pub(crate) text: &'static str,
}

macro_rules! table {
    ($($name:ident),* $(,)?) => {
        $(mod $name;)*

        /// Every rule over neighbours, in the order in which equal findings are listed.
        pub const WINDOW_RULES: &[WindowRule] = &[$(WindowRule {
            name: stringify!($name),
            see: $name::see,
            say: $name::say,
            text: include_str!(concat!("rules/", stringify!($name), ".rs")),
        }),*];
    };
}

table! {
    trap_client,
    trap_neighbour,
    burst,
    burst_order,
    burst_whole,
    burst_pixel,
    burst_client,
    two_clients,
    fanout,
    fanout_network,
    sweep,
    opened_before,
    unopened,
    suspect_unsubscribe,
}
