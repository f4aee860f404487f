//! Bad input from the first day, against real processes: each meets the right refusal, leaves a trace for the operator,
//! and is never delivered. What is asked for and cannot be had is said to whoever asked, and nothing is half-done.

#![allow(clippy::unwrap_used, reason = "a failed assumption is a failed test")]
#![allow(clippy::print_stdout, reason = "a test that is skipped says so")]

#[path = "../support/asked.rs"]
mod asked;
mod asker;
mod configuration;
mod crashed;
mod inbound;
mod peers;
mod strangers;
#[path = "../support/mod.rs"]
mod support;
mod wire;

use sluss::conformance::as4::exchange;
