//! Takes batches from the front of a partition: by an offset that a user names, by age, by size.
//! In come limits, out go range deletes and a raised log start. Invariant: only whole batches are taken, from the front; a
//! batch that holds the log start stays. Readers see the new start before the batches go.
//! When to do so is `retention.rs`'s business, giving the files back `reclaim.rs`'s.

use super::keys::records::{self, Stored};
use super::keys::{partition_prefix, partitions, partitions::Entry, sizes, successor, times};
use super::partition::{Partition, Stretch, Tail};
use super::read::bytes_between;
use super::shared::Shared;
use super::store::{Family, corrupt, failure};
use super::writer::{Admin, Writer};
use crate::error::{DeleteRecordsError, StoreError, UnknownPartition};
use potok_types::{Offset, Timestamp, TopicPartition};
use std::sync::Arc;

/// What to take.
#[derive(Clone, Copy, Debug)]
pub(super) enum Trim {
    /// Records before this offset; none means all there are.
    Before(Option<Offset>),
    /// Batches from the front while all their records are older.
    Older(Timestamp),
    /// Batches from the front until the rest has at most so many bytes.
    DownTo(u64),
}

/// Batches that one step takes: few enough that appends hardly wait behind them.
const TAKEN_MAX: usize = 10_000;

/// What one step came to.
#[derive(Clone, Copy, Debug)]
pub(super) struct Trimmed {
    log_start: Offset,
    /// Where the log start is to be in the end.
    goal: Offset,
}

/// Trims a partition, step by step. Answers its log start.
pub(super) async fn trim(
    shared: &Shared,
    at: TopicPartition,
    trim: Trim,
) -> Result<Offset, DeleteRecordsError> {
    let mut next = trim;
    loop {
        let trimmed = shared.administer(|to| Admin::Trim(at, next, to)).await;
        let Trimmed { log_start, goal } = trimmed?;
        if log_start >= goal {
            return Ok(log_start);
        }
        next = Trim::Before(Some(goal));
    }
}

