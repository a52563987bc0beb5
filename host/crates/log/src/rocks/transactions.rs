//! Transactions on disk: which are open in a partition and which were aborted, so that a start knows the last stable offset.
//! In come the steps of batches and markers, out go entries of `partitions`. Invariant: what is on disk is what
//! `crate::transactions` holds in memory, which also keeps the rules.

use super::keys::{partitions, partitions::Entry};
use super::partition::Tail;
use super::store::Family;
use super::writer::Writer;
use crate::transactions::TransactionStep;
use potok_types::TopicPartition;

impl Writer {
    /// Takes a batch's step, in memory and among the group's changes.
    pub(super) fn step_transactions(&mut self, at: TopicPartition, tail: &mut Tail, step: TransactionStep) {
        let ids = self.shared.ids;
        match step {
            TransactionStep::None => return,
            TransactionStep::Opened(id, first) => {
                let key = partitions::key(at, Entry::Open(id));
                self.ops.put(ids, Family::Partitions, &key, &partitions::offset_value(first));
            }
            TransactionStep::Ended(end) => {
                self.ops.delete(ids, Family::Partitions, &partitions::key(at, Entry::Open(end.producer)));
            }
        }
        if let Some(aborted) = tail.transactions.apply(step) {
            let value = partitions::offset_value(aborted.first_offset);
            self.ops.put(ids, Family::Partitions, &partitions::aborted(at, &aborted), &value);
        }
    }
}
