//! The real binary, as its users run it: words in, text and exit codes out, one server a test.
#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod commands;
mod failures;
mod newcomers;
mod plugin;
mod reading;
mod running;
mod server;
