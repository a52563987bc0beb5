//! The numbers of the Kafka server that its user may tune; where Kafka has a setting of that kind, its default is taken.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::time::Duration;

const MIB: usize = 1 << 20;

/// How Kafka's protocol is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Whether it is served at all.
    pub enabled: bool,
    /// Address and port to listen on. Anybody who reaches it may do anything, so it is this machine only by default.
    pub listen: SocketAddr,
    /// Host and port that clients are told to connect to, such as `broker.example.org:9092`; needed where they reach this
    /// machine by another name. Without it they are told the address that they connected to.
    pub advertised: Option<String>,
    /// Whether a topic that a producer or consumer asks for is created when it is not there (`auto.create.topics.enable`).
    pub auto_create_topics: bool,
    /// Partitions of a topic whose creator names no number (`num.partitions`).
    pub partitions_default: u32,
    /// Connections open at the same time; the next one is closed at once. More: memory rises by some 4 KiB for each that
    /// idles, and so does the number of file descriptors.
    pub connections_max: usize,
    /// Bytes of a request (`socket.request.max.bytes`); a larger one ends its connection.
    pub request_bytes_max: usize,
    /// Bytes of requests held in memory over all connections; who finds no room waits, and is cut off in the end. More:
    /// more producers with large requests at the same time.
    pub requests_bytes_max: usize,
    /// Bytes of batches in one answer to a fetch (`fetch.max.bytes` of a broker); the first batch comes whatever its size.
    pub fetch_bytes_max: usize,
    /// Bytes of fetched batches on their way to clients over all connections; when it runs low, answers get smaller.
    pub answers_bytes_max: usize,
    /// How long a connection may idle, in milliseconds (`connections.max.idle.ms`).
    pub idle_timeout_ms: u64,
    /// How long a client may pause in the middle of a request, and how long a request may wait for room, in milliseconds.
    pub request_idle_timeout_ms: u64,
    /// How long a client may take nothing of what is sent to it, in milliseconds.
    pub write_timeout_ms: u64,
    /// How long requests may finish after the server was told to stop, in milliseconds.
    pub stop_timeout_ms: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            enabled: true,
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 9092)),
            advertised: None,
            auto_create_topics: true,
            partitions_default: 1,
            connections_max: 4096,
            request_bytes_max: 100 * MIB,
            requests_bytes_max: 256 * MIB,
            fetch_bytes_max: 55 * MIB,
            answers_bytes_max: 256 * MIB,
            idle_timeout_ms: 600_000,
            request_idle_timeout_ms: 30_000,
            write_timeout_ms: 60_000,
            stop_timeout_ms: 10_000,
        }
    }
}

impl Settings {
    pub(crate) fn idle_timeout(&self) -> Duration {
        Duration::from_millis(self.idle_timeout_ms)
    }
    pub(crate) fn request_idle_timeout(&self) -> Duration {
        Duration::from_millis(self.request_idle_timeout_ms)
    }
    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }
    pub(crate) fn stop_timeout(&self) -> Duration {
        Duration::from_millis(self.stop_timeout_ms)
    }
}
