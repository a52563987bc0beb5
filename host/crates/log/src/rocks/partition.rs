//! One partition in memory: its ends for readers, its tail for the writer, its newest batches.
//! In come placed batches from the writer, out go ends to whoever watches. Invariant: the ends that readers see belong to
//! what is written; the tail runs ahead of them only while the writer puts a group together.
//!
//! ```text
//! on disk | version u8 = 1 | flags u8, bit 0: gaps | log start u64 | log end u64 | bytes u64 | largest timestamp i64 |
//!         | first offset of the open stretch u64 | its bytes u64 | all BE
//! ```
//! It is written with every group that touches the partition, so a start reads one entry and no batch.

use super::cleaning::Cleaning;
use super::keys::sizes::STRETCH_LEN;
use super::keys::{i64_at, offset_at, u64_at};
use crate::transactions::Transactions;
use parking_lot::Mutex;
use potok_types::{Ends, LeaderEpoch, Offset, RecordBatch, Timestamp, TopicPartition};
use std::collections::VecDeque;
use std::sync::atomic::{AtomicBool, Ordering};
use tokio::sync::watch;

const VERSION: u8 = 1;
const GAPS: u8 = 1;
const LEN: usize = 2 + 6 * size_of::<u64>();
const _: () = assert!(LEN == 50, "this layout is on disk");

/// One partition.
#[derive(Debug)]
pub(super) struct Partition {
    pub(super) at: TopicPartition,
    ends: watch::Sender<Ends>,
    /// Changed by the writer alone.
    pub(super) tail: Mutex<Tail>,
    /// The newest batches, oldest first, without holes between them; see `cache.rs`.
    pub(super) newest: Mutex<VecDeque<RecordBatch>>,
    deleted: AtomicBool,
}

/// Where a partition stands, as the writer sees it.
#[derive(Clone, Debug, Default)]
pub(super) struct Tail {
    pub(super) log_start: Offset,
    pub(super) log_end: Offset,
    /// Of all batches.
    pub(super) bytes: u64,
    /// The largest timestamp ever appended; none before the first.
    pub(super) max_timestamp: Option<Timestamp>,
    /// The stretch of `sizes` that is still open.
    pub(super) stretch: Stretch,
    /// Compaction has taken batches out: offsets between two batches may be missing.
    pub(super) gaps: bool,
    /// Where each leader epoch began, oldest first.
    pub(super) epochs: Vec<(LeaderEpoch, Offset)>,
    pub(super) transactions: Transactions,
    pub(super) cleaning: Cleaning,
    /// Changed since the last write.
    pub(super) touched: bool,
}

/// A stretch of batches whose bytes are counted together.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(super) struct Stretch {
    pub(super) base: Offset,
    pub(super) bytes: u64,
}

impl Partition {
    /// A partition with this tail.
    pub(super) fn new(at: TopicPartition, tail: Tail) -> Partition {
        let ends = watch::Sender::new(tail.ends());
        Partition {
            at,
            ends,
            tail: Mutex::new(tail),
            newest: Mutex::default(),
            deleted: AtomicBool::new(false),
        }
    }
    /// The ends as readers see them.
    pub(super) fn ends(&self) -> Ends {
        *self.ends.borrow()
    }
    /// Follows the ends.
    pub(super) fn watch(&self) -> watch::Receiver<Ends> {
        self.ends.subscribe()
    }
    /// Shows readers the tail as it is now written, and wakes those who watch when it changed.
    pub(super) fn publish(&self) {
        let ends = {
            let mut tail = self.tail.lock();
            tail.touched = false;
            tail.ends()
        };
        self.ends.send_if_modified(|seen| std::mem::replace(seen, ends) != ends);
    }
    /// Whether its topic was deleted.
    pub(super) fn is_deleted(&self) -> bool {
        self.deleted.load(Ordering::Acquire)
    }
    /// From here on nothing is appended.
    pub(super) fn delete(&self) {
        self.deleted.store(true, Ordering::Release);
    }
}

