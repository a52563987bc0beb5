//! Memory that many share: each may hold an equal part, so that a thousand together take no more than one.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

/// The whole, and how many share it.
#[derive(Debug)]
pub(crate) struct Budget {
    bytes: usize,
    sharers: AtomicUsize,
}

impl Budget {
    pub(crate) fn new(bytes: usize) -> Arc<Budget> {
        Arc::new(Budget { bytes, sharers: AtomicUsize::new(0) })
    }
    /// A part, until it is dropped.
    pub(crate) fn share(self: &Arc<Budget>) -> Share {
        self.sharers.fetch_add(1, Ordering::Relaxed);
        Share(self.clone())
    }
}

/// A part of the whole.
#[derive(Debug)]
pub(crate) struct Share(Arc<Budget>);

impl Share {
    /// Bytes that it is now.
    pub(crate) fn bytes(&self) -> usize {
        self.0.bytes / self.0.sharers.load(Ordering::Relaxed).max(1)
    }
}

impl Drop for Share {
    fn drop(&mut self) {
        self.0.sharers.fetch_sub(1, Ordering::Relaxed);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn parts_are_equal_and_grow_when_one_is_given_back() {
        let budget = Budget::new(100);
        let (a, b) = (budget.share(), budget.share());
        assert_eq!((a.bytes(), b.bytes()), (50, 50));
        drop(b);
        assert_eq!(a.bytes(), 100);
    }
}
