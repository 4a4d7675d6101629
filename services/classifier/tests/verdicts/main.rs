//! What the ruleset says: every rule with a hit, a near miss and its known false positive; the published agents; and
//! what must hold for any input.

mod clients;
mod files;
mod known_agents;
mod properties;
mod request;
mod signature_files;
mod support;
mod vendors;
