//! The log in a journal and RocksDB: one writer thread, one syncing thread, readers on their callers' threads.
//! In come the calls of [`Log`], out go their answers. Invariant: what was answered survives what its [`Acks`] promised, and
//! whatever a crash takes is a suffix of the journal.
//! This file only leads each call to where it is done.

mod answer;
mod append;
mod backup;
mod cache;
mod cleaning;
mod compaction;
mod disk;
mod drive;
mod flush;
mod group;
mod health;
mod journal;
mod keys;
mod live;
mod locate;
mod maintenance;
mod meta;
mod offsets;
mod open;
mod ops;
mod partition;
mod producers;
mod queue;
mod read;
mod reclaim;
mod recover;
mod retention;
mod rewrite;
mod settings;
mod shared;
mod state;
mod store;
mod sync;
#[cfg(test)]
mod tests;
mod timers;
mod times;
mod topics;
mod transactions;
mod trim;
mod units;
mod writer;

pub use backup::CheckpointError;
pub use open::OpenError;
pub use settings::Settings;

use crate::api::{
    AbortedTransaction, Acks, ActiveProducer, Append, Appended, Appending, CommittedOffset, Fetched, Health,
    KeyRange, Log, MetaKind, NewTopic, ReadRequest, StateEntry, StateStore, TaskKey, TimerClock, TimerEntry,
    Topic, TopicChange, Unit, UnitResult,
};
use crate::config::TopicConfig;
use crate::error::{
    AlterTopicError, AppendError, CommitError, CreateTopicError, DeleteRecordsError, DeleteTopicError,
    ReadError, StoreError, UnknownPartition,
};
use crate::piece::Located;
use append::{Entry, without_offset};
use async_trait::async_trait;
use bytes::Bytes;
use drive::{Drive, Driven};
use futures::FutureExt;
use futures::future::ready;
use keys::meta::Counter;
use maintenance::Stop;
use parking_lot::Mutex;
use potok_types::{
    Clock, Column, Ends, LeaderEpoch, Offset, ProducerId, Timestamp, TopicName, TopicNumber, TopicPartition,
};
use queue::Refused;
use shared::Shared;
use std::path::Path;
use std::sync::Arc;
use std::thread::JoinHandle;
use tokio::sync::{oneshot, watch};
use trim::Trim;
use units::ReadyUnit;
use writer::{Admin, Command, Writer};

/// Producer ids taken at a time: a restart loses at most so many of 2^63.
const PRODUCER_IDS_TAKEN: u64 = 1000;

/// A log in a folder. Ends its threads when it is dropped, as a kill would, but orderly; [`Log::close`] syncs first.
#[derive(Debug)]
pub struct RocksLog {
    shared: Arc<Shared>,
    drive: Arc<Drive>,
    threads: Mutex<Vec<JoinHandle<()>>>,
    stop: Arc<Stop>,
}

