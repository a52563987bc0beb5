//! The log in memory: the whole [`Log`] behind one lock, for tests, simulations and runs of a plugin without a server.
//! In come the door's calls, out go the same answers as the durable log gives; nothing outlives the process.
//! Invariant: a call sees all of a unit or nothing of it, because deciding and applying happen under the lock.
//! Simple before fast: lookups by timestamp walk over the records.

mod cleanup;
mod commit;
mod keyed;
mod partition;

use crate::api::{
    AbortedTransaction, Acks, ActiveProducer, Append, Appending, CommittedOffset, Fetched, Health, KeyRange,
    Log, MetaKind, NewTopic, ReadRequest, StateEntry, StateStore, TaskKey, TimerClock, TimerEntry, Topic,
    TopicChange, Unit, UnitResult,
};
use crate::config::TopicConfig;
use crate::error::{
    AlterTopicError, CommitError, CreateTopicError, DeleteRecordsError, DeleteTopicError, ReadError,
    StoreError, UnknownPartition,
};
use crate::topics::Topics;
use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use futures::future::ready;
use keyed::{Groups, Meta, States, Timers};
use parking_lot::{Mutex, MutexGuard};
use partition::Partition;
use potok_types::{
    Clock, Column, Ends, LeaderEpoch, Offset, ProducerId, Timestamp, TopicName, TopicNumber, TopicPartition,
};
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::watch;

/// A log that lives in memory.
#[derive(Debug)]
pub struct MemoryLog {
    clock: Arc<dyn Clock>,
    inner: Mutex<Inner>,
}

/// Everything, under the one lock.
#[derive(Debug, Default)]
struct Inner {
    topics: Topics,
    partitions: HashMap<TopicPartition, Partition>,
    states: States,
    timers: Timers,
    groups: Groups,
    meta: Meta,
    topics_created: u32,
    producers_given: i64,
    processors_given: u32,
    closed: bool,
}

/// There is one run, so there is one term.
const EPOCH: LeaderEpoch = LeaderEpoch(0);

impl MemoryLog {
    /// An empty log.
    pub fn new(clock: Arc<dyn Clock>) -> Arc<MemoryLog> {
        Arc::new(MemoryLog { clock, inner: Mutex::default() })
    }
    /// Applies retention and compaction now. A durable log does so on its own, in time.
    pub fn maintain(&self) -> Result<(), StoreError> {
        let now = self.clock.now();
        self.inner.lock().clean_up(now)
    }
    fn open(&self) -> Result<MutexGuard<'_, Inner>, StoreError> {
        let inner = self.inner.lock();
        if inner.closed { Err(StoreError::Closed) } else { Ok(inner) }
    }
}

impl Inner {
    fn partition(&self, at: TopicPartition) -> Result<&Partition, UnknownPartition> {
        self.partitions.get(&at).ok_or(UnknownPartition(at))
    }
    fn add_partitions(&mut self, topic: &Topic) {
        for at in topic.all_partitions() {
            self.partitions.entry(at).or_insert_with(|| Partition::new(at));
        }
    }
    fn create_topic(&mut self, new: NewTopic) -> Result<Arc<Topic>, CreateTopicError> {
        let config = self.topics.check_new(&new)?;
        self.topics_created += 1;
        let number = TopicNumber(self.topics_created);
        let mut id = [0; 16];
        id[12..].copy_from_slice(&number.0.to_be_bytes());
        let topic = Arc::new(Topic { name: new.name, number, id, partitions: new.partitions, config });
        self.add_partitions(&topic);
        self.topics.put(topic.clone());
        Ok(topic)
    }
    fn delete_topic(&mut self, name: &TopicName) -> Result<(), DeleteTopicError> {
        let topic = self.topics.check_delete(name)?;
        self.topics.remove(name);
        self.partitions.retain(|at, _| at.topic != topic.number);
        self.groups.forget_topic(topic.number);
        Ok(())
    }
}

#[async_trait]
impl Log for MemoryLog {
    async fn create_topic(&self, topic: NewTopic) -> Result<Arc<Topic>, CreateTopicError> {
        self.open()?.create_topic(topic)
    }
    async fn alter_topic(
        &self,
        name: &TopicName,
        change: TopicChange,
    ) -> Result<Arc<Topic>, AlterTopicError> {
        let mut inner = self.open()?;
        let topic = Arc::new(inner.topics.check_change(name, &change)?);
        inner.add_partitions(&topic);
        inner.topics.put(topic.clone());
        Ok(topic)
    }
    async fn delete_topic(&self, name: &TopicName) -> Result<(), DeleteTopicError> {
        self.open()?.delete_topic(name)
    }
    fn topic(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.inner.lock().topics.named(name).cloned()
    }
    fn topic_numbered(&self, number: TopicNumber) -> Option<Arc<Topic>> {
        self.inner.lock().topics.numbered(number).cloned()
    }
    fn topic_with_id(&self, id: [u8; 16]) -> Option<Arc<Topic>> {
        self.inner.lock().topics.with_id(id).cloned()
    }
    fn topics(&self) -> Vec<Arc<Topic>> {
        self.inner.lock().topics.all().cloned().collect()
    }
    fn unset_config(&self) -> TopicConfig {
        self.inner.lock().topics.unset().clone()
    }

