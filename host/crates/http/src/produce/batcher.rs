//! Puts records into batches, one open batch a partition, and batches into the log.
//! In come records in order, out go appends in order and the place of each record. Order within a partition is kept:
//! its batches are opened, filled and appended one after the other.

use super::Plan;
use super::parse::{Header, Parts};
use crate::app::App;
use crate::error::Refusal;
use potok_log::{Append, AppendError, Appended, Unit};
use potok_types::{
    BATCH_HEADER_LEN, BatchBuilder, Compression, NewBatch, PartitionIndex, Timestamp, TopicPartition,
    partition_for_key,
};

/// Where a batch is closed and the next begun, in bytes. Larger ones take less room and less time to write; whoever wants
/// one record of a batch has to read all of it.
const BATCH_BYTES: usize = 256 * 1024;
/// No slot: the partition has no open batch.
const NONE: u32 = u32::MAX;

/// Collects records.
#[derive(Debug)]
pub(super) struct Batcher<'a> {
    app: &'a App,
    plan: &'a Plan,
    now: Timestamp,
    /// Partition for records without a key, until the batch is full.
    sticky: u32,
    /// For each partition, which of `batches` is open.
    open: Vec<u32>,
    batches: Vec<Batch>,
    /// For each record, which of `batches` it is in, and which record of that.
    places: Vec<(u32, u32)>,
    bytes: usize,
}

#[derive(Debug)]
struct Batch {
    partition: u32,
    builder: BatchBuilder,
}

/// Batches that are ready, with the place of each record in them.
#[derive(Debug, Default)]
pub(super) struct Filled {
    batches: Vec<(u32, NewBatch)>,
    places: Vec<(u32, u32)>,
    bytes: usize,
}

impl<'a> Batcher<'a> {
    pub(super) fn new(app: &'a App, plan: &'a Plan) -> Batcher<'a> {
        let mut batcher = Batcher {
            app,
            plan,
            now: app.clock.now(),
            sticky: 0,
            open: vec![NONE; plan.topic.partitions as usize],
            batches: Vec::new(),
            places: Vec::new(),
            bytes: 0,
        };
        batcher.next_sticky();
        batcher
    }
    fn next_sticky(&mut self) {
        self.sticky = self.app.turn() % self.plan.topic.partitions.max(1);
    }
    /// Bytes of records so far.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
    pub(super) fn is_empty(&self) -> bool {
        self.places.is_empty()
    }
    /// Adds a record.
    pub(super) fn push(&mut self, record: &Parts<'_>) -> Result<(), Refusal> {
        let key = record.key.as_deref().or(self.plan.key.as_deref());
        let value = record.value.as_deref();
        if key.is_none() && self.plan.compacted {
            // the log says the same of a whole batch; said here, the records before are not to blame
            let index = u32::try_from(self.places.len()).unwrap_or(u32::MAX);
            return Err(AppendError::KeyMissing { index }.into());
        }
        let headers = if record.headers.is_empty() { &self.plan.headers } else { &record.headers };
        let header_len = |(name, value): &Header<'_>| name.len() + value.as_deref().map_or(0, <[u8]>::len);
        let len = key.map_or(0, <[u8]>::len)
            + value.map_or(0, <[u8]>::len)
            + headers.iter().map(header_len).sum::<usize>();
        let limit = self.plan.topic.config.batch_len_max();
        if BATCH_HEADER_LEN + len > limit {
            return Err(Refusal::RecordTooLarge { len, limit });
        }
        let partition = self.partition(record.partition, key)?;
        let slot = self.slot(partition, key.is_none(), len, limit);
        let timestamp = record.timestamp.or(self.plan.timestamp).unwrap_or(self.now);
        let headers = headers.iter().map(|(name, value)| (&name[..], value.as_deref()));
        let builder = &mut self.batches[slot as usize].builder;
        self.places.push((slot, builder.count()));
        let before = builder.byte_len();
        builder.push(timestamp, key, value, headers);
        self.bytes += builder.byte_len() - before;
        Ok(())
    }
    fn partition(&self, named: Option<u32>, key: Option<&[u8]>) -> Result<u32, Refusal> {
        match (named.or(self.plan.partition), key) {
            (Some(index), _) => Ok(crate::app::partition(&self.plan.topic, index)?.partition.0),
            (None, Some(key)) => Ok(partition_for_key(key, self.plan.topic.partitions).0),
            (None, None) => Ok(self.sticky),
        }
    }
    /// The open batch of a partition that has room for a record of `len` bytes.
    fn slot(&mut self, partition: u32, sticky: bool, len: usize, limit: usize) -> u32 {
        let open = self.open[partition as usize];
        if open != NONE {
            let builder = &self.batches[open as usize].builder;
            if builder.byte_len() + len + RECORD_OVERHEAD_LEN <= limit.min(BATCH_BYTES) {
                return open;
            }
        }
        let mut partition = partition;
        if open != NONE && sticky && self.plan.partition.is_none() {
            self.next_sticky();
            partition = self.sticky;
        }
        let slot = u32::try_from(self.batches.len()).unwrap_or(NONE);
        self.batches.push(Batch {
            partition,
            builder: BatchBuilder::with_capacity(Compression::None, len + RECORD_OVERHEAD_LEN),
        });
        self.open[partition as usize] = slot;
        slot
    }
    /// Closes all batches and begins anew.
    pub(super) fn take(&mut self) -> Result<Filled, Refusal> {
        for batch in &self.batches {
            self.open[batch.partition as usize] = NONE;
        }
        let mut batches = Vec::with_capacity(self.batches.len());
        for batch in self.batches.drain(..) {
            if let Some(built) = batch.builder.build()? {
                batches.push((batch.partition, built));
            }
        }
        self.now = self.app.clock.now();
        self.next_sticky();
        Ok(Filled {
            batches,
            places: std::mem::take(&mut self.places),
            bytes: std::mem::take(&mut self.bytes),
        })
    }
}

/// Most that a record's length, deltas and counts take beside its parts, with a few headers.
const RECORD_OVERHEAD_LEN: usize = 64;

impl Filled {
    pub(super) fn len(&self) -> usize {
        self.places.len()
    }
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
    /// Writes all of it or nothing; answers partition and offset of each record.
    pub(super) async fn commit(self, app: &App, plan: &Plan) -> Result<Vec<(u32, Option<u64>)>, Refusal> {
        if self.batches.is_empty() {
            return Ok(Vec::new());
        }
        let Filled { batches, places, .. } = self;
        let partitions: Vec<u32> = batches.iter().map(|(partition, _)| *partition).collect();
        let mut appends: Vec<Append> =
            batches.into_iter().map(|(partition, batch)| append(plan, partition, batch)).collect();
        let appended = if appends.len() == 1 {
            let done = app.log.append(std::mem::take(&mut appends), plan.acks).await;
            done.into_iter().collect::<Result<Vec<Appended>, _>>()?
        } else {
            app.log.commit(Unit { appends, ..Unit::default() }, plan.acks).await?.appended
        };
        let place = |(slot, delta): (u32, u32)| {
            let base = appended.get(slot as usize).and_then(|appended| appended.base_offset);
            (partitions[slot as usize], base.map(|base| base.after(delta).get()))
        };
        Ok(places.into_iter().map(place).collect())
    }
}

fn append(plan: &Plan, partition: u32, batch: NewBatch) -> Append {
    Append { to: TopicPartition { topic: plan.topic.number, partition: PartitionIndex(partition) }, batch }
}
