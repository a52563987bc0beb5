//! Keyed state of one task as its guest sees it: what the log holds, under what units not yet committed have changed,
//! under what the running call has changed.
//! In come reads and writes of a call, out go the changes of a unit. Invariant: nothing of a call reaches a unit before
//! [`KeyedState::accept`], and nothing that the log does not hold yet is forgotten before [`KeyedState::committed`].

mod call;
#[cfg(test)]
mod model;
mod scan;
mod table;
pub(crate) mod value;

use crate::budget::{Budget, Share};
use crate::settings::{CALL_STATE_BYTES_MAX, READ_GROWTH_MAX, STATE_READ_KEYS_MAX};
use call::{CallWrites, WriteAt};
use potok_log::{Log, StateChange, StateStore, TaskKey};
use potok_plugin::{ScanPage, StoreSpec};
use potok_types::{Column, Timestamp};
use std::sync::Arc;
use std::time::Duration;
use table::{SlotId, Table};

pub(crate) use scan::Ask;

/// Why state could not be read or written.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) enum StateFault {
    /// The host's side failed; the guest is not to blame.
    Host(String),
    /// The guest asked for more than a call may.
    Guest(String),
}

/// All stores of one task.
#[derive(Debug)]
pub(crate) struct KeyedState {
    task: TaskKey,
    stores: Vec<Store>,
    /// None without stores.
    cache: Option<Share>,
    /// Bytes of the tables at which the next read makes room first.
    crowded_at: usize,
    /// Bytes that the running call has written.
    call_bytes: usize,
    found: Vec<Found>,
}

#[derive(Debug)]
struct Store {
    table: Table,
    writes: CallWrites,
}

/// Where the value of a key of a running read is.
#[derive(Clone, Copy, Debug)]
enum Found {
    Written(WriteAt),
    Here(SlotId),
    /// In the log: place among the keys that were missed.
    Missed(u32),
}

impl KeyedState {
    pub(crate) fn new(task: TaskKey, specs: &[StoreSpec], budget: &Arc<Budget>) -> KeyedState {
        let store =
            |spec: &StoreSpec| Store { table: Table::new(spec.ttl_ms), writes: CallWrites::default() };
        let stores: Vec<_> = specs.iter().map(store).collect();
        let cache = (!stores.is_empty()).then(|| budget.share());
        KeyedState { task, stores, cache, crowded_at: 0, call_bytes: 0, found: Vec::new() }
    }
    fn key_of(&self, store: u32) -> StateStore {
        StateStore { task: self.task, store }
    }
    fn store_mut(&mut self, store: u32) -> Result<&mut Store, StateFault> {
        let count = self.stores.len();
        let none = || StateFault::Guest(format!("store {store} does not exist, the module has {count}"));
        self.stores.get_mut(store as usize).ok_or_else(none)
    }

