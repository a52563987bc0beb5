//! The newest batches of all partitions, in memory: readers at the tail never touch RocksDB.
//! In come batches as they are written, out go the same reference-counted bytes. Invariant: what one partition holds here is
//! a run of its newest batches without a hole, and all partitions together hold at most `bytes_max`, the oldest written
//! leaving first. Only the writer puts in; eviction, too, happens on its thread.

use super::partition::Partition;
use parking_lot::Mutex;
use potok_types::{Offset, RecordBatch};
use std::collections::VecDeque;
use std::sync::{Arc, Weak};

/// What a batch takes beside its bytes: its header, its place in both queues, the allocator's own.
const ENTRY_OVERHEAD_LEN: usize = 256;

/// The cache over all partitions.
#[derive(Debug)]
pub(super) struct TailCache {
    bytes_max: usize,
    order: Mutex<Order>,
}

#[derive(Debug, Default)]
struct Order {
    /// Oldest first; one for each cached batch, and one for each that was dropped before its turn.
    entries: VecDeque<Entry>,
    bytes: usize,
}

#[derive(Debug)]
struct Entry {
    partition: Weak<Partition>,
    base: Offset,
    len: usize,
}

impl TailCache {
    /// An empty cache.
    pub(super) fn new(bytes_max: usize) -> TailCache {
        TailCache { bytes_max, order: Mutex::default() }
    }
    /// Takes the batches of one write, in order.
    pub(super) fn put(&self, batches: impl Iterator<Item = (Arc<Partition>, RecordBatch)>) {
        if self.bytes_max == 0 {
            return;
        }
        let mut order = self.order.lock();
        for (partition, batch) in batches {
            let entry = Entry {
                partition: Arc::downgrade(&partition),
                base: batch.header().base_offset,
                len: batch.len() + ENTRY_OVERHEAD_LEN,
            };
            order.bytes += entry.len;
            order.entries.push_back(entry);
            partition.newest.lock().push_back(batch);
        }
        order.evict(self.bytes_max);
    }
    /// Forgets what it holds of a partition: its batches were rewritten.
    pub(super) fn forget(&self, partition: &Partition) {
        // the entries stay in line and find nothing when their turn comes
        partition.newest.lock().clear();
    }
    /// Bytes held.
    #[cfg(test)]
    pub(super) fn bytes(&self) -> usize {
        self.order.lock().bytes
    }
}

impl Order {
    fn evict(&mut self, bytes_max: usize) {
        while self.bytes > bytes_max {
            let Some(oldest) = self.entries.pop_front() else { return };
            self.bytes -= oldest.len;
            if let Some(partition) = oldest.partition.upgrade() {
                let mut newest = partition.newest.lock();
                if newest.front().is_some_and(|batch| batch.header().base_offset == oldest.base) {
                    newest.pop_front();
                }
            }
        }
    }
}

/// Batches from the one that holds `offset` on, up to `end`; none when that one is no longer here.
pub(super) fn read(
    partition: &Partition,
    offset: Offset,
    end: Offset,
    bytes_max: usize,
) -> Option<Vec<RecordBatch>> {
    let newest = partition.newest.lock();
    if newest.front().is_none_or(|first| first.header().base_offset > offset) {
        return None;
    }
    let first = newest.partition_point(|batch| batch.header().last_offset() < offset);
    let mut bytes = 0;
    let fits = |batch: &&RecordBatch| {
        bytes += batch.len();
        batch.header().base_offset < end && (bytes <= bytes_max || bytes == batch.len())
    };
    Some(newest.range(first..).take_while(fits).cloned().collect())
}

#[cfg(test)]
mod tests {
    use super::super::keys::place;
    use super::super::partition::Tail;
    use super::*;
    use potok_types::{BatchBuilder, Compression, LeaderEpoch, Timestamp};

    fn batch(base: u64) -> RecordBatch {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(Timestamp(1), None, Some(&[0; 100]), std::iter::empty());
        builder.push(Timestamp(1), None, Some(&[0; 100]), std::iter::empty());
        builder.build().unwrap().unwrap().place(Offset::new(base).unwrap(), LeaderEpoch(0))
    }
    fn bases(batches: Option<Vec<RecordBatch>>) -> Option<Vec<u64>> {
        batches.map(|batches| batches.iter().map(|batch| batch.header().base_offset.get()).collect())
    }

    #[test]
    fn it_serves_a_run_of_the_newest_and_forgets_the_oldest_first() {
        let len = batch(0).len() + ENTRY_OVERHEAD_LEN;
        let cache = TailCache::new(3 * len);
        let (a, b) = (
            Arc::new(Partition::new(place(1, 0), Tail::default())),
            Arc::new(Partition::new(place(1, 1), Tail::default())),
        );
        let offset = |raw| Offset::new(raw).unwrap();
        cache.put(
            [(a.clone(), batch(0)), (b.clone(), batch(0)), (a.clone(), batch(2)), (a.clone(), batch(4))]
                .into_iter(),
        );
        assert_eq!(cache.bytes(), 3 * len);
        assert_eq!(bases(read(&a, offset(0), offset(6), 1 << 20)), None);
        assert_eq!(bases(read(&a, offset(3), offset(6), 1 << 20)), Some(vec![2, 4]));
        assert_eq!(bases(read(&a, offset(3), offset(4), 1 << 20)), Some(vec![2]));
        assert_eq!(bases(read(&a, offset(3), offset(6), 1)), Some(vec![2]));
        assert_eq!(bases(read(&a, offset(3), offset(2), 1)), Some(vec![]));
        assert_eq!(bases(read(&b, offset(1), offset(2), 1)), Some(vec![0]));
        cache.forget(&a);
        assert_eq!(bases(read(&a, offset(4), offset(6), 1 << 20)), None);
        drop(b);
        cache.put([(a.clone(), batch(6)), (a.clone(), batch(8)), (a.clone(), batch(10))].into_iter());
        assert_eq!(cache.bytes(), 3 * len);
        assert_eq!(bases(read(&a, offset(6), offset(12), 1 << 20)), Some(vec![6, 8, 10]));
    }
}
