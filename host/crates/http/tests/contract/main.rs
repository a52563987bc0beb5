//! The contract of HTTP `/v1`, over real sockets and a log in memory: one program, since each would link every room anew.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod bad_input;
mod common;
mod groups;
#[path = "../../../plugin/tests/kit/mod.rs"]
#[allow(unreachable_pub, clippy::unwrap_used, reason = "another room's, as it is")]
mod kit;
mod processors;
mod records;
mod server;
mod streams;
mod topics;