impl Writer {
    /// Trims a partition, or begins to.
    pub(super) fn trim(&mut self, at: TopicPartition, trim: Trim) -> Result<Trimmed, DeleteRecordsError> {
        let partition = self.shared.partition(at)?;
        if partition.is_deleted() {
            return Err(UnknownPartition(at).into());
        }
        self.shared.refusal.check()?;
        let tail = partition.tail.lock().clone();
        let start = match trim {
            Trim::Before(None) => tail.log_end,
            Trim::Before(Some(asked)) if asked > tail.log_end => {
                return Err(DeleteRecordsError::OutOfRange { asked, high_watermark: tail.log_end });
            }
            Trim::Before(Some(asked)) => asked,
            Trim::Older(limit) => unless_open(&tail, first_not_older(&self.shared, at, limit)?),
            Trim::DownTo(bytes) => unless_open(&tail, Some(self.first_within(at, &tail, bytes)?)),
        };
        let goal = start.max(tail.log_start);
        if start > tail.log_start {
            self.take_front(&partition, tail, start)?;
        }
        Ok(Trimmed { log_start: partition.ends().log_start, goal })
    }
    /// The first batch to keep so that at most `limit` bytes are left.
    fn first_within(&self, at: TopicPartition, tail: &Tail, limit: u64) -> Result<Offset, StoreError> {
        let mut left = tail.bytes;
        let mut found = None;
        each_stretch(&self.shared, at, tail, |stretch, next| {
            if left <= limit {
                found = Some(stretch.base);
            } else if left.saturating_sub(stretch.bytes) < limit {
                found = Some(self.first_within_stretch(at, (stretch.base, next), left, limit)?);
            }
            left = left.saturating_sub(stretch.bytes);
            Ok(found.is_none())
        })?;
        Ok(found.unwrap_or(tail.log_end))
    }
    fn first_within_stretch(
        &self,
        at: TopicPartition,
        (from, end): (Offset, Offset),
        mut left: u64,
        limit: u64,
    ) -> Result<Offset, StoreError> {
        let mut entries =
            self.shared.store.iterate(Family::Records, &records::key(at, from), &records::key(at, end));
        entries.seek_to_first();
        while let Some((key, value)) = entries.item() {
            if left <= limit {
                let (_, base) = records::parse(key).ok_or_else(|| corrupt(Family::Records, at, "a key"))?;
                return Ok(base);
            }
            left = left.saturating_sub(stored(at, value)?.batch_len());
            entries.next();
        }
        entries.status().map_err(|error| failure(Family::Records.name(), &error))?;
        Ok(end)
    }
    /// Raises the log start to `start`, or as far as one step goes, and takes the batches that lie wholly before it.
    fn take_front(
        &mut self,
        partition: &Arc<Partition>,
        mut tail: Tail,
        mut start: Offset,
    ) -> Result<(), StoreError> {
        let at = partition.at;
        let mut first_kept = self.first_kept(at, start)?;
        // what earlier steps took lies before it, and would be walked over again
        let first = records::key(at, self.first_kept(at, tail.log_start)?);
        if let Some(more) = self.release_range(&first, &records::key(at, first_kept), TAKEN_MAX)? {
            let (_, base) = records::parse(&more).ok_or_else(|| corrupt(Family::Records, at, "a key"))?;
            (start, first_kept) = (base, base);
        }
        let bytes_before = tail.bytes;
        self.uncount(at, &mut tail, first_kept)?;
        if tail.cleaning.trim(bytes_before - tail.bytes) {
            let key = partitions::key(at, Entry::Cleaning);
            self.ops.put(self.shared.ids, Family::Partitions, &key, &tail.cleaning.encode());
        }
        self.ops.delete_range(self.shared.ids, Family::Records, &first, &records::key(at, first_kept));
        self.drop_times(at, first_kept)?;
        self.drop_ended(at, &mut tail, start);
        tail.log_start = start;
        *partition.tail.lock() = tail;
        partition.publish();
        self.touch(partition, &mut partition.tail.lock().touched);
        self.write()
    }
    /// Base offset of the batch that holds `start`, or `start` itself.
    fn first_kept(&self, at: TopicPartition, start: Offset) -> Result<Offset, StoreError> {
        let end = successor(&partition_prefix(at));
        let mut entries = self.shared.store.iterate(Family::Records, &partition_prefix(at), &end);
        entries.seek_for_prev(records::key(at, start));
        let found = entries.item().and_then(|(key, value)| {
            let (_, base) = records::parse(key)?;
            (Stored::decode(value)?.last_offset(base)? >= start).then_some(base)
        });
        entries.status().map_err(|error| failure(Family::Records.name(), &error))?;
        Ok(found.unwrap_or(start))
    }
    /// The batch under `key` is no longer needed where it lies.
    pub(super) fn release(&mut self, at: TopicPartition, key: &[u8]) -> Result<(), StoreError> {
        if let Some(value) = self.shared.store.get(Family::Records, key)? {
            self.live.remove(stored(at, &value)?);
        }
        Ok(())
    }
    /// Nor are those of `[start, end)`, up to `limit` of them. Answers the first key that is left when there are more.
    pub(super) fn release_range(
        &mut self,
        start: &[u8],
        end: &[u8],
        limit: usize,
    ) -> Result<Option<Vec<u8>>, StoreError> {
        let (live, mut left, mut stopped_at) = (&mut self.live, limit, None);
        self.shared.store.scan(Family::Records, (start, end), |key, value| {
            if left == 0 {
                stopped_at = Some(key.to_vec());
                return Ok(false);
            }
            left -= 1;
            // what is no place and no batch takes no room
            Stored::decode(value).into_iter().for_each(|stored| live.remove(stored));
            Ok(true)
        })?;
        Ok(stopped_at)
    }
    /// Takes what lies before `end` out of the partition's size and its stretches.
    fn uncount(&mut self, at: TopicPartition, tail: &mut Tail, end: Offset) -> Result<(), StoreError> {
        let (shared, ops) = (&self.shared, &mut self.ops);
        let (mut gone_of_open, mut gone_of_closed) = (0, 0);
        each_stretch(shared, at, tail, |stretch, next| {
            if stretch.base >= end {
                return Ok(false);
            }
            if stretch.base == tail.stretch.base {
                gone_of_open = bytes_between(shared, at, stretch.base, end)?;
            } else if next <= end {
                gone_of_closed += stretch.bytes;
                ops.delete(shared.ids, Family::Sizes, &sizes::key(at, stretch.base));
            } else {
                let gone = bytes_between(shared, at, stretch.base, end)?;
                gone_of_closed += gone;
                let rest = stretch.bytes.saturating_sub(gone);
                ops.put(shared.ids, Family::Sizes, &sizes::key(at, stretch.base), &rest.to_be_bytes());
            }
            Ok(true)
        })?;
        tail.stretch.bytes = tail.stretch.bytes.saturating_sub(gone_of_open);
        tail.bytes = tail.bytes.saturating_sub(gone_of_open + gone_of_closed);
        Ok(())
    }
    /// Drops the times of batches before `first_kept`, but for the last of them: it still says how large timestamps had
    /// grown when the kept ones came.
    fn drop_times(&mut self, at: TopicPartition, first_kept: Offset) -> Result<(), StoreError> {
        let start = partition_prefix(at);
        let mut last: Option<Vec<u8>> = None;
        self.shared.store.scan(Family::Times, (&start, &successor(&start)), |key, _| {
            let (_, base) = times::parse(key).ok_or_else(|| corrupt(Family::Times, at, "a time"))?;
            if base >= first_kept {
                return Ok(false);
            }
            last = Some(key.to_vec());
            Ok(true)
        })?;
        if let Some(last) = last {
            self.ops.delete_range(self.shared.ids, Family::Times, &start, &last);
        }
        Ok(())
    }
    /// Drops aborted transactions and epochs that ended before `start`.
    fn drop_ended(&mut self, at: TopicPartition, tail: &mut Tail, start: Offset) {
        let ids = self.shared.ids;
        let aborted: Vec<_> = tail.transactions.aborted(Offset::FIRST, start);
        let gone = tail.transactions.trim(start);
        for transaction in aborted.iter().filter(|t| gone.binary_search(&t.last_offset).is_ok()) {
            self.ops.delete(ids, Family::Partitions, &partitions::aborted(at, transaction));
        }
        while let [(epoch, _), (_, next), ..] = tail.epochs[..]
            && next <= start
        {
            self.ops.delete(ids, Family::Partitions, &partitions::key(at, Entry::Epoch(epoch)));
            tail.epochs.remove(0);
        }
    }
}

