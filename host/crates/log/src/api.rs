//! The door of the room: what every log can do, and the words it is asked in.
//! One contract suite holds for every implementation (`contract.rs`).

use crate::config::TopicConfig;
use crate::error::{
    AlterTopicError, AppendError, CommitError, CreateTopicError, DeleteRecordsError, DeleteTopicError,
    ReadError, StoreError, UnknownPartition,
};
use crate::piece::Located;
use async_trait::async_trait;
use bytes::Bytes;
use futures::future::BoxFuture;
use potok_types::{
    Column, Ends, LeaderEpoch, NewBatch, Offset, PartitionIndex, ProducerEpoch, ProducerId, RecordBatch,
    Timestamp, TopicName, TopicNumber, TopicPartition,
};
use std::sync::Arc;
use tokio::sync::watch;

/// Appends that are queued: a result for each.
pub type Appending = BoxFuture<'static, Vec<Result<Appended, AppendError>>>;

/// A partitioned, durable log with keyed state beside it. Cheap to share as `Arc<dyn Log>`.
///
/// Order: what one caller appends to one partition, one call after the other, gets rising offsets. What a call promised
/// (by its [`Acks`]) still holds after a crash. Reads never wait and never show anything above the high watermark.
#[async_trait]
pub trait Log: Send + Sync + std::fmt::Debug + 'static {
    // -- topics ---------------------------------------------------------------------------------------------------

    /// Creates a topic; durable when it returns.
    async fn create_topic(&self, topic: NewTopic) -> Result<Arc<Topic>, CreateTopicError>;
    /// Adds partitions, sets and unsets configs; durable when it returns.
    async fn alter_topic(&self, name: &TopicName, change: TopicChange)
    -> Result<Arc<Topic>, AlterTopicError>;
    /// Deletes a topic with all its records; its number is never used again. Readers get `UnknownPartition` from here on.
    async fn delete_topic(&self, name: &TopicName) -> Result<(), DeleteTopicError>;
    /// The topic as it is now.
    fn topic(&self, name: &TopicName) -> Option<Arc<Topic>>;
    /// The topic by its number.
    fn topic_numbered(&self, number: TopicNumber) -> Option<Arc<Topic>>;
    /// The topic by its id (KIP-516).
    fn topic_with_id(&self, id: [u8; 16]) -> Option<Arc<Topic>>;
    /// All topics by name.
    fn topics(&self) -> Vec<Arc<Topic>>;
    /// The configs of a topic that sets none, by the log's settings.
    fn unset_config(&self) -> TopicConfig;

    // -- records --------------------------------------------------------------------------------------------------

    /// Appends batches, each to its partition; answers in the order asked, each on its own. All that a call brings for
    /// one partition stays in order. Returns when the promise of `acks` holds (with [`Acks::None`] once queued: the
    /// answers then carry no offset).
    async fn append(&self, batches: Vec<Append>, acks: Acks) -> Vec<Result<Appended, AppendError>> {
        self.enqueue(batches, acks).await.await
    }
    /// The same in two steps: when this returns, the batches have their place in the queue, before those of every later call; what
    /// comes back is what [`Log::append`] answers. It goes on by itself, also when nobody looks at it.
    async fn enqueue(&self, batches: Vec<Append>, acks: Acks) -> Appending;
    /// Batches from the one that holds `offset` on (whole, so the first may begin before it), at least one when there is
    /// one, else as many as fit in `bytes_max`. Empty at the end. Never waits.
    fn read(&self, request: ReadRequest) -> Result<Fetched, ReadError>;
    /// What [`Log::read`] would answer, where that is known without touching the disk: a caller that may not wait asks here
    /// first. None when it is not, and when it would be an error.
    fn read_cached(&self, request: ReadRequest) -> Option<Fetched>;
    /// What [`Log::read`] answers, as bytes to be sent on: what the system can send from a file is not read.
    fn locate(&self, request: ReadRequest) -> Result<Located, ReadError> {
        Ok(Located::of(self.read(request)?, request.offset))
    }
    /// What [`Log::locate`] would answer, or the beginning of it, where that is known without waiting for the disk. None when it is
    /// not, and when it would be an error.
    fn locate_now(&self, request: ReadRequest) -> Option<Located> {
        Some(Located::of(self.read_cached(request)?, request.offset))
    }
    /// Follows the ends of a partition; wakes at every change. Closed when the topic is deleted.
    fn watch(&self, at: TopicPartition) -> Result<watch::Receiver<Ends>, UnknownPartition>;
    /// The ends as they are now.
    fn ends(&self, at: TopicPartition) -> Result<Ends, UnknownPartition>;
    /// The first record whose timestamp is at or after `time`, exactly: its offset and timestamp. None when there is none.
    fn offset_at(
        &self,
        at: TopicPartition,
        time: Timestamp,
    ) -> Result<Option<(Offset, Timestamp)>, ReadError>;
    /// The record with the largest timestamp (the earliest of them); none in an empty partition (KIP-734).
    fn offset_of_max_timestamp(&self, at: TopicPartition) -> Result<Option<(Offset, Timestamp)>, ReadError>;
    /// Transactions aborted in `[from, to)`, sorted by first offset: what a `read_committed` reader must skip (KIP-98).
    fn aborted(
        &self,
        at: TopicPartition,
        from: Offset,
        to: Offset,
    ) -> Result<Vec<AbortedTransaction>, ReadError>;
    /// The first `limit` producers that the partition remembers, by id: who wrote with an id and was not silent for long since (KIP-664).
    fn producers(&self, at: TopicPartition, limit: usize) -> Result<Vec<ActiveProducer>, ReadError>;
    /// Moves the log start offset up to `before` (`None`: the high watermark) and gives the space back in time.
    /// Answers the log start offset.
    async fn delete_records(
        &self,
        at: TopicPartition,
        before: Option<Offset>,
    ) -> Result<Offset, DeleteRecordsError>;
    /// Bytes of the partition's batches on disk.
    fn size(&self, at: TopicPartition) -> Result<u64, UnknownPartition>;

    // -- units ----------------------------------------------------------------------------------------------------

    /// Commits all of a unit or nothing of it. Returns when the promise of `acks` holds.
    async fn commit(&self, unit: Unit, acks: Acks) -> Result<UnitResult, CommitError>;

    // -- what units keep ------------------------------------------------------------------------------------------

    /// One value for each key of `keys`, null where there is none.
    fn state_get(&self, store: StateStore, keys: &Column) -> Result<Column, StoreError>;
    /// Up to `limit` entries of `range`, in byte order or backwards, and whether more lie beyond.
    fn state_scan(
        &self,
        store: StateStore,
        range: &KeyRange,
        limit: usize,
    ) -> Result<(Vec<StateEntry>, bool), StoreError>;
    /// Up to `limit` timers of a task on this clock that are due at `now` (`at <= now`), in order of time, then key.
    fn timers_due(
        &self,
        task: TaskKey,
        clock: TimerClock,
        now: Timestamp,
        limit: usize,
    ) -> Result<Vec<TimerEntry>, StoreError>;
    /// The earliest timer of a task on this clock.
    fn timer_next(&self, task: TaskKey, clock: TimerClock) -> Result<Option<Timestamp>, StoreError>;
    /// The offset that a group committed for a partition.
    fn committed(&self, group: &str, at: TopicPartition) -> Result<Option<CommittedOffset>, StoreError>;
    /// All offsets of a group.
    fn committed_all(&self, group: &str) -> Result<Vec<(TopicPartition, CommittedOffset)>, StoreError>;
    /// Names of groups that have committed an offset.
    fn groups(&self) -> Result<Vec<String>, StoreError>;
    /// A named thing that a room keeps (a deployment, a module's name…), as bytes of its own format.
    fn meta_get(&self, kind: MetaKind, name: &str) -> Result<Option<Bytes>, StoreError>;
    /// All named things of a kind, by name.
    fn meta_all(&self, kind: MetaKind) -> Result<Vec<(String, Bytes)>, StoreError>;
    /// A producer id never given before; durable before it is given (ids are taken in blocks).
    async fn next_producer_id(&self) -> Result<ProducerId, StoreError>;
    /// A processor number never given before; durable before it is given.
    async fn next_processor_number(&self) -> Result<u32, StoreError>;

    // -- the whole ------------------------------------------------------------------------------------------------

    /// Whether the log still takes writes, and why not.
    fn health(&self) -> Health;
    /// This run's leader epoch: one more at each start.
    fn leader_epoch(&self) -> LeaderEpoch;
    /// Where `epoch` ended in this partition: the largest epoch at or below it and the first offset after it (KIP-320).
    fn epoch_end(
        &self,
        at: TopicPartition,
        epoch: LeaderEpoch,
    ) -> Result<Option<(LeaderEpoch, Offset)>, UnknownPartition>;
    /// Stops taking writes, finishes and syncs what was taken. Afterwards everything acknowledged is on disk.
    async fn close(&self) -> Result<(), StoreError>;
}

