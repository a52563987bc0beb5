//! All groups, each behind a lock of its own. In come requests, out go replies, the waiting ones through tickets.
//!
//! A group is locked, its machine decides, what it wants kept is written, and only then are the replies given: all under the one lock, so
//! that the log holds states in the order in which they were. Where the write fails, the group is read from the log again, as after a
//! restart, and whoever waited is told of the failure.

mod admin;
mod classic;
mod consumer;
mod expiry;
mod offsets;

use crate::coordinator::Inner;
use crate::deadlines::Subject;
use crate::error::{GroupRefusal, store_failure};
use crate::settings::{GROUPS_MAX, RETRY_AFTER};
use crate::stored::{StoredGroup, decode_group, encode_group};
use parking_lot::Mutex;
use potok_groups::{ClassicGroup, ConsumerGroup, Effect, JoinReply, SyncReply, Ticket};
use potok_log::{Acks, MetaChange, MetaKind, StoreError, Unit};
use potok_types::Timestamp;
use std::collections::HashMap;
use std::sync::Arc;
use tokio::sync::{OwnedMutexGuard, oneshot};

/// All groups in memory.
#[derive(Debug, Default)]
pub(crate) struct Groups {
    by_name: Mutex<HashMap<String, Arc<tokio::sync::Mutex<Cell>>>>,
}

/// A group by its protocol.
#[derive(Debug)]
enum Kind {
    Classic(ClassicGroup),
    Consumer(ConsumerGroup),
}

type Reply<T> = oneshot::Sender<Result<T, GroupRefusal>>;

/// One group, with those who wait for it.
#[derive(Debug)]
pub(crate) struct Cell {
    name: String,
    /// None for a group that only commits offsets, or that is not there at all.
    kind: Option<Kind>,
    tickets: u64,
    joins: HashMap<Ticket, Reply<JoinReply>>,
    syncs: HashMap<Ticket, Reply<SyncReply>>,
    scheduled: Option<Timestamp>,
    /// The log knows of it.
    kept: bool,
    /// Taken out of the map: whoever waited for the lock looks there again.
    gone: bool,
}

/// A group that nobody else can look at. Whoever holds a transaction may take one, several in the order of their names; whoever holds
/// a group takes no transaction.
pub(crate) type Locked = OwnedMutexGuard<Cell>;

impl Cell {
    fn new(name: &str, kind: Option<Kind>) -> Cell {
        Cell {
            name: name.to_owned(),
            kept: kind.is_some(),
            kind,
            tickets: 0,
            joins: HashMap::new(),
            syncs: HashMap::new(),
            scheduled: None,
            gone: false,
        }
    }
    fn ticket(&mut self) -> Ticket {
        self.tickets += 1;
        Ticket(self.tickets)
    }
    /// Nobody is a member, and nobody is about to be.
    fn is_memberless(&self) -> bool {
        match &self.kind {
            None => true,
            Some(Kind::Classic(group)) => group.may_delete().is_ok(),
            Some(Kind::Consumer(group)) => group.may_delete().is_ok(),
        }
    }
    fn next_deadline(&self) -> Option<Timestamp> {
        match &self.kind {
            Some(Kind::Classic(group)) => group.next_deadline(),
            Some(Kind::Consumer(group)) => group.next_deadline(),
            None => None,
        }
    }
    fn deliver(&mut self, effect: Effect) {
        match effect {
            Effect::Join(ticket, reply) => {
                answer(self.joins.remove(&ticket), reply.map_err(GroupRefusal::from))
            }
            Effect::Sync(ticket, reply) => {
                answer(self.syncs.remove(&ticket), reply.map_err(GroupRefusal::from))
            }
            Effect::Persist => {}
        }
    }
}

/// A client that has gone is nobody to answer to.
fn answer<T>(waiting: Option<Reply<T>>, reply: Result<T, GroupRefusal>) {
    if let Some(waiting) = waiting {
        let _ = waiting.send(reply);
    }
}

impl Inner {
    pub(crate) fn restore_groups(&self) -> Result<(), StoreError> {
        let now = self.time.now();
        for (name, bytes) in self.log().meta_all(MetaKind::Group)? {
            let mut cell = Cell::new(&name, Some(self.revive(&name, &bytes, now)?));
            self.schedule(&mut cell);
            self.groups.by_name.lock().insert(name, Arc::new(tokio::sync::Mutex::new(cell)));
        }
        Ok(())
    }
    fn revive(&self, name: &str, bytes: &[u8], now: Timestamp) -> Result<Kind, StoreError> {
        Ok(match decode_group(name, bytes)? {
            StoredGroup::Classic(kept) => {
                Kind::Classic(ClassicGroup::restore(self.settings.classic(), now, kept))
            }
            StoredGroup::Consumer(kept) => {
                Kind::Consumer(ConsumerGroup::restore(self.settings.consumer(), now, kept))
            }
        })
    }

