//! Time that only passes when nobody has anything to do, and then jumps to the next moment that someone waits for.
//! Tokio's own paused clock needs a feature that would build every crate above tokio once more; this takes the runtime's
//! hook before its one thread goes to sleep.

use crate::runtime::Waits;
use futures::future::BoxFuture;
use parking_lot::Mutex;
use potok_types::{Clock, Timestamp};
use std::cell::RefCell;
use std::collections::BTreeMap;
use std::future::{Future, poll_fn};
use std::sync::Arc;
use std::task::{Poll, Waker};
use std::time::Duration;

/// What the wall clock says when a test begins.
pub(crate) const START: Timestamp = Timestamp(1_000_000);

/// A clock that stands still while anyone works.
#[derive(Debug, Default)]
pub(crate) struct VirtualTime {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    now: Duration,
    waiting: BTreeMap<(Duration, u64), Waker>,
    sleeps: u64,
}

thread_local! {
    static CURRENT: RefCell<Option<Arc<VirtualTime>>> = const { RefCell::new(None) };
}

/// Runs a test on one thread and virtual time.
pub(crate) fn virtually(test: impl Future<Output = ()>) {
    let time = Arc::new(VirtualTime::default());
    CURRENT.with(|current| *current.borrow_mut() = Some(time.clone()));
    let hook = move || time.jump();
    let runtime =
        tokio::runtime::Builder::new_current_thread().enable_time().on_thread_park(hook).build().unwrap();
    runtime.block_on(test);
}

/// Waits on virtual time.
pub(crate) async fn sleep(wait: Duration) {
    VirtualTime::current().sleep(wait).await;
}

impl VirtualTime {
    /// That of the running test.
    pub(crate) fn current() -> Arc<VirtualTime> {
        CURRENT.with(|current| current.borrow().clone()).expect("a test on virtual time")
    }
    /// Nobody has anything to do: the next one who waits has waited long enough.
    fn jump(&self) {
        let mut inner = self.inner.lock();
        if let Some(((at, _), waker)) = inner.waiting.pop_first() {
            inner.now = inner.now.max(at);
            drop(inner);
            waker.wake();
        }
    }
}

/// Takes a place among those who wait, and gives it up when it is dropped.
struct Place {
    time: Arc<VirtualTime>,
    at: (Duration, u64),
}
impl Drop for Place {
    fn drop(&mut self) {
        self.time.inner.lock().waiting.remove(&self.at);
    }
}

impl Waits for VirtualTime {
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        let time = VirtualTime::current();
        let at = {
            let mut inner = time.inner.lock();
            inner.sleeps += 1;
            (inner.now + wait, inner.sleeps)
        };
        let place = Place { time, at };
        Box::pin(poll_fn(move |context| {
            let mut inner = place.time.inner.lock();
            if inner.now >= place.at.0 {
                return Poll::Ready(());
            }
            inner.waiting.insert(place.at, context.waker().clone());
            Poll::Pending
        }))
    }
}

impl Clock for VirtualTime {
    fn now(&self) -> Timestamp {
        START.plus(self.inner.lock().now)
    }
    fn monotonic(&self) -> Duration {
        self.inner.lock().now
    }
}
