//! The contract of HTTP `/v1`, over real sockets and a log in memory: one program, since each would link every room anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bad_input;
mod common;
mod records;
mod server;
mod streams;
mod topics;
