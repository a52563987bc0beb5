//! The writer, which alone changes the log; `drive.rs` says on which thread. In come commands from the queue, out go groups of them as one write
//! each, then the new ends to readers and the answers to callers.
//! Invariant: a group is in the journal whole or not at all; nothing of it is seen before; commands take effect in
//! the order they came. After a failed write nothing is written any more.
//! What each kind of change means stands with it (`append.rs`, `units.rs`, `topics.rs`, `trim.rs`, ...).

use super::answer::{Answer, AppendResults};
use super::append::Entry;
use super::flush::Unflushed;
use super::group::{Group, io_failure};
use super::keys::meta::Counter;
use super::live::Live;
use super::ops::Ops;
use super::partition::Partition;
use super::producers::Producers;
use super::queue::Held;
use super::reclaim::Moved;
use super::rewrite::Rewrite;
use super::shared::Shared;
use super::timers::Pending;
use super::trim::{Trim, Trimmed};
use super::units::ReadyUnit;
use crate::api::{Acks, NewTopic, Topic, TopicChange, UnitResult};
use crate::error::{
    AlterTopicError, AppendError, CommitError, CreateTopicError, DeleteRecordsError, DeleteTopicError,
    StoreError,
};
use potok_types::{ProducerId, RecordBatch, TopicName, TopicNumber, TopicPartition};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::oneshot;

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
    Trim(TopicPartition, Trim, Reply<Trimmed, DeleteRecordsError>),
    Rewrite(Rewrite, Reply<(), StoreError>),
    TakeNumbers(Counter, u64, Reply<Range<u64>, StoreError>),
    ForgetProducers(Vec<(TopicPartition, ProducerId)>, Duration, Reply<usize, StoreError>),
    /// Batches lie elsewhere in the journal from now on.
    Move(Vec<Moved>, Reply<(), StoreError>),
    /// Removes some batches of a topic that was deleted. Answers whether there are more.
    RemoveSome(TopicNumber, Reply<bool, StoreError>),
    /// Ends the journal's segment, so that it can be taken away.
    Seal(Reply<(), StoreError>),
    /// Merges the files of places.
    Compact(Reply<(), StoreError>),
    /// Nothing to write: answers when all before it is written and synced, and begins to go to files.
    Flush(Reply<(), StoreError>),
}

impl Command {
    /// Whether it is left to the writer's thread.
    pub(super) fn is_rare(&self) -> bool {
        matches!(self, Command::Admin(_))
    }
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
    /// Batches that take the place of others: what compaction left, and what moves within the journal.
    pub(super) replaced: Vec<(TopicPartition, RecordBatch)>,
    pub(super) live: Live,
    pub(super) unflushed: Unflushed,
    /// Partitions that the group changes.
    pub(super) touched: Vec<Arc<Partition>>,
    answers: Vec<Answer>,
    answers_synced: Vec<Answer>,
    held: Vec<Held>,
    inbox: VecDeque<(Command, Held)>,
}

impl std::fmt::Debug for Writer {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Writer")
    }
}

/// A panic ends all writing.
struct Panicking(Arc<Shared>);

impl Drop for Panicking {
    fn drop(&mut self) {
        if std::thread::panicking() {
            self.0.refusal.refuse("the writer panicked: the process's own log says where");
            self.0.queue.abandon();
        }
    }
}

