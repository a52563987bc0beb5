//! The hot part of one store: a bounded, write-through cache that also holds what is not committed yet.
//! Invariants: an entry whose last write is not committed is never evicted, so a read that misses here may be answered by
//! the log; a unit's changes are those entries that it touched, each once, with their newest values.
//! Reading the log on a miss is left to [`super::KeyedState`].

use super::value;
use foldhash::fast::RandomState;
use hashbrown::HashTable;
use potok_types::{Column, Timestamp};
use std::hash::BuildHasher;
use std::sync::Arc;
use std::time::Duration;

/// Place of an entry in the table; valid until the next eviction.
pub(crate) type SlotId = u32;

/// Bytes that an entry takes beside its key and value: the slot, its place in the index, two allocations.
const SLOT_OVERHEAD_LEN: usize = 112;
/// Free places that are not worth the work of giving them back: some hundred kilobytes.
const FREE_KEPT_MAX: usize = 4_096;

#[derive(Debug)]
struct Slot {
    key: Box<[u8]>,
    /// None: known to be absent.
    value: Option<Vec<u8>>,
    written_at: Option<Timestamp>,
    /// The unit that wrote it last; 0 when it came from the log.
    unit: u64,
    /// Used since the hand last passed.
    recent: bool,
    free: bool,
}

/// One store of a task.
#[derive(Debug)]
pub(crate) struct Table {
    slots: Vec<Slot>,
    free: Vec<SlotId>,
    index: HashTable<SlotId>,
    hasher: RandomState,
    /// Entries that the unit being built has touched.
    dirty: Vec<SlotId>,
    /// Entries of the unit on its way to disk.
    flying: Vec<SlotId>,
    /// The unit up to which everything is committed.
    committed: u64,
    bytes: usize,
    hand: usize,
    ttl: Option<Duration>,
    /// Uncommitted entries by key, made at the first scan after a change.
    sorted: Option<Arc<[SlotId]>>,
}

