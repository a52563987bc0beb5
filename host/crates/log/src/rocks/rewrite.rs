//! Compaction's changes on the writer's thread: batches replaced or removed where they lie, and the partition's size with
//! them. In come changes that were worked out beside the log's life, out go their writes.
//! Invariant: what was trimmed in the meantime is left alone, and sizes agree with what is stored.

use super::cleaning::Cleaning;
use super::keys::{partition_prefix, partitions, partitions::Entry, records, sizes};
use super::partition::{Partition, Stretch, Tail};
use super::store::{Family, corrupt, failure};
use super::writer::Writer;
use crate::error::StoreError;
use potok_types::{Offset, RecordBatch, TopicPartition};
use std::collections::BTreeMap;
use std::sync::Arc;

/// Changes to one partition.
pub(super) struct Rewrite {
    pub(super) partition: Arc<Partition>,
    pub(super) changes: Vec<Change>,
    /// How far it is clean now, when the pass is done.
    pub(super) cleaning: Option<Cleaning>,
}

/// A batch that lost records.
pub(super) struct Change {
    pub(super) base: Offset,
    pub(super) len_before: usize,
    /// What is left of it; none when nothing is.
    pub(super) left: Option<RecordBatch>,
}

impl Writer {
    /// Takes the changes of compaction.
    pub(super) fn rewrite(&mut self, rewrite: Rewrite) -> Result<(), StoreError> {
        let Rewrite { partition, changes, cleaning } = rewrite;
        if partition.is_deleted() {
            return Ok(());
        }
        let mut tail = partition.tail.lock().clone();
        self.change_batches(partition.at, &mut tail, &changes)?;
        if let Some(cleaning) = cleaning {
            let key = partitions::key(partition.at, Entry::Cleaning);
            self.ops.put(self.shared.ids, Family::Partitions, &key, &cleaning.encode());
            tail.cleaning = cleaning;
        }
        // readers must know of gaps before there is one
        *partition.tail.lock() = tail;
        self.touch(&partition, &mut partition.tail.lock().touched);
        self.write()?;
        self.shared.cache.forget(&partition);
        Ok(())
    }
    fn change_batches(
        &mut self,
        at: TopicPartition,
        tail: &mut Tail,
        changes: &[Change],
    ) -> Result<(), StoreError> {
        let ids = self.shared.ids;
        let mut stretches: BTreeMap<Offset, u64> = BTreeMap::new();
        for change in changes.iter().filter(|change| change.base >= tail.log_start) {
            let key = records::key(at, change.base);
            self.release(at, &key)?;
            match &change.left {
                Some(left) => self.replaced.push((at, left.clone())),
                None => self.ops.delete(ids, Family::Records, &key),
            }
            tail.gaps |= change.left.is_none();
            let shrunk =
                change.len_before.saturating_sub(change.left.as_ref().map_or(0, RecordBatch::len)) as u64;
            tail.bytes = tail.bytes.saturating_sub(shrunk);
            if change.base >= tail.stretch.base {
                tail.stretch.bytes = tail.stretch.bytes.saturating_sub(shrunk);
            } else {
                let stretch = self.stretch_of(at, change.base)?;
                let bytes = stretches.entry(stretch.base).or_insert(stretch.bytes);
                *bytes = bytes.saturating_sub(shrunk);
            }
        }
        for (base, bytes) in stretches {
            self.ops.put(ids, Family::Sizes, &sizes::key(at, base), &bytes.to_be_bytes());
        }
        Ok(())
    }
    /// The closed stretch that a batch lies in.
    fn stretch_of(&self, at: TopicPartition, base: Offset) -> Result<Stretch, StoreError> {
        let end = super::keys::successor(&partition_prefix(at));
        let mut entries = self.shared.store.iterate(Family::Sizes, &partition_prefix(at), &end);
        entries.seek_for_prev(sizes::key(at, base));
        let found = entries.item().and_then(|(key, value)| sizes::parse(key).zip(sizes::parse_value(value)));
        entries.status().map_err(|error| failure(Family::Sizes.name(), &error))?;
        let ((_, base), bytes) = found.ok_or_else(|| corrupt(Family::Sizes, at, "the size of a stretch"))?;
        Ok(Stretch { base, bytes })
    }
}
