//! The seam over the WIT's imports.
//! In: the SDK's types. Out: the bindings' types, moved without a copy, and back. Invariant: no import is called that the SDK was not asked for.

use super::{Page, Range};
use crate::bindings::potok::plugin::{logging, metrics, records, secrets, state, time, timers};
use crate::column::Column;
use crate::logging::Level;
use crate::secrets::Denied;
use crate::store::StateError;
use crate::time::Timestamp;
use crate::timer::{Clock, Timer};

pub(crate) type StoreHandle = state::Store;

impl From<records::Column> for Column {
    fn from(column: records::Column) -> Column {
        Column { data: column.data, ends: column.ends, nulls: column.nulls }
    }
}
impl From<Column> for records::Column {
    fn from(column: Column) -> records::Column {
        records::Column { data: column.data, ends: column.ends, nulls: column.nulls }
    }
}

fn state_error(error: state::Error) -> StateError {
    match error {
        state::Error::UnknownStore(name) => StateError::UnknownStore(name),
        state::Error::KeyTooLong(limit) => StateError::KeyTooLong(limit),
        state::Error::ValueTooLong(limit) => StateError::ValueTooLong(limit),
        state::Error::NullKey => unreachable!("the SDK's keys are never null"),
    }
}

pub(crate) fn open_store(name: &str) -> Result<StoreHandle, StateError> {
    state::Store::open(name).map_err(state_error)
}
pub(crate) fn get_many(store: &StoreHandle, keys: Column) -> Result<Column, StateError> {
    store.get_many(&keys.into()).map(Column::from).map_err(state_error)
}
pub(crate) fn put_many(store: &StoreHandle, keys: Column, values: Column) -> Result<(), StateError> {
    store.put_many(&keys.into(), &values.into()).map_err(state_error)
}
pub(crate) fn scan(store: &StoreHandle, range: &Range, limit: u32) -> Result<Page, StateError> {
    let range =
        state::Range { start: range.start.clone(), end: range.end.clone(), backwards: range.backwards };
    let page = store.scan(&range, limit).map_err(state_error)?;
    Ok(Page { keys: page.keys.into(), values: page.values.into(), more: page.more })
}

fn to_clock(clock: Clock) -> timers::Clock {
    match clock {
        Clock::Event => timers::Clock::Event,
        Clock::Wall => timers::Clock::Wall,
    }
}
pub(crate) fn set_timer(timer: &Timer) {
    timers::set(&timers::Timer {
        clock: to_clock(timer.clock),
        at: timer.at.0,
        key: timer.key.clone(),
        payload: timer.payload.clone(),
    });
}
pub(crate) fn cancel_timer(clock: Clock, key: &[u8]) {
    timers::cancel(to_clock(clock), key);
}
pub(crate) fn now() -> Timestamp {
    Timestamp(time::now())
}
pub(crate) fn stream_time() -> Option<Timestamp> {
    time::stream_time().map(Timestamp)
}
pub(crate) fn log(level: Level, message: &str) {
    let level = match level {
        Level::Trace => logging::Level::Trace,
        Level::Debug => logging::Level::Debug,
        Level::Info => logging::Level::Info,
        Level::Warn => logging::Level::Warn,
        Level::Error => logging::Level::Error,
    };
    logging::log(level, message);
}
pub(crate) fn count(name: &str, by: u64) {
    metrics::count(name, by);
}
pub(crate) fn gauge(name: &str, value: f64) {
    metrics::gauge(name, value);
}
pub(crate) fn observe(name: &str, value: f64) {
    metrics::observe(name, value);
}
pub(crate) fn secret(name: &str) -> Result<Vec<u8>, Denied> {
    secrets::get(name).map_err(|secrets::Error::Denied(sentence)| Denied(sentence))
}
