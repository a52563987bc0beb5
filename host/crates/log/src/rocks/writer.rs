//! The writer: the one thread that changes the log. In come commands from the queue, out go groups of them as one write
//! each, then the new ends to readers and the answers to callers.
//! Invariant: a group is in the write-ahead log whole or not at all; nothing of it is seen before; commands take effect in
//! the order they came. After a failed write nothing is written any more.
//! What each kind of change means stands with it (`append.rs`, `units.rs`, `topics.rs`, `trim.rs`, ...).

use super::answer::{Answer, AppendResults};
use super::append::Entry;
use super::keys::meta::Counter;
use super::keys::records;
use super::ops::Ops;
use super::partition::Partition;
use super::producers::Producers;
use super::queue::Held;
use super::rewrite::Rewrite;
use super::shared::Shared;
use super::store::{Family, failure};
use super::timers::Pending;
use super::trim::Trim;
use super::units::ReadyUnit;
use crate::api::{Acks, NewTopic, Topic, TopicChange, UnitResult};
use crate::error::{
    AlterTopicError, AppendError, CommitError, CreateTopicError, DeleteRecordsError, DeleteTopicError,
    StoreError,
};
use potok_types::{Offset, ProducerId, RecordBatch, TopicName, TopicPartition};
use rocksdb::{WriteBatch, WriteOptions};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

/// Other changes a batch, up to which they are put in one by one, so that the batches find room made for them. A unit with
/// much state has more, and is copied as it was encoded.
const REPLAY_MAX: usize = 8;
/// What a batch takes in a write beside its bytes: tag, family, key and lengths.
const BATCH_OVERHEAD_LEN: usize = 32;

/// What the writer is asked for.
pub(super) enum Command {
    /// Batches, each on its own. Without a reply nobody waits (acks=0).
    Append {
        entries: Vec<Result<Entry, AppendError>>,
        acks: Acks,
        reply: Option<oneshot::Sender<AppendResults>>,
    },
    /// A unit, whole or not at all.
    Commit {
        unit: Box<ReadyUnit>,
        acks: Acks,
        reply: Option<oneshot::Sender<Result<UnitResult, CommitError>>>,
    },
    /// Something rare, in a write of its own.
    Admin(Box<Admin>),
}

type Reply<T, E> = oneshot::Sender<Result<T, E>>;

/// The rare commands. Each is written alone, so that what it reads from the store is all there is.
pub(super) enum Admin {
    CreateTopic(NewTopic, Reply<Arc<Topic>, CreateTopicError>),
    AlterTopic(TopicName, TopicChange, Reply<Arc<Topic>, AlterTopicError>),
    DeleteTopic(TopicName, Reply<(), DeleteTopicError>),
    Trim(TopicPartition, Trim, Reply<Offset, DeleteRecordsError>),
    Rewrite(Rewrite, Reply<(), StoreError>),
    TakeNumbers(Counter, u64, Reply<Range<u64>, StoreError>),
    ForgetProducers(Vec<(TopicPartition, ProducerId)>, Duration, Reply<usize, StoreError>),
    /// Nothing to write: answers when all before it is written and synced.
    Sync(Reply<(), StoreError>),
}

impl std::fmt::Debug for Command {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str(match self {
            Command::Append { .. } => "Append",
            Command::Commit { .. } => "Commit",
            Command::Admin(_) => "Admin",
        })
    }
}

