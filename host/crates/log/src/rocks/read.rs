//! Reading batches: from the cache of the newest, else from disk by one iterator. In come offsets, out go whole batches.
//! Invariant: a batch from disk is handed out only after its checksum, its key and its place behind the one before were
//! checked; damage is named by topic, partition and offset, and what lies before it is still read.
//! Nothing here waits, and nothing above the high watermark is seen.

use super::cache;
use super::keys::{partition_prefix, records};
use super::partition::Partition;
use super::shared::Shared;
use super::store::failure;
use crate::api::{Fetched, ReadRequest};
use crate::error::{ReadError, StoreError};
use bytes::Bytes;
use potok_types::{Ends, Offset, RecordBatch, TopicPartition};
use rocksdb::DBRawIterator;
use std::sync::Arc;

/// Batches of one read.
pub(super) fn read(shared: &Shared, request: ReadRequest) -> Result<Fetched, ReadError> {
    let partition = shared.partition(request.at)?;
    let ends = partition.ends();
    let asked = request.offset;
    if asked < ends.log_start || asked > ends.high_watermark {
        return Err(out_of_range(&partition, asked));
    }
    if let Some(batches) = cached(&partition, &request, ends) {
        return Ok(Fetched { batches, ends });
    }
    let batches = read_disk(shared, &partition, asked, end_of(&request, ends), request.bytes_max)?;
    Ok(Fetched { batches, ends })
}

/// Batches of one read, where they are in memory.
pub(super) fn read_cached(shared: &Shared, request: ReadRequest) -> Option<Fetched> {
    let partition = shared.partition(request.at).ok()?;
    let ends = partition.ends();
    if request.offset < ends.log_start || request.offset > ends.high_watermark {
        return None;
    }
    cached(&partition, &request, ends).map(|batches| Fetched { batches, ends })
}

fn end_of(request: &ReadRequest, ends: Ends) -> Offset {
    if request.committed_only { ends.last_stable } else { ends.high_watermark }
}

fn cached(partition: &Partition, request: &ReadRequest, ends: Ends) -> Option<Vec<RecordBatch>> {
    let end = end_of(request, ends);
    if request.offset >= end {
        return Some(Vec::new());
    }
    cache::read(partition, request.offset, end, request.bytes_max)
}

fn out_of_range(partition: &Partition, asked: Offset) -> ReadError {
    let ends = partition.ends();
    ReadError::OutOfRange { asked, log_start: ends.log_start, high_watermark: ends.high_watermark }
}

fn read_disk(
    shared: &Shared,
    partition: &Arc<Partition>,
    asked: Offset,
    end: Offset,
    bytes_max: usize,
) -> Result<Vec<RecordBatch>, ReadError> {
    let mut disk = DiskBatches::from(shared, partition, asked, end);
    let (mut batches, mut bytes) = (Vec::new(), 0);
    loop {
        match disk.next() {
            Ok(None) => break,
            Ok(Some(batch)) => {
                bytes += batch.len();
                if bytes > bytes_max && !batches.is_empty() {
                    break;
                }
                batches.push(batch);
                if bytes >= bytes_max {
                    break;
                }
            }
            // what was trimmed while it was read is no damage
            Err(_) if asked < partition.ends().log_start => return Err(out_of_range(partition, asked)),
            // the next read begins at the damage and says so
            Err(_) if !batches.is_empty() => break,
            Err(error) => return Err(error.into()),
        }
    }
    if batches.is_empty() && asked < partition.ends().log_start {
        return Err(out_of_range(partition, asked));
    }
    Ok(batches)
}

/// Batches of one partition from disk, in order, each checked.
pub(super) struct DiskBatches<'a> {
    shared: &'a Shared,
    partition: &'a Partition,
    entries: DBRawIterator<'a>,
    started: bool,
    /// The offset that the next batch should hold.
    expected: Offset,
    end: Offset,
    gaps: bool,
}