/// What must hold before a call returns.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Acks {
    /// Queued; nothing promised (`acks=0`).
    None,
    /// Written to the WAL: survives the process being killed (`acks=1`).
    Written,
    /// Synced to disk, many calls at once: survives the machine losing power (`acks=all`).
    Synced,
}

/// A topic as it is at some moment.
#[derive(Clone, Debug, PartialEq)]
pub struct Topic {
    /// Its name.
    pub name: TopicName,
    /// Its stable number: the key of everything on disk.
    pub number: TopicNumber,
    /// Its topic id as Kafka's protocol has it (KIP-516): random, never 0.
    pub id: [u8; 16],
    /// How many partitions.
    pub partitions: u32,
    /// Its configs.
    pub config: TopicConfig,
}

impl Topic {
    /// Partition `index` of this topic; none when it has fewer.
    pub fn partition(&self, index: PartitionIndex) -> Option<TopicPartition> {
        (index.0 < self.partitions).then_some(TopicPartition { topic: self.number, partition: index })
    }
    /// All its partitions in order.
    pub fn all_partitions(&self) -> impl ExactSizeIterator<Item = TopicPartition> + use<> {
        let topic = self.number;
        (0..self.partitions).map(move |p| TopicPartition { topic, partition: PartitionIndex(p) })
    }
}

