//! How many bytes of batches that are still needed lie in each segment of the journal. In come batches that are written,
//! replaced and removed, out go the entries of `segments`.
//! Invariant: they are changed in the same write as the places of those batches, so they agree whatever a crash cuts off.
//!
//! ```text
//! | segment u32 BE |   value: | bytes u64 BE |     no entry where nothing is needed
//! ```

use super::keys::records::Stored;
use super::keys::{successor, u32_at, u64_at};
use super::ops::{FamilyIds, Ops};
use super::store::{Family, Store, corrupt_entry};
use crate::error::StoreError;
use std::collections::{BTreeMap, BTreeSet};

/// The counts, in the writer's hand.
#[derive(Debug, Default)]
pub(super) struct Live {
    bytes: BTreeMap<u32, u64>,
    /// Changed since they were last kept.
    changed: BTreeSet<u32>,
}

impl Live {
    /// As the store has them.
    pub(super) fn load(store: &Store) -> Result<Live, StoreError> {
        Ok(Live { bytes: load(store)?, changed: BTreeSet::new() })
    }
    /// A batch was written to a segment.
    pub(super) fn add(&mut self, segment: u32, len: u64) {
        *self.bytes.entry(segment).or_default() += len;
        self.changed.insert(segment);
    }
    /// A batch is no longer needed.
    pub(super) fn remove(&mut self, stored: Stored<'_>) {
        if let Stored::InJournal(place) = stored {
            let bytes = self.bytes.entry(place.from.segment).or_default();
            *bytes = bytes.saturating_sub(u64::from(place.len));
            self.changed.insert(place.from.segment);
        }
    }
    /// Whether something changed since they were last kept.
    pub(super) fn is_changed(&self) -> bool {
        !self.changed.is_empty()
    }
    /// Puts what changed among a group's changes.
    pub(super) fn keep(&mut self, ids: FamilyIds, ops: &mut Ops) {
        for segment in std::mem::take(&mut self.changed) {
            match self.bytes.get(&segment) {
                Some(0) | None => {
                    self.bytes.remove(&segment);
                    ops.delete(ids, Family::Segments, &segment.to_be_bytes());
                }
                Some(bytes) => ops.put(ids, Family::Segments, &segment.to_be_bytes(), &bytes.to_be_bytes()),
            }
        }
    }
}

/// Bytes that are needed of each segment; segments of which nothing is are not there.
pub(super) fn load(store: &Store) -> Result<BTreeMap<u32, u64>, StoreError> {
    let mut bytes = BTreeMap::new();
    store.scan(Family::Segments, (&[], &successor(&[u8::MAX])), |key, value| {
        let (segment, needed) =
            parse(key, value).ok_or_else(|| corrupt_entry(Family::Segments, "a segment"))?;
        bytes.insert(segment, needed);
        Ok(true)
    })?;
    Ok(bytes)
}
fn parse(key: &[u8], value: &[u8]) -> Option<(u32, u64)> {
    if key.len() == 4 && value.len() == 8 { Some((u32_at(key, 0)?, u64_at(value, 0)?)) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::settings::Settings;
    use super::*;

    #[test]
    fn counts_are_kept_with_the_group_and_a_segment_that_nobody_needs_has_none() {
        let folder = tempfile::tempdir().unwrap();
        let store = Store::open(folder.path(), &Settings::default()).unwrap();
        let ids = FamilyIds::of(&store).unwrap();
        let value = |segment: u8, len: u8| {
            let mut value = [0; 21];
            (value[0], value[4], value[16]) = (1, segment, len);
            value
        };
        let mut live = Live::default();
        let keep = |live: &mut Live| {
            let mut ops = Ops::default();
            live.keep(ids, &mut ops);
            store.db().write(ops.batch()).unwrap();
            load(&store).unwrap()
        };
        live.add(1, 100);
        live.add(2, 70);
        assert_eq!(keep(&mut live), BTreeMap::from([(1, 100), (2, 70)]));
        live.remove(Stored::decode(&value(2, 70)).unwrap());
        live.remove(Stored::decode(&value(1, 30)).unwrap());
        live.remove(Stored::decode(&[0; 100]).unwrap());
        assert_eq!(keep(&mut live), BTreeMap::from([(1, 70)]));
        assert_eq!(Live::load(&store).unwrap().bytes, BTreeMap::from([(1, 70)]));
    }
}
