//! What one guest call has changed of one store: kept apart until the call's outcome is accepted, so that a call that
//! fails leaves nothing. Columns are kept as they came; an index is only made when the same call reads again.

use potok_types::Column;
use std::collections::BTreeMap;

/// Where a write lies: which of the columns, which item.
pub(crate) type WriteAt = (u32, u32);

/// Writes of one call to one store.
#[derive(Debug, Default)]
pub(crate) struct CallWrites {
    chunks: Vec<(Column, Column)>,
    index: BTreeMap<Box<[u8]>, WriteAt>,
    indexed: usize,
}

impl CallWrites {
    /// Whether there is none.
    pub(crate) fn is_empty(&self) -> bool {
        self.chunks.is_empty()
    }
    /// Takes puts and deletes as they came.
    pub(crate) fn push(&mut self, keys: Column, values: Column) {
        self.chunks.push((keys, values));
    }
    /// Brings the index up to date; of several writes to a key the last counts.
    pub(crate) fn index(&mut self) -> &BTreeMap<Box<[u8]>, WriteAt> {
        for (chunk, (keys, _)) in self.chunks.iter().enumerate().skip(self.indexed) {
            for (item, key) in keys.iter().enumerate() {
                let at = (u32::try_from(chunk).unwrap_or(u32::MAX), u32::try_from(item).unwrap_or(u32::MAX));
                let key = key.unwrap_or_default();
                match self.index.get_mut(key) {
                    Some(known) => *known = at,
                    None => {
                        self.index.insert(key.into(), at);
                    }
                }
            }
        }
        self.indexed = self.chunks.len();
        &self.index
    }
    /// The index as [`CallWrites::index`] left it.
    pub(crate) fn indexed(&self) -> &BTreeMap<Box<[u8]>, WriteAt> {
        &self.index
    }
    /// The value written there; none deletes.
    pub(crate) fn value(&self, at: WriteAt) -> Option<&[u8]> {
        self.chunks[at.0 as usize].1.get(at.1 as usize)
    }
    /// All writes in the order they came, and empties itself.
    pub(crate) fn take(&mut self) -> Vec<(Column, Column)> {
        self.index.clear();
        self.indexed = 0;
        std::mem::take(&mut self.chunks)
    }
}
