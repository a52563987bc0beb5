//! JoinGroup: a member comes or comes again. The reply waits until the rebalance is complete.

use super::{ClassicGroup, Effect, GroupError, GroupState, Member, NEW_MEMBER_TIMEOUT, Ticket};
use bytes::Bytes;
use potok_types::Timestamp;
use std::time::Duration;

/// A protocol that a member supports, with what it wants the leader to know.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Protocol {
    /// `range`, `cooperative-sticky`, …
    pub name: String,
    /// Opaque.
    pub metadata: Bytes,
}

/// A request to join.
#[derive(Clone, Debug)]
pub struct JoinRequest {
    /// Empty at the first time.
    pub member_id: String,
    /// The id that a member without one is given, made by the caller (it needs randomness).
    pub fresh_member_id: String,
    /// Of a static member (KIP-345).
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// How long it may be silent.
    pub session_timeout: Duration,
    /// How long it may take to rejoin.
    pub rebalance_timeout: Duration,
    /// `consumer`, `connect`, …
    pub protocol_type: String,
    /// In order of preference.
    pub protocols: Vec<Protocol>,
    /// Whether a first join is answered with an id to join with (JoinGroup v4 and later).
    pub require_known_id: bool,
    /// Whether a leader can be told to skip the assignment (JoinGroup v9 and later).
    pub can_skip_assignment: bool,
}

/// A member as the leader sees it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinedMember {
    /// Its id.
    pub id: String,
    /// Its instance id.
    pub instance_id: Option<String>,
    /// For the chosen protocol.
    pub metadata: Bytes,
}

/// A join's answer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct JoinReply {
    /// Of the new generation.
    pub generation: i32,
    /// `consumer`, …
    pub protocol_type: String,
    /// The chosen one.
    pub protocol: String,
    /// Who assigns.
    pub leader: String,
    /// The member's own id.
    pub member_id: String,
    /// All members, for the leader only.
    pub members: Vec<JoinedMember>,
    /// The leader came back and nothing changed: the assignment stands (KIP-814).
    pub skip_assignment: bool,
}

impl ClassicGroup {
    /// Whether there may be something to keep: only a static member that comes back to a stable group changes what is.
    pub(crate) fn join_may_keep(&self, request: &JoinRequest) -> bool {
        let comes_back = request.instance_id.as_ref().is_some_and(|i| self.statics.contains_key(i));
        self.state == GroupState::Stable && request.member_id.is_empty() && comes_back
    }

    /// A member joins; the answer comes as an effect, now or when the rebalance is complete.
    pub fn join(&mut self, now: Timestamp, ticket: Ticket, request: JoinRequest) -> Vec<Effect> {
        let mut effects = Vec::new();
        if let Err(error) = self.try_join(now, ticket, request, &mut effects) {
            effects.push(Effect::Join(ticket, Err(error)));
        }
        effects
    }

