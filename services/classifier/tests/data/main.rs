//! Data sets: every published form read, and refused where it is damaged; the compact form; what a ruleset makes of them.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

mod forms;
mod rulesets;
