//! SyncGroup: the leader brings the assignments, everybody fetches theirs.

use super::{ClassicGroup, Effect, GroupError, GroupState, Ticket};
use bytes::Bytes;
use potok_types::Timestamp;
use std::collections::HashMap;

/// A request to sync.
#[derive(Clone, Debug)]
pub struct SyncRequest {
    /// Who.
    pub member_id: String,
    /// Of a static member.
    pub instance_id: Option<String>,
    /// The generation it joined.
    pub generation: i32,
    /// When the client says (v5 and later), it must be the group's.
    pub protocol_type: Option<String>,
    /// When the client says (v5 and later), it must be the chosen one.
    pub protocol: Option<String>,
    /// Member id to assignment, from the leader.
    pub assignments: Vec<(String, Bytes)>,
}

/// A sync's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct SyncReply {
    /// `consumer`, …
    pub protocol_type: String,
    /// The chosen one.
    pub protocol: String,
    /// The member's own.
    pub assignment: Bytes,
}

impl ClassicGroup {
    /// Whether there may be something to keep: what the leader brings is.
    pub(crate) fn sync_may_keep(&self, request: &SyncRequest) -> bool {
        let leads = self.leader.as_ref() == Some(&request.member_id);
        self.state == GroupState::CompletingRebalance && leads
    }

    /// A member syncs; the answer comes as an effect, now or when the leader has synced.
    pub fn sync(&mut self, now: Timestamp, ticket: Ticket, request: SyncRequest) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Err(error) = self.try_sync(now, ticket, request, &mut effects) {
            effects.push(Effect::Sync(ticket, Err(error)));
        }
        effects
    }

    fn try_sync(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        request: SyncRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<(), GroupError> {
        self.check_member(&request.member_id, request.instance_id.as_deref())?;
        if request.generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        let differs = |said: &Option<String>, is: &Option<String>| said.is_some() && said != is;
        if differs(&request.protocol_type, &self.protocol_type) || differs(&request.protocol, &self.protocol)
        {
            return Err(GroupError::InconsistentProtocol);
        }
        match self.state {
            GroupState::Empty => Err(GroupError::UnknownMember),
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            GroupState::CompletingRebalance => {
                self.await_assignment(now, ticket, request, effects);
                Ok(())
            }
            GroupState::Stable => {
                let reply = self.sync_reply(&request.member_id);
                if let Some(member) = self.members.get_mut(&request.member_id) {
                    member.touch(now);
                }
                self.synced(&request.member_id);
                effects.push(Effect::Sync(ticket, Ok(reply)));
                Ok(())
            }
        }
    }

    fn await_assignment(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        request: SyncRequest,
        effects: &mut Vec<Effect>,
    ) {
        self.synced(&request.member_id);
        if let Some(member) = self.members.get_mut(&request.member_id) {
            member.touch(now);
            if let Some(old) = member.syncing.replace(ticket) {
                effects.push(Effect::Sync(old, Err(GroupError::RebalanceInProgress)));
            }
        }
        if self.leader.as_ref() != Some(&request.member_id) {
            return;
        }
        let mut assignments: HashMap<String, Bytes> = request.assignments.into_iter().collect();
        for member in self.members.values_mut() {
            member.assignment = assignments.remove(&member.id).unwrap_or_default();
        }
        self.enter(GroupState::Stable, now);
        effects.push(Effect::Persist);
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let reply = self.sync_reply(&id);
            if let Some(member) = self.members.get_mut(&id)
                && let Some(ticket) = member.syncing.take()
            {
                member.touch(now);
                effects.push(Effect::Sync(ticket, Ok(reply)));
            }
        }
    }

    fn synced(&mut self, id: &str) {
        if let Some((waiting, _)) = &mut self.sync_deadline {
            waiting.remove(id);
            if waiting.is_empty() {
                self.sync_deadline = None;
            }
        }
    }

    fn sync_reply(&self, id: &str) -> SyncReply {
        SyncReply {
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol: self.protocol.clone().unwrap_or_default(),
            assignment: self.members.get(id).map(|m| m.assignment.clone()).unwrap_or_default(),
        }
    }
}
