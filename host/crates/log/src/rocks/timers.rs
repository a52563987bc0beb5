//! Durable timers: set, moved, cancelled with their unit; found by time. In come a unit's changes, out go entries of two
//! families that always agree. Invariant: a timer lies once in each family, at the same time.
//! To move a timer the writer must know where it lay; it asks the store, and what the group under way has changed.

use super::keys::{state, successor, timers as keys};
use super::store::{Family, Store, corrupt_entry, failure};
use super::writer::Writer;
use crate::api::{TaskKey, TimerChange, TimerClock, TimerEntry};
use crate::error::StoreError;
use bytes::Bytes;
use potok_types::Timestamp;
use std::collections::{HashMap, HashSet};

/// What the group under way has changed.
#[derive(Debug, Default)]
pub(super) struct Pending {
    /// By key in `timers`: when it is due now, none when it was cancelled.
    changed: HashMap<Vec<u8>, Option<Timestamp>>,
    /// Tasks whose timers in the store are gone.
    cleared: HashSet<TaskKey>,
}

impl Pending {
    fn lies_at(&self, store: &Store, task: TaskKey, by_name: &[u8]) -> Result<Option<Timestamp>, StoreError> {
        if let Some(changed) = self.changed.get(by_name) {
            return Ok(*changed);
        }
        if self.cleared.contains(&task) {
            return Ok(None);
        }
        let Some(value) = store.get(Family::Timers, by_name)? else { return Ok(None) };
        let at = keys::parse_time_value(&value).ok_or_else(|| corrupt_entry(Family::Timers, "a timer"))?;
        Ok(Some(at))
    }
    /// The group is written.
    pub(super) fn clear(&mut self) {
        self.changed.clear();
        self.cleared.clear();
    }
}

impl Writer {
    /// Takes a unit's changes of timers. On an error nothing of the unit has been changed yet.
    pub(super) fn change_timers(&mut self, changes: Vec<TimerChange>) -> Result<(), StoreError> {
        for change in changes {
            match change {
                TimerChange::Set(task, entry) => self.set_timer(task, &entry)?,
                TimerChange::Cancel(task, clock, name) => self.cancel_timer(task, clock, &name)?,
                TimerChange::Clear(task) => self.clear_timers(task),
            }
        }
        Ok(())
    }
    fn set_timer(&mut self, task: TaskKey, entry: &TimerEntry) -> Result<(), StoreError> {
        let by_name = keys::by_name(task, entry.clock, &entry.key);
        let ids = self.shared.ids;
        if let Some(before) = self.timers.lies_at(&self.shared.store, task, &by_name)?
            && before != entry.at
        {
            self.ops.delete(ids, Family::TimersDue, &keys::by_time(task, entry.clock, before, &entry.key));
        }
        let by_time = keys::by_time(task, entry.clock, entry.at, &entry.key);
        self.ops.put(ids, Family::TimersDue, &by_time, &entry.payload);
        self.ops.put(ids, Family::Timers, &by_name, &keys::time_value(entry.at));
        self.timers.changed.insert(by_name, Some(entry.at));
        Ok(())
    }
    fn cancel_timer(&mut self, task: TaskKey, clock: TimerClock, name: &[u8]) -> Result<(), StoreError> {
        let by_name = keys::by_name(task, clock, name);
        let ids = self.shared.ids;
        if let Some(before) = self.timers.lies_at(&self.shared.store, task, &by_name)? {
            self.ops.delete(ids, Family::TimersDue, &keys::by_time(task, clock, before, name));
            self.ops.delete(ids, Family::Timers, &by_name);
            self.timers.changed.insert(by_name, None);
        }
        Ok(())
    }
    fn clear_timers(&mut self, task: TaskKey) {
        let start = state::task_prefix(task);
        let end = successor(&start);
        self.ops.delete_range(self.shared.ids, Family::Timers, &start, &end);
        self.ops.delete_range(self.shared.ids, Family::TimersDue, &start, &end);
        self.timers.changed.retain(|key, _| !key.starts_with(&start));
        self.timers.cleared.insert(task);
    }
}

/// Up to `limit` timers that are due at `now`, in order of time, then key.
pub(super) fn due(
    store: &Store,
    task: TaskKey,
    clock: TimerClock,
    now: Timestamp,
    limit: usize,
) -> Result<Vec<TimerEntry>, StoreError> {
    let start = keys::prefix(task, clock);
    let end = match now.0.checked_add(1) {
        Some(behind) => keys::by_time(task, clock, Timestamp(behind), &[]),
        None => successor(&start),
    };
    let mut found = Vec::new();
    if limit == 0 {
        return Ok(found);
    }
    store.scan(Family::TimersDue, (&start, &end), |key, payload| {
        let (at, name) =
            keys::parse_by_time(key).ok_or_else(|| corrupt_entry(Family::TimersDue, "a timer"))?;
        let (key, payload) = (Bytes::copy_from_slice(name), Bytes::copy_from_slice(payload));
        found.push(TimerEntry { clock, at, key, payload });
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

/// The earliest timer.
pub(super) fn next(store: &Store, task: TaskKey, clock: TimerClock) -> Result<Option<Timestamp>, StoreError> {
    let start = keys::prefix(task, clock);
    let mut entries = store.iterate(Family::TimersDue, &start, &successor(&start));
    entries.seek_to_first();
    match entries.key() {
        Some(key) => match keys::parse_by_time(key) {
            Some((at, _)) => Ok(Some(at)),
            None => Err(corrupt_entry(Family::TimersDue, "a timer")),
        },
        None => entries.status().map(|()| None).map_err(|error| failure(Family::TimersDue.name(), &error)),
    }
}
