//! Every call of [`Log`] led through the faults of a [`FailingLog`]: writes meet [`FailingLog::write`], reads
//! [`FailingLog::may_read`], and what only looks at memory passes.

use super::{FailingLog, Fate};
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
use crate::piece::Located;
use async_trait::async_trait;
use bytes::Bytes;
use futures::FutureExt;
use potok_types::{
    Column, Ends, LeaderEpoch, Offset, ProducerId, Timestamp, TopicName, TopicNumber, TopicPartition,
};
use std::sync::Arc;
use tokio::sync::watch;

#[async_trait]
impl Log for FailingLog {
    async fn create_topic(&self, topic: NewTopic) -> Result<Arc<Topic>, CreateTopicError> {
        self.write(self.inner.create_topic(topic)).await
    }
    async fn alter_topic(
        &self,
        name: &TopicName,
        change: TopicChange,
    ) -> Result<Arc<Topic>, AlterTopicError> {
        self.write(self.inner.alter_topic(name, change)).await
    }
    async fn delete_topic(&self, name: &TopicName) -> Result<(), DeleteTopicError> {
        self.write(self.inner.delete_topic(name)).await
    }
    fn topic(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.inner.topic(name)
    }
    fn topic_numbered(&self, number: TopicNumber) -> Option<Arc<Topic>> {
        self.inner.topic_numbered(number)
    }
    fn topic_with_id(&self, id: [u8; 16]) -> Option<Arc<Topic>> {
        self.inner.topic_with_id(id)
    }
    fn topics(&self) -> Vec<Arc<Topic>> {
        self.inner.topics()
    }
    fn unset_config(&self) -> TopicConfig {
        self.inner.unset_config()
    }

    async fn enqueue(&self, mut batches: Vec<Append>, acks: Acks) -> Appending {
        let results = match self.fate().await {
            Fate::Done => self.inner.append(batches, acks).await,
            Fate::Refused(error) => {
                // a log that is broken does nothing at all; one that breaks now may have done the first few
                let is_broken = matches!(error, StoreError::WritesRefused(_));
                let done = if is_broken { 0 } else { self.state.lock().seeded.below(batches.len()) };
                let refused = batches.split_off(done).len();
                let mut answers = self.inner.append(batches, acks).await;
                answers.extend((0..refused).map(|_| Err(error.clone().into())));
                answers
            }
            Fate::Lost(error) => {
                let answers = self.inner.append(batches, acks).await;
                answers.into_iter().map(|answer| answer.and(Err(error.clone().into()))).collect()
            }
        };
        let held = Arc::clone(&self.answers);
        async move {
            drop(held.read().await);
            results
        }
        .boxed()
    }
    fn read(&self, request: ReadRequest) -> Result<Fetched, ReadError> {
        self.may_read()?;
        self.inner.read(request)
    }
    fn read_cached(&self, request: ReadRequest) -> Option<Fetched> {
        // a fault shows in the read that follows
        self.may_read().ok().and_then(|()| self.inner.read_cached(request))
    }
    fn locate(&self, request: ReadRequest) -> Result<Located, ReadError> {
        self.may_read()?;
        self.inner.locate(request)
    }
    fn locate_now(&self, request: ReadRequest) -> Option<Located> {
        self.may_read().ok().and_then(|()| self.inner.locate_now(request))
    }
    fn watch(&self, at: TopicPartition) -> Result<watch::Receiver<Ends>, UnknownPartition> {
        self.inner.watch(at)
    }
    fn ends(&self, at: TopicPartition) -> Result<Ends, UnknownPartition> {
        self.inner.ends(at)
    }
    fn offset_at(
        &self,
        at: TopicPartition,
        time: Timestamp,
    ) -> Result<Option<(Offset, Timestamp)>, ReadError> {
        self.may_read()?;
        self.inner.offset_at(at, time)
    }
    fn offset_of_max_timestamp(&self, at: TopicPartition) -> Result<Option<(Offset, Timestamp)>, ReadError> {
        self.may_read()?;
        self.inner.offset_of_max_timestamp(at)
    }
    fn aborted(
        &self,
        at: TopicPartition,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        self.may_read()?;
        self.inner.aborted(at, from, to)
    }
    fn producers(&self, at: TopicPartition, limit: usize) -> Result<Vec<ActiveProducer>, ReadError> {
        self.may_read()?;
        self.inner.producers(at, limit)
    }
    async fn delete_records(
        &self,
        at: TopicPartition,
        before: Option<Offset>,
    ) -> Result<Offset, DeleteRecordsError> {
        self.write(self.inner.delete_records(at, before)).await
    }
    fn size(&self, at: TopicPartition) -> Result<u64, UnknownPartition> {
        self.inner.size(at)
    }

    async fn commit(&self, unit: Unit, acks: Acks) -> Result<UnitResult, CommitError> {
        self.write(self.inner.commit(unit, acks)).await
    }

    fn state_get(&self, store: StateStore, keys: &Column) -> Result<Column, StoreError> {
        self.may_read()?;
        self.inner.state_get(store, keys)
    }
    fn state_scan(
        &self,
        store: StateStore,
        range: &KeyRange,
        limit: usize,
    ) -> Result<(Vec<StateEntry>, bool), StoreError> {
        self.may_read()?;
        self.inner.state_scan(store, range, limit)
    }
    fn timers_due(
        &self,
        task: TaskKey,
        clock: TimerClock,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<TimerEntry>, StoreError> {
        self.may_read()?;
        self.inner.timers_due(task, clock, now, limit)
    }
    fn timer_next(&self, task: TaskKey, clock: TimerClock) -> Result<Option<Timestamp>, StoreError> {
        self.may_read()?;
        self.inner.timer_next(task, clock)
    }
    fn committed(&self, group: &str, at: TopicPartition) -> Result<Option<CommittedOffset>, StoreError> {
        self.may_read()?;
        self.inner.committed(group, at)
    }
    fn committed_all(&self, group: &str) -> Result<Vec<(TopicPartition, CommittedOffset)>, StoreError> {
        self.may_read()?;
        self.inner.committed_all(group)
    }
    fn groups(&self) -> Result<Vec<String>, StoreError> {
        self.may_read()?;
        self.inner.groups()
    }
    fn meta_get(&self, kind: MetaKind, name: &str) -> Result<Option<Bytes>, StoreError> {
        self.may_read()?;
        self.inner.meta_get(kind, name)
    }
    fn meta_all(&self, kind: MetaKind) -> Result<Vec<(String, Bytes)>, StoreError> {
        self.may_read()?;
        self.inner.meta_all(kind)
    }
    async fn next_producer_id(&self) -> Result<ProducerId, StoreError> {
        self.write(self.inner.next_producer_id()).await
    }
    async fn next_processor_number(&self) -> Result<u32, StoreError> {
        self.write(self.inner.next_processor_number()).await
    }

    fn health(&self) -> Health {
        match &self.state.lock().broken {
            Some(first) => Health::WritesRefused(first.to_string()),
            None => self.inner.health(),
        }
    }
    fn leader_epoch(&self) -> LeaderEpoch {
        self.inner.leader_epoch()
    }
    fn epoch_end(
        &self,
        at: TopicPartition,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, UnknownPartition> {
        self.inner.epoch_end(at, epoch)
    }
    async fn close(&self) -> Result<(), StoreError> {
        self.inner.close().await
    }
}
