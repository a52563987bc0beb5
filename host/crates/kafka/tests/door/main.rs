//! The Kafka server over a real socket: requests encoded by the codec, answers decoded by it, against what Kafka promises. One file
//! for each promise; `common.rs` is the only place that opens sockets.

#![expect(clippy::unwrap_used, reason = "helpers of tests fail as tests do")]

mod admin;
mod bad_input;
mod batches;
mod common;
mod configs;
mod connections;
mod every_api;
mod fetch;
mod groups;
mod produce;
mod repeats;
mod room;
mod security;
mod sessions;
mod transactions;
