//! What is made of stored events: learning from them. The past is put into the engine as the
//! loader would have put it there, judged by the ruleset that a test says; everything else is the running program.

#![allow(clippy::unwrap_used, reason = "a panic is a failed test with a line number")]

mod learn;
mod past;
