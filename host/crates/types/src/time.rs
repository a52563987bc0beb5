//! Time as it comes in by the door: a `Clock` is a component, so that tests and simulations hold it still.
//! Timestamps are milliseconds since 1970-01-01 UTC, as in Kafka.

use serde::{Deserialize, Serialize};
use std::sync::Arc;
use std::sync::atomic::{AtomicI64, Ordering};
use std::time::Duration;

/// Milliseconds since 1970-01-01 UTC; negative before it, -1 where Kafka has no timestamp.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Timestamp(pub i64);

impl Timestamp {
    /// Kafka's "no timestamp".
    pub const NONE: Timestamp = Timestamp(-1);
    /// This moment and `by` more; saturates.
    pub fn plus(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
    /// This moment less `by`; saturates.
    pub fn minus(self, by: Duration) -> Timestamp {
        Timestamp(self.0.saturating_sub(i64::try_from(by.as_millis()).unwrap_or(i64::MAX)))
    }
}

/// Where a room gets its time from.
pub trait Clock: Send + Sync + std::fmt::Debug + 'static {
    /// The wall clock.
    fn now(&self) -> Timestamp;
    /// Time since some fixed moment; never goes back. For measuring and for deadlines.
    fn monotonic(&self) -> Duration;
}

/// The machine's clock.
#[derive(Debug, Clone)]
pub struct SystemClock {
    started: std::time::Instant,
}

impl SystemClock {
    /// The machine's clock, ready to be handed to every room.
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    pub fn shared() -> Arc<dyn Clock> {
        Arc::new(SystemClock { started: std::time::Instant::now() })
    }
}

impl Clock for SystemClock {
    #[expect(clippy::disallowed_methods, reason = "the one place that reads the machine's clock")]
    fn now(&self) -> Timestamp {
        let since = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap_or_default();
        Timestamp(i64::try_from(since.as_millis()).unwrap_or(i64::MAX))
    }
    fn monotonic(&self) -> Duration {
        self.started.elapsed()
    }
}

/// A clock that stands still until a test moves it.
#[derive(Debug, Default)]
pub struct ManualClock {
    now_ms: AtomicI64,
}

impl ManualClock {
    /// A clock that stands at `now`.
    pub fn at(now: Timestamp) -> Arc<ManualClock> {
        Arc::new(ManualClock { now_ms: AtomicI64::new(now.0) })
    }
    /// Moves on by `by`.
    pub fn advance(&self, by: Duration) {
        self.now_ms.fetch_add(i64::try_from(by.as_millis()).unwrap_or(i64::MAX), Ordering::SeqCst);
    }
}

impl Clock for ManualClock {
    fn now(&self) -> Timestamp {
        Timestamp(self.now_ms.load(Ordering::SeqCst))
    }
    fn monotonic(&self) -> Duration {
        Duration::from_millis(u64::try_from(self.now_ms.load(Ordering::SeqCst)).unwrap_or(0))
    }
}
