//! What the stores of one processor share during a call: written back together, or cut back together.
//! In: stores as they are opened. Out: `flush` at the end of a call, `undo` after a record that failed.
//! Invariant: between calls no store holds anything; the host has it all.

use crate::store::StateError;
use std::cell::{Cell, RefCell};
use std::fmt;
use std::rc::Rc;

/// A store's cache, whatever its types.
pub(crate) trait Cached {
    /// The record at work is done: its changes stay.
    fn keep(&self);
    /// The record at work failed: its changes go.
    fn undo(&self);
    /// Hands every change to the host.
    fn flush(&self) -> Result<(), StateError>;
    /// Forgets everything.
    fn clear(&self);
}

/// The stores of one processor.
#[derive(Default)]
pub(crate) struct Session {
    stores: RefCell<Vec<Rc<dyn Cached>>>,
    /// Whether changes are written down, so that they can be undone: while the SDK loops over records.
    journaling: Cell<bool>,
    /// Whether the record at work changed a store.
    touched: Cell<bool>,
}

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
    pub(crate) fn set_journaling(&self, on: bool) {
        self.journaling.set(on);
    }
    /// Says that the record at work changes a store; whether that is to be written down.
    #[inline]
    pub(crate) fn touch(&self) -> bool {
        let journaling = self.journaling.get();
        if journaling {
            self.touched.set(true);
        }
        journaling
    }
    #[inline]
    pub(crate) fn keep(&self) {
        if self.touched.take() {
            self.stores.borrow().iter().for_each(|store| store.keep());
        }
    }
    pub(crate) fn undo(&self) {
        if self.touched.take() {
            self.stores.borrow().iter().for_each(|store| store.undo());
        }
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
        self.touched.set(false);
        self.stores.borrow().iter().for_each(|store| store.clear());
    }
}

impl fmt::Debug for Session {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Session({} stores)", self.stores.borrow().len())
    }
}