impl Tail {
    /// The ends that belong to this tail.
    pub(super) fn ends(&self) -> Ends {
        Ends {
            log_start: self.log_start,
            last_stable: self.transactions.last_stable(self.log_start, self.log_end),
            high_watermark: self.log_end,
            log_end: self.log_end,
        }
    }
    /// Counts a batch that came behind all others. Answers the stretch that it closed.
    pub(super) fn count(&mut self, batch: &RecordBatch) -> Option<Stretch> {
        let len = batch.len() as u64;
        self.log_end = batch.header().next_offset();
        self.bytes += len;
        self.stretch.bytes += len;
        if self.stretch.bytes < STRETCH_LEN {
            return None;
        }
        let next = Stretch { base: self.log_end, bytes: 0 };
        Some(std::mem::replace(&mut self.stretch, next))
    }
    /// Where `epoch` ended: the largest epoch at or below it, and the first offset behind that (KIP-320).
    pub(super) fn epoch_end(&self, epoch: LeaderEpoch) -> Option<(LeaderEpoch, Offset)> {
        let behind = self.epochs.partition_point(|(begun, _)| *begun <= epoch);
        let (found, _) = self.epochs.get(behind.checked_sub(1)?)?;
        let end = self.epochs.get(behind).map_or(self.log_end, |(_, start)| *start);
        Some((*found, end.max(self.log_start)))
    }
    /// The bytes on disk, drawn at the head of this file.
    pub(super) fn encode(&self) -> [u8; LEN] {
        let mut to = [0; LEN];
        to[0] = VERSION;
        to[1] = if self.gaps { GAPS } else { 0 };
        to[2..10].copy_from_slice(&self.log_start.get().to_be_bytes());
        to[10..18].copy_from_slice(&self.log_end.get().to_be_bytes());
        to[18..26].copy_from_slice(&self.bytes.to_be_bytes());
        to[26..34].copy_from_slice(&self.max_timestamp.map_or(i64::MIN, |time| time.0).to_be_bytes());
        to[34..42].copy_from_slice(&self.stretch.base.get().to_be_bytes());
        to[42..50].copy_from_slice(&self.stretch.bytes.to_be_bytes());
        to
    }
    /// From the bytes on disk, with nothing known of epochs, transactions and compaction yet.
    pub(super) fn decode(bytes: &[u8]) -> Option<Tail> {
        if bytes.len() != LEN || bytes[0] != VERSION {
            return None;
        }
        let max_timestamp = i64_at(bytes, 26)?;
        Some(Tail {
            gaps: bytes[1] & GAPS != 0,
            log_start: offset_at(bytes, 2)?,
            log_end: offset_at(bytes, 10)?,
            bytes: u64_at(bytes, 18)?,
            max_timestamp: (max_timestamp != i64::MIN).then_some(Timestamp(max_timestamp)),
            stretch: Stretch { base: offset_at(bytes, 34)?, bytes: u64_at(bytes, 42)? },
            ..Tail::default()
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_tail_reads_back_as_it_was() {
        let offset = |raw| Offset::new(raw).unwrap();
        let tail = Tail {
            log_start: offset(5),
            log_end: offset(900),
            bytes: 1 << 40,
            max_timestamp: Some(Timestamp(-7)),
            stretch: Stretch { base: offset(800), bytes: 77 },
            gaps: true,
            ..Tail::default()
        };
        let back = Tail::decode(&tail.encode()).unwrap();
        assert_eq!(format!("{back:?}"), format!("{tail:?}"));
        assert_eq!(Tail::decode(&Tail::default().encode()).unwrap().max_timestamp, None);
        assert!(Tail::decode(&tail.encode()[1..]).is_none());
        let mut newer = tail.encode();
        newer[0] = 2;
        assert!(Tail::decode(&newer).is_none());
    }
    #[test]
    fn an_epoch_ends_where_the_next_begins() {
        let offset = |raw| Offset::new(raw).unwrap();
        let epochs = vec![(LeaderEpoch(1), offset(0)), (LeaderEpoch(4), offset(10))];
        let tail = Tail { epochs, log_end: offset(30), ..Tail::default() };
        assert_eq!(tail.epoch_end(LeaderEpoch(0)), None);
        assert_eq!(tail.epoch_end(LeaderEpoch(1)), Some((LeaderEpoch(1), offset(10))));
        assert_eq!(tail.epoch_end(LeaderEpoch(3)), Some((LeaderEpoch(1), offset(10))));
        assert_eq!(tail.epoch_end(LeaderEpoch(9)), Some((LeaderEpoch(4), offset(30))));
    }
}