impl Writer {
    pub(super) fn new(shared: Arc<Shared>, live: Live, unflushed: Unflushed) -> Writer {
        Writer {
            shared,
            producers: Producers::default(),
            timers: Pending::default(),
            ops: Ops::default(),
            placed: Vec::new(),
            placed_len: 0,
            replaced: Vec::new(),
            live,
            unflushed,
            touched: Vec::new(),
            answers: Vec::new(),
            answers_synced: Vec::new(),
            held: Vec::new(),
            inbox: VecDeque::new(),
        }
    }
    /// Does what waits, up to the first command that `takes` does not. Whether there was any.
    pub(super) fn round(&mut self, takes: impl Fn(&Command) -> bool) -> bool {
        let _panicking = Panicking(self.shared.clone());
        let mut inbox = std::mem::take(&mut self.inbox);
        let any = self.shared.queue.take(&mut inbox, takes);
        for (command, held) in inbox.drain(..) {
            self.held.push(held);
            self.handle(command);
            if self.ops.len() + self.placed_len >= self.shared.settings.group_bytes_max {
                self.finish();
            }
        }
        self.finish();
        self.inbox = inbox;
        any
    }
    /// Drops the answers of a group that a panic cut short: whoever waits for one learns that there will be none.
    pub(super) fn forget(&mut self) {
        self.answers.clear();
        self.answers_synced.clear();
        for held in self.held.drain(..) {
            self.shared.queue.release(held);
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
                self.replaced.clear();
                self.restore_live();
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
            Admin::Move(moved, to) => drop(to.send(self.move_batches(moved))),
            Admin::RemoveSome(topic, to) => drop(to.send(self.remove_some(topic))),
            Admin::Seal(to) => drop(to.send(self.seal())),
            Admin::Compact(to) => drop(to.send(self.compact())),
            Admin::Flush(to) => drop(to.send(self.flush())),
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
        self.sync_ahead();
    }
    /// Writes what the group holds as one, then shows it to readers.
    pub(super) fn write(&mut self) -> Result<(), StoreError> {
        self.keep_producers();
        for partition in std::mem::take(&mut self.touched) {
            self.keep_tail(partition.at, &partition.tail.lock());
            self.touched.push(partition);
        }
        let is_nothing = self.ops.is_empty() && self.replaced.is_empty();
        let outcome = if is_nothing { Ok(()) } else { self.write_group() };
        self.ops.clear();
        self.replaced.clear();
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
    fn write_group(&mut self) -> Result<(), StoreError> {
        self.shared.refusal.check()?;
        self.put_group().inspect_err(|error| self.shared.refusal.refuse(&format!("a write failed: {error}")))
    }
    fn put_group(&mut self) -> Result<(), StoreError> {
        // what is read together lies together; each partition's own keep their order
        self.placed.sort_by_key(|(partition, _)| partition.at);
        let Shared { journal, store, ids, disk, .. } = &*self.shared;
        let mut group = Group::new(journal)?;
        let placed = self.placed.iter().map(|(partition, batch)| (partition.at, batch));
        let replaced = self.replaced.iter().map(|(at, batch)| (*at, batch));
        for (at, batch) in placed.chain(replaced) {
            if let Some(segment) = group.put(*ids, &mut self.ops, at, batch) {
                self.live.add(segment, batch.len() as u64);
            }
        }
        self.live.keep(*ids, &mut self.ops);
        let len = group.write(*ids, &mut self.ops, journal, store)?;
        disk.count(len);
        self.unflushed.count(self.ops.len(), self.ops.count(), len);
        Ok(())
    }
    /// Ends the journal's segment, and begins the next one with an entry, so that nothing needs the ended one to go on from.
    fn seal(&mut self) -> Result<(), StoreError> {
        self.shared.refusal.check()?;
        self.shared.journal.seal().map_err(io_failure)?;
        self.write_group()
    }
    /// Takes the counts as they are kept, when a command failed after it changed them.
    fn restore_live(&mut self) {
        if self.live.is_changed() {
            match Live::load(&self.shared.store) {
                Ok(live) => self.live = live,
                Err(error) => self.shared.refusal.refuse(&format!("the store cannot be read: {error}")),
            }
        }
    }
    /// Puts a partition among those that the group changes.
    pub(super) fn touch(&mut self, partition: &Arc<Partition>, touched: &mut bool) {
        if !std::mem::replace(touched, true) {
            self.touched.push(partition.clone());
        }
    }
}
