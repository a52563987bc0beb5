//! What the stores of one processor share during a call: written back together, or cut back together.
//! In: stores as they are opened. Out: `flush` at the end of a call, `undo` after a record that failed.
//! Invariant: between calls no store holds anything; the host has it all.

use crate::store::StateError;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// A store's cache, whatever its types.
pub(crate) trait Cached {
    /// Record `record` failed: what it changed is as it was.
    fn undo(&self, record: u64);
    /// Hands every change to the host.
    fn flush(&self) -> Result<(), StateError>;
    /// Forgets everything.
    fn clear(&self);
}

/// The stores of one processor.
#[derive(Default)]
pub(crate) struct Session {
    stores: RefCell<Vec<Rc<dyn Cached>>>,
    /// The record at work, whose changes are written down so that they can be undone; `NO_RECORD` while none is.
    record: Cell<u64>,
    /// Its index in the batch.
    index: Cell<usize>,
    /// Records begun so far.
    begun: Cell<u64>,
}

/// Outside the SDK's loop over records: changes are undone as a whole, or not at all.
pub(crate) const NO_RECORD: u64 = 0;

thread_local! {
    static CURRENT: RefCell<Option<Rc<Session>>> = const { RefCell::new(None) };
}

impl Session {
    /// The session of the call that runs now; one of its own where none does.
    pub(crate) fn current() -> Rc<Session> {
        CURRENT.with_borrow(|current| current.clone()).unwrap_or_default()
    }
    /// Runs `call` with this as the current session.
    pub(crate) fn run<T>(self: &Rc<Session>, call: impl FnOnce() -> T) -> T {
        let before = CURRENT.replace(Some(self.clone()));
        let result = call();
        CURRENT.set(before);
        result
    }
    pub(crate) fn add(&self, store: Rc<dyn Cached>) {
        self.stores.borrow_mut().push(store);
    }
    /// Record `index` of the batch begins; what the one before it changed stays.
    #[inline]
    pub(crate) fn begin(&self, index: usize) {
        self.begun.set(self.begun.get() + 1);
        self.record.set(self.begun.get());
        self.index.set(index);
    }
    /// The loop over records is over.
    pub(crate) fn end(&self) {
        self.record.set(NO_RECORD);
    }
    /// The record at work.
    #[inline]
    pub(crate) fn record(&self) -> u64 {
        self.record.get()
    }
    /// The index in the batch of the record at work, or of the last one.
    #[inline]
    pub(crate) fn index(&self) -> usize {
        self.index.get()
    }
    /// The record at work failed: what it changed is as it was.
    pub(crate) fn undo(&self) {
        self.stores.borrow().iter().for_each(|store| store.undo(self.record.get()));
    }
    /// Ends a call: its changes go to the host.
    pub(crate) fn flush(&self) -> Result<(), StateError> {
        let stores = self.stores.borrow();
        let result = stores.iter().try_for_each(|store| store.flush());
        stores.iter().for_each(|store| store.clear());
        result
    }
    /// Ends a call of which nothing is kept.
    pub(crate) fn discard(&self) {
        self.end();
        self.stores.borrow().iter().for_each(|store| store.clear());
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} stores)", self.stores.borrow().len())
    }
}
