//! What one call has read and changed of a store.
//! In: keys, values. Out: one `get-many` for what is not known, one `put-many` for what changed. Invariant: `undo` brings back what stood
//! before the record at work, even when a scan has already handed its changes to the host.

use super::codec::Codec;
use super::index::Index;
use super::key::Key;
use super::{Inner, StateError};
use crate::column::Column;
use crate::host;
use crate::output::wire;
use crate::session::{Cached, NO_RECORD};

/// In the order of the keys: a record without one.
const NO_SLOT: u32 = u32::MAX;

pub(super) struct Cache<V> {
    index: Index,
    slots: Vec<Slot<V>>,
    /// The slots of the keys that were asked for beforehand, in their order: most often the keys of the batch's records, each of
    /// which is then found without being looked up.
    order: Vec<u32>,
    /// Slots with changes; some twice, some no longer.
    dirty: Vec<usize>,
    /// What record `journal_of` changed: the slot as it was.
    journal: Vec<(usize, Slot<V>)>,
    journal_of: u64,
    /// What the host answered, decoded where it is looked at.
    fetched: Vec<Column>,
    scratch: Vec<u8>,
}

struct Slot<V> {
    value: Value<V>,
    dirty: bool,
}

enum Value<V> {
    /// The host has not been asked.
    Unread,
    /// Item `item` of answer `answer`.
    Encoded {
        answer: usize,
        item: usize,
    },
    Known(Option<V>),
}

impl<V> Default for Cache<V> {
    fn default() -> Cache<V> {
        Cache {
            index: Index::default(),
            slots: Vec::new(),
            order: Vec::new(),
            dirty: Vec::new(),
            journal: Vec::new(),
            journal_of: NO_RECORD,
            fetched: Vec::new(),
            scratch: Vec::new(),
        }
    }
}

