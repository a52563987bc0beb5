//! What calls have brought for the unit that is being built, beside outputs and state.

use crate::board::Tally;
use crate::budget::{Budget, Share};
use crate::settings::{
    UNIT_BYTES_MAX, UNIT_BYTES_MIN, UNIT_BYTES_RIPE, UNIT_CALLS_MAX, UNIT_CALLS_RIPE, UNIT_RIPE_AFTER,
};
use potok_log::TimerChange;
use std::sync::Arc;
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
    budget: Arc<Budget>,
    /// Its part of the memory for units, from its first call on.
    share: Option<Share>,
    touched: bool,
    /// When it was first seen with something in it, by the monotonic clock.
    seen: Option<Duration>,
}

impl UnitBuilder {
    pub(crate) fn new(number: u64, budget: Arc<Budget>) -> UnitBuilder {
        UnitBuilder {
            number,
            timers: Vec::new(),
            tally: Tally::default(),
            calls: 0,
            bytes: 0,
            budget,
            share: None,
            touched: false,
            seen: None,
        }
    }
    /// A call joined, bringing so many bytes.
    pub(crate) fn joined(&mut self, bytes: usize) {
        self.calls += 1;
        self.bytes += bytes;
        self.touched = true;
        self.share.get_or_insert_with(|| self.budget.share());
    }
    /// Its part of the memory for units, for its flight.
    pub(crate) fn into_share(self) -> Option<Share> {
        self.share
    }
    fn bytes_max(&self) -> usize {
        self.share
            .as_ref()
            .map_or(UNIT_BYTES_MAX, |share| share.bytes().clamp(UNIT_BYTES_MIN, UNIT_BYTES_MAX))
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
            || self.bytes >= UNIT_BYTES_RIPE.min(self.bytes_max())
            || now.saturating_sub(seen) >= UNIT_RIPE_AFTER
    }
    /// No further call should join.
    pub(crate) fn is_full(&self) -> bool {
        self.calls >= UNIT_CALLS_MAX || self.bytes >= self.bytes_max()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn units_of_many_tasks_are_smaller_and_grow_again_when_the_others_have_landed() {
        let budget = Budget::new(16 << 20);
        let unit = |bytes| {
            let mut unit = UnitBuilder::new(1, budget.clone());
            unit.joined(bytes);
            unit
        };
        let mut one = unit(1 << 20);
        assert!(one.is_ripe(Duration::ZERO) && !one.is_full());
        let others: Vec<_> = (0..15).map(|_| unit(0)).collect();
        assert!(one.is_full(), "a sixteenth is its part");
        let many: Vec<_> = (0..10_000).map(|_| unit(0)).collect();
        assert!(!unit(UNIT_BYTES_MIN - 1).is_full() && unit(UNIT_BYTES_MIN).is_full());
        let flights: Vec<_> = others.into_iter().chain(many).map(UnitBuilder::into_share).collect();
        assert!(one.is_full(), "what is on its way counts");
        drop(flights);
        assert!(!one.is_full());
    }
}
