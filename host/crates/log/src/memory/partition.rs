//! One partition in memory: its batches in offset order, its ends, its producers and transactions.
//! Invariant: batches never overlap and all lie below `log_end`; whoever watches sees the ends after every change.

use crate::api::{AbortedTransaction, ActiveProducer, Fetched, ReadRequest};
use crate::error::{ReadError, StoreError};
use crate::producers::ProducerState;
use crate::transactions::{TransactionStep, Transactions};
use potok_types::{Ends, Offset, ProducerId, RecordBatch, Timestamp, TopicPartition};
use std::collections::HashMap;
use tokio::sync::watch;

/// What the records of one batch may unpack to when they are searched: 256 MiB.
pub(super) const UNPACKED_LEN_MAX: usize = 256 << 20;

/// What a batch makes of its producer, and of the partition's transactions.
pub(super) type ProducerChange = (ProducerId, ProducerState, TransactionStep);

#[derive(Debug)]
pub(super) struct Partition {
    pub(super) at: TopicPartition,
    pub(super) batches: Vec<RecordBatch>,
    log_start: Offset,
    log_end: Offset,
    producers: HashMap<ProducerId, ProducerState>,
    transactions: Transactions,
    published: watch::Sender<Ends>,
}

impl Partition {
    pub(super) fn new(at: TopicPartition) -> Partition {
        Partition {
            at,
            batches: Vec::new(),
            log_start: Offset::FIRST,
            log_end: Offset::FIRST,
            producers: HashMap::new(),
            transactions: Transactions::default(),
            published: watch::Sender::new(Ends::default()),
        }
    }
    pub(super) fn ends(&self) -> Ends {
        Ends {
            log_start: self.log_start,
            last_stable: self.transactions.last_stable(self.log_start, self.log_end),
            high_watermark: self.log_end,
            log_end: self.log_end,
        }
    }
    pub(super) fn watch(&self) -> watch::Receiver<Ends> {
        self.published.subscribe()
    }
    pub(super) fn size(&self) -> u64 {
        self.batches.iter().map(|batch| batch.len() as u64).sum()
    }
    pub(super) fn producer(&self, id: ProducerId) -> Option<&ProducerState> {
        self.producers.get(&id)
    }
    pub(super) fn producers(&self, limit: usize) -> Vec<ActiveProducer> {
        let mut all: Vec<_> = self.producers.iter().map(|(id, state)| state.shown(*id)).collect();
        all.sort_unstable_by_key(|shown| shown.producer);
        all.truncate(limit);
        all
    }
    pub(super) fn aborted(&self, from: Offset, to: Offset) -> Vec<AbortedTransaction> {
        self.transactions.aborted(from, to)
    }

    /// Takes a batch that was decided upon and placed at `log_end`.
    pub(super) fn push(&mut self, batch: RecordBatch, producer: Option<ProducerChange>) {
        assert_eq!(batch.header().base_offset, self.log_end, "a batch is placed at the end");
        self.log_end = batch.header().next_offset();
        self.batches.push(batch);
        if let Some((id, state, step)) = producer {
            self.producers.insert(id, state);
            self.transactions.apply(step);
        }
        self.published.send_replace(self.ends());
    }
    /// Moves the start up to `before` and drops the batches that lie wholly below it; answers the start.
    pub(super) fn trim(&mut self, before: Offset) -> Offset {
        if before > self.log_start {
            self.log_start = before;
            let gone = self.batches.partition_point(|batch| batch.header().next_offset() <= before);
            self.batches.drain(..gone);
            self.transactions.trim(before);
            self.published.send_replace(self.ends());
        }
        self.log_start
    }

    pub(super) fn read(&self, request: &ReadRequest) -> Result<Fetched, ReadError> {
        let ends = self.ends();
        let (log_start, high_watermark) = (ends.log_start, ends.high_watermark);
        if request.offset < log_start || request.offset > high_watermark {
            return Err(ReadError::OutOfRange { asked: request.offset, log_start, high_watermark });
        }
        let limit = if request.committed_only { ends.last_stable } else { high_watermark };
        if request.offset >= limit {
            return Ok(Fetched { batches: Vec::new(), ends });
        }
        let from = self.batches.partition_point(|batch| batch.header().next_offset() <= request.offset);
        let mut batches = Vec::new();
        let mut bytes = 0usize;
        for batch in self.batches[from..].iter().take_while(|batch| batch.header().base_offset < limit) {
            bytes = bytes.saturating_add(batch.len());
            if bytes > request.bytes_max && !batches.is_empty() {
                break;
            }
            batches.push(batch.clone());
        }
        Ok(Fetched { batches, ends })
    }

    pub(super) fn offset_at(&self, time: Timestamp) -> Result<Option<(Offset, Timestamp)>, ReadError> {
        for batch in self.batches.iter().filter(|batch| batch.header().max_timestamp >= time) {
            let found = self.records(batch)?.into_iter().find(|(_, timestamp)| *timestamp >= time);
            if found.is_some() {
                return Ok(found);
            }
        }
        Ok(None)
    }
    pub(super) fn offset_of_max_timestamp(&self) -> Result<Option<(Offset, Timestamp)>, ReadError> {
        let mut best: Option<(Offset, Timestamp)> = None;
        for batch in &self.batches {
            for (offset, timestamp) in self.records(batch)? {
                if best.is_none_or(|(_, largest)| timestamp > largest) {
                    best = Some((offset, timestamp));
                }
            }
        }
        Ok(best)
    }
    /// Offsets and timestamps of the records of a batch that readers can see.
    fn records(&self, batch: &RecordBatch) -> Result<Vec<(Offset, Timestamp)>, StoreError> {
        let open = batch.open(UNPACKED_LEN_MAX).map_err(|error| self.damaged(batch, &error))?;
        let seen = open.records().map(|record| record.map(|record| (record.offset, record.timestamp)));
        let mut records = seen.collect::<Result<Vec<_>, _>>().map_err(|error| self.damaged(batch, &error))?;
        records.retain(|(offset, _)| *offset >= self.log_start);
        Ok(records)
    }
    pub(super) fn damaged(&self, batch: &RecordBatch, reason: &potok_types::BatchError) -> StoreError {
        let at = format!("partition {} at offset {}", self.at, batch.header().base_offset);
        StoreError::Corrupt { at, reason: reason.to_string() }
    }
}
