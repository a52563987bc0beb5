//! Memory for fetched batches on their way to clients, over all connections. Nobody waits for it: the less is left, the smaller
//! an answer gets, so that clients who do not read theirs cannot hold up the others.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// One answer gets this share of what is left at most.
const SHARE: usize = 4;
/// What an answer gets however little is left, in bytes: some progress for everyone.
const GRANT_MIN: usize = 64 * 1024;

/// The budget of one server.
#[derive(Clone, Debug)]
pub(crate) struct Budget(Arc<Inner>);

#[derive(Debug)]
struct Inner {
    bytes_max: usize,
    used: AtomicUsize,
}

/// Bytes that an answer may take, and takes, until it is dropped.
#[derive(Debug)]
pub(crate) struct Grant {
    budget: Budget,
    /// How many.
    pub(crate) bytes: usize,
}

impl Budget {
    pub(crate) fn new(bytes_max: usize) -> Budget {
        Budget(Arc::new(Inner { bytes_max, used: AtomicUsize::new(0) }))
    }
    /// As much of `wanted` as is proper now.
    pub(crate) fn grant(&self, wanted: usize) -> Grant {
        let left = self.0.bytes_max.saturating_sub(self.used());
        let bytes = wanted.min((left / SHARE).max(GRANT_MIN));
        self.0.used.fetch_add(bytes, Ordering::Relaxed);
        Grant { budget: self.clone(), bytes }
    }
    /// Bytes granted now.
    pub(crate) fn used(&self) -> usize {
        self.0.used.load(Ordering::Relaxed)
    }
}

impl Grant {
    /// Holds what the answer came to, no more and no less.
    pub(crate) fn settle(&mut self, bytes: usize) {
        self.budget.0.used.fetch_add(bytes, Ordering::Relaxed);
        self.budget.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
        self.bytes = bytes;
    }
}

impl Drop for Grant {
    fn drop(&mut self) {
        self.budget.0.used.fetch_sub(self.bytes, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn grants_shrink_never_vanish_and_come_back() {
        let budget = Budget::new(64 << 20);
        let held: Vec<_> = (0..100).map(|_| budget.grant(55 << 20)).collect();
        assert_eq!(held[0].bytes, 16 << 20);
        assert!(held.windows(2).all(|pair| pair[1].bytes <= pair[0].bytes));
        assert_eq!(held[99].bytes, GRANT_MIN);
        assert!(budget.used() < 80 << 20);
        drop(held);
        assert_eq!(budget.used(), 0);
        let mut one = budget.grant(10);
        one.settle(1_000);
        assert_eq!(budget.used(), 1_000);
    }
}