    fn try_join(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        request: JoinRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<(), GroupError> {
        self.settings.check_session(&request)?;
        self.check_protocols(&request)?;
        let known = !request.member_id.is_empty();
        if !known && let Some(instance) = request.instance_id.as_ref() {
            return match self.statics.get(instance).cloned() {
                Some(old) => self.replace_static(now, ticket, &old, request, effects),
                None => self.admit(now, ticket, request.fresh_member_id.clone(), request, effects),
            };
        }
        if !known {
            return self.join_without_id(now, ticket, request, effects);
        }
        if request.instance_id.is_none() && self.pending.remove(&request.member_id).is_some() {
            return self.admit(now, ticket, request.member_id.clone(), request, effects);
        }
        self.check_member(&request.member_id, request.instance_id.as_deref())?;
        self.rejoin(now, ticket, request, effects)
    }

    /// Every member must share the type and at least one protocol with all others.
    fn check_protocols(&self, request: &JoinRequest) -> Result<(), GroupError> {
        if request.protocol_type.is_empty() || request.protocols.is_empty() {
            return Err(GroupError::InconsistentProtocol);
        }
        if self.members.is_empty() {
            return Ok(());
        }
        let others = || self.members.values().filter(|m| m.id != request.member_id);
        let same_type = self.protocol_type.as_deref() == Some(&request.protocol_type);
        let common = |name: &str| others().all(|m| m.protocols.iter().any(|p| p.name == name));
        if same_type && request.protocols.iter().any(|p| common(&p.name)) {
            return Ok(());
        }
        Err(GroupError::InconsistentProtocol)
    }

    fn join_without_id(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        request: JoinRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<(), GroupError> {
        if self.members.len() + self.pending.len() >= self.settings.members_max {
            return Err(GroupError::Full);
        }
        let id = request.fresh_member_id.clone();
        if request.require_known_id {
            self.pending.insert(id.clone(), now.plus(request.session_timeout));
            return Err(GroupError::MemberIdRequired(id));
        }
        self.admit(now, ticket, id, request, effects)
    }

    fn admit(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        id: String,
        request: JoinRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<(), GroupError> {
        if self.members.len() >= self.settings.members_max {
            return Err(GroupError::Full);
        }
        if self.members.is_empty() {
            self.protocol_type = Some(request.protocol_type.clone());
        }
        if let Some(instance) = &request.instance_id {
            self.statics.insert(instance.clone(), id.clone());
        }
        let member = Member {
            id: id.clone(),
            instance_id: request.instance_id,
            client_id: request.client_id,
            client_host: request.client_host,
            session_timeout: request.session_timeout,
            rebalance_timeout: request.rebalance_timeout,
            protocols: request.protocols,
            assignment: Bytes::new(),
            joining: Some(ticket),
            syncing: None,
            is_new: true,
            expires_at: now.plus(NEW_MEMBER_TIMEOUT),
        };
        self.leader.get_or_insert_with(|| id.clone());
        self.members.insert(id, member);
        self.extend_initial_delay(now);
        self.prepare_rebalance(now, effects);
        self.complete_join_if_all_here(now, effects);
        Ok(())
    }

    fn rejoin(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        request: JoinRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<(), GroupError> {
        let Some(member) = self.members.get(&request.member_id) else {
            return Err(GroupError::UnknownMember);
        };
        let unchanged = member.protocols == request.protocols;
        let is_leader = self.leader.as_ref() == Some(&request.member_id);
        let answer_as_it_is = match self.state {
            // it lost the answer to its join
            GroupState::CompletingRebalance => unchanged,
            // a leader rejoins to have partitions assigned anew
            GroupState::Stable => unchanged && !is_leader,
            GroupState::PreparingRebalance | GroupState::Empty => false,
        };
        if answer_as_it_is {
            let reply = self.join_reply(&request.member_id, false);
            if let Some(member) = self.members.get_mut(&request.member_id) {
                member.touch(now);
            }
            effects.push(Effect::Join(ticket, Ok(reply)));
            return Ok(());
        }
        self.update(now, ticket, request, effects);
        self.prepare_rebalance(now, effects);
        self.complete_join_if_all_here(now, effects);
        Ok(())
    }

    pub(super) fn update(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        request: JoinRequest,
        effects: &mut Vec<Effect>,
    ) {
        let Some(member) = self.members.get_mut(&request.member_id) else { return };
        member.protocols = request.protocols;
        member.session_timeout = request.session_timeout;
        member.rebalance_timeout = request.rebalance_timeout;
        member.client_id = request.client_id;
        member.client_host = request.client_host;
        member.touch(now);
        // a second join while the first waits: the client gave the first up
        if let Some(old) = member.joining.replace(ticket) {
            effects.push(Effect::Join(old, Err(GroupError::RebalanceInProgress)));
        }
    }

    /// What this member is told of the generation.
    pub(super) fn join_reply(&self, id: &str, skip_assignment: bool) -> JoinReply {
        let protocol = self.protocol.clone().unwrap_or_default();
        let leader = self.leader.clone().unwrap_or_default();
        let members = if leader == id {
            let each = |m: &Member| JoinedMember {
                id: m.id.clone(),
                instance_id: m.instance_id.clone(),
                metadata: m.metadata(&protocol),
            };
            self.members.values().map(each).collect()
        } else {
            Vec::new()
        };
        JoinReply {
            generation: self.generation,
            protocol_type: self.protocol_type.clone().unwrap_or_default(),
            protocol,
            leader,
            member_id: id.to_owned(),
            members,
            skip_assignment,
        }
    }
}
