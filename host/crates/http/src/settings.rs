//! The numbers of the HTTP server that its user may tune; defaults suit a laptop as well as a machine in a rack.

use serde::{Deserialize, Serialize};
use std::net::{Ipv4Addr, SocketAddr};
use std::path::PathBuf;
use std::time::Duration;

const MIB: usize = 1 << 20;

/// How HTTP is served.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Address and port to listen on. Anybody who reaches it may do anything, so it is this machine only by default.
    pub listen: SocketAddr,
    /// Connections open at the same time; the next one is answered with 503 and closed. More: memory rises by some 20 KiB
    /// for each, and so does the number of file descriptors.
    pub connections_max: usize,
    /// Requests being worked on at the same time; the next one is answered with 503. More: bursts end in latency instead.
    /// Above `tails_max`, so that long polls leave room for others.
    pub requests_max: usize,
    /// Reads that follow a topic (events, WebSockets, NDJSON with `follow`) and long polls, at the same time.
    pub tails_max: usize,
    /// How long a client may take for the head of a request, and how long a connection may idle between requests, in
    /// milliseconds. Longer: kind to slow links, and to attackers who send a byte a second.
    pub header_timeout_ms: u64,
    /// How long a client may pause in the middle of a body, in milliseconds.
    pub body_idle_timeout_ms: u64,
    /// How long a client may take nothing of what is sent to it, in milliseconds.
    pub write_timeout_ms: u64,
    /// Bytes of a body that is read as a whole (JSON, raw), after decompression. Streamed bodies have no limit.
    pub body_bytes_max: usize,
    /// Bytes of an uploaded module.
    pub module_bytes_max: usize,
    /// Bytes of request bodies held in memory over all requests. A request that finds no room for some seconds is
    /// answered with 503. More: more uploads at the same time.
    pub bodies_bytes_max: usize,
    /// How long requests may finish after the server was told to stop, in milliseconds.
    pub stop_timeout_ms: u64,
    /// Web pages that may call this server besides its own, such as `https://console.example.org`. Programs that are no
    /// browsers are always let in.
    pub origins: Vec<String>,
    /// Folder in which backups are made; without one, backups over HTTP are off.
    pub backup_dir: Option<PathBuf>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            listen: SocketAddr::from((Ipv4Addr::LOCALHOST, 8080)),
            connections_max: 4096,
            requests_max: 2048,
            tails_max: 1024,
            header_timeout_ms: 30_000,
            body_idle_timeout_ms: 30_000,
            write_timeout_ms: 60_000,
            body_bytes_max: 16 * MIB,
            module_bytes_max: 64 * MIB,
            bodies_bytes_max: 256 * MIB,
            stop_timeout_ms: 10_000,
            origins: Vec::new(),
            backup_dir: None,
        }
    }
}

impl Settings {
    pub(crate) fn header_timeout(&self) -> Duration {
        Duration::from_millis(self.header_timeout_ms)
    }
    pub(crate) fn body_idle_timeout(&self) -> Duration {
        Duration::from_millis(self.body_idle_timeout_ms)
    }
    pub(crate) fn write_timeout(&self) -> Duration {
        Duration::from_millis(self.write_timeout_ms)
    }
    pub(crate) fn stop_timeout(&self) -> Duration {
        Duration::from_millis(self.stop_timeout_ms)
    }
}
