//! Members of the classic protocol in a group of KIP-848, while the one takes the place of the other ("Online migration" of the KIP).
//! They join, sync and send heartbeats as ever; the group decides what they have. Nobody waits: a join is answered with the epoch reached
//! as its generation, a sync with what the member has now, and a heartbeat says when it is to join again.

use super::{Assignment, ConsumerGroup, ConsumerMember, JOINING, MemberState, Topics};
use crate::classic::{Blob, CONSUMERS, GroupError, JoinReply, JoinRequest, Protocol, SyncReply, SyncRequest};
use crate::embedded::{self, Subscription};
use potok_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// What makes a member one of the classic protocol.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassicMember {
    /// How long it may be silent.
    pub session_timeout: Duration,
    /// In its order of preference.
    pub protocols: Vec<Protocol>,
    /// By when it must have joined again, once it was told to.
    pub(super) join_by: Option<Timestamp>,
    /// By when it must have synced, once it has joined.
    pub(super) sync_by: Option<Timestamp>,
}

/// What is kept of it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ClassicMemberSnapshot {
    /// Milliseconds.
    pub session_timeout_ms: u64,
    /// Name and metadata, in order of preference.
    pub protocols: Vec<(String, Blob)>,
}

impl ClassicMember {
    pub(super) fn new(session_timeout: Duration, protocols: Vec<Protocol>) -> ClassicMember {
        ClassicMember { session_timeout, protocols, join_by: None, sync_by: None }
    }
    pub(super) fn deadlines(&self) -> impl Iterator<Item = Timestamp> {
        self.join_by.into_iter().chain(self.sync_by)
    }
    fn protocol(&self) -> &str {
        self.protocols.first().map_or("", |protocol| &protocol.name)
    }
    pub(super) fn snapshot(&self) -> ClassicMemberSnapshot {
        ClassicMemberSnapshot {
            session_timeout_ms: u64::try_from(self.session_timeout.as_millis()).unwrap_or(u64::MAX),
            protocols: self.protocols.iter().map(|p| (p.name.clone(), Blob(p.metadata.clone()))).collect(),
        }
    }
    pub(super) fn restore(kept: ClassicMemberSnapshot) -> ClassicMember {
        let protocol = |(name, metadata): (String, Blob)| Protocol { name, metadata: metadata.0 };
        let protocols = kept.protocols.into_iter().map(protocol).collect();
        ClassicMember::new(Duration::from_millis(kept.session_timeout_ms), protocols)
    }
}

/// Partitions by topic id; topics that are not there are left out.
pub(super) fn by_id(topics: &dyn Topics, named: embedded::ByTopic) -> Assignment {
    named
        .into_iter()
        .filter_map(|(name, ps)| Some((topics.topic(&name)?.0, ps.into_iter().collect())))
        .collect()
}
/// The same by name.
pub(crate) fn by_name(topics: &dyn Topics, assignment: &Assignment) -> embedded::ByTopic {
    assignment.iter().filter_map(|(id, ps)| Some((topics.name(*id)?, ps.iter().copied().collect()))).collect()
}

impl ConsumerGroup {
    /// JoinGroup, answered at once; says also whether the group must be kept.
    pub(crate) fn classic_join(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        request: JoinRequest,
    ) -> Result<(JoinReply, bool), GroupError> {
        if self.members.len() >= self.settings.members_max && !self.members.contains_key(&request.member_id) {
            return Err(GroupError::Full);
        }
        let said = self.check_classic(&request)?;
        let is_new = request.member_id.is_empty() && request.instance_id.is_none();
        if is_new && request.require_known_id {
            return Err(GroupError::MemberIdRequired(request.fresh_member_id));
        }
        let known = self.members.get(&request.member_id).map(ConsumerMember::snapshot);
        let id = self.take_in_classic(now, &request)?;
        let owned = by_id(topics, said.owned.clone());
        let resubscribed = self.update_classic(now, &id, request, said);
        let bumped = resubscribed || self.topics_changed(topics);
        if bumped {
            self.bump(now, topics);
        }
        self.reconcile(now, &id, Some(&owned));
        let member = self.members.get(&id).ok_or(GroupError::UnknownMember)?;
        let reply = JoinReply {
            generation: member.epoch,
            protocol_type: CONSUMERS.to_owned(),
            protocol: member.classic.as_ref().map(ClassicMember::protocol).unwrap_or_default().to_owned(),
            // the server assigns: nobody leads
            leader: String::new(),
            member_id: id,
            members: Vec::new(),
            skip_assignment: false,
        };
        Ok((reply, bumped || known != Some(member.snapshot())))
    }

    /// What the member says of itself, when it fits the others.
    pub(crate) fn check_classic(&self, request: &JoinRequest) -> Result<Subscription, GroupError> {
        let others = || self.members.values().filter(|m| m.id != request.member_id);
        let classic = || others().filter_map(|m| m.classic.as_ref());
        let common = |name: &str| classic().all(|m| m.protocols.iter().any(|p| p.name == name));
        let fits = request.protocol_type == CONSUMERS && request.protocols.iter().any(|p| common(&p.name));
        let said = request.protocols.first().and_then(|p| embedded::read_subscription(&p.metadata));
        said.filter(|_| fits).ok_or(GroupError::InconsistentProtocol)
    }

