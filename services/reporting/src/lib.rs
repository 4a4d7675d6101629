//! wip
pub mod instrument;
pub mod mint;
