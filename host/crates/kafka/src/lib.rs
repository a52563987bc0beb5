//! Kafka's protocol, so that whoever has Kafka's clients changes nothing: wire bytes become calls on the log, answers become
//! wire bytes. The only crate that names `kafka-protocol`. A connection's requests are answered in the order they came; a
//! record batch goes from the socket to the log and from the log to the socket as the same bytes.
//! What is served, and at which versions, is one table: `advertise.rs`.

mod advertise;
mod answer;
mod api;
mod broker;
mod budget;
mod call;
mod cluster;
mod connection;
mod error;
mod frame;
mod gather;
mod header;
#[cfg(any(test, feature = "test-util"))]
mod in_process;
mod kept;
mod metrics;
mod room;
mod server;
mod settings;
mod shape;
mod wire;

pub use cluster::cluster_id;
#[cfg(any(test, feature = "test-util"))]
pub use in_process::InProcess;
pub use server::{BindError, Components, Door, Server};
pub use settings::Settings;
