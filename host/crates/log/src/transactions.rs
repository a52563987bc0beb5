//! Transactions of one partition (KIP-98): which are open, where the last stable offset lies, which were aborted.
//! In come the steps that [`crate::producers`] derives from batches; out goes what a `read_committed` reader needs.
//! Pure: no clock, no store. The markers' bytes are Kafka's (`ControlRecordType`, `EndTransactionMarker`).

use crate::api::AbortedTransaction;
use crate::error::AppendError;
use potok_types::{
    BatchBuilder, BatchError, Compression, NewBatch, Offset, ProducerEpoch, ProducerId, Timestamp,
};
use std::collections::BTreeSet;

/// How a transaction ended; the content of its control batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Marker {
    /// Its records are to be skipped.
    Abort,
    /// Its records count.
    Commit,
}

/// A control record unpacks to a few dozen bytes; what claims more is none.
const MARKER_UNPACKED_LEN_MAX: usize = 4096;

impl Marker {
    /// What a control batch says; none for a batch of data. One that is no marker of a transaction is refused.
    pub(crate) fn of(batch: &NewBatch) -> Result<Option<Marker>, AppendError> {
        let header = batch.header();
        if !header.control {
            return Ok(None);
        }
        let wrong = |reason| AppendError::Invalid(BatchError::Record { index: 0, reason });
        if header.producer.is_none() {
            return Err(wrong("a control batch needs a producer"));
        }
        let open = batch.open(MARKER_UNPACKED_LEN_MAX)?;
        let record = open.records().next().ok_or_else(|| wrong("a control batch has one record"))??;
        match record.key {
            // version i16, then the type i16
            Some([_, _, 0, 0, ..]) => Ok(Some(Marker::Abort)),
            Some([_, _, 0, 1, ..]) => Ok(Some(Marker::Commit)),
            _ => Err(wrong("it is a control record, but neither commit nor abort")),
        }
    }
    /// The control batch that ends a transaction, as a coordinator of term `coordinator_epoch` writes it.
    pub fn batch(
        self,
        producer: ProducerId,
        epoch: ProducerEpoch,
        coordinator_epoch: i32,
        now: Timestamp,
    ) -> Result<NewBatch, BatchError> {
        let kind: u8 = match self {
            Marker::Abort => 0,
            Marker::Commit => 1,
        };
        let mut value = [0; 6]; // version i16 = 0, coordinator epoch i32
        value[2..].copy_from_slice(&coordinator_epoch.to_be_bytes());
        let mut builder = BatchBuilder::new(Compression::None).producer(producer, epoch, -1, true).control();
        builder.push(now, Some(&[0, 0, 0, kind]), Some(&value), std::iter::empty());
        builder.build()?.ok_or_else(|| BatchError::Counts("a marker has one record".into()))
    }
}

/// What a batch did to the transactions of its partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum TransactionStep {
    /// Nothing.
    None,
    /// This producer's transaction began at this offset.
    Opened(ProducerId, Offset),
    /// One ended.
    Ended(EndedTransaction),
}

/// A transaction that ended.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct EndedTransaction {
    /// Whose.
    pub(crate) producer: ProducerId,
    /// Its first offset.
    pub(crate) first_offset: Offset,
    /// Offset of its marker.
    pub(crate) marker_offset: Offset,
    /// By an abort, not a commit.
    pub(crate) aborted: bool,
}

/// The transactions of one partition.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Transactions {
    /// First offsets of those that are open; no two share one.
    open: BTreeSet<Offset>,
    /// In the order of their markers, so that `last_offset` rises.
    aborted: Vec<AbortedTransaction>,
}

