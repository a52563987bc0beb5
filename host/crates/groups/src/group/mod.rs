//! One group, of whichever protocol its members speak, and its steps: what a request, or the passing of time, makes of it.
//! In come events and the time, out goes a [`Step`]: answers, and where something is to be kept, the group as it is to become.
//! Invariant: a step that is to be kept leaves the group as it was, so that a write that fails has changed nothing; all other steps
//! change what is not kept anyway (sessions, who waits, a rebalance under way), and copy nothing.

mod convert;
mod kept;
mod steps;
#[cfg(test)]
mod tests;

pub use kept::GroupSnapshot;

use crate::classic::{ClassicGroup, Effect, GroupSettings};
use crate::consumer::{ConsumerGroup, ConsumerSettings};
use potok_types::Timestamp;

/// Bounds of both protocols.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Rules {
    /// For the classic protocol.
    pub classic: GroupSettings,
    /// For KIP-848.
    pub consumer: ConsumerSettings,
}

/// A group by its protocol.
#[derive(Clone, Debug, PartialEq)]
pub enum Kind {
    /// Its members join and sync.
    Classic(ClassicGroup),
    /// KIP-848.
    Consumer(ConsumerGroup),
}

/// One group.
#[derive(Clone, Debug, PartialEq)]
pub struct Group {
    rules: Rules,
    kind: Option<Kind>,
}

/// What an event comes to.
#[derive(Debug)]
#[must_use = "the group may have to be kept, and somebody waits for the answers"]
pub struct Step<A> {
    /// The group as it is to become: keep it, put it in the place of the one that was asked, and only then answer. Where that fails,
    /// nothing has happened. None: there is nothing to keep.
    pub next: Option<Group>,
    /// Answers to those who wait.
    pub effects: Vec<Effect>,
    /// The answer to whoever asked.
    pub answer: A,
}

/// What a change did to a group.
struct Done<A> {
    effects: Vec<Effect>,
    answer: A,
    /// Nothing came of it: the group stays what it was.
    refused: bool,
}

impl Group {
    /// A group that nobody has joined.
    pub fn new(rules: Rules) -> Group {
        Group { rules, kind: None }
    }
    /// By its protocol; none for a group that nobody has joined.
    pub fn kind(&self) -> Option<&Kind> {
        self.kind.as_ref()
    }
    /// Nobody is a member, and nobody is about to be.
    pub fn is_memberless(&self) -> bool {
        match &self.kind {
            None => true,
            Some(Kind::Classic(group)) => group.may_delete().is_ok(),
            Some(Kind::Consumer(group)) => group.may_delete().is_ok(),
        }
    }
    /// The next moment at which [`Group::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        match self.kind.as_ref()? {
            Kind::Classic(group) => group.next_deadline(),
            Kind::Consumer(group) => group.next_deadline(),
        }
    }
    /// When it came into its state.
    pub fn state_since(&self) -> Option<Timestamp> {
        match self.kind.as_ref()? {
            Kind::Classic(group) => Some(group.state_since()),
            Kind::Consumer(group) => Some(group.state_since()),
        }
    }

    /// A step. One that may have something to keep is done on a copy.
    fn step<A>(&mut self, may_keep: bool, change: impl FnOnce(&mut Group) -> Done<A>) -> Step<A> {
        if !may_keep {
            let Done { effects, answer, .. } = change(self);
            let next = effects.contains(&Effect::Persist).then(|| self.clone());
            return Step { next, effects, answer };
        }
        let mut copy = self.clone();
        let Done { effects, answer, refused } = change(&mut copy);
        if effects.contains(&Effect::Persist) {
            return Step { next: Some(copy), effects, answer };
        }
        if !refused {
            *self = copy;
        }
        Step { next: None, effects, answer }
    }
}