/// The writer's own things; the group under way among them.
pub(super) struct Writer {
    pub(super) shared: Arc<Shared>,
    pub(super) producers: Producers,
    pub(super) timers: Pending,
    /// The group's changes, but for the batches.
    pub(super) ops: Ops,
    /// The group's batches, where they will lie.
    pub(super) placed: Vec<(Arc<Partition>, RecordBatch)>,
    pub(super) placed_len: usize,
    /// Partitions that the group changes.
    pub(super) touched: Vec<Arc<Partition>>,
    answers: Vec<Answer>,
    answers_synced: Vec<Answer>,
    held: Vec<Held>,
    options: WriteOptions,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// Whatever ends the writer, nobody waits for it any more, and a panic ends all writing.
struct Ending(Arc<Shared>);

impl Drop for Ending {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.refusal.refuse("the writer's thread panicked: the process's own log says where");
        }
        self.0.queue.abandon();
        self.0.syncs.close();
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>) -> Writer {
        Writer {
            shared,
            producers: Producers::default(),
            timers: Pending::default(),
            ops: Ops::default(),
            placed: Vec::new(),
            placed_len: 0,
            touched: Vec::new(),
            answers: Vec::new(),
            answers_synced: Vec::new(),
            held: Vec::new(),
            options: WriteOptions::default(),
        }
    }
    /// The thread's whole life: until the queue is closed and empty.
    pub(super) fn run(mut self) {
        let _ending = Ending(self.shared.clone());
        let mut inbox = VecDeque::new();
        while self.shared.queue.take(&mut inbox) {
            for (command, held) in inbox.drain(..) {
                self.held.push(held);
                self.handle(command);
                if self.ops.len() + self.placed_len >= self.shared.settings.group_bytes_max {
                    self.finish();
                }
            }
            self.finish();
        }
    }
    fn handle(&mut self, command: Command) {
        match command {
            Command::Append { entries, acks, reply } => {
                let results = entries.into_iter().map(|entry| self.append(entry?)).collect();
                if let Some(to) = reply {
                    self.answer_later(acks, Answer::Append(to, results));
                }
            }
            Command::Commit { unit, acks, reply } => match (self.commit(*unit), reply) {
                (Ok(result), Some(to)) => self.answer_later(acks, Answer::Commit(to, result)),
                (Err(error), Some(to)) => drop(to.send(Err(error))),
                (_, None) => {}
            },
            Command::Admin(admin) => {
                self.finish();
                self.administer(*admin);
                // what a failed command left behind
                self.ops.clear();
                self.touched.clear();
            }
        }
    }
    fn administer(&mut self, admin: Admin) {
        match admin {
            Admin::CreateTopic(new, to) => {
                let result = self.create_topic(&new);
                self.reply_synced(to, result);
            }
            Admin::AlterTopic(name, change, to) => {
                let result = self.alter_topic(&name, &change);
                self.reply_synced(to, result);
            }
            Admin::DeleteTopic(name, to) => {
                let result = self.delete_topic(&name);
                self.reply_synced(to, result);
            }
            Admin::Trim(at, trim, to) => drop(to.send(self.trim(at, trim))),
            Admin::Rewrite(rewrite, to) => drop(to.send(self.rewrite(rewrite))),
            Admin::TakeNumbers(of, count, to) => {
                let result = self.take_numbers(of, count);
                self.reply_synced(to, result);
            }
            Admin::ForgetProducers(candidates, silence, to) => {
                drop(to.send(self.forget_silent_producers(&candidates, silence)));
            }
            Admin::Sync(to) => self.reply_synced(to, Ok(())),
        }
    }
    fn answer_later(&mut self, acks: Acks, answer: Answer) {
        match acks {
            Acks::Synced => self.answers_synced.push(answer),
            Acks::None | Acks::Written => self.answers.push(answer),
        }
    }
    /// Answers a success once it is synced, an error at once.
    fn reply_synced<T, E>(&mut self, to: Reply<T, E>, result: Result<T, E>)
    where
        T: Send + 'static,
        E: From<StoreError> + Send + 'static,
    {
        match result {
            Err(error) => drop(to.send(Err(error))),
            Ok(value) => {
                let give = move |outcome: Result<(), StoreError>| {
                    drop(to.send(outcome.map(|()| value).map_err(E::from)))
                };
                self.shared.syncs.push(&mut vec![Answer::Other(Box::new(give))]);
            }
        }
    }
    /// Ends the group: writes it, shows it, answers.
    pub(super) fn finish(&mut self) {
        let outcome = self.write();
        for answer in self.answers.drain(..) {
            answer.give(outcome.clone());
        }
        match outcome {
            Ok(()) if !self.answers_synced.is_empty() => self.shared.syncs.push(&mut self.answers_synced),
            outcome => self.answers_synced.drain(..).for_each(|answer| answer.give(outcome.clone())),
        }
        for held in self.held.drain(..) {
            self.shared.queue.release(held);
        }
    }
    /// Writes what the group holds as one, then shows it to readers.
    pub(super) fn write(&mut self) -> Result<(), StoreError> {
        self.keep_producers();
        for partition in std::mem::take(&mut self.touched) {
            self.keep_tail(partition.at, &partition.tail.lock());
            self.touched.push(partition);
        }
        let outcome = if self.ops.is_empty() { Ok(()) } else { self.write_group() };
        self.ops.clear();
        self.placed_len = 0;
        self.timers.clear();
        if outcome.is_ok() {
            self.shared.cache.put(self.placed.drain(..));
            self.touched.drain(..).for_each(|partition| partition.publish());
        } else {
            self.placed.clear();
            self.touched.clear();
        }
        outcome
    }
    /// The group as RocksDB takes it. The batches, most of the bytes, are copied once, into room that is there.
    fn write_batch(&mut self) -> Result<WriteBatch, StoreError> {
        let store = &self.shared.store;
        let mut batch = if self.ops.count() <= REPLAY_MAX * (self.placed.len() + 1) {
            let room = self.ops.len() + self.placed_len + BATCH_OVERHEAD_LEN * self.placed.len();
            let mut batch = WriteBatch::with_capacity_bytes(room);
            let replayed = self.ops.replay(store, self.shared.ids, &mut batch);
            replayed.ok_or_else(|| StoreError::Io("a group of changes does not read back".into()))?;
            batch
        } else {
            self.ops.batch()
        };
        let family = store.family(Family::Records);
        for (partition, placed) in &self.placed {
            batch.put_cf(family, records::key(partition.at, placed.header().base_offset), placed.bytes());
        }
        Ok(batch)
    }
    fn write_group(&mut self) -> Result<(), StoreError> {
        self.shared.refusal.check()?;
        let batch = self.write_batch()?;
        self.shared.disk.count(batch.size_in_bytes());
        self.shared.store.db().write_opt(batch, &self.options).map_err(|error| {
            let error = failure("the store", &error);
            self.shared.refusal.refuse(&format!("a write failed: {error}"));
            error
        })
    }
    /// Puts a partition among those that the group changes.
    pub(super) fn touch(&mut self, partition: &Arc<Partition>, touched: &mut bool) {
        if !std::mem::replace(touched, true) {
            self.touched.push(partition.clone());
        }
    }
}
