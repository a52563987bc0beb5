//! Gives the disk back what removed records took. In comes nothing, out go smaller files.
//! Removing a batch only marks it: RocksDB drops a file of batches once a compaction has counted all of it as removed. What
//! compaction rewrites are keys and references, a few dozen bytes a batch. Only when many files are each removed in part
//! are the batches left in them copied together.
//! Invariant: nothing is rewritten while what it would give back is below the settings' limits.

use super::disk;
use super::keys::meta::Counter;
use super::shared::Shared;
use super::store::{Family, failure};
use super::writer::Admin;
use crate::error::StoreError;
use rocksdb::{BottommostLevelCompaction, CompactOptions, FlushOptions};
use std::ops::Range;

/// Collecting garbage reaches over all files while a pass runs, and is off otherwise: RocksDB would else copy batches
/// whenever it merges keys.
const COLLECT: [(&str, &str); 2] =
    [("enable_blob_garbage_collection", "true"), ("blob_garbage_collection_age_cutoff", "1.0")];
const COLLECT_NOT: [(&str, &str); 1] = [("enable_blob_garbage_collection", "false")];

/// Rewrites files when there is enough to give back, and on a disk that is nearly full whenever there is anything. Blocks
/// while it does.
pub(super) async fn reclaim(shared: &Shared) -> Result<(), StoreError> {
    let tight = disk::is_tight(&shared.settings);
    let rewrite = is_worth_it(shared, removed_estimate(shared)?, tight);
    if !rewrite && !tight {
        return Ok(());
    }
    let before = stored(shared)?;
    shared.flush()?;
    if rewrite {
        compact(shared);
        collect(shared, tight)?;
    }
    end_write_ahead_log(shared).await?;
    take_away(shared)?;
    let after = stored(shared)?;
    tracing::info!(before, after, tight, "files of records rewritten to give disk back");
    Ok(())
}

/// Copies together what is left in files that are removed in part, if there is room for the copy.
fn collect(shared: &Shared, tight: bool) -> Result<(), StoreError> {
    let removed = number(shared, "rocksdb.live-blob-file-garbage-size")?;
    let copied = number(shared, "rocksdb.live-blob-file-size")?.saturating_sub(removed);
    if is_worth_it(shared, removed, tight) && disk::has_room_for(&shared.settings, copied) {
        set(shared, &COLLECT)?;
        compact(shared);
        set(shared, &COLLECT_NOT)?;
    }
    Ok(())
}
fn is_worth_it(shared: &Shared, removed: u64, tight: bool) -> bool {
    if tight {
        return removed > 0;
    }
    let percent = u64::from(shared.settings.reclaim_percent_min);
    let stored = stored(shared).unwrap_or(0);
    removed > shared.settings.reclaim_bytes_min
        && removed.saturating_mul(100) > stored.saturating_mul(percent)
}

/// Bytes of files, less those of the batches that are there and not only in memory yet.
fn removed_estimate(shared: &Shared) -> Result<u64, StoreError> {
    let there: u64 =
        shared.catalog.read().all_partitions().map(|partition| partition.tail.lock().bytes).sum();
    let in_memory = number(shared, "rocksdb.cur-size-all-mem-tables")?;
    Ok((stored(shared)? + in_memory).saturating_sub(there))
}
fn stored(shared: &Shared) -> Result<u64, StoreError> {
    Ok(number(shared, "rocksdb.live-blob-file-size")? + number(shared, "rocksdb.total-sst-files-size")?)
}
fn number(shared: &Shared, property: &str) -> Result<u64, StoreError> {
    let family = shared.store.family(Family::Records);
    let value = shared.store.db().property_int_value_cf(family, property);
    Ok(value.map_err(|error| failure(property, &error))?.unwrap_or(0))
}
fn set(shared: &Shared, options: &[(&str, &str)]) -> Result<(), StoreError> {
    let family = shared.store.family(Family::Records);
    shared.store.db().set_options_cf(family, options).map_err(|error| failure("options", &error))
}
/// Begins a new write-ahead log that holds nothing. A family that was written to a file while a newer log was begun still
/// counts as needing all logs since its own, until the next one begins; on a log that is idle, that may be never.
async fn end_write_ahead_log(shared: &Shared) -> Result<(), StoreError> {
    let _: Range<u64> = shared.administer(|reply| Admin::TakeNumbers(Counter::Producer, 0, reply)).await?;
    shared.flush()
}
/// Files that nothing needs any more go at once, write-ahead logs among them; RocksDB else looks for them when it next has
/// something to write.
fn take_away(shared: &Shared) -> Result<(), StoreError> {
    let db = shared.store.db();
    let looked = db.disable_file_deletions().and_then(|()| db.enable_file_deletions());
    looked.map_err(|error| failure("taking files away", &error))
}
fn compact(shared: &Shared) {
    let mut options = CompactOptions::default();
    options.set_exclusive_manual_compaction(false);
    options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
    let family = shared.store.family(Family::Records);
    shared.store.db().compact_range_cf_opt(family, None::<&[u8]>, None::<&[u8]>, &options);
}

impl Shared {
    /// Writes what is in memory to files, so that the write-ahead log behind it can go.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let mut options = FlushOptions::default();
        options.set_wait(true);
        let flush = |family: Family| self.store.db().flush_cf_opt(self.store.family(family), &options);
        Family::ALL.into_iter().try_for_each(flush).map_err(|error| failure("a flush", &error))
    }
}