impl<'a> DiskBatches<'a> {
    /// Batches from the one that holds `from` on, whose first offset is before `end`.
    pub(super) fn from(
        shared: &'a Shared,
        partition: &'a Partition,
        from: Offset,
        end: Offset,
    ) -> DiskBatches<'a> {
        // Without gaps a batch that RocksDB does not find is missed by its offset. With gaps only RocksDB's own checksums
        // tell a hole that compaction made from one that damage made.
        let gaps = partition.tail.lock().gaps;
        let entries = shared.store.iterate_records(
            &partition_prefix(partition.at),
            &records::key(partition.at, end),
            gaps,
        );
        DiskBatches { shared, partition, entries, started: false, expected: from, end, gaps }
    }
    /// The next batch; after an error there are no more.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, StoreError> {
        if self.started {
            self.entries.next()
        } else {
            self.seek()?
        }
        self.started = true;
        let Some((key, value)) = self.entries.item() else {
            self.entries.status().map_err(|error| self.damage(self.expected, error.as_ref()))?;
            return if self.gaps || self.expected >= self.end { Ok(None) } else { self.missing() };
        };
        let Some((_, base)) = records::parse(key) else {
            return Err(self.damage(self.expected, "its key does not decode"));
        };
        let batch = RecordBatch::from_stored(Bytes::copy_from_slice(value))
            .map_err(|error| self.damage(base, &error.to_string()))?;
        if batch.header().base_offset != base {
            return Err(
                self.damage(base, &format!("it says that it begins at {}", batch.header().base_offset))
            );
        }
        if base > self.expected && !self.gaps {
            return self.missing();
        }
        self.expected = batch.header().next_offset();
        Ok(Some(batch))
    }
    /// Goes to the batch that holds the first offset, or to the next one behind a gap.
    fn seek(&mut self) -> Result<(), StoreError> {
        let key = records::key(self.partition.at, self.expected);
        self.entries.seek(key);
        if self.entries.key() == Some(&key) {
            return Ok(());
        }
        // inside a batch: the one before may reach to it
        self.entries.seek_for_prev(key);
        let Some((_, value)) = self.entries.item() else {
            self.entries.status().map_err(|error| self.damage(self.expected, error.as_ref()))?;
            self.entries.seek(key);
            return Ok(());
        };
        // a damaged one is left to the check in `next`
        if let Ok(batch) = RecordBatch::from_stored(Bytes::copy_from_slice(value))
            && batch.header().last_offset() < self.expected
        {
            self.entries.next();
        }
        Ok(())
    }
    fn missing<T>(&self) -> Result<T, StoreError> {
        Err(self.damage(self.expected, "the batch that holds it is not there"))
    }
    fn damage(&self, offset: Offset, reason: &str) -> StoreError {
        StoreError::Corrupt {
            at: place_of(self.shared, self.partition.at, offset),
            reason: reason.to_owned(),
        }
    }
}

/// A batch's place in words, by the topic's name.
pub(super) fn place_of(shared: &Shared, at: TopicPartition, offset: Offset) -> String {
    let catalog = shared.catalog.read();
    let topic = catalog
        .topics()
        .numbered(at.topic)
        .map_or_else(|| format!("#{}", at.topic.0), |t| t.name.to_string());
    format!("topic {topic}, partition {}, offset {offset}", at.partition)
}

/// Bytes of the batches in `[from, end)`, from disk.
pub(super) fn bytes_between(
    shared: &Shared,
    at: TopicPartition,
    from: Offset,
    end: Offset,
) -> Result<u64, StoreError> {
    let mut entries = shared.store.iterate_records(&records::key(at, from), &records::key(at, end), true);
    let mut bytes = 0;
    entries.seek_to_first();
    while let Some(value) = entries.value() {
        bytes += value.len() as u64;
        entries.next();
    }
    entries.status().map_err(|error| failure(&place_of(shared, at, from), &error))?;
    Ok(bytes)
}
