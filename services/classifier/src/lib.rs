//! Who made a hit: facts in, verdict out.
//!
//! The core is pure (no clock, disk, network or async): [`Ruleset::judge`] is a function of one hit's [`Facts`] and of
//! the ruleset, so an outage or a replay judges no differently. The rules are two visible tables, one small file each:
//! under `rules` what one request shows, under `window/rules` what the other hits of its message show, and what
//! `neighbours` found among the hits of other messages. Vendors'
//! signatures are data under `signatures`, thresholds and weights in `policy.toml`; how findings are weighed against each
//! other stands in `combine` alone. `message` gives each hit of a message its verdicts over time. Around the core stand
//! `file`, which judges a file of hits, and [`stage`], which judges a topic.

mod again;
mod agent;
mod client;
mod combine;
pub mod data;
mod explain;
mod facts;
mod file;
mod finding;
mod hash;
mod in_force;
pub mod learned;
mod matched;
mod message;
mod metrics;
mod neighbours;
mod policy;
mod rules;
mod ruleset;
mod signatures;
pub mod stage;
mod window;
mod words;

pub use again::{Again, Compared, Comparing, Full, Outcome, Stored};
pub use agent::{Agent, Named};
pub use explain::explain;
pub use facts::{Facts, HEADERS_READ};
pub use file::{FileSummary, classify_file};
pub use finding::{Finding, Scope, Weight};
pub use in_force::InForce;
pub use matched::Matched;
pub use message::{DELIVERY_COUNTS_MS, Delivery, Kept, Message, Revised};
pub use neighbours::{NEIGHBOURS_HOLD_MS, Neighbours, Taken, neighbours};
pub use rules::{RULES, Rule};
pub use ruleset::{BUILTIN_FILES, Judgement, Ruleset};
pub use signatures::{
    Cause, Certainty, Endpoints, Family, FileContents, MOST_PATTERN_BYTES, PatternKind, Signature,
    SignatureError, SignatureFile,
};
pub use window::{Identified, Marks, Seen, WINDOW_RULES, WindowRule};
