//! What a guest under test reaches: one store in memory, and a note of everything else that it asked for.

use parking_lot::Mutex;
use potok_plugin::{LogLevel, PortError, ScanPage, ScanRange, TaskPort, TimerClock, TimerRequest};
use potok_types::{Column, Timestamp};
use std::collections::HashMap;

/// The port of one task, kept apart from any log: what a call writes is there at once.
#[derive(Debug, Default)]
pub struct MemoryPort {
    inner: Mutex<Inner>,
}

#[derive(Debug, Default)]
struct Inner {
    store: HashMap<Vec<u8>, Vec<u8>>,
    timers: Vec<TimerRequest>,
    lines: Vec<(LogLevel, String)>,
}

impl MemoryPort {
    /// Every entry of the store, by key.
    pub fn stored(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut stored: Vec<_> = self.inner.lock().store.clone().into_iter().collect();
        stored.sort();
        stored
    }
    /// The timers that were set since the last look.
    pub fn take_timers(&self) -> Vec<TimerRequest> {
        std::mem::take(&mut self.inner.lock().timers)
    }
    /// The lines that were logged since the last look.
    pub fn take_lines(&self) -> Vec<(LogLevel, String)> {
        std::mem::take(&mut self.inner.lock().lines)
    }
}

impl TaskPort for MemoryPort {
    fn state_get(&self, _store: u32, keys: &Column, bytes_max: usize) -> Result<Column, PortError> {
        let inner = self.inner.lock();
        let mut values = Column::default();
        for key in keys.iter() {
            if values.byte_len() > bytes_max {
                break;
            }
            values.push(inner.store.get(key.unwrap_or_default()).map(Vec::as_slice));
        }
        Ok(values)
    }
    fn state_put(&self, _store: u32, keys: Column, values: Column) -> Result<(), PortError> {
        let mut inner = self.inner.lock();
        for (key, value) in keys.iter().zip(values.iter()) {
            let key = key.unwrap_or_default();
            match value {
                Some(value) => inner.store.insert(key.to_vec(), value.to_vec()),
                None => inner.store.remove(key),
            };
        }
        Ok(())
    }
    fn state_scan(&self, _: u32, _: ScanRange, _: u32, _: usize) -> Result<ScanPage, PortError> {
        Err(PortError("these guests scan nothing".into()))
    }
    fn set_timer(&self, timer: TimerRequest) {
        self.inner.lock().timers.push(timer);
    }
    fn cancel_timer(&self, clock: TimerClock, key: Vec<u8>) {
        self.inner.lock().timers.retain(|timer| (timer.clock, &timer.key[..]) != (clock, &key[..]));
    }
    fn now(&self) -> Timestamp {
        Timestamp(1_356_998_400_000)
    }
    fn stream_time(&self) -> Option<Timestamp> {
        None
    }
    fn log(&self, level: LogLevel, message: String) {
        self.inner.lock().lines.push((level, message));
    }
    fn count(&self, _name: &str, _by: u64) {}
    fn gauge(&self, _name: &str, _value: f64) {}
    fn observe(&self, _name: &str, _value: f64) {}
    fn secret(&self, _name: &str) -> Option<Vec<u8>> {
        None
    }
}