/// A topic to be created.
#[derive(Clone, Debug)]
pub struct NewTopic {
    /// Its name.
    pub name: TopicName,
    /// 1 to `PARTITIONS_MAX`.
    pub partitions: u32,
    /// Configs by Kafka's names; unknown ones and illegal values are refused.
    pub config: Vec<(String, String)>,
}

/// What to change of a topic.
#[derive(Clone, Debug, Default)]
pub struct TopicChange {
    /// The new number of partitions: more than there are.
    pub partitions: Option<u32>,
    /// Configs to set, or to unset with `None`.
    pub config: Vec<(String, Option<String>)>,
}

/// One batch for one partition.
#[derive(Debug)]
pub struct Append {
    /// Where to.
    pub to: TopicPartition,
    /// What. Larger than the topic's `max.message.bytes` it is refused.
    pub batch: NewBatch,
}

/// Where a batch came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Appended {
    /// Offset of its first record; none with [`Acks::None`].
    pub base_offset: Option<Offset>,
    /// Set where the topic has `LogAppendTime`.
    pub append_time: Option<Timestamp>,
    /// Log start offset at that moment.
    pub log_start: Offset,
    /// The batch was already there: an idempotent producer sent it again (KIP-98).
    pub duplicate: bool,
}

/// What to read.
#[derive(Clone, Copy, Debug)]
pub struct ReadRequest {
    /// Where.
    pub at: TopicPartition,
    /// From which offset.
    pub offset: Offset,
    /// Bytes of batches to return at most; the first batch comes whatever its size.
    pub bytes_max: usize,
    /// Stop at the last stable offset (`isolation.level=read_committed`).
    pub committed_only: bool,
}

/// What was read.
#[derive(Clone, Debug, Default)]
pub struct Fetched {
    /// Batches in offset order.
    pub batches: Vec<RecordBatch>,
    /// The ends at that moment.
    pub ends: Ends,
}

/// A transaction that was aborted.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct AbortedTransaction {
    /// Who wrote it.
    pub producer: ProducerId,
    /// Its first offset in the partition.
    pub first_offset: Offset,
    /// Offset of its abort marker.
    pub last_offset: Offset,
}

/// A producer as a partition remembers it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ActiveProducer {
    /// Its id.
    pub producer: ProducerId,
    /// Its latest epoch here.
    pub epoch: ProducerEpoch,
    /// Sequence of its last record in that epoch; none when it has written none.
    pub last_sequence: Option<i32>,
    /// When it last wrote, by the host's clock.
    pub last_written_at: Timestamp,
    /// First offset of its open transaction.
    pub open_since: Option<Offset>,
}