    /// Names of all groups in memory.
    pub(crate) fn group_names(&self) -> Vec<String> {
        self.groups.by_name.lock().keys().cloned().collect()
    }
    /// The group by its name, locked. One that is not there comes into being, and goes with [`Inner::settle`] when nothing came of it.
    pub(crate) async fn lock(&self, name: &str) -> Result<Locked, GroupRefusal> {
        let full = {
            let groups = self.groups.by_name.lock();
            groups.len() >= GROUPS_MAX && !groups.contains_key(name)
        };
        if full { Err(GroupRefusal::TooMany(GROUPS_MAX)) } else { Ok(self.lock_anyway(name).await) }
    }
    /// The same where there is no room for another: for what makes no member, and must not fail for want of room.
    pub(crate) async fn lock_anyway(&self, name: &str) -> Locked {
        loop {
            let cell = {
                let mut groups = self.groups.by_name.lock();
                let fresh = || Arc::new(tokio::sync::Mutex::new(Cell::new(name, None)));
                Arc::clone(groups.entry(name.to_owned()).or_insert_with(fresh))
            };
            let locked = cell.lock_owned().await;
            if !locked.gone {
                return locked;
            }
        }
    }
    /// The group, when it is in memory.
    async fn lock_known(&self, name: &str) -> Option<Locked> {
        loop {
            let cell = self.groups.by_name.lock().get(name).cloned()?;
            let locked = cell.lock_owned().await;
            if !locked.gone {
                return Some(locked);
            }
        }
    }
    /// The end of whatever was done to a group.
    pub(crate) fn settle(&self, cell: &mut Cell) {
        let nothing_came_of_it = !cell.kept && cell.is_memberless() && cell.next_deadline().is_none();
        if cell.kind.is_none() || nothing_came_of_it {
            cell.gone = true;
            self.groups.by_name.lock().remove(&cell.name);
            return;
        }
        self.schedule(cell);
    }
    fn schedule(&self, cell: &mut Cell) {
        let next = cell.next_deadline();
        let Cell { scheduled, name, .. } = cell;
        self.deadlines.schedule(scheduled, next, || Subject::Group(name.clone()));
    }

    /// Writes what is to be kept, then gives the replies.
    async fn carry_out(&self, cell: &mut Cell, effects: Vec<Effect>) -> Result<(), StoreError> {
        if effects.contains(&Effect::Persist) {
            self.keep(cell).await?;
        }
        effects.into_iter().for_each(|effect| cell.deliver(effect));
        Ok(())
    }
    /// Writes the group as it is. A write that fails takes back all that was decided since the last one.
    async fn keep(&self, cell: &mut Cell) -> Result<(), StoreError> {
        let stored = match &cell.kind {
            Some(Kind::Classic(group)) => StoredGroup::Classic(group.snapshot()),
            Some(Kind::Consumer(group)) => StoredGroup::Consumer(group.snapshot()),
            None => return Ok(()),
        };
        let change =
            MetaChange { kind: MetaKind::Group, name: cell.name.clone(), value: Some(encode_group(stored)?) };
        let written = self.log().commit(Unit { meta: vec![change], ..Unit::default() }, Acks::Written).await;
        let Err(error) = written.map_err(store_failure) else {
            cell.kept = true;
            return Ok(());
        };
        tracing::warn!(group = cell.name, %error, "groups: a group could not be kept, and is as it was before");
        for (_, waiting) in cell.joins.drain() {
            answer(Some(waiting), Err(error.clone().into()));
        }
        for (_, waiting) in cell.syncs.drain() {
            answer(Some(waiting), Err(error.clone().into()));
        }
        let kept = self.log().meta_get(MetaKind::Group, &cell.name)?;
        cell.kind = kept.map(|bytes| self.revive(&cell.name, &bytes, self.time.now())).transpose()?;
        Err(error)
    }

    /// A group's deadline has come.
    pub(crate) async fn tick_group(&self, name: &str, at: Timestamp) {
        let Some(mut cell) = self.lock_known(name).await else { return };
        if cell.scheduled == Some(at) {
            cell.scheduled = None;
        }
        let now = self.time.now();
        let done = match &mut cell.kind {
            Some(Kind::Classic(group)) => {
                let effects = group.tick(now);
                self.carry_out(&mut cell, effects).await
            }
            Some(Kind::Consumer(group)) => match group.tick(now, &self.topics) {
                true => self.keep(&mut cell).await,
                false => Ok(()),
            },
            None => Ok(()),
        };
        if done.is_err() {
            let retry = Some(now.plus(RETRY_AFTER));
            let Cell { scheduled, name, .. } = &mut *cell;
            self.deadlines.schedule(scheduled, retry, || Subject::Group(name.clone()));
        }
        self.settle(&mut cell);
    }
}