impl RocksLog {
    /// Opens the folder of `settings`, or creates it. Nothing is read but what the partitions know of themselves, and what
    /// the journal has that a kill kept out of RocksDB's files.
    pub fn open(settings: Settings, clock: Arc<dyn Clock>) -> Result<Arc<RocksLog>, OpenError> {
        let dir = settings.dir.clone();
        let (shared, live, unflushed) = open::open(settings, clock)?;
        let shared = Arc::new(shared);
        let drive = Drive::new(Writer::new(shared.clone(), live, unflushed), shared.clone());
        let log = Arc::new(RocksLog {
            shared: shared.clone(),
            drive: drive.clone(),
            threads: Mutex::default(),
            stop: Arc::default(),
        });
        let failed =
            |error: std::io::Error| OpenError::Unreadable { path: dir.clone(), reason: error.to_string() };
        log.spawn("log-writer", move || drive.run()).map_err(failed)?;
        let syncing = shared.clone();
        log.spawn("log-sync", move || sync::run(&syncing.syncs, &syncing.journal, &syncing.refusal))
            .map_err(failed)?;
        let stop = log.stop.clone();
        let runtime = tokio::runtime::Builder::new_current_thread().build().map_err(failed)?;
        log.spawn("log-maintenance", move || maintenance::run(&shared, &stop, &runtime)).map_err(failed)?;
        Ok(log)
    }
    /// A consistent backup of the running log in `folder`, which must be empty or not exist; a log opened there starts from
    /// this moment. Blocks while files are copied: call it where blocking is allowed.
    pub fn checkpoint(&self, folder: &Path) -> Result<(), CheckpointError> {
        backup::checkpoint(&self.shared, folder)
    }
    /// One pass of compaction, retention and giving disk back, as the log does every `maintenance_interval_ms`. Blocks
    /// while it reads and rewrites.
    pub async fn run_maintenance(&self) -> Result<(), StoreError> {
        maintenance::pass(&self.shared).await
    }
    fn spawn(&self, name: &str, body: impl FnOnce() + Send + 'static) -> std::io::Result<()> {
        let thread = std::thread::Builder::new().name(name.into()).spawn(body)?;
        self.threads.lock().push(thread);
        Ok(())
    }
    fn end_threads(&self) {
        self.stop.stop();
        self.shared.queue.close();
        for thread in self.threads.lock().drain(..) {
            if thread.join().is_err() {
                tracing::error!("a thread of the log panicked");
            }
        }
    }
}

impl Drop for RocksLog {
    fn drop(&mut self) {
        self.end_threads();
    }
}

/// Every success of `entries` as the same failure; failures stay.
fn fail_all(
    entries: Vec<Result<Entry, AppendError>>,
    error: &AppendError,
) -> Vec<Result<Appended, AppendError>> {
    entries.into_iter().map(|entry| entry.and(Err(error.clone()))).collect()
}
fn refused(refused: Refused) -> AppendError {
    match refused {
        Refused::Full => AppendError::Overloaded,
        Refused::Closed => StoreError::Closed.into(),
    }
}

#[async_trait]
impl Log for RocksLog {
    async fn create_topic(&self, topic: NewTopic) -> Result<Arc<Topic>, CreateTopicError> {
        self.shared.administer(|reply| Admin::CreateTopic(topic, reply)).await
    }
    async fn alter_topic(
        &self,
        name: &TopicName,
        change: TopicChange,
    ) -> Result<Arc<Topic>, AlterTopicError> {
        self.shared.administer(|reply| Admin::AlterTopic(name.clone(), change, reply)).await
    }
    async fn delete_topic(&self, name: &TopicName) -> Result<(), DeleteTopicError> {
        self.shared.administer(|reply| Admin::DeleteTopic(name.clone(), reply)).await
    }
    fn topic(&self, name: &TopicName) -> Option<Arc<Topic>> {
        self.shared.catalog.read().topics().named(name).cloned()
    }
    fn topic_numbered(&self, number: TopicNumber) -> Option<Arc<Topic>> {
        self.shared.catalog.read().topics().numbered(number).cloned()
    }
    fn topic_with_id(&self, id: [u8; 16]) -> Option<Arc<Topic>> {
        self.shared.catalog.read().topics().with_id(id).cloned()
    }
    fn topics(&self) -> Vec<Arc<Topic>> {
        self.shared.catalog.read().topics().all().cloned().collect()
    }
    fn unset_config(&self) -> TopicConfig {
        self.shared.catalog.read().topics().unset().clone()
    }

