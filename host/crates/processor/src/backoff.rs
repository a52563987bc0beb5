//! How long to wait before something is tried again: doubling from a first wait to a longest one.

use crate::settings::Settings;
use std::time::Duration;

/// Waits that double. Deterministic: one task waits on one thing, so there is no herd to be scattered.
#[derive(Debug)]
pub(crate) struct Backoff {
    min: Duration,
    max: Duration,
    next: Duration,
}

impl Backoff {
    pub(crate) fn new(settings: &Settings) -> Backoff {
        let min = settings.backoff_min();
        Backoff { min, max: settings.backoff_max(), next: min }
    }
    /// The wait that is due now; the next one is twice as long.
    pub(crate) fn take(&mut self) -> Duration {
        let wait = self.next;
        self.next = (wait * 2).min(self.max);
        wait
    }
    /// Something succeeded.
    pub(crate) fn reset(&mut self) {
        self.next = self.min;
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_double_to_the_longest_and_begin_again_after_success() {
        let mut backoff = Backoff::new(&Settings { backoff_max_ms: 350, ..Settings::default() });
        let waits: Vec<_> = (0..4).map(|_| backoff.take().as_millis()).collect();
        assert_eq!(waits, vec![100, 200, 350, 350]);
        backoff.reset();
        assert_eq!(backoff.take().as_millis(), 100);
    }
}