    /// The member's id; a new one is made room for, and a static one takes the place of its former self.
    fn take_in_classic(&mut self, now: Timestamp, request: &JoinRequest) -> Result<String, GroupError> {
        let given = (!request.member_id.is_empty()).then(|| request.member_id.clone());
        if let Some(id) = &given
            && (request.instance_id.is_some() || self.members.contains_key(id))
        {
            self.classic_member(id, request.instance_id.as_deref())?;
            return Ok(id.clone());
        }
        let id = given.unwrap_or_else(|| request.fresh_member_id.clone());
        let mut member = ConsumerMember::new(id.clone(), request.instance_id.clone(), now);
        if let Some(instance) = &request.instance_id
            && let Some(former) = self.statics.insert(instance.clone(), id.clone())
            && let Some(former) = self.members.remove(&former)
        {
            member = ConsumerMember { id: id.clone(), away: false, revoke_by: None, ..former };
            (member.epoch, member.previous_epoch) = (JOINING, JOINING);
        }
        self.members.insert(id.clone(), member);
        Ok(id)
    }

    /// Takes over what the member says of itself; says whether it wants other topics than before.
    fn update_classic(&mut self, now: Timestamp, id: &str, request: JoinRequest, said: Subscription) -> bool {
        let Some(member) = self.members.get_mut(id) else { return false };
        let topics: BTreeSet<String> = said.topics.into_iter().collect();
        let resubscribed = member.topics != topics || member.pattern.is_some();
        member.topics = topics;
        member.pattern = None;
        member.assignor = None;
        member.rack = said.rack;
        member.client_id = request.client_id;
        member.client_host = request.client_host;
        member.rebalance_timeout = request.rebalance_timeout;
        member.expires_at = now.plus(request.session_timeout);
        let mut classic = ClassicMember::new(request.session_timeout, request.protocols);
        classic.sync_by = Some(now.plus(request.rebalance_timeout));
        member.classic = Some(classic);
        resubscribed
    }

    /// SyncGroup: what the member has now. There is never anything to keep.
    pub(crate) fn classic_sync(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        request: SyncRequest,
    ) -> Result<SyncReply, GroupError> {
        let group_epoch = self.epoch;
        let member = self.classic_member(&request.member_id, request.instance_id.as_deref())?;
        let (epoch, state, timeout) = (member.epoch, member.state, member.rebalance_timeout);
        let Some(classic) = &mut member.classic else { return Err(GroupError::UnknownMember) };
        if request.generation != epoch {
            return Err(GroupError::IllegalGeneration);
        }
        let differs = |said: &Option<String>, is: &str| said.as_ref().is_some_and(|said| said != is);
        if differs(&request.protocol_type, CONSUMERS) || differs(&request.protocol, classic.protocol()) {
            return Err(GroupError::InconsistentProtocol);
        }
        // one that is to give partitions up learns that by its sync, and joins again by itself
        if epoch < group_epoch && state != MemberState::Unrevoked {
            classic.join_by.get_or_insert(now.plus(timeout));
            return Err(GroupError::RebalanceInProgress);
        }
        classic.sync_by = None;
        let protocol = classic.protocol().to_owned();
        member.expires_at = now.plus(classic.session_timeout);
        let assignment = embedded::assignment(&by_name(topics, &member.assigned));
        Ok(SyncReply { protocol_type: CONSUMERS.to_owned(), protocol, assignment })
    }

    /// Heartbeat: the member lives, and learns whether it must join again: because the epoch moved on, because it is to give partitions
    /// up, or because all that it waited for is free. There is never anything to keep.
    pub(crate) fn classic_heartbeat(
        &mut self,
        now: Timestamp,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        let group_epoch = self.epoch;
        let is_released = self.members.get(member_id).is_some_and(|member| self.is_released(member));
        let member = self.classic_member(member_id, instance_id)?;
        if generation != member.epoch {
            return Err(GroupError::IllegalGeneration);
        }
        let must_join = member.epoch < group_epoch || member.state == MemberState::Unrevoked || is_released;
        let timeout = member.rebalance_timeout;
        let Some(classic) = &mut member.classic else { return Err(GroupError::UnknownMember) };
        member.expires_at = now.plus(classic.session_timeout);
        if must_join {
            classic.join_by.get_or_insert(now.plus(timeout));
            return Err(GroupError::RebalanceInProgress);
        }
        Ok(())
    }

    /// The member, when the ids belong together and it is a classic one.
    fn classic_member(
        &mut self,
        id: &str,
        instance: Option<&str>,
    ) -> Result<&mut ConsumerMember, GroupError> {
        if let Some(instance) = instance {
            let holder = self.statics.get(instance).ok_or(GroupError::UnknownMember)?;
            if holder != id {
                return Err(GroupError::FencedInstance);
            }
        }
        let member = self.members.get_mut(id).filter(|member| member.classic.is_some());
        member.ok_or(GroupError::UnknownMember)
    }
}