    async fn enqueue(&self, batches: Vec<Append>, acks: Acks) -> Appending {
        let now = self.shared.clock.now();
        let len = batches.iter().map(|append| Entry::len(&append.batch)).sum();
        let entries: Vec<_> =
            batches.into_iter().map(|append| Entry::admit(&self.shared, append, now)).collect();
        if entries.iter().all(Result::is_err) {
            return ready(fail_all(entries, &AppendError::Overloaded)).boxed();
        }
        if let Err(error) = self.shared.refusal.check() {
            return ready(fail_all(entries, &error.into())).boxed();
        }
        let held = match self.shared.queue.room(len).await {
            Ok(held) => held,
            Err(why) => return ready(fail_all(entries, &refused(why))).boxed(),
        };
        let count = entries.len();
        if acks == Acks::None {
            let accepted = |entry: &Result<Entry, AppendError>| {
                entry.as_ref().map(Entry::accepted).map_err(Clone::clone)
            };
            let results: Vec<_> = entries.iter().map(accepted).collect();
            let pushed = self.shared.queue.push(Command::Append { entries, acks, reply: None }, held);
            self.shared.queue.nudge();
            let results = match pushed {
                Ok(()) => results,
                Err(why) => results.into_iter().map(|result| result.and(Err(refused(why)))).collect(),
            };
            return ready(results).boxed();
        }
        let (to, answer) = oneshot::channel();
        let pushed = self.shared.queue.push(Command::Append { entries, acks, reply: Some(to) }, held);
        let closed = move || (0..count).map(|_| Err(StoreError::Closed.into())).collect();
        match pushed {
            Err(_) => ready(closed()).boxed(),
            Ok(()) => {
                let driven = Driven::new(&self.drive);
                let answered = async move {
                    driven.go();
                    answer.await.unwrap_or_else(|_| closed())
                };
                answered.boxed()
            }
        }
    }
    fn read(&self, request: ReadRequest) -> Result<Fetched, ReadError> {
        read::read(&self.shared, request)
    }
    fn read_cached(&self, request: ReadRequest) -> Option<Fetched> {
        read::read_cached(&self.shared, request)
    }
    fn locate(&self, request: ReadRequest) -> Result<Located, ReadError> {
        locate::locate(&self.shared, request)
    }
    fn locate_now(&self, request: ReadRequest) -> Option<Located> {
        locate::locate_now(&self.shared, request)
    }
    fn watch(&self, at: TopicPartition) -> Result<watch::Receiver<Ends>, UnknownPartition> {
        Ok(self.shared.partition(at)?.watch())
    }
    fn ends(&self, at: TopicPartition) -> Result<Ends, UnknownPartition> {
        Ok(self.shared.partition(at)?.ends())
    }
    fn offset_at(
        &self,
        at: TopicPartition,
        time: Timestamp,
    ) -> Result<Option<(Offset, Timestamp)>, ReadError> {
        times::offset_at(&self.shared, at, time)
    }
    fn offset_of_max_timestamp(&self, at: TopicPartition) -> Result<Option<(Offset, Timestamp)>, ReadError> {
        times::offset_of_max(&self.shared, at)
    }
    fn aborted(
        &self,
        at: TopicPartition,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTransaction>, ReadError> {
        Ok(self.shared.partition(at)?.tail.lock().transactions.aborted(from, to))
    }
    fn producers(&self, at: TopicPartition, limit: usize) -> Result<Vec<ActiveProducer>, ReadError> {
        self.shared.partition(at)?;
        Ok(producers::remembered(&self.shared.store, at, limit)?)
    }
    async fn delete_records(
        &self,
        at: TopicPartition,
        before: Option<Offset>,
    ) -> Result<Offset, DeleteRecordsError> {
        trim::trim(&self.shared, at, Trim::Before(before)).await
    }
    fn size(&self, at: TopicPartition) -> Result<u64, UnknownPartition> {
        Ok(self.shared.partition(at)?.tail.lock().bytes)
    }

    async fn commit(&self, unit: Unit, acks: Acks) -> Result<UnitResult, CommitError> {
        self.shared.refusal.check()?;
        let unit = Box::new(ReadyUnit::prepare(&self.shared, unit)?);
        let held = self.shared.queue.room(unit.len()).await.map_err(StoreError::from)?;
        if acks == Acks::None {
            let accepted = unit.accepted();
            self.shared
                .queue
                .push(Command::Commit { unit, acks, reply: None }, held)
                .map_err(StoreError::from)?;
            self.shared.queue.nudge();
            return Ok(UnitResult { appended: accepted.appended.into_iter().map(without_offset).collect() });
        }
        let (reply, answer) = oneshot::channel();
        self.shared
            .queue
            .push(Command::Commit { unit, acks, reply: Some(reply) }, held)
            .map_err(StoreError::from)?;
        self.shared.queue.nudge();
        answer.await.unwrap_or_else(|_| Err(StoreError::Closed.into()))
    }

    fn state_get(&self, store: StateStore, keys: &Column) -> Result<Column, StoreError> {
        state::get(&self.shared.store, store, keys)
    }
    fn state_scan(
        &self,
        store: StateStore,
        range: &KeyRange,
        limit: usize,
    ) -> Result<(Vec<StateEntry>, bool), StoreError> {
        state::scan(&self.shared.store, store, range, limit)
    }
    fn timers_due(
        &self,
        task: TaskKey,
        clock: TimerClock,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<TimerEntry>, StoreError> {
        timers::due(&self.shared.store, task, clock, now, limit)
    }
    fn timer_next(&self, task: TaskKey, clock: TimerClock) -> Result<Option<Timestamp>, StoreError> {
        timers::next(&self.shared.store, task, clock)
    }
    fn committed(&self, group: &str, at: TopicPartition) -> Result<Option<CommittedOffset>, StoreError> {
        offsets::get(&self.shared.store, group, at)
    }
    fn committed_all(&self, group: &str) -> Result<Vec<(TopicPartition, CommittedOffset)>, StoreError> {
        offsets::all(&self.shared.store, group)
    }
    fn groups(&self) -> Result<Vec<String>, StoreError> {
        offsets::groups(&self.shared.store)
    }
    fn meta_get(&self, kind: MetaKind, name: &str) -> Result<Option<Bytes>, StoreError> {
        meta::get(&self.shared.store, kind, name)
    }
    fn meta_all(&self, kind: MetaKind) -> Result<Vec<(String, Bytes)>, StoreError> {
        meta::all(&self.shared.store, kind)
    }
    async fn next_producer_id(&self) -> Result<ProducerId, StoreError> {
        loop {
            if let Some(id) = self.shared.producer_ids.lock().next() {
                return i64::try_from(id)
                    .map(ProducerId)
                    .map_err(|_| StoreError::Io("out of producer ids".into()));
            }
            let take = |reply| Admin::TakeNumbers(Counter::Producer, PRODUCER_IDS_TAKEN, reply);
            let taken = self.shared.administer::<_, StoreError>(take).await?;
            *self.shared.producer_ids.lock() = taken;
        }
    }
    async fn next_processor_number(&self) -> Result<u32, StoreError> {
        let take = |reply| Admin::TakeNumbers(Counter::Processor, 1, reply);
        let taken = self.shared.administer::<_, StoreError>(take).await?;
        u32::try_from(taken.start).map_err(|_| StoreError::Io("out of processor numbers".into()))
    }

    fn health(&self) -> Health {
        self.shared.health()
    }
    fn leader_epoch(&self) -> LeaderEpoch {
        self.shared.epoch
    }
    fn epoch_end(
        &self,
        at: TopicPartition,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, UnknownPartition> {
        Ok(self.shared.partition(at)?.tail.lock().epoch_end(epoch))
    }
    async fn close(&self) -> Result<(), StoreError> {
        let flushed = self.shared.flush().await;
        self.end_threads();
        match flushed {
            // closed before: it was synced then
            Err(StoreError::Closed) => Ok(()),
            Err(error) => Err(error),
            Ok(flushed) => {
                // not needed for safety, but the next start then has no journal to take in
                if !flushed {
                    tracing::warn!("memory was not written to files in time; the journal has it");
                }
                Ok(())
            }
        }
    }
}