    /// One value for each key, null where there is none; stops after the value with which they pass `bytes_max`. What it reads is
    /// kept in the tables, which a call that reads for a second must not fill without end.
    pub(crate) fn get(
        &mut self,
        log: &dyn Log,
        store: u32,
        keys: &Column,
        bytes_max: usize,
        now: Timestamp,
    ) -> Result<Column, StateFault> {
        if self.bytes() > self.crowded_at {
            self.shrink();
        }
        let at = self.key_of(store);
        let mut found = std::mem::take(&mut self.found);
        found.clear();
        let part = self.store_mut(store)?;
        let missed = find_all(part, keys, &mut found);
        let filled = fill_missed(log, at, &mut part.table, &missed, bytes_max)?;
        let values = collect(part, &found, &filled, bytes_max, now);
        self.found = found;
        Ok(values)
    }
    /// Puts; a null value deletes.
    pub(crate) fn put(&mut self, store: u32, keys: Column, values: Column) -> Result<(), StateFault> {
        self.call_bytes += keys.byte_len() + values.byte_len();
        if self.call_bytes > CALL_STATE_BYTES_MAX {
            let text = format!("one call changed more than {CALL_STATE_BYTES_MAX} bytes of state");
            return Err(StateFault::Guest(text));
        }
        self.store_mut(store)?.writes.push(keys, values);
        Ok(())
    }
    /// A page as `ask` wants it.
    pub(crate) fn scan(
        &mut self,
        log: &dyn Log,
        store: u32,
        ask: &Ask,
        now: Timestamp,
    ) -> Result<ScanPage, StateFault> {
        let at = self.key_of(store);
        let part = self.store_mut(store)?;
        scan::scan(log, at, &mut part.table, &mut part.writes, ask, now)
    }
    /// The running call was accepted into `unit`.
    pub(crate) fn accept(&mut self, now: Timestamp, unit: u64) {
        for store in &mut self.stores {
            for (keys, values) in store.writes.take() {
                for (key, value) in keys.iter().zip(values.iter()) {
                    store.table.write(key.unwrap_or_default(), value, now, unit);
                }
            }
        }
        self.call_bytes = 0;
        self.shrink();
    }
    /// The running call failed: nothing of it is kept.
    pub(crate) fn discard(&mut self) {
        self.stores.iter_mut().for_each(|store| drop(store.writes.take()));
        self.call_bytes = 0;
        self.shrink();
    }
    /// The changes of the unit that is being built; they are on their way to disk from here on.
    pub(crate) fn seal(&mut self) -> Vec<StateChange> {
        let task = self.task;
        let mut changes = Vec::new();
        for (number, store) in (0u32..).zip(&mut self.stores) {
            if store.table.is_dirty() {
                let (keys, values) = store.table.seal();
                changes.push(StateChange { store: StateStore { task, store: number }, keys, values });
            }
        }
        changes
    }
    /// Bytes that the running call has written so far.
    pub(crate) fn call_bytes(&self) -> usize {
        self.call_bytes
    }
    /// Everything up to `unit` is committed.
    pub(crate) fn committed(&mut self, unit: u64) {
        self.stores.iter_mut().for_each(|store| store.table.committed(unit));
        self.shrink();
    }
    /// Bytes of all tables.
    fn bytes(&self) -> usize {
        self.stores.iter().map(|store| store.table.bytes()).sum()
    }
    fn shrink(&mut self) {
        let Some(bytes_max) = self.cache.as_ref().map(Share::bytes) else { return };
        if self.bytes() > bytes_max {
            let share = bytes_max / self.stores.len();
            self.stores.iter_mut().for_each(|store| store.table.shrink(share));
        }
        // what is not committed cannot go: only what is read from here on counts
        self.crowded_at = self.bytes().max(bytes_max) + READ_GROWTH_MAX;
    }
    /// The shortest time to live of any store.
    pub(crate) fn ttl_min(&self) -> Option<Duration> {
        self.stores.iter().filter_map(|store| store.table.ttl()).min()
    }
    /// The first store at or after `from` whose entries grow old.
    pub(crate) fn next_with_ttl(&self, from: u32) -> Option<u32> {
        (from..)
            .zip(self.stores.iter().skip(from as usize))
            .find(|(_, store)| store.table.ttl().is_some())
            .map(|(n, _)| n)
    }
    /// Deletes, in `unit`, those of these stored entries that have outlived their time. Says how many.
    pub(crate) fn expire(
        &mut self,
        store: u32,
        entries: &[potok_log::StateEntry],
        now: Timestamp,
        unit: u64,
    ) -> Result<usize, StateFault> {
        let table = &mut self.store_mut(store)?.table;
        let mut gone = 0;
        for entry in entries {
            let (written_at, _) = value::decode(&entry.value).map_err(StateFault::Host)?;
            // a write that is not in the log yet is younger than what was read
            if table.is_expired(written_at, now) && !table.is_uncommitted(&entry.key) {
                table.write(&entry.key, None, now, unit);
                gone += 1;
            }
        }
        Ok(gone)
    }
}

