//! Compaction of a partition with `cleanup.policy=compact`: of each key the newest record stays, with its offset.
//! In come a partition and its topic's configs, out go batches with fewer records, by way of the writer.
//! Invariants: only what lies before the last stable offset is looked at; a record leaves only when a newer one of its key,
//! committed and older than the lag, stays; aborted records count for nothing; a batch that loses no record is not written.
//!
//! A pass reads the part that is new since the last one into a map from key to newest offset, then goes over everything
//! before its end and drops what the map says is old. A tombstone goes `delete.retention.ms` after the first pass that met
//! it: by then every reader that began before it has had that long to see it, whatever its timestamp says.

use super::cleaning::Cleaning;
use super::partition::Partition;
use super::read::{DiskBatches, place_of};
use super::rewrite::{Change, Rewrite};
use super::shared::Shared;
use super::writer::Admin;
use crate::config::TopicConfig;
use crate::error::StoreError;
use potok_types::{BatchError, BatchHeader, Offset, Record, RecordBatch, Timestamp};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Bytes of new batches that go to the writer as one: small enough that appends hardly wait behind it.
const REWRITE_LEN: usize = 1 << 20;
/// Changes that go to the writer as one.
const REWRITE_COUNT: usize = 1000;

/// One pass over one partition.
struct Pass<'a> {
    shared: &'a Shared,
    partition: &'a Arc<Partition>,
    /// Newest offset of each key in the new part, by a hash of 128 bits whose keys nobody outside knows.
    newest: HashMap<u128, Offset>,
    hashers: (RandomState, RandomState),
    /// Tombstones before it have waited long enough.
    horizon: Offset,
    changes: Vec<Change>,
    changes_len: usize,
    clean_bytes: u64,
    tombstones_left: bool,
}

/// Compacts a partition if its configs say that it is time. Blocks while it reads.
pub(super) async fn compact(
    shared: &Shared,
    partition: &Arc<Partition>,
    config: &TopicConfig,
) -> Result<(), StoreError> {
    let now = shared.clock.now();
    let (cleaning, bytes) = {
        let tail = partition.tail.lock();
        (tail.cleaning.clone(), tail.bytes)
    };
    let ends = partition.ends();
    let dirty_from = cleaning.cleaned_to.max(ends.log_start);
    let horizon = cleaning.horizon(now.minus(config.tombstone_retention()));
    let is_due = dirty_from < ends.last_stable && cleaning.dirty_ratio(bytes) >= config.dirty_ratio_min();
    if !is_due && horizon.is_none() {
        return Ok(());
    }
    let mut pass = Pass {
        shared,
        partition,
        newest: HashMap::new(),
        hashers: (RandomState::new(), RandomState::new()),
        horizon: horizon.unwrap_or(Offset::FIRST),
        changes: Vec::new(),
        changes_len: 0,
        clean_bytes: 0,
        tombstones_left: false,
    };
    let settled = now.minus(config.compaction_lag());
    let cleaned_to = pass.gather(dirty_from, ends.last_stable, settled)?;
    if cleaned_to == dirty_from && horizon.is_none() {
        return Ok(());
    }
    pass.clean(ends.log_start, cleaned_to).await?;
    let cleaning = cleaning.after(cleaned_to, pass.clean_bytes, horizon, pass.tombstones_left.then_some(now));
    pass.send(Some(cleaning)).await
}