/// A value of `records`.
pub(super) fn stored(at: TopicPartition, value: &[u8]) -> Result<Stored<'_>, StoreError> {
    Stored::decode(value).ok_or_else(|| corrupt(Family::Records, at, "a place"))
}

/// Where retention may go: no further than where an open transaction begins.
fn unless_open(tail: &Tail, start: Option<Offset>) -> Offset {
    start.unwrap_or(tail.log_end).min(tail.ends().last_stable)
}

/// The first batch that raised the largest timestamp to `limit` or above: all before it are older. None when all are.
pub(super) fn first_not_older(
    shared: &Shared,
    at: TopicPartition,
    limit: Timestamp,
) -> Result<Option<Offset>, StoreError> {
    let start = times::key(at, limit, Offset::FIRST);
    let mut found = None;
    shared.store.scan(Family::Times, (&start, &successor(&partition_prefix(at))), |key, _| {
        let (_, base) = times::parse(key).ok_or_else(|| corrupt(Family::Times, at, "a time"))?;
        found = Some(base);
        Ok(false)
    })?;
    Ok(found)
}

/// Calls `each` with every stretch from the front and the offset behind it, the open one last, until it says `false`.
fn each_stretch(
    shared: &Shared,
    at: TopicPartition,
    tail: &Tail,
    mut each: impl FnMut(Stretch, Offset) -> Result<bool, StoreError>,
) -> Result<(), StoreError> {
    let start = partition_prefix(at);
    let mut before: Option<Stretch> = None;
    let mut more = true;
    shared.store.scan(Family::Sizes, (&start, &successor(&start)), |key, value| {
        let (_, base) = sizes::parse(key).ok_or_else(|| corrupt(Family::Sizes, at, "a key"))?;
        let bytes = sizes::parse_value(value).ok_or_else(|| corrupt(Family::Sizes, at, "a size"))?;
        if let Some(stretch) = before.replace(Stretch { base, bytes }) {
            more = each(stretch, base)?;
        }
        Ok(more)
    })?;
    if let Some(stretch) = before.filter(|_| more) {
        more = each(stretch, tail.stretch.base)?;
    }
    if more {
        each(tail.stretch, tail.log_end)?;
    }
    Ok(())
}