/// Looks every key up in the call's writes and in the table; answers the keys that neither knows.
fn find_all(part: &mut Store, keys: &Column, found: &mut Vec<Found>) -> Column {
    let mut missed = Column::default();
    let mut misses = 0;
    let index = (!part.writes.is_empty()).then(|| part.writes.index());
    for key in keys.iter() {
        let key = key.unwrap_or_default();
        if let Some(at) = index.and_then(|index| index.get(key)) {
            found.push(Found::Written(*at));
        } else if let Some(id) = part.table.find(key) {
            found.push(Found::Here(id));
        } else {
            missed.push(Some(key));
            found.push(Found::Missed(misses));
            misses += 1;
        }
    }
    missed
}

/// Reads what is missed, a bounded number of keys at a time, and keeps it in the table. Stops when the values pass
/// `bytes_max`: the answer stops there too.
fn fill_missed(
    log: &dyn Log,
    at: StateStore,
    table: &mut Table,
    missed: &Column,
    bytes_max: usize,
) -> Result<Vec<SlotId>, StateFault> {
    let mut filled = Vec::with_capacity(missed.len());
    let mut bytes = 0;
    while filled.len() < missed.len() && bytes <= bytes_max {
        let from = filled.len();
        let to = missed.len().min(from + STATE_READ_KEYS_MAX);
        let part: Column;
        let keys = if to - from == missed.len() {
            missed
        } else {
            part = (from..to).map(|i| missed.get(i)).collect();
            &part
        };
        let values = log.state_get(at, keys).map_err(|error| StateFault::Host(error.to_string()))?;
        bytes += values.parts().0.len();
        for (key, value) in keys.iter().zip(values.iter()) {
            filled.push(table.fill(key.unwrap_or_default(), value).map_err(StateFault::Host)?);
        }
        if filled.len() != to {
            return Err(StateFault::Host(format!("{to} keys were asked for, {} values came", filled.len())));
        }
    }
    Ok(filled)
}

fn collect(part: &Store, found: &[Found], filled: &[SlotId], bytes_max: usize, now: Timestamp) -> Column {
    let mut values = Column::default();
    let mut bytes = 0;
    for place in found {
        let value = match place {
            Found::Written(at) => part.writes.value(*at),
            Found::Here(id) => part.table.value(*id, now),
            Found::Missed(index) => match filled.get(*index as usize) {
                Some(id) => part.table.value(*id, now),
                None => break,
            },
        };
        values.push(value);
        bytes += value.map_or(0, <[u8]>::len);
        if bytes > bytes_max {
            break;
        }
    }
    values
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{START, VirtualTime, virtually};
    use potok_log::MemoryLog;
    use potok_types::PartitionIndex;

    #[test]
    fn a_call_that_reads_without_end_fills_no_memory() {
        virtually(async {
            let log = MemoryLog::new(VirtualTime::current());
            let task = TaskKey { processor: 1, partition: PartitionIndex(0) };
            let specs = [StoreSpec { name: "s".into(), ttl_ms: None }];
            let mut state = KeyedState::new(task, &specs, &Budget::new(1 << 20));
            state
                .put(0, [Some(&b"mine"[..])].into_iter().collect(), [Some(&b"v"[..])].into_iter().collect())
                .unwrap();
            for i in 0..4_000u32 {
                let mut key = vec![0; 16 << 10];
                key[..4].copy_from_slice(&i.to_be_bytes());
                let keys: Column = [Some(&key[..]), Some(b"mine")].into_iter().collect();
                let values = state.get(&*log, 0, &keys, 1 << 20, START).unwrap();
                assert_eq!(values.iter().collect::<Vec<_>>(), [None, Some(&b"v"[..])]);
                assert!(
                    state.bytes() < (1 << 20) + 2 * READ_GROWTH_MAX,
                    "{} bytes after {i} reads",
                    state.bytes()
                );
            }
        });
    }
}