impl Pass<'_> {
    /// Reads keys from `from` on, until the map is full or a batch is too young. Answers the offset behind the last batch.
    fn gather(&mut self, from: Offset, end: Offset, settled: Timestamp) -> Result<Offset, StoreError> {
        let mut batches = DiskBatches::from(self.shared, self.partition, from, end);
        let mut gathered_to = from;
        while let Some(batch) = batches.next()? {
            let header = batch.header();
            let full = self.newest.len() >= self.shared.settings.compaction_keys_max && gathered_to > from;
            if header.max_timestamp > settled || header.next_offset() > end || full {
                return Ok(gathered_to);
            }
            gathered_to = header.next_offset();
            if !header.control && !self.is_aborted(header) {
                self.note(&batch)?;
            }
        }
        // what lies between the last batch and the end is a hole
        Ok(end.max(gathered_to))
    }
    fn note(&mut self, batch: &RecordBatch) -> Result<(), StoreError> {
        let Some(open) = self.open(batch)? else { return Ok(()) };
        for record in open.records() {
            let record = record.map_err(|error| self.damaged(batch, &error))?;
            if let Some(key) = record.key {
                self.newest.insert(self.hash(key), record.offset);
            }
        }
        Ok(())
    }
    /// A batch's records; none when it would unpack to more than the limit, and stays as it is.
    fn open<'b>(&self, batch: &'b RecordBatch) -> Result<Option<potok_types::OpenBatch<'b>>, StoreError> {
        match batch.open(self.shared.settings.unpacked_bytes_max) {
            Ok(open) => Ok(Some(open)),
            Err(BatchError::Codec(error)) => {
                let place = place_of(self.shared, self.partition.at, batch.header().base_offset);
                tracing::warn!(place, %error, "a batch is left as it is by compaction");
                Ok(None)
            }
            Err(error) => Err(self.damaged(batch, &error)),
        }
    }
    fn hash(&self, key: &[u8]) -> u128 {
        u128::from(self.hashers.0.hash_one(key)) << 64 | u128::from(self.hashers.1.hash_one(key))
    }
    /// Goes over everything in `[from, end)` and drops what is old.
    async fn clean(&mut self, from: Offset, end: Offset) -> Result<(), StoreError> {
        let mut next = from;
        while next < end {
            next = self.clean_some(next, end)?;
            if self.changes_len >= REWRITE_LEN || self.changes.len() >= REWRITE_COUNT {
                self.send(None).await?;
            }
        }
        Ok(())
    }
    /// Cleans batches until there is enough to send. Answers where to go on.
    fn clean_some(&mut self, from: Offset, end: Offset) -> Result<Offset, StoreError> {
        let mut batches = DiskBatches::from(self.shared, self.partition, from, end);
        while let Some(batch) = batches.next()? {
            let next = batch.header().next_offset();
            self.clean_batch(batch)?;
            if self.changes_len >= REWRITE_LEN || self.changes.len() >= REWRITE_COUNT {
                return Ok(next);
            }
        }
        Ok(end)
    }
    fn clean_batch(&mut self, batch: RecordBatch) -> Result<(), StoreError> {
        let aborted = !batch.header().control && self.is_aborted(batch.header());
        let left = if aborted { None } else { self.retain(&batch)? };
        let len = left.as_ref().map_or(0, RecordBatch::len);
        self.clean_bytes += len as u64;
        if left.as_ref().is_none_or(|left| left.header().count != batch.header().count) {
            self.changes_len += len;
            self.changes.push(Change { base: batch.header().base_offset, len_before: batch.len(), left });
        }
        Ok(())
    }
    /// The batch with the records that stay; itself when all do.
    fn retain(&mut self, batch: &RecordBatch) -> Result<Option<RecordBatch>, StoreError> {
        if batch.header().control {
            return Ok(Some(batch.clone()));
        }
        let Some(open) = self.open(batch)? else { return Ok(Some(batch.clone())) };
        let mut drops = false;
        for record in open.records() {
            let record = record.map_err(|error| self.damaged(batch, &error))?;
            let stays = self.stays(&record);
            drops |= !stays;
            self.tombstones_left |= stays && record.value.is_none();
        }
        if !drops {
            return Ok(Some(batch.clone()));
        }
        let left = batch.retain(self.shared.settings.unpacked_bytes_max, |record| self.stays(record));
        left.map_err(|error| self.damaged(batch, &error))
    }
    /// A record without a key, from before the topic was compacted, always stays.
    fn stays(&self, record: &Record<'_>) -> bool {
        let Some(key) = record.key else { return true };
        let superseded = self.newest.get(&self.hash(key)).is_some_and(|newest| *newest > record.offset);
        let expired = record.value.is_none() && record.offset < self.horizon;
        !superseded && !expired
    }
    fn is_aborted(&self, header: &BatchHeader) -> bool {
        let Some((producer, _)) = header.producer.filter(|_| header.transactional) else { return false };
        let aborted =
            self.partition.tail.lock().transactions.aborted(header.base_offset, header.next_offset());
        aborted
            .iter()
            .any(|t| t.producer == producer && (t.first_offset..t.last_offset).contains(&header.base_offset))
    }
    /// Hands the changes so far to the writer, and at the end how far the partition is now clean.
    async fn send(&mut self, cleaning: Option<Cleaning>) -> Result<(), StoreError> {
        self.changes_len = 0;
        let rewrite = Rewrite {
            partition: self.partition.clone(),
            changes: std::mem::take(&mut self.changes),
            cleaning,
        };
        self.shared.administer(|reply| Admin::Rewrite(rewrite, reply)).await
    }
    fn damaged(&self, batch: &RecordBatch, error: &BatchError) -> StoreError {
        let at = place_of(self.shared, self.partition.at, batch.header().base_offset);
        StoreError::Corrupt { at, reason: error.to_string() }
    }
}
