//! All groups, each behind a lock of its own. In come requests, out go replies, the waiting ones through tickets.
//!
//! A group is locked, its machine decides, what it wants kept is written, and only then is the new state taken and are the replies given:
//! all under the one lock, so that the log holds states in the order in which they were. Where the write fails, the group is what it was,
//! whoever waits goes on waiting, and whoever asked is told of the failure.

mod admin;
mod classic;
mod consumer;
mod expiry;
mod offsets;

use crate::coordinator::Inner;
use crate::deadlines::Subject;
use crate::error::{GroupRefusal, store_failure};
use crate::settings::{GROUPS_MAX, RETRY_AFTER};
use crate::stored::{decode_group, encode_group};
use parking_lot::Mutex;
use potok_groups::{Effect, Group, JoinReply, Step, SyncReply, Ticket};
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

type Reply<T> = oneshot::Sender<Result<T, GroupRefusal>>;

/// One group, with those who wait for it.
#[derive(Debug)]
pub(crate) struct Cell {
    name: String,
    /// Without a protocol where it only commits offsets, or is not there at all.
    pub(crate) group: Group,
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
    fn new(name: &str, group: Group) -> Cell {
        Cell {
            name: name.to_owned(),
            kept: group.kind().is_some(),
            group,
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
            let group = Group::restore(self.settings.rules(), now, decode_group(&name, &bytes)?);
            let mut cell = Cell::new(&name, group);
            self.schedule(&mut cell);
            self.groups.by_name.lock().insert(name, Arc::new(tokio::sync::Mutex::new(cell)));
        }
        Ok(())
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
                let fresh =
                    || Arc::new(tokio::sync::Mutex::new(Cell::new(name, Group::new(self.settings.rules()))));
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
        let Cell { group, kept, .. } = cell;
        let nothing_came_of_it = !*kept && group.is_memberless() && group.next_deadline().is_none();
        if group.kind().is_none() || nothing_came_of_it {
            cell.gone = true;
            self.groups.by_name.lock().remove(&cell.name);
            return;
        }
        self.schedule(cell);
    }
    fn schedule(&self, cell: &mut Cell) {
        let next = cell.group.next_deadline();
        let Cell { scheduled, name, .. } = cell;
        self.deadlines.schedule(scheduled, next, || Subject::Group(name.clone()));
    }

    /// Writes what is to be kept, takes the new state, then gives the replies. Of a write that fails nothing is left.
    async fn carry_out<A>(&self, cell: &mut Cell, step: Step<A>) -> Result<A, StoreError> {
        if let Some(next) = step.next {
            self.keep(&cell.name, &next).await?;
            cell.kept = true;
            cell.group = next;
        }
        step.effects.into_iter().for_each(|effect| cell.deliver(effect));
        Ok(step.answer)
    }
    async fn keep(&self, name: &str, group: &Group) -> Result<(), StoreError> {
        let value = group.snapshot().map(encode_group).transpose()?;
        let change = MetaChange { kind: MetaKind::Group, name: name.to_owned(), value };
        let written = self.log().commit(Unit { meta: vec![change], ..Unit::default() }, Acks::Written).await;
        let error = match written.map_err(store_failure) {
            Ok(_) => return Ok(()),
            Err(error) => error,
        };
        tracing::warn!(group = name, %error, "groups: a group could not be kept, and is as it was before");
        Err(error)
    }

    /// A group's deadline has come. What could not be kept is tried again later.
    pub(crate) async fn tick_group(&self, name: &str, at: Timestamp) {
        let Some(mut cell) = self.lock_known(name).await else { return };
        if cell.scheduled == Some(at) {
            cell.scheduled = None;
        }
        let now = self.time.now();
        let step = cell.group.tick(now, &self.topics);
        if self.carry_out(&mut cell, step).await.is_err() {
            let Cell { scheduled, name, .. } = &mut *cell;
            let retry = Some(now.plus(RETRY_AFTER));
            return self.deadlines.schedule(scheduled, retry, || Subject::Group(name.clone()));
        }
        self.settle(&mut cell);
    }
}
