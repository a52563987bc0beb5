//! Keyed state: read by key or by range, changed by units. In come stores and columns, out go columns and entries.
//! Invariant: a store sees only keys under its own prefix. Time-to-live is its users' business.

use super::keys::{state as keys, successor};
use super::ops::{FamilyIds, Ops};
use super::store::{Family, Store, failure};
use crate::api::{KeyRange, StateChange, StateEntry, StateStore};
use crate::error::StoreError;
use bytes::Bytes;
use potok_types::Column;
use rocksdb::{DBRawIterator, ReadOptions};

/// Keys read in one call: RocksDB works through a batch at once, and holds on to its values meanwhile.
const GET_MAX: usize = 1024;

/// Encodes what a unit does to state: whole stores first, then its changes in order. Runs on the caller's thread.
pub(super) fn encode(ids: FamilyIds, clears: &[StateStore], changes: &[StateChange], to: &mut Ops) {
    for store in clears {
        let start = keys::prefix(*store);
        to.delete_range(ids, Family::State, &start, &successor(&start));
    }
    to.reserve(
        changes
            .iter()
            .map(|change| change.keys.byte_len() + change.values.byte_len() + 32 * change.keys.len())
            .sum(),
    );
    changes.iter().for_each(|change| encode_change(ids, change, to));
}

/// In order of keys, because RocksDB then finds the place of each near that of the one before: the writer's thread, which
/// all share, saves more than this one spends. Of several changes of one key only the last counts.
fn encode_change(ids: FamilyIds, change: &StateChange, to: &mut Ops) {
    let prefix = keys::prefix(change.store);
    let mut entries: Vec<_> =
        change.keys.iter().map(Option::unwrap_or_default).zip(change.values.iter()).collect();
    entries.sort_by_key(|(key, _)| *key);
    for (index, (key, value)) in entries.iter().enumerate() {
        if entries.get(index + 1).is_some_and(|(next, _)| next == key) {
            continue;
        }
        match value {
            Some(value) => to.put_under(ids, Family::State, &prefix, key, value),
            None => to.delete_under(ids, Family::State, &prefix, key),
        }
    }
}

/// One value for each key, null where there is none.
pub(super) fn get(store: &Store, of: StateStore, keys: &Column) -> Result<Column, StoreError> {
    let prefix = keys::prefix(of);
    let mut values = Column::default();
    let mut arena = Vec::new();
    let mut ends = Vec::with_capacity(GET_MAX);
    let mut items = keys.iter();
    while items.len() > 0 {
        arena.clear();
        ends.clear();
        for item in items.by_ref().take(GET_MAX) {
            arena.extend_from_slice(&prefix);
            arena.extend_from_slice(item.unwrap_or_default());
            ends.push(arena.len());
        }
        let starts = std::iter::once(0).chain(ends.iter().copied());
        let full = starts.zip(&ends).map(|(start, end)| &arena[start..*end]);
        for value in store.db().batched_multi_get_cf(store.family(Family::State), full, false) {
            values.push(value.map_err(|error| failure(Family::State.name(), &error))?.as_deref());
        }
    }
    Ok(values)
}

/// Up to `limit` entries of `range`, and whether more lie beyond.
pub(super) fn scan(
    store: &Store,
    of: StateStore,
    range: &KeyRange,
    limit: usize,
) -> Result<(Vec<StateEntry>, bool), StoreError> {
    let prefix = keys::prefix(of);
    let start = [&prefix[..], range.start.as_deref().unwrap_or_default()].concat();
    let end = range.end.as_deref().map_or_else(|| successor(&prefix), |end| [&prefix[..], end].concat());
    if start >= end {
        return Ok((Vec::new(), false));
    }
    let mut options = ReadOptions::default();
    options.set_iterate_lower_bound(start);
    options.set_iterate_upper_bound(end);
    let mut entries = store.db().raw_iterator_cf_opt(store.family(Family::State), options);
    if range.backwards {
        entries.seek_to_last()
    } else {
        entries.seek_to_first()
    }
    let mut found = Vec::new();
    while let Some((key, value)) = entries.item() {
        if found.len() == limit {
            return Ok((found, true));
        }
        let key = key.get(keys::PREFIX_LEN..).unwrap_or_default();
        found.push(StateEntry { key: Bytes::copy_from_slice(key), value: Bytes::copy_from_slice(value) });
        step(&mut entries, range.backwards);
    }
    entries.status().map_err(|error| failure(Family::State.name(), &error))?;
    Ok((found, false))
}

fn step(entries: &mut DBRawIterator<'_>, backwards: bool) {
    if backwards { entries.prev() } else { entries.next() }
}
