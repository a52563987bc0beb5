//! A batch finds its place: offset, producer's sequence, transaction, index by time, size. In come admitted batches on the
//! writer's thread, out go placed ones among the group's changes.
//! Invariant: a refused batch leaves no trace. Nothing here looks at a record: cost is by the batch.

use super::keys::{partitions, partitions::Entry as PartitionEntry, sizes, times};
use super::partition::{Partition, Tail};
use super::shared::Shared;
use super::store::Family;
use super::writer::Writer;
use crate::admission::{Admitted, admit};
use crate::api::{Append, Appended};
use crate::error::AppendError;
use crate::producers::{ProducerState, SentBatch, Verdict, check};
use crate::transactions::TransactionStep;
use potok_types::{
    BatchHeader, NewBatch, Offset, ProducerEpoch, ProducerId, RecordBatch, Timestamp, TopicPartition,
};
use std::sync::Arc;

/// A batch that its topic takes, on its way to the writer.
#[derive(Debug)]
pub(super) struct Entry {
    pub(super) partition: Arc<Partition>,
    pub(super) batch: NewBatch,
    pub(super) admitted: Admitted,
}

/// What a batch takes in the queue beside its bytes: its header, its answer.
const ENTRY_OVERHEAD_LEN: usize = 256;

impl Entry {
    /// Checks a batch against its topic, on the caller's thread.
    pub(super) fn admit(shared: &Shared, append: Append, now: Timestamp) -> Result<Entry, AppendError> {
        let (partition, topic) = shared.partition_and_topic(append.to)?;
        let mut batch = append.batch;
        let admitted = admit(&topic, &mut batch, now)?;
        Ok(Entry { partition, batch, admitted })
    }
    /// Bytes that a batch holds while it waits.
    pub(super) fn len(batch: &NewBatch) -> usize {
        batch.len() + ENTRY_OVERHEAD_LEN
    }
    /// Its producer's place in the store, when it has one.
    pub(super) fn producer(&self) -> Option<((TopicPartition, ProducerId), ProducerEpoch)> {
        self.batch.header().producer.map(|(id, epoch)| ((self.partition.at, id), epoch))
    }
    /// The answer where it was appended, as far as it is known before its offset is.
    pub(super) fn accepted(&self) -> Appended {
        let log_start = self.partition.ends().log_start;
        Appended { base_offset: None, append_time: self.admitted.append_time, log_start, duplicate: false }
    }
}

impl Writer {
    /// Takes a batch into the group, or says why not.
    pub(super) fn append(&mut self, entry: Entry) -> Result<Appended, AppendError> {
        self.shared.refusal.check()?;
        self.shared.disk.check()?;
        if entry.partition.is_deleted() {
            return Err(crate::error::UnknownPartition(entry.partition.at).into());
        }
        match self.verdict(&entry)? {
            Verdict::Append => Ok(self.place(entry)),
            Verdict::Duplicate(sent) => Ok(duplicate(&entry, sent)),
        }
    }
    fn verdict(&mut self, entry: &Entry) -> Result<Verdict, AppendError> {
        let Some((key, epoch)) = entry.producer() else { return Ok(Verdict::Append) };
        let known = self.producers.get(&self.shared.store, key)?;
        check(known, key.1, entry.batch.header(), epoch)
    }
    /// Gives a batch that was let pass its offset.
    pub(super) fn place(&mut self, entry: Entry) -> Appended {
        let producer = entry.producer();
        let Entry { partition, batch, admitted } = entry;
        let at = partition.at;
        let mut tail = partition.tail.lock();
        let batch = batch.place(tail.log_end, self.shared.epoch);
        let header = *batch.header();
        self.touch(&partition, &mut tail.touched);
        self.index(at, &mut tail, &batch);
        if let Some((key, epoch)) = producer {
            let step = self.advance_producer(key, epoch, &header, admitted);
            self.step_transactions(at, &mut tail, step);
        }
        let log_start = tail.log_start;
        drop(tail);
        self.placed_len += batch.len();
        self.placed.push((partition, batch));
        let base_offset = Some(header.base_offset);
        Appended { base_offset, append_time: admitted.append_time, log_start, duplicate: false }
    }
    /// Where the batch is found by time, by epoch, by size.
    fn index(&mut self, at: TopicPartition, tail: &mut Tail, batch: &RecordBatch) {
        let ids = self.shared.ids;
        let (base, time) = (batch.header().base_offset, batch.header().max_timestamp);
        if tail.max_timestamp.is_none_or(|largest| time > largest) {
            tail.max_timestamp = Some(time);
            self.ops.put(ids, Family::Times, &times::key(at, time, base), &[]);
        }
        if tail.epochs.last().is_none_or(|(epoch, _)| *epoch != self.shared.epoch) {
            tail.epochs.push((self.shared.epoch, base));
            let key = partitions::key(at, PartitionEntry::Epoch(self.shared.epoch));
            self.ops.put(ids, Family::Partitions, &key, &partitions::offset_value(base));
        }
        if let Some(closed) = tail.count(batch) {
            self.ops.put(ids, Family::Sizes, &sizes::key(at, closed.base), &closed.bytes.to_be_bytes());
        }
    }
    fn advance_producer(
        &mut self,
        key: (TopicPartition, ProducerId),
        epoch: ProducerEpoch,
        header: &BatchHeader,
        admitted: Admitted,
    ) -> TransactionStep {
        let now = self.shared.clock.now();
        let known = self.producers.take(key);
        let (next, step) = ProducerState::advance(known, (key.1, epoch), header, admitted.marker, now);
        self.producers.put(key, next);
        step
    }
}

fn duplicate(entry: &Entry, sent: SentBatch) -> Appended {
    Appended {
        base_offset: Some(sent.base_offset),
        append_time: sent.append_time,
        duplicate: true,
        ..entry.accepted()
    }
}

/// The offset of a batch that nobody was told of yet: with acks=0 answers carry none.
pub(super) fn without_offset(appended: Appended) -> Appended {
    Appended { base_offset: None::<Offset>, ..appended }
}
