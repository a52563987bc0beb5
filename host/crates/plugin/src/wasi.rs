//! WASI 0.2 that gives nothing away, for modules of toolchains that import it all the same: no files, no sockets, no arguments, no
//! environment, an empty stdin; stdout and stderr are lines of the guest's log; the clock is the task's; randomness is seeded.
//! A guest that sleeps is ended by the bound that `call.rs` puts on waiting.

use crate::api::{LogLevel, TaskPort};
use crate::limits::{LOG_LINE_LEN_MAX, RANDOM_LEN_MAX, cut};
use bytes::Bytes;
use parking_lot::Mutex;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;
use tokio::io::AsyncWrite;
use wasmtime_wasi::cli::{IsTerminal, StdoutStream};
use wasmtime_wasi::p2::{OutputStream, Pollable, StreamError, StreamResult};
use wasmtime_wasi::{Deterministic, HostMonotonicClock, HostWallClock, WasiCtx, WasiCtxBuilder};

/// Seeds what a guest takes for random: a call that is run again draws the same numbers on a fresh instance.
const SEED: u128 = 0x9e37_79b9_7f4a_7c15_f39c_c060_5ced_c834;
/// How far the monotonic clock moves with each reading, in nanoseconds: a guest that waits for it to pass does not wait for ever.
const READING_NS: u64 = 1_000;

/// A context that reaches nothing but the task's port.
pub(crate) fn nothing(port: &Arc<dyn TaskPort>) -> WasiCtx {
    let clock = Arc::new(TaskClock { port: port.clone(), read: AtomicU64::new(0) });
    WasiCtxBuilder::new()
        .stdout(Lines::new(port, LogLevel::Info))
        .stderr(Lines::new(port, LogLevel::Warn))
        .wall_clock(Shared(clock.clone()))
        .monotonic_clock(Shared(clock))
        .secure_random(Deterministic::new(seed_bytes()))
        .insecure_random(Deterministic::new(seed_bytes()))
        .insecure_random_seed(SEED)
        .max_random_size(RANDOM_LEN_MAX)
        .allow_tcp(false)
        .allow_udp(false)
        .allow_ip_name_lookup(false)
        .build()
}

/// Bytes that a simple generator (SplitMix64) makes of the seed.
fn seed_bytes() -> Vec<u8> {
    const LEN: u64 = 512;
    let mut state = u64::try_from(SEED & u128::from(u64::MAX)).unwrap_or(1);
    let mut next = || {
        state = state.wrapping_add(0x9e37_79b9_7f4a_7c15);
        let mixed = (state ^ (state >> 30)).wrapping_mul(0xbf58_476d_1ce4_e5b9);
        let mixed = (mixed ^ (mixed >> 27)).wrapping_mul(0x94d0_49bb_1331_11eb);
        (mixed ^ (mixed >> 31)).to_le_bytes()
    };
    (0..LEN).flat_map(|_| next()).collect()
}

/// The task's clock, and a count of its readings.
struct TaskClock {
    port: Arc<dyn TaskPort>,
    read: AtomicU64,
}
struct Shared(Arc<TaskClock>);
impl Shared {
    fn millis(&self) -> u64 {
        u64::try_from(self.0.port.now().0).unwrap_or(0)
    }
}
impl HostWallClock for Shared {
    fn resolution(&self) -> Duration {
        Duration::from_millis(1)
    }
    fn now(&self) -> Duration {
        Duration::from_millis(self.millis())
    }
}
impl HostMonotonicClock for Shared {
    fn resolution(&self) -> u64 {
        READING_NS
    }
    fn now(&self) -> u64 {
        let readings = self.0.read.fetch_add(1, Ordering::Relaxed);
        self.millis().saturating_mul(1_000_000).saturating_add(readings.saturating_mul(READING_NS))
    }
}

