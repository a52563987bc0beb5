//! The seam over the test harness: what a component's host would do, in memory.
//! In: the SDK's calls, on the thread that a [`Harness`](crate::testing::Harness) drives. Out: the answers of its [`Bench`].
//! Invariant: there is a bench only while the harness calls; without one every call but `log` panics and says why.

use super::{Page, Range};
use crate::column::Column;
use crate::logging::Level;
use crate::secrets::Denied;
use crate::store::StateError;
use crate::testing::Bench;
use crate::time::Timestamp;
use crate::timer::{Clock, Timer};
use std::cell::RefCell;
use std::rc::Rc;

/// The store's number on the bench.
pub(crate) type StoreHandle = usize;

thread_local! {
    static CURRENT: RefCell<Option<Rc<RefCell<Bench>>>> = const { RefCell::new(None) };
}

/// Runs `call` on a bench.
pub(crate) fn on<T>(bench: &Rc<RefCell<Bench>>, call: impl FnOnce() -> T) -> T {
    let before = CURRENT.replace(Some(bench.clone()));
    let result = call();
    CURRENT.set(before);
    result
}

fn bench<T>(call: impl FnOnce(&mut Bench) -> T) -> T {
    let current = CURRENT.with_borrow(|current| current.clone());
    match current {
        Some(bench) => call(&mut bench.borrow_mut()),
        None => {
            panic!("no host here: outside a component, run the processor with potok_sdk::testing::Harness")
        }
    }
}

pub(crate) fn open_store(name: &str) -> Result<StoreHandle, StateError> {
    bench(|bench| bench.store(name)).ok_or_else(|| StateError::UnknownStore(name.to_owned()))
}
#[expect(clippy::unnecessary_wraps, reason = "the seam's other side can fail")]
pub(crate) fn get_many(store: &StoreHandle, keys: Column) -> Result<Column, StateError> {
    Ok(bench(|bench| bench.get_many(*store, &keys)))
}
#[expect(clippy::unnecessary_wraps, reason = "the seam's other side can fail")]
pub(crate) fn put_many(store: &StoreHandle, keys: Column, values: Column) -> Result<(), StateError> {
    bench(|bench| bench.put_many(*store, &keys, &values));
    Ok(())
}
#[expect(clippy::unnecessary_wraps, reason = "the seam's other side can fail")]
pub(crate) fn scan(store: &StoreHandle, range: &Range, limit: u32) -> Result<Page, StateError> {
    Ok(bench(|bench| bench.scan(*store, range, limit)))
}
pub(crate) fn set_timer(timer: &Timer) {
    bench(|bench| bench.set_timer(timer.clone()));
}
pub(crate) fn cancel_timer(clock: Clock, key: &[u8]) {
    bench(|bench| bench.cancel_timer(clock, key));
}
pub(crate) fn now() -> Timestamp {
    bench(|bench| bench.now)
}
pub(crate) fn stream_time() -> Option<Timestamp> {
    bench(|bench| bench.stream_time)
}
pub(crate) fn log(level: Level, message: &str) {
    match CURRENT.with_borrow(|current| current.clone()) {
        Some(bench) => bench.borrow_mut().logs.push((level, message.to_owned())),
        None => eprintln!("{level:?}: {message}"),
    }
}
pub(crate) fn count(name: &str, by: u64) {
    bench(|bench| *bench.counters.entry(name.to_owned()).or_default() += by);
}
pub(crate) fn gauge(name: &str, value: f64) {
    bench(|bench| bench.gauges.insert(name.to_owned(), value));
}
pub(crate) fn observe(name: &str, value: f64) {
    bench(|bench| bench.observations.entry(name.to_owned()).or_default().push(value));
}
pub(crate) fn secret(name: &str) -> Result<Vec<u8>, Denied> {
    let denied = || Denied(format!("secret {name:?} is not granted: give it to the harness with `secret`"));
    bench(|bench| bench.secrets.get(name).cloned()).ok_or_else(denied)
}
