//! Named things that other rooms keep, and the counters that outlive a start.
//! In come changes with a unit, out go bytes by kind and name. Invariant: a number is on disk, synced, before it is given.

use super::keys::{meta as keys, meta::Counter, successor, u64_at};
use super::ops::{FamilyIds, Ops};
use super::store::{Family, Store, corrupt_entry};
use super::writer::Writer;
use crate::api::{MetaChange, MetaKind};
use crate::error::StoreError;
use bytes::Bytes;
use std::ops::Range;

/// Encodes the named things that a unit changes.
pub(super) fn encode(ids: FamilyIds, changes: &[MetaChange], to: &mut Ops) {
    for change in changes {
        let key = keys::key(change.kind, &change.name);
        match &change.value {
            Some(value) => to.put(ids, Family::Meta, &key, value),
            None => to.delete(ids, Family::Meta, &key),
        }
    }
}

/// A named thing.
pub(super) fn get(store: &Store, kind: MetaKind, name: &str) -> Result<Option<Bytes>, StoreError> {
    Ok(store.get(Family::Meta, &keys::key(kind, name))?.map(|value| Bytes::copy_from_slice(&value)))
}

/// All named things of a kind, by name.
pub(super) fn all(store: &Store, kind: MetaKind) -> Result<Vec<(String, Bytes)>, StoreError> {
    let mut found = Vec::new();
    let start = keys::prefix(kind);
    store.scan(Family::Meta, (&start, &successor(&start)), |key, value| {
        let name = keys::parse(key).ok_or_else(|| corrupt_entry(Family::Meta, "a name"))?;
        found.push((name.to_owned(), Bytes::copy_from_slice(value)));
        Ok(true)
    })?;
    Ok(found)
}

/// Where a counter stands.
pub(super) fn counter(store: &Store, counter: Counter) -> Result<u64, StoreError> {
    match store.get(Family::Meta, &keys::counter(counter))? {
        None => Ok(0),
        Some(value) if value.len() == 8 => {
            u64_at(&value, 0).ok_or_else(|| corrupt_entry(Family::Meta, "a counter"))
        }
        Some(_) => Err(corrupt_entry(Family::Meta, "a counter")),
    }
}

impl Writer {
    /// The counter's next number; moving it on is among the changes that the caller writes.
    pub(super) fn next(&mut self, of: Counter) -> Result<u64, StoreError> {
        Ok(self.next_block(of, 1)?.start)
    }
    fn next_block(&mut self, of: Counter, count: u64) -> Result<Range<u64>, StoreError> {
        let first = counter(&self.shared.store, of)?;
        self.ops.put(self.shared.ids, Family::Meta, &keys::counter(of), &(first + count).to_be_bytes());
        Ok(first..first + count)
    }
    /// Takes `count` numbers, for good.
    pub(super) fn take_numbers(&mut self, of: Counter, count: u64) -> Result<Range<u64>, StoreError> {
        let taken = self.next_block(of, count)?;
        self.write()?;
        Ok(taken)
    }
}