/// A stream whose lines go to the guest's log.
#[derive(Clone)]
struct Lines {
    port: Arc<dyn TaskPort>,
    level: LogLevel,
    /// The line that is not finished, at most `LOG_LINE_LEN_MAX` bytes of it.
    line: Arc<Mutex<Vec<u8>>>,
}
impl Lines {
    fn new(port: &Arc<dyn TaskPort>, level: LogLevel) -> Lines {
        Lines { port: port.clone(), level, line: Arc::default() }
    }
    fn take_in(&self, bytes: &[u8]) {
        let mut line = self.line.lock();
        for piece in bytes.split_inclusive(|byte| *byte == b'\n') {
            let (text, ended) = piece.strip_suffix(b"\n").map_or((piece, false), |text| (text, true));
            let room = (LOG_LINE_LEN_MAX + 1).saturating_sub(line.len());
            line.extend_from_slice(&text[..text.len().min(room)]);
            if ended {
                self.port.log(self.level, cut(String::from_utf8_lossy(&line).into_owned(), LOG_LINE_LEN_MAX));
                line.clear();
            }
        }
    }
}
impl Drop for Lines {
    /// A last line without an end is a line too.
    fn drop(&mut self) {
        if Arc::strong_count(&self.line) == 1 && !self.line.lock().is_empty() {
            self.take_in(b"\n");
        }
    }
}
impl IsTerminal for Lines {
    fn is_terminal(&self) -> bool {
        false
    }
}
impl StdoutStream for Lines {
    fn async_stream(&self) -> Box<dyn AsyncWrite + Send + Sync> {
        Box::new(self.clone())
    }
    fn p2_stream(&self) -> Box<dyn OutputStream> {
        Box::new(self.clone())
    }
}
impl OutputStream for Lines {
    fn write(&mut self, bytes: Bytes) -> StreamResult<()> {
        self.take_in(&bytes);
        Ok(())
    }
    fn flush(&mut self) -> StreamResult<()> {
        Ok(())
    }
    fn check_write(&mut self) -> Result<usize, StreamError> {
        Ok(LOG_LINE_LEN_MAX)
    }
}
#[async_trait::async_trait]
impl Pollable for Lines {
    async fn ready(&mut self) {}
}
impl AsyncWrite for Lines {
    fn poll_write(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
        bytes: &[u8],
    ) -> std::task::Poll<std::io::Result<usize>> {
        self.take_in(bytes);
        std::task::Poll::Ready(Ok(bytes.len()))
    }
    fn poll_flush(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
    fn poll_shutdown(
        self: std::pin::Pin<&mut Self>,
        _: &mut std::task::Context<'_>,
    ) -> std::task::Poll<std::io::Result<()>> {
        std::task::Poll::Ready(Ok(()))
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::capability::testing::Memory;

    #[test]
    fn streams_become_lines_of_the_log() {
        let port = Arc::new(Memory::default());
        let shared: Arc<dyn TaskPort> = port.clone();
        let mut lines = Lines::new(&shared, LogLevel::Info);
        let more = lines.clone();
        lines.write(Bytes::from_static(b"one\ntw")).unwrap();
        more.take_in(b"o\nthree");
        drop(more);
        assert_eq!(*port.said.lock(), ["Info one", "Info two"]);
        drop(lines);
        assert_eq!(port.said.lock().last().unwrap(), "Info three");
    }
    #[test]
    fn a_line_without_end_keeps_its_beginning_only() {
        let port = Arc::new(Memory::default());
        let shared: Arc<dyn TaskPort> = port.clone();
        let lines = Lines::new(&shared, LogLevel::Info);
        for _ in 0..100 {
            lines.take_in(&[b'x'; 4096]);
        }
        assert!(lines.line.lock().len() <= LOG_LINE_LEN_MAX + 1);
        lines.take_in(b"\n");
        assert!(port.said.lock()[0].ends_with("[cut]"));
    }
    #[test]
    fn the_monotonic_clock_never_stands_still() {
        let port: Arc<dyn TaskPort> = Arc::new(Memory::default());
        let clock = Shared(Arc::new(TaskClock { port, read: AtomicU64::new(0) }));
        assert!(HostMonotonicClock::now(&clock) < HostMonotonicClock::now(&clock));
        assert_eq!(HostWallClock::now(&clock), Duration::from_millis(1_357_000_000_000));
    }
}
