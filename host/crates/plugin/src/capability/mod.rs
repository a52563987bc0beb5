//! The menu: what a guest may import, one file a capability, each in the same order (header, use in a call, view, `impl Host`,
//! `add_to_linker`, tests). Each checks lengths, counts and handles, then asks the task's [`crate::TaskPort`].
//! A guest that breaks a rule which its SDK keeps (a column that lies, too much in one call) ends its call by [`Broken`].

mod logging;
mod metrics;
mod secrets;
mod state;
mod text;
mod time;
mod timers;

pub(crate) use metrics::MetricNames;
pub(crate) use state::StateUse;
pub(crate) use timers::TimerUse;

use crate::bindings::{about, records};
use crate::host::Host;
use potok_types::{Column, ColumnError};
use wasmtime::component::{HasData, Linker};

/// A rule of the boundary that the guest broke; the call becomes [`crate::CallError::Contract`].
#[derive(Debug, thiserror::Error)]
#[error("{0}")]
pub(crate) struct Broken(pub(crate) String);

/// Ends the call with this reason.
pub(crate) fn broken(reason: impl Into<String>) -> wasmtime::Error {
    wasmtime::Error::new(Broken(reason.into()))
}

/// Lends each capability its part of the store's data.
struct Views;
impl HasData for Views {
    type Data<'a> = &'a mut Host;
}
impl records::Host for Host {}
impl about::Host for Host {}

/// Everything that a guest may import, WASI's stubs included.
pub(crate) fn add_to_linker(linker: &mut Linker<Host>) -> wasmtime::Result<()> {
    records::add_to_linker::<Host, Views>(linker, |host| host)?;
    about::add_to_linker::<Host, Views>(linker, |host| host)?;
    state::add_to_linker(linker)?;
    timers::add_to_linker(linker)?;
    time::add_to_linker(linker)?;
    logging::add_to_linker(linker)?;
    metrics::add_to_linker(linker)?;
    secrets::add_to_linker(linker)?;
    text::add_to_linker(linker)?;
    wasmtime_wasi::p2::add_to_linker_async(linker)
}

/// A column as it came from the guest, checked.
pub(crate) fn checked(raw: records::ColumnResult, what: &str) -> Result<Column, wasmtime::Error> {
    Column::from_parts(raw.data, raw.ends, raw.nulls)
        .map_err(|error: ColumnError| broken(format!("column `{what}`: {error}")))
}
/// A column as it goes to the guest.
pub(crate) fn raw(column: Column) -> records::ColumnResult {
    let (data, ends, nulls) = column.into_parts();
    records::ColumnResult { data, ends, nulls }
}

#[cfg(test)]
pub(crate) mod testing {
    //! A port that remembers, and a host over it, for the capabilities' own tests.

    use crate::api::{
        Grant, LogLevel, PortError, ScanPage, ScanRange, StoreSpec, TaskPort, TimerClock, TimerRequest,
    };
    use crate::host::Host;
    use parking_lot::Mutex;
    use potok_types::{Column, Timestamp};
    use std::collections::BTreeMap;
    use std::sync::Arc;

    /// By store and key.
    type Entries = BTreeMap<(u32, Vec<u8>), Vec<u8>>;

    #[derive(Default)]
    pub(crate) struct Memory {
        pub(crate) state: Mutex<Entries>,
        pub(crate) said: Mutex<Vec<String>>,
        pub(crate) fails: std::sync::atomic::AtomicBool,
    }
    impl Memory {
        fn say(&self, what: String) {
            self.said.lock().push(what);
        }
    }
    impl TaskPort for Memory {
        fn state_get(&self, store: u32, keys: &Column, bytes_max: usize) -> Result<Column, PortError> {
            if self.fails.load(std::sync::atomic::Ordering::SeqCst) {
                return Err(PortError("disk is gone".into()));
            }
            let (state, mut values) = (self.state.lock(), Column::default());
            for key in keys.iter().flatten() {
                values.push(state.get(&(store, key.to_vec())).map(Vec::as_slice));
                if values.byte_len() > bytes_max {
                    break;
                }
            }
            Ok(values)
        }
        fn state_put(&self, store: u32, keys: Column, values: Column) -> Result<(), PortError> {
            let mut state = self.state.lock();
            for (key, value) in keys.iter().zip(values.iter()) {
                let key = (store, key.unwrap_or_default().to_vec());
                match value {
                    Some(value) => state.insert(key, value.to_vec()),
                    None => state.remove(&key),
                };
            }
            Ok(())
        }
        fn state_scan(
            &self,
            store: u32,
            range: ScanRange,
            limit: u32,
            _: usize,
        ) -> Result<ScanPage, PortError> {
            let state = self.state.lock();
            let start = range.start.unwrap_or_default();
            let entries: Vec<_> = state
                .iter()
                .filter(|((s, key), _)| {
                    *s == store && *key >= start && range.end.as_ref().is_none_or(|e| key < e)
                })
                .collect();
            let kept = &entries[..entries.len().min(limit as usize)];
            Ok(ScanPage {
                keys: kept.iter().map(|((_, key), _)| Some(key.as_slice())).collect(),
                values: kept.iter().map(|(_, value)| Some(value.as_slice())).collect(),
                more: entries.len() > kept.len(),
            })
        }
        fn set_timer(&self, timer: TimerRequest) {
            self.say(format!("set {:?} {} {:?} {}", timer.clock, timer.at.0, timer.key, timer.payload.len()));
        }
        fn cancel_timer(&self, clock: TimerClock, key: Vec<u8>) {
            self.say(format!("cancel {clock:?} {}", key.escape_ascii()));
        }
        fn now(&self) -> Timestamp {
            Timestamp(1_357_000_000_000)
        }
        fn stream_time(&self) -> Option<Timestamp> {
            Some(Timestamp(7))
        }
        fn log(&self, level: LogLevel, message: String) {
            self.say(format!("{level:?} {message}"));
        }
        fn count(&self, name: &str, by: u64) {
            self.say(format!("count {name} {by}"));
        }
        fn gauge(&self, name: &str, value: f64) {
            self.say(format!("gauge {name} {value}"));
        }
        fn observe(&self, name: &str, value: f64) {
            self.say(format!("observe {name} {value}"));
        }
        fn secret(&self, name: &str) -> Option<Vec<u8>> {
            (name == "token").then(|| b"s3cret".to_vec())
        }
        fn denied(&self, reason: String) {
            self.say(format!("denied {reason}"));
        }
    }

    /// A host over a new port, with the stores `a` and `b` and the grants of `token` and `absent`.
    pub(crate) fn host() -> (Arc<Memory>, Host) {
        let port = Arc::new(Memory::default());
        let stores = ["a", "b"].map(|name| StoreSpec { name: name.into(), ttl_ms: None });
        let grants = ["token", "absent"].map(|name| Grant::Secret(name.into()));
        let host = Host::new(port.clone(), Arc::new(stores), Arc::new(grants), 1 << 20);
        (port, host)
    }
    /// A column of these items.
    pub(crate) fn column(items: &[Option<&[u8]>]) -> crate::bindings::records::ColumnResult {
        super::raw(items.iter().copied().collect())
    }
}