impl<V: Clone> Cache<V> {
    /// The slot of a key that record `index` of the batch asks for, made when it is new.
    #[inline]
    pub(super) fn find<Q: Key + ?Sized>(&mut self, key: &Q, index: usize) -> usize {
        if let (Some(bytes), Some(slot)) = (key.as_bytes(), self.order.get(index))
            && self.index.is(*slot, bytes)
        {
            return *slot as usize;
        }
        self.look_up(key)
    }
    fn look_up<Q: Key + ?Sized>(&mut self, key: &Q) -> usize {
        let (slot, new) = match key.as_bytes() {
            Some(bytes) => self.index.find_or_add(bytes),
            None => {
                self.scratch.clear();
                key.write(&mut self.scratch, true);
                self.index.find_or_add(&self.scratch)
            }
        };
        if new {
            self.slots.push(Slot { value: Value::Unread, dirty: false });
        }
        slot
    }
    /// The value in a slot, asked for if need be.
    pub(super) fn load<C: Codec<V>>(
        &mut self,
        inner: &Inner<V, C>,
        slot: usize,
    ) -> Result<Option<&V>, StateError> {
        if matches!(self.slots[slot].value, Value::Unread) {
            let keys = Column::from_iter([Some(self.index.key(slot))]);
            self.fetch(inner, keys, slot)?;
        }
        if let Value::Encoded { answer, item } = self.slots[slot].value {
            let value = self.fetched[answer].get(item).map(|bytes| inner.decode(bytes)).transpose()?;
            self.slots[slot].value = Value::Known(value);
        }
        match &self.slots[slot].value {
            Value::Known(value) => Ok(value.as_ref()),
            Value::Unread | Value::Encoded { .. } => Ok(None),
        }
    }
    /// Asks for all of these that are not known; one that is none keeps its place in the order.
    pub(super) fn prefetch<'k, C, Q>(
        &mut self,
        inner: &Inner<V, C>,
        keys: impl IntoIterator<Item = Option<&'k Q>>,
    ) -> Result<(), StateError>
    where
        C: Codec<V>,
        Q: Key + ?Sized + 'k,
    {
        let before = self.slots.len();
        self.order.clear();
        for key in keys {
            let slot = key.map_or(NO_SLOT, |key| wire(self.look_up(key)));
            self.order.push(slot);
        }
        if before == self.slots.len() {
            Ok(())
        } else {
            self.fetch(inner, self.index.keys_from(before), before)
        }
    }
    /// Asks for the keys of the slots from `first` on.
    fn fetch<C>(&mut self, inner: &Inner<V, C>, keys: Column, first: usize) -> Result<(), StateError> {
        let slots = first..first + keys.len();
        let values = host::get_many(&inner.handle, keys)?;
        let answer = self.fetched.len();
        self.fetched.push(values);
        for (item, slot) in self.slots[slots].iter_mut().enumerate() {
            slot.value = Value::Encoded { answer, item };
        }
        Ok(())
    }
    pub(super) fn set(&mut self, slot: usize, value: Option<V>, record: u64) {
        let old = std::mem::replace(&mut self.slots[slot].value, Value::Known(value));
        if self.journals(record) {
            self.journal.push((slot, Slot { value: old, dirty: self.slots[slot].dirty }));
        }
        self.mark_dirty(slot);
    }
    /// The value in a loaded slot, to be changed in its place.
    pub(super) fn edit(&mut self, slot: usize, record: u64) -> &mut V
    where
        V: Default,
    {
        if self.journals(record) {
            let Slot { value, dirty } = &self.slots[slot];
            let value =
                if let Value::Known(value) = value { Value::Known(value.clone()) } else { Value::Unread };
            self.journal.push((slot, Slot { value, dirty: *dirty }));
        }
        self.mark_dirty(slot);
        let value = &mut self.slots[slot].value;
        if !matches!(value, Value::Known(Some(_))) {
            *value = Value::Known(Some(V::default()));
        }
        match value {
            Value::Known(Some(value)) => value,
            _ => unreachable!("it was set just before"),
        }
    }
    /// Whether changes are to be written down; those of a record before are forgotten.
    #[inline]
    fn journals(&mut self, record: u64) -> bool {
        if self.journal_of != record {
            self.journal.clear();
            self.journal_of = record;
        }
        record != NO_RECORD
    }
    fn mark_dirty(&mut self, slot: usize) {
        if !std::mem::replace(&mut self.slots[slot].dirty, true) {
            self.dirty.push(slot);
        }
    }
    fn undo(&mut self, record: u64) {
        self.journals(record);
        while let Some((slot, old)) = self.journal.pop() {
            let dirty = old.dirty;
            self.slots[slot].value = old.value;
            if dirty { self.mark_dirty(slot) } else { self.slots[slot].dirty = false }
        }
    }
    /// Hands changes to the host in the middle of a call, so that a scan sees them.
    pub(super) fn flush_for_scan<C: Codec<V>>(&mut self, inner: &Inner<V, C>) -> Result<(), StateError> {
        self.journals(inner.session.record());
        // what the record at work overwrote unread is asked for now: later the host no longer knows it
        let unread: Vec<usize> = self
            .journal
            .iter()
            .filter(|(_, old)| matches!(old.value, Value::Unread))
            .map(|(slot, _)| *slot)
            .collect();
        if !unread.is_empty() {
            let keys: Column = unread.iter().map(|slot| Some(self.index.key(*slot))).collect();
            let values = host::get_many(&inner.handle, keys)?;
            let answer = self.fetched.len();
            self.fetched.push(values);
            let olds = self.journal.iter_mut().filter(|(_, old)| matches!(old.value, Value::Unread));
            for (item, (_, old)) in olds.enumerate() {
                old.value = Value::Encoded { answer, item };
            }
        }
        // an undone change must reach the host once more
        self.journal.iter_mut().for_each(|(_, old)| old.dirty = true);
        self.flush(inner)
    }
    fn flush<C: Codec<V>>(&mut self, inner: &Inner<V, C>) -> Result<(), StateError> {
        let (mut keys, mut values) = (Column::default(), Column::default());
        keys.ends.reserve(4 * self.dirty.len());
        values.ends.reserve(4 * self.dirty.len());
        for slot in std::mem::take(&mut self.dirty) {
            if !std::mem::take(&mut self.slots[slot].dirty) {
                continue;
            }
            match &self.slots[slot].value {
                Value::Unread => continue,
                Value::Encoded { answer, item } => values.push(self.fetched[*answer].get(*item)),
                Value::Known(None) => values.push(None),
                Value::Known(Some(value)) => {
                    C::encode(value, &mut values.data)
                        .map_err(|reason| StateError::Unwritable { store: inner.name.clone(), reason })?;
                    values.end_item();
                }
            }
            keys.push(Some(self.index.key(slot)));
        }
        if keys.is_empty() { Ok(()) } else { host::put_many(&inner.handle, keys, values) }
    }
    fn clear(&mut self) {
        if self.slots.is_empty() {
            return;
        }
        self.index.clear();
        self.slots.clear();
        self.order.clear();
        self.dirty.clear();
        self.journal.clear();
        self.fetched.clear();
    }
}

impl<V: Clone, C: Codec<V>> Cached for Inner<V, C> {
    fn undo(&self, record: u64) {
        self.cache.borrow_mut().undo(record);
    }
    fn flush(&self) -> Result<(), StateError> {
        self.cache.borrow_mut().flush(self)
    }
    fn clear(&self) {
        self.cache.borrow_mut().clear();
    }
}
