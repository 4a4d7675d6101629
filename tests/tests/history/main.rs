//! What is made of stored events: learning from them, and judging them again. The past is put into the engine as the
//! loader would have put it there, judged by the ruleset that a test says; everything else is the running program.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

mod late;
mod learn;
mod long;
mod past;
mod reclassify;