    async fn enqueue(&self, batches: Vec<Append>, acks: Acks) -> Appending {
        let now = self.clock.now();
        let results = match self.open() {
            Ok(mut inner) => batches.into_iter().map(|append| inner.append(append, now, acks)).collect(),
            Err(error) => batches.iter().map(|_| Err(error.clone().into())).collect(),
        };
        ready(results).boxed()
    }
    fn read(&self, request: ReadRequest) -> Result<Fetched, ReadError> {
        self.inner.lock().partition(request.at)?.read(&request)
    }
    fn read_cached(&self, request: ReadRequest) -> Option<Fetched> {
        self.read(request).ok()
    }
    fn watch(&self, at: TopicPartition) -> Result<watch::Receiver<Ends>, UnknownPartition> {
        self.inner.lock().partition(at).map(Partition::watch)
    }
    fn ends(&self, at: TopicPartition) -> Result<Ends, UnknownPartition> {
        self.inner.lock().partition(at).map(Partition::ends)
    }
    fn offset_at(
        &self,
        at: TopicPartition,
        time: Timestamp,
    ) -> Result<Option<(Offset, Timestamp)>, ReadError> {
        self.inner.lock().partition(at)?.offset_at(time)
    }
    fn offset_of_max_timestamp(&self, at: TopicPartition) -> Result<Option<(Offset, Timestamp)>, ReadError> {
        self.inner.lock().partition(at)?.offset_of_max_timestamp()
    }
    fn aborted(
        &self,
        at: TopicPartition,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        Ok(self.inner.lock().partition(at)?.aborted(from, to))
    }
    fn producers(&self, at: TopicPartition, limit: usize) -> Result<Vec<ActiveProducer>, ReadError> {
        Ok(self.inner.lock().partition(at)?.producers(limit))
    }
    async fn delete_records(
        &self,
        at: TopicPartition,
        before: Option<Offset>,
    ) -> Result<Offset, DeleteRecordsError> {
        let mut inner = self.open()?;
        let partition = inner.partitions.get_mut(&at).ok_or(UnknownPartition(at))?;
        let high_watermark = partition.ends().high_watermark;
        let before = before.unwrap_or(high_watermark);
        if before > high_watermark {
            return Err(DeleteRecordsError::OutOfRange { asked: before, high_watermark });
        }
        Ok(partition.trim(before))
    }
    fn size(&self, at: TopicPartition) -> Result<u64, UnknownPartition> {
        self.inner.lock().partition(at).map(Partition::size)
    }

    async fn commit(&self, unit: Unit, acks: Acks) -> Result<UnitResult, CommitError> {
        let now = self.clock.now();
        self.open()?.commit(unit, now, acks)
    }

    fn state_get(&self, store: StateStore, keys: &Column) -> Result<Column, StoreError> {
        Ok(self.inner.lock().states.get(store, keys))
    }
    fn state_scan(
        &self,
        store: StateStore,
        range: &KeyRange,
        limit: usize,
    ) -> Result<(Vec<StateEntry>, bool), StoreError> {
        Ok(self.inner.lock().states.scan(store, range, limit))
    }
    fn timers_due(
        &self,
        task: TaskKey,
        clock: TimerClock,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<TimerEntry>, StoreError> {
        Ok(self.inner.lock().timers.due(task, clock, now, limit))
    }
    fn timer_next(&self, task: TaskKey, clock: TimerClock) -> Result<Option<Timestamp>, StoreError> {
        Ok(self.inner.lock().timers.next(task, clock))
    }
    fn committed(&self, group: &str, at: TopicPartition) -> Result<Option<CommittedOffset>, StoreError> {
        Ok(self.inner.lock().groups.committed(group, at))
    }
    fn committed_all(&self, group: &str) -> Result<Vec<(TopicPartition, CommittedOffset)>, StoreError> {
        Ok(self.inner.lock().groups.committed_all(group))
    }
    fn groups(&self) -> Result<Vec<String>, StoreError> {
        Ok(self.inner.lock().groups.names())
    }
    fn meta_get(&self, kind: MetaKind, name: &str) -> Result<Option<Bytes>, StoreError> {
        Ok(self.inner.lock().meta.get(kind, name))
    }
    fn meta_all(&self, kind: MetaKind) -> Result<Vec<(String, Bytes)>, StoreError> {
        Ok(self.inner.lock().meta.all(kind))
    }
    async fn next_producer_id(&self) -> Result<ProducerId, StoreError> {
        let mut inner = self.open()?;
        let given = inner.producers_given;
        inner.producers_given += 1;
        Ok(ProducerId(given))
    }
    async fn next_processor_number(&self) -> Result<u32, StoreError> {
        let mut inner = self.open()?;
        inner.processors_given += 1;
        Ok(inner.processors_given)
    }

    fn health(&self) -> Health {
        Health::Good
    }
    fn leader_epoch(&self) -> LeaderEpoch {
        EPOCH
    }
    fn epoch_end(
        &self,
        at: TopicPartition,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, UnknownPartition> {
        let end = self.ends(at)?.log_end;
        Ok((epoch >= EPOCH).then_some((EPOCH, end)))
    }
    async fn close(&self) -> Result<(), StoreError> {
        self.inner.lock().closed = true;
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::contract::{Harness, START};
    use potok_types::ManualClock;

    /// A place that forgets.
    struct InMemory {
        clock: Arc<ManualClock>,
        log: Arc<MemoryLog>,
    }

    impl InMemory {
        fn new() -> InMemory {
            let clock = ManualClock::at(START);
            InMemory { log: MemoryLog::new(clock.clone()), clock }
        }
    }

    #[async_trait]
    impl Harness for InMemory {
        async fn open(&self) -> Arc<dyn Log> {
            self.log.clone()
        }
        async fn reopen(&self, _: Arc<dyn Log>) -> Option<Arc<dyn Log>> {
            None
        }
        async fn maintain(&self) {
            self.log.maintain().unwrap();
        }
        fn clock(&self) -> Arc<ManualClock> {
            self.clock.clone()
        }
    }

    crate::log_contract!(InMemory::new());
}
