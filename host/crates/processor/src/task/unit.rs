//! What calls have brought for the unit that is being built, beside outputs and state.

use crate::board::Tally;
use crate::settings::{UNIT_BYTES_MAX, UNIT_BYTES_RIPE, UNIT_CALLS_MAX, UNIT_CALLS_RIPE, UNIT_RIPE_AFTER};
use potok_log::TimerChange;
use std::time::Duration;

/// The unit being built.
#[derive(Debug)]
pub(crate) struct UnitBuilder {
    /// Counts units of a loaded task from 1.
    pub(crate) number: u64,
    pub(crate) timers: Vec<TimerChange>,
    pub(crate) tally: Tally,
    calls: u32,
    bytes: usize,
    touched: bool,
    /// When it was first seen with something in it, by the monotonic clock.
    seen: Option<Duration>,
}

impl UnitBuilder {
    pub(crate) fn new(number: u64) -> UnitBuilder {
        UnitBuilder {
            number,
            timers: Vec::new(),
            tally: Tally::default(),
            calls: 0,
            bytes: 0,
            touched: false,
            seen: None,
        }
    }
    /// A call joined, bringing so many bytes.
    pub(crate) fn joined(&mut self, bytes: usize) {
        self.calls += 1;
        self.bytes += bytes;
        self.touched = true;
    }
    /// Something other than a call changed.
    pub(crate) fn touch(&mut self) {
        self.touched = true;
    }
    pub(crate) fn is_touched(&self) -> bool {
        self.touched
    }
    /// It is worth a commit though more can be had at once: one that holds several calls writes each changed key once.
    pub(crate) fn is_ripe(&mut self, now: Duration) -> bool {
        if !self.touched {
            return false;
        }
        let seen = *self.seen.get_or_insert(now);
        self.calls >= UNIT_CALLS_RIPE
            || self.bytes >= UNIT_BYTES_RIPE
            || now.saturating_sub(seen) >= UNIT_RIPE_AFTER
    }
    /// No further call should join.
    pub(crate) fn is_full(&self) -> bool {
        self.calls >= UNIT_CALLS_MAX || self.bytes >= UNIT_BYTES_MAX
    }
}
