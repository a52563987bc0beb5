//! Offsets by timestamp, exactly: one seek in `times`, and as a rule one batch. In come a partition and a time, out go the
//! offset and timestamp of one record.
//! Invariant: the answer is the first record in offset order whose timestamp is at or after the one asked for.
//! Compaction and trimming take records out behind the index, so the search goes on from batch to batch where one was hit.

use super::partition::Partition;
use super::read::{DiskBatches, place_of};
use super::shared::Shared;
use super::trim::first_not_older;
use crate::error::{ReadError, StoreError};
use potok_types::{Offset, RecordBatch, Timestamp, TopicPartition};

/// The first record at or after `time`.
pub(super) fn offset_at(
    shared: &Shared,
    at: TopicPartition,
    time: Timestamp,
) -> Result<Option<(Offset, Timestamp)>, ReadError> {
    let partition = shared.partition(at)?;
    let Some(hint) = first_not_older(shared, at, time)? else { return Ok(None) };
    let ends = partition.ends();
    let mut batches = DiskBatches::from(shared, &partition, hint.max(ends.log_start), ends.high_watermark);
    while let Some(batch) = batches.next().map_err(ReadError::from)? {
        if batch.header().max_timestamp < time {
            continue;
        }
        let found =
            find(shared, at, &batch, |offset, timestamp| offset >= ends.log_start && timestamp >= time)?;
        if found.is_some() {
            return Ok(found);
        }
    }
    Ok(None)
}

/// The earliest record with the largest timestamp.
pub(super) fn offset_of_max(
    shared: &Shared,
    at: TopicPartition,
) -> Result<Option<(Offset, Timestamp)>, ReadError> {
    let partition = shared.partition(at)?;
    let ends = partition.ends();
    if ends.log_start == ends.high_watermark {
        return Ok(None);
    }
    let largest = partition.tail.lock().max_timestamp;
    if let Some(largest) = largest
        && let Some(found) = offset_at(shared, at, largest)?
    {
        return Ok(Some(found));
    }
    // the record that held it was trimmed or compacted away
    largest_left(shared, &partition)
}

fn largest_left(shared: &Shared, partition: &Partition) -> Result<Option<(Offset, Timestamp)>, ReadError> {
    let ends = partition.ends();
    let mut best: Option<(Offset, Timestamp)> = None;
    let mut batches = DiskBatches::from(shared, partition, ends.log_start, ends.high_watermark);
    while let Some(batch) = batches.next().map_err(ReadError::from)? {
        if best.is_some_and(|(_, time)| batch.header().max_timestamp <= time) {
            continue;
        }
        let mut largest = best;
        find(shared, partition.at, &batch, |offset, time| {
            if offset >= ends.log_start && largest.is_none_or(|(_, seen)| time > seen) {
                largest = Some((offset, time));
            }
            false
        })?;
        best = largest;
    }
    Ok(best)
}

/// The first record of a batch that `wanted` takes.
fn find(
    shared: &Shared,
    at: TopicPartition,
    batch: &RecordBatch,
    mut wanted: impl FnMut(Offset, Timestamp) -> bool,
) -> Result<Option<(Offset, Timestamp)>, StoreError> {
    let damaged = |error: potok_types::BatchError| StoreError::Corrupt {
        at: place_of(shared, at, batch.header().base_offset),
        reason: error.to_string(),
    };
    let open = batch.open(shared.settings.unpacked_bytes_max).map_err(damaged)?;
    for record in open.records() {
        let record = record.map_err(damaged)?;
        if wanted(record.offset, record.timestamp) {
            return Ok(Some((record.offset, record.timestamp)));
        }
    }
    Ok(None)
}