impl Transactions {
    /// As they were, from what the store kept: first offsets of the open ones, and the aborted ones in any order.
    pub(crate) fn restored(
        open: impl IntoIterator<Item = Offset>,
        mut aborted: Vec<AbortedTransaction>,
    ) -> Transactions {
        aborted.sort_unstable_by_key(|t| t.last_offset);
        Transactions { open: open.into_iter().collect(), aborted }
    }
    /// Takes a step; answers the aborted transaction when there is a new one, for the store to keep.
    pub(crate) fn apply(&mut self, step: TransactionStep) -> Option<AbortedTransaction> {
        match step {
            TransactionStep::None => None,
            TransactionStep::Opened(_, first) => {
                self.open.insert(first);
                None
            }
            TransactionStep::Ended(end) => {
                self.open.remove(&end.first_offset);
                let aborted = step.aborted()?;
                self.aborted.push(aborted);
                Some(aborted)
            }
        }
    }
    /// First offset that a `read_committed` reader must not see: the first open transaction, else the high watermark.
    pub(crate) fn last_stable(&self, log_start: Offset, high_watermark: Offset) -> Offset {
        self.open.first().map_or(high_watermark, |first| (*first).max(log_start))
    }
    /// Those that were aborted and touch `[from, to)`, by first offset.
    pub(crate) fn aborted(&self, from: Offset, to: Offset) -> Vec<AbortedTransaction> {
        if from >= to {
            return Vec::new();
        }
        let start = self.aborted.partition_point(|t| t.last_offset < from);
        let mut found: Vec<_> =
            self.aborted[start..].iter().filter(|t| t.first_offset < to).copied().collect();
        found.sort_unstable_by_key(|t| t.first_offset);
        found
    }
    /// Forgets what lies wholly before `log_start`; answers the markers' offsets that the store can forget too.
    pub(crate) fn trim(&mut self, log_start: Offset) -> Vec<Offset> {
        let gone = self.aborted.partition_point(|t| t.last_offset < log_start);
        self.aborted.drain(..gone).map(|t| t.last_offset).collect()
    }
}

impl TransactionStep {
    /// The transaction that this step aborts.
    pub(crate) fn aborted(&self) -> Option<AbortedTransaction> {
        match self {
            TransactionStep::Ended(end) if end.aborted => Some(AbortedTransaction {
                producer: end.producer,
                first_offset: end.first_offset,
                last_offset: end.marker_offset,
            }),
            _ => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn offset(raw: u64) -> Offset {
        Offset::new(raw).unwrap()
    }
    fn ended(first: u64, marker: u64, aborted: bool) -> TransactionStep {
        let (first_offset, marker_offset) = (offset(first), offset(marker));
        TransactionStep::Ended(EndedTransaction {
            producer: ProducerId(1),
            first_offset,
            marker_offset,
            aborted,
        })
    }

    #[test]
    fn a_marker_is_read_back_from_its_batch() {
        for marker in [Marker::Abort, Marker::Commit] {
            let batch = marker.batch(ProducerId(3), ProducerEpoch(2), 9, Timestamp(5)).unwrap();
            assert_eq!(Marker::of(&batch).unwrap(), Some(marker));
            let header = batch.header();
            assert!(header.control && header.transactional && header.base_sequence == -1);
        }
    }
    #[test]
    fn the_last_stable_offset_never_lies_before_the_start() {
        let mut transactions = Transactions::default();
        transactions.apply(TransactionStep::Opened(ProducerId(1), offset(3)));
        assert_eq!(transactions.last_stable(offset(0), offset(9)), offset(3));
        assert_eq!(transactions.last_stable(offset(5), offset(9)), offset(5));
        transactions.apply(ended(3, 9, false));
        assert_eq!(transactions.last_stable(offset(5), offset(10)), offset(10));
    }
    #[test]
    fn what_lies_before_the_start_is_forgotten() {
        let mut transactions = Transactions::default();
        for (first, marker) in [(0, 4), (2, 6), (5, 9)] {
            transactions.apply(TransactionStep::Opened(ProducerId(1), offset(first)));
            transactions.apply(ended(first, marker, true));
        }
        assert_eq!(transactions.trim(offset(4)), []);
        assert_eq!(transactions.trim(offset(7)), [offset(4), offset(6)]);
        assert_eq!(transactions.aborted(offset(0), offset(100)).len(), 1);
    }

    proptest! {
        /// Overlap by definition, over a list in any order.
        #[test]
        fn aborted_ones_are_those_that_touch_the_range(
            spans in proptest::collection::vec((0u64..60, 1u64..20), 0..20), from in 0u64..80, len in 0u64..30,
        ) {
            let aborted: Vec<_> = spans.iter().map(|(first, len)| AbortedTransaction {
                producer: ProducerId(1), first_offset: offset(*first), last_offset: offset(first + len),
            }).collect();
            let (from, to) = (offset(from), offset(from + len));
            let touches = |t: &&AbortedTransaction| from < to && t.last_offset >= from && t.first_offset < to;
            let mut expected: Vec<_> = aborted.iter().filter(touches).copied().collect();
            let key = |t: &AbortedTransaction| (t.first_offset, t.last_offset);
            expected.sort_by_key(key);
            let mut found = Transactions::restored([], aborted.clone()).aborted(from, to);
            prop_assert!(found.is_sorted_by_key(|t| t.first_offset));
            found.sort_by_key(key);
            prop_assert_eq!(found, expected);
        }
    }
}
