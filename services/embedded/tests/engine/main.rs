//! The engine as its users meet it: the real library in its child process, asked by the official client and by plain
//! HTTP. Where the library can't be had, these tests say so and count as passed, except in CI.
#![allow(clippy::unwrap_used, reason = "a panic in a test is a failed test with a line number")]

mod facts;
mod http;
mod inserts;
mod life;
mod support;
mod typed;
