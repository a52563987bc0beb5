//! Durable timers: they outlive restarts, and commit with the outcome of the call that set them.
//! In: a clock, a moment, a key. Out: the same, when it is due, in `on_timer`. Invariant: clock and key name a timer; set again, it moves.

use crate::time::Timestamp;
use serde::{Deserialize, Serialize};

/// What a timer waits for.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum Clock {
    /// The largest timestamp that the task has seen.
    Event,
    /// The host's clock.
    Wall,
}

/// A timer to set, or one that is due.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Timer {
    /// What it waits for.
    pub clock: Clock,
    /// When it is due.
    pub at: Timestamp,
    /// With the clock, its name.
    pub key: Vec<u8>,
    /// Given back when it is due.
    pub payload: Vec<u8>,
}

impl Timer {
    /// Due when the task has seen a record of this time.
    pub fn event(at: Timestamp, key: impl AsRef<[u8]>) -> Timer {
        Timer { clock: Clock::Event, at, key: key.as_ref().to_vec(), payload: Vec::new() }
    }
    /// Due when the host's clock shows this time.
    pub fn wall(at: Timestamp, key: impl AsRef<[u8]>) -> Timer {
        Timer { clock: Clock::Wall, at, key: key.as_ref().to_vec(), payload: Vec::new() }
    }
    /// With these bytes to be given back.
    pub fn payload(mut self, payload: impl AsRef<[u8]>) -> Timer {
        self.payload = payload.as_ref().to_vec();
        self
    }
    /// With this value to be given back, as JSON.
    pub fn json_payload<T: Serialize>(mut self, payload: &T) -> Result<Timer, serde_json::Error> {
        self.payload = serde_json::to_vec(payload)?;
        Ok(self)
    }
    /// The payload read as JSON.
    pub fn json<'a, T: Deserialize<'a>>(&'a self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.payload)
    }
}

/// A change of the task's timers, in the order in which it was asked for.
#[derive(Clone, Debug)]
pub(crate) enum TimerChange {
    Set(Timer),
    Cancel(Clock, Vec<u8>),
}