/// One store of one task: `processor` is the deployment's number, `store` its place among the module's stores.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct StateStore {
    /// Whose.
    pub task: TaskKey,
    /// Which of its stores.
    pub store: u32,
}

/// One task: a deployed processor's number and the partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct TaskKey {
    /// Number of the deployment, from [`Log::next_processor_number`].
    pub processor: u32,
    /// Its partition.
    pub partition: PartitionIndex,
}

/// Half-open range of keys in byte order; none is without an end.
#[derive(Clone, Debug, Default)]
pub struct KeyRange {
    /// First key.
    pub start: Option<Bytes>,
    /// First key that is no longer in it.
    pub end: Option<Bytes>,
    /// From the end to the start.
    pub backwards: bool,
}

/// A key and its value.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct StateEntry {
    /// The user's key.
    pub key: Bytes,
    /// The user's value.
    pub value: Bytes,
}

/// Which clock a timer follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum TimerClock {
    /// The largest timestamp that the task has seen.
    Event,
    /// The host's clock.
    Wall,
}

/// A durable timer. Clock and key name it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerEntry {
    /// Which clock.
    pub clock: TimerClock,
    /// When.
    pub at: Timestamp,
    /// Its name.
    pub key: Bytes,
    /// What the guest gets back.
    pub payload: Bytes,
}

/// Puts and deletes of one store, as columns; a null value deletes.
#[derive(Clone, Debug)]
pub struct StateChange {
    /// Where.
    pub store: StateStore,
    /// Keys.
    pub keys: Column,
    /// Values, as many.
    pub values: Column,
}

/// A timer set (moved, when it was there) or cancelled.
#[derive(Clone, Debug)]
pub enum TimerChange {
    /// Set or move.
    Set(TaskKey, TimerEntry),
    /// Cancel; nothing when there is none.
    Cancel(TaskKey, TimerClock, Bytes),
    /// All timers of the task.
    Clear(TaskKey),
}

/// An offset that a group commits.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct CommittedOffset {
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the record before it, when the client said.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's words; kept as they are.
    pub metadata: String,
    /// When it was committed.
    pub committed_at: Timestamp,
}

/// A change to one committed offset.
#[derive(Clone, Debug)]
pub struct OffsetCommit {
    /// The group.
    pub group: String,
    /// The partition.
    pub at: TopicPartition,
    /// What.
    pub change: OffsetChange,
}

/// Set or remove.
#[derive(Clone, Debug)]
pub enum OffsetChange {
    /// Commit.
    Set(CommittedOffset),
    /// Forget.
    Remove,
}

/// What kind of named thing. On disk as its number; these keep their meaning for ever.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
#[repr(u8)]
pub enum MetaKind {
    /// The room `plugin`: a module's name and its digest.
    Module = 1,
    /// The room `processor`: a deployment.
    Processor = 2,
    /// The room `groups`: a group.
    Group = 3,
    /// The room `groups`: a transactional id.
    Transaction = 4,
    /// The room `connect`: a connector.
    Connector = 5,
    /// The room `kafka`: what clients know this cluster by.
    Cluster = 6,
}

/// A named thing set, or removed with `None`.
#[derive(Clone, Debug)]
pub struct MetaChange {
    /// Kind.
    pub kind: MetaKind,
    /// Name.
    pub name: String,
    /// Bytes of the room's own format.
    pub value: Option<Bytes>,
}

/// All that one step changes; committed as one.
#[derive(Debug, Default)]
pub struct Unit {
    /// Batches, each to its partition, in order.
    pub appends: Vec<Append>,
    /// Changes of keyed state, in order.
    pub state: Vec<StateChange>,
    /// All of a store's entries gone (before `state` is applied).
    pub state_clears: Vec<StateStore>,
    /// Changes of timers, in order.
    pub timers: Vec<TimerChange>,
    /// Positions.
    pub offsets: Vec<OffsetCommit>,
    /// Named things.
    pub meta: Vec<MetaChange>,
}

/// What a unit's commit answers.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct UnitResult {
    /// For each of `appends`, where it came to lie.
    pub appended: Vec<Appended>,
}

/// Whether the log takes writes.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Health {
    /// It does.
    Good,
    /// It refuses records as long as its disk has too little room; how much there is. It goes on by itself.
    DiskFull(String),
    /// It refuses them since its first failed write or sync; the reason.
    WritesRefused(String),
}