impl Table {
    pub(crate) fn new(ttl_ms: Option<u64>) -> Table {
        Table {
            slots: Vec::new(),
            free: Vec::new(),
            index: HashTable::new(),
            hasher: RandomState::default(),
            dirty: Vec::new(),
            flying: Vec::new(),
            committed: 0,
            bytes: 0,
            hand: 0,
            ttl: ttl_ms.map(Duration::from_millis),
            sorted: None,
        }
    }
    /// Bytes it takes.
    pub(crate) fn bytes(&self) -> usize {
        self.bytes
    }
    /// Whether its entries grow old.
    pub(crate) fn ttl(&self) -> Option<Duration> {
        self.ttl
    }
    /// Where this key is, when it is here.
    #[inline]
    pub(crate) fn find(&mut self, key: &[u8]) -> Option<SlotId> {
        let hash = self.hasher.hash_one(key);
        let slots = &self.slots;
        let id = *self.index.find(hash, |id| *slots[*id as usize].key == *key)?;
        self.slots[id as usize].recent = true;
        Some(id)
    }
    /// The value there; none when it is absent or has outlived its time.
    #[inline]
    pub(crate) fn value(&self, id: SlotId, now: Timestamp) -> Option<&[u8]> {
        let slot = &self.slots[id as usize];
        if self.is_expired(slot.written_at, now) { None } else { slot.value.as_deref() }
    }
    /// Whether a value written then has outlived its time.
    #[inline]
    pub(crate) fn is_expired(&self, written_at: Option<Timestamp>, now: Timestamp) -> bool {
        match (self.ttl, written_at) {
            (Some(ttl), Some(at)) => at.plus(ttl) <= now,
            _ => false,
        }
    }
    /// Takes over what the log said about a key that is not here.
    pub(crate) fn fill(&mut self, key: &[u8], stored: Option<&[u8]>) -> Result<SlotId, String> {
        if let Some(id) = self.find(key) {
            return Ok(id);
        }
        let (written_at, value) = match stored {
            Some(stored) => {
                let (at, value) = value::decode(stored)?;
                (at, Some(value.to_vec()))
            }
            None => (None, None),
        };
        Ok(self.insert(key, value, written_at, 0))
    }
    /// Writes for a unit that is being built; a null value deletes.
    pub(crate) fn write(&mut self, key: &[u8], value: Option<&[u8]>, now: Timestamp, unit: u64) {
        self.sorted = None;
        let written_at = self.ttl.map(|_| now);
        let id = match self.find(key) {
            Some(id) => {
                self.overwrite(id, value, written_at);
                id
            }
            None => self.insert(key, value.map(<[u8]>::to_vec), written_at, 0),
        };
        let slot = &mut self.slots[id as usize];
        if slot.unit != unit {
            slot.unit = unit;
            self.dirty.push(id);
        }
    }
    fn overwrite(&mut self, id: SlotId, value: Option<&[u8]>, written_at: Option<Timestamp>) {
        let slot = &mut self.slots[id as usize];
        self.bytes -= slot.value.as_ref().map_or(0, Vec::capacity);
        match (&mut slot.value, value) {
            (Some(old), Some(new)) => {
                old.clear();
                old.extend_from_slice(new);
            }
            (old, new) => *old = new.map(<[u8]>::to_vec),
        }
        slot.written_at = written_at;
        self.bytes += slot.value.as_ref().map_or(0, Vec::capacity);
    }
    fn insert(
        &mut self,
        key: &[u8],
        value: Option<Vec<u8>>,
        written_at: Option<Timestamp>,
        unit: u64,
    ) -> SlotId {
        self.bytes += key.len() + value.as_ref().map_or(0, Vec::capacity) + SLOT_OVERHEAD_LEN;
        let slot = Slot { key: key.into(), value, written_at, unit, recent: true, free: false };
        let id = match self.free.pop() {
            Some(id) => {
                self.slots[id as usize] = slot;
                id
            }
            None => {
                self.slots.push(slot);
                SlotId::try_from(self.slots.len() - 1).unwrap_or(SlotId::MAX)
            }
        };
        let (slots, hasher) = (&self.slots, &self.hasher);
        let hash = hasher.hash_one(&*slots[id as usize].key);
        self.index.insert_unique(hash, id, |id| hasher.hash_one(&*slots[*id as usize].key));
        id
    }
    /// Whether the unit being built changes this store.
    pub(crate) fn is_dirty(&self) -> bool {
        !self.dirty.is_empty()
    }
    /// The changes of the unit being built, in their stored form. They are on their way to disk from here on.
    pub(crate) fn seal(&mut self) -> (Column, Column) {
        let (mut keys, mut values) = (Column::default(), Column::default());
        let mut stored = Vec::new();
        for id in &self.dirty {
            let slot = &self.slots[*id as usize];
            keys.push(Some(&slot.key));
            match &slot.value {
                Some(value) => {
                    value::encode(&mut stored, slot.written_at, value);
                    values.push(Some(&stored));
                }
                None => values.push(None),
            }
        }
        debug_assert!(self.flying.is_empty(), "one unit is on its way at a time");
        std::mem::swap(&mut self.flying, &mut self.dirty);
        (keys, values)
    }
    /// Everything up to `unit` is committed.
    pub(crate) fn committed(&mut self, unit: u64) {
        self.committed = unit;
        self.flying.clear();
        self.sorted = None;
    }
    /// Whether the entry with this key was written by a unit that is not committed.
    pub(crate) fn is_uncommitted(&mut self, key: &[u8]) -> bool {
        let committed = self.committed;
        self.find(key).is_some_and(|id| self.slots[id as usize].unit > committed)
    }
    /// Uncommitted entries in the order of their keys; the same list for every page of a scan.
    pub(crate) fn uncommitted(&mut self) -> Arc<[SlotId]> {
        let slots = &self.slots;
        let sorted = self.sorted.get_or_insert_with(|| {
            let mut ids: Vec<SlotId> = self.flying.iter().chain(&self.dirty).copied().collect();
            ids.sort_unstable_by(|a, b| slots[*a as usize].key.cmp(&slots[*b as usize].key));
            ids.dedup();
            ids.into()
        });
        sorted.clone()
    }
    /// The key there.
    pub(crate) fn key(&self, id: SlotId) -> &[u8] {
        &self.slots[id as usize].key
    }
    /// Evicts entries that were not used lately until `bytes_max` is kept or only uncommitted ones are left.
    pub(crate) fn shrink(&mut self, bytes_max: usize) {
        let used = self.slots.len() - self.free.len();
        if used <= self.flying.len() + self.dirty.len() {
            return;
        }
        // two rounds: the first takes the marks away
        let mut steps = self.slots.len() * 2;
        while self.bytes > bytes_max && steps > 0 {
            steps -= 1;
            self.hand = if self.hand + 1 >= self.slots.len() { 0 } else { self.hand + 1 };
            let slot = &mut self.slots[self.hand];
            if slot.free || slot.unit > self.committed {
                continue;
            }
            if std::mem::take(&mut slot.recent) {
                continue;
            }
            self.evict(self.hand);
        }
        if self.free.len() > FREE_KEPT_MAX && self.free.len() > self.slots.len() / 2 {
            self.give_back();
        }
    }
    /// Moves the entries together, so that the places that a crowd of them took are not held for ever.
    fn give_back(&mut self) {
        let used = self.slots.len() - self.free.len();
        let mut moved = vec![SlotId::MAX; self.slots.len()];
        let mut slots = Vec::with_capacity(used);
        for (slot, to) in
            std::mem::take(&mut self.slots).into_iter().zip(&mut moved).filter(|(slot, _)| !slot.free)
        {
            *to = SlotId::try_from(slots.len()).unwrap_or(SlotId::MAX);
            slots.push(slot);
        }
        let ids = self.flying.iter_mut().chain(&mut self.dirty);
        ids.for_each(|id| *id = moved[*id as usize]);
        let (hasher, mut index) = (&self.hasher, HashTable::with_capacity(used));
        let hash = |id: &SlotId| hasher.hash_one(&*slots[*id as usize].key);
        for id in (0..slots.len()).filter_map(|at| SlotId::try_from(at).ok()) {
            index.insert_unique(hash(&id), id, hash);
        }
        (self.slots, self.index, self.free, self.hand, self.sorted) = (slots, index, Vec::new(), 0, None);
    }
    fn evict(&mut self, at: usize) {
        let hash = self.hasher.hash_one(&*self.slots[at].key);
        let id = SlotId::try_from(at).unwrap_or(SlotId::MAX);
        if let Ok(found) = self.index.find_entry(hash, |other| *other == id) {
            found.remove();
        }
        let slot = &mut self.slots[at];
        self.bytes -= slot.key.len() + slot.value.as_ref().map_or(0, Vec::capacity) + SLOT_OVERHEAD_LEN;
        *slot =
            Slot { key: Box::default(), value: None, written_at: None, unit: 0, recent: false, free: true };
        self.free.push(id);
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    const NOW: Timestamp = Timestamp(1_000);

    #[test]
    fn a_unit_holds_each_changed_entry_once_with_its_newest_value() {
        let mut table = Table::new(None);
        table.write(b"a", Some(b"1"), NOW, 1);
        table.write(b"b", Some(b"2"), NOW, 1);
        table.write(b"a", Some(b"3"), NOW, 1);
        let (keys, values) = table.seal();
        assert_eq!(keys.iter().collect::<Vec<_>>(), vec![Some(&b"a"[..]), Some(b"b")]);
        assert_eq!(values.get(0), Some(&b"\x003"[..]));
        table.write(b"a", None, NOW, 2);
        table.committed(1);
        let (keys, values) = table.seal();
        assert_eq!((keys.len(), values.get(0)), (1, None));
    }
    #[test]
    fn what_is_not_committed_is_never_evicted() {
        let mut table = Table::new(None);
        for i in 0..100u32 {
            table.write(&i.to_be_bytes(), Some(b"value"), NOW, 1);
        }
        table.shrink(0);
        assert!((0..100u32).all(|i| table.find(&i.to_be_bytes()).is_some()));
        table.seal();
        table.committed(1);
        table.shrink(0);
        assert!((0..100u32).all(|i| table.find(&i.to_be_bytes()).is_none()));
        assert_eq!(table.bytes(), 0);
        table.write(b"again", Some(b"v"), NOW, 2);
        let id = table.find(b"again").unwrap();
        assert_eq!(table.value(id, NOW), Some(&b"v"[..]));
    }
    #[test]
    fn places_that_a_crowd_took_are_given_back_and_nothing_is_lost() {
        let mut table = Table::new(None);
        let key = |i: u32| i.to_be_bytes();
        for i in 0..20_000 {
            table.fill(&key(i), None).unwrap();
        }
        (100..110).for_each(|i| table.write(&key(i), Some(b"flies"), NOW, 1));
        table.seal();
        (105..115).for_each(|i| table.write(&key(i), Some(b"dirty"), NOW, 2));
        table.shrink(0);
        assert_eq!((table.slots.len(), table.free.len()), (15, 0));
        for i in 100..115 {
            let id = table.find(&key(i)).unwrap();
            assert_eq!(table.value(id, NOW), Some(if i < 105 { &b"flies"[..] } else { b"dirty" }));
        }
        let sorted: Vec<u32> = table
            .uncommitted()
            .iter()
            .map(|id| u32::from_be_bytes(table.key(*id).try_into().unwrap()))
            .collect();
        assert_eq!(sorted, (100..115).collect::<Vec<_>>());
        table.committed(1);
        assert_eq!(table.seal().0.len(), 10);
    }
    #[test]
    fn an_entry_past_its_time_is_not_seen() {
        let mut table = Table::new(Some(50));
        table.write(b"k", Some(b"v"), Timestamp(100), 1);
        let id = table.find(b"k").unwrap();
        assert_eq!(table.value(id, Timestamp(149)), Some(&b"v"[..]));
        assert_eq!(table.value(id, Timestamp(150)), None);
    }
}
