//! What is to be looked at when. In come names with moments, out come those that are due, the earliest first.
//! Invariant: whoever asks [`Deadlines::next`] again after [`Deadlines::changed`] misses none.

use parking_lot::Mutex;
use potok_types::Timestamp;
use std::cmp::Reverse;
use std::collections::BinaryHeap;
use tokio::sync::Notify;

/// What has a deadline.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Subject {
    Group(String),
    Transaction(String),
}

/// All deadlines of the room.
#[derive(Debug, Default)]
pub(crate) struct Deadlines {
    queue: Mutex<BinaryHeap<Reverse<(Timestamp, Subject)>>>,
    earlier: Notify,
}

impl Deadlines {
    /// Sees to it that `subject` is looked at by `next`. `scheduled` is what it remembers of its place here: a deadline that moves
    /// on, as each heartbeat moves it, needs no new one; it is asked again when the old one has passed.
    pub(crate) fn schedule(
        &self,
        scheduled: &mut Option<Timestamp>,
        next: Option<Timestamp>,
        subject: impl FnOnce() -> Subject,
    ) {
        let Some(next) = next else { return };
        if scheduled.is_some_and(|at| at <= next) {
            return;
        }
        *scheduled = Some(next);
        let mut queue = self.queue.lock();
        let first = queue.peek().is_none_or(|Reverse((at, _))| next < *at);
        queue.push(Reverse((next, subject())));
        if first {
            self.earlier.notify_one();
        }
    }
    /// The earliest moment there is.
    pub(crate) fn next(&self) -> Option<Timestamp> {
        self.queue.lock().peek().map(|Reverse((at, _))| *at)
    }
    /// The next one that is due.
    pub(crate) fn due(&self, now: Timestamp) -> Option<(Timestamp, Subject)> {
        let mut queue = self.queue.lock();
        queue.peek().is_some_and(|Reverse((at, _))| *at <= now).then(|| queue.pop())?.map(|Reverse(due)| due)
    }
    /// Waits until there is an earlier one than there was.
    pub(crate) async fn changed(&self) {
        self.earlier.notified().await;
    }
}
