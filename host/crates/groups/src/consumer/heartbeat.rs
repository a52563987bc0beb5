//! ConsumerGroupHeartbeat: joins, leaves, changes subscriptions, reports what is owned, and is told what to have.

use super::{ASSIGNORS, Assignment, ConsumerError, ConsumerGroup, ConsumerMember, MemberState, Topics};
use potok_types::Timestamp;
use std::collections::BTreeSet;
use std::time::Duration;

/// Epoch of a member that joins.
pub(crate) const JOINING: i32 = 0;
/// Epoch of a member that leaves.
const LEAVING: i32 = -1;
/// Epoch of a static member that leaves for a while.
const LEAVING_FOR_A_WHILE: i32 = -2;

/// A heartbeat. A field that is none has not changed since the last one.
#[derive(Clone, Debug, Default)]
pub struct HeartbeatRequest {
    /// Made by the member (v1); by the caller for a member that joins without one (v0).
    pub member_id: String,
    /// The epoch that it was last told; 0 joins, -1 leaves, -2 leaves for a while.
    pub member_epoch: i32,
    /// Of a static member.
    pub instance_id: Option<String>,
    /// Where it is.
    pub rack: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// How long it may take to give partitions up.
    pub rebalance_timeout: Option<Duration>,
    /// Topics by name.
    pub topics: Option<BTreeSet<String>>,
    /// Topics by pattern; an empty one takes the pattern back.
    pub pattern: Option<String>,
    /// `uniform` or `range`.
    pub assignor: Option<String>,
    /// What it has.
    pub owned: Option<Assignment>,
}

/// A heartbeat's answer.
#[derive(Clone, Debug, PartialEq)]
pub struct HeartbeatReply {
    /// The member's id.
    pub member_id: String,
    /// The epoch that it has reached.
    pub member_epoch: i32,
    /// When it should come again.
    pub heartbeat_interval: Duration,
    /// What it is to have now; none when that has not changed.
    pub assignment: Option<Assignment>,
    /// The group must be kept before the answer is given.
    pub changed: bool,
}

impl ConsumerGroup {
    /// Whether there may be something to keep. A member that has what it is to have, and says what it said before, only lives on.
    pub(crate) fn heartbeat_may_keep(&self, topics: &dyn Topics, request: &HeartbeatRequest) -> bool {
        match self.members.get(&request.member_id) {
            None => request.member_epoch == JOINING,
            Some(member) => {
                let there = member.state == MemberState::Stable && member.epoch == self.target_epoch;
                let goes_on = request.member_epoch > JOINING && there && member.says_no_more(request);
                !goes_on || topics.version() != self.seen_version
            }
        }
    }

    /// A member's heartbeat.
    pub fn heartbeat(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        request: HeartbeatRequest,
    ) -> Result<HeartbeatReply, ConsumerError> {
        self.check(&request, topics)?;
        match request.member_epoch {
            LEAVING | LEAVING_FOR_A_WHILE => self.leave(now, topics, &request),
            JOINING => {
                self.take_in(now, &request)?;
                self.go_on(now, topics, request, true)
            }
            epoch => {
                self.check_epoch(&request, epoch)?;
                self.go_on(now, topics, request, false)
            }
        }
    }

    fn check(&self, request: &HeartbeatRequest, topics: &dyn Topics) -> Result<(), ConsumerError> {
        if request.member_id.is_empty() {
            return Err(ConsumerError::Invalid("MemberId can't be empty."));
        }
        if request.member_epoch < LEAVING_FOR_A_WHILE {
            return Err(ConsumerError::Invalid("MemberEpoch is less than -2."));
        }
        if request.member_epoch == LEAVING_FOR_A_WHILE && request.instance_id.is_none() {
            return Err(ConsumerError::Invalid("InstanceId can't be null when MemberEpoch is -2."));
        }
        if request.member_epoch == JOINING {
            if request.rebalance_timeout.is_none() {
                return Err(ConsumerError::Invalid("RebalanceTimeoutMs must be provided in first request."));
            }
            if request.owned.as_ref().is_none_or(|owned| !owned.is_empty()) {
                return Err(ConsumerError::Invalid("TopicPartitions must be empty when (re-)joining."));
            }
            if request.topics.is_none() && request.pattern.is_none() {
                return Err(ConsumerError::Invalid(
                    "SubscribedTopicNames or SubscribedTopicRegex must be set in first request.",
                ));
            }
        }
        if request.assignor.as_ref().is_some_and(|a| !ASSIGNORS.contains(&a.as_str())) {
            return Err(ConsumerError::UnsupportedAssignor);
        }
        match request.pattern.as_deref() {
            Some(pattern) if !pattern.is_empty() && topics.matching(pattern).is_none() => {
                Err(ConsumerError::InvalidRegex)
            }
            _ => Ok(()),
        }
    }

    fn fresh(&self, now: Timestamp, request: &HeartbeatRequest) -> ConsumerMember {
        let expires_at = now.plus(self.settings.session_timeout);
        ConsumerMember::new(request.member_id.clone(), request.instance_id.clone(), expires_at)
    }

    /// Makes room for a member that joins, or takes back one that comes again.
    fn take_in(&mut self, now: Timestamp, request: &HeartbeatRequest) -> Result<(), ConsumerError> {
        let former = request.instance_id.as_ref().and_then(|i| self.statics.get(i)).cloned();
        match former {
            Some(old) if old != request.member_id => {
                // a classic member is replaced by its new self; one of this protocol must have left for a while
                if !self.members.get(&old).is_some_and(|m| m.away || m.classic.is_some()) {
                    return Err(ConsumerError::UnreleasedInstance);
                }
                // the newcomer takes over what its former self is to have
                if let Some(mut member) = self.members.remove(&old) {
                    member.id.clone_from(&request.member_id);
                    self.members.insert(request.member_id.clone(), member);
                }
            }
            _ if !self.members.contains_key(&request.member_id) => {
                if self.members.len() >= self.settings.members_max {
                    return Err(ConsumerError::Full);
                }
                self.members.insert(request.member_id.clone(), self.fresh(now, request));
            }
            _ => {}
        }
        if let Some(instance) = &request.instance_id {
            self.statics.insert(instance.clone(), request.member_id.clone());
        }
        if let Some(member) = self.members.get_mut(&request.member_id) {
            member.away = false;
            member.classic = None;
            member.epoch = JOINING;
            member.previous_epoch = JOINING;
            member.assigned.clear();
            member.pending_revocation.clear();
            member.revoke_by = None;
            member.state = MemberState::Stable;
        }
        Ok(())
    }

    /// A member may be one epoch behind when it lost an answer, but then it can own nothing new.
    fn check_epoch(&self, request: &HeartbeatRequest, epoch: i32) -> Result<(), ConsumerError> {
        let member = self.members.get(&request.member_id).filter(|member| member.classic.is_none());
        let member = member.ok_or(ConsumerError::UnknownMember)?;
        if member.instance_id != request.instance_id && request.instance_id.is_some() {
            return Err(ConsumerError::FencedInstance);
        }
        if epoch == member.epoch {
            return Ok(());
        }
        let within = |owned: &Assignment| {
            owned.iter().all(|(topic, partitions)| {
                member.assigned.get(topic).is_some_and(|has| partitions.is_subset(has))
            })
        };
        if epoch == member.previous_epoch && request.owned.as_ref().is_some_and(within) {
            return Ok(());
        }
        Err(ConsumerError::FencedEpoch)
    }

    fn leave(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        request: &HeartbeatRequest,
    ) -> Result<HeartbeatReply, ConsumerError> {
        let Some(member) = self.members.get_mut(&request.member_id) else {
            return Err(ConsumerError::UnknownMember);
        };
        if request.instance_id.is_some() && member.instance_id != request.instance_id {
            return Err(ConsumerError::FencedInstance);
        }
        if request.member_epoch == LEAVING_FOR_A_WHILE {
            member.away = true;
            member.expires_at = now.plus(self.settings.session_timeout);
        } else {
            self.remove(&request.member_id);
            self.bump(now, topics);
        }
        Ok(HeartbeatReply {
            member_id: request.member_id.clone(),
            member_epoch: request.member_epoch,
            // it does not come again
            heartbeat_interval: Duration::ZERO,
            assignment: None,
            changed: true,
        })
    }

    fn go_on(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        request: HeartbeatRequest,
        joins: bool,
    ) -> Result<HeartbeatReply, ConsumerError> {
        let id = request.member_id.clone();
        let before = self.members.get(&id).map(ConsumerMember::snapshot);
        let owned = request.owned.clone();
        // a request that says everything is one after a lost answer: it gets everything back
        let subscribes = request.topics.is_some() || request.pattern.is_some();
        let said_all = joins || (subscribes && request.rebalance_timeout.is_some() && owned.is_some());
        let subscription_changed = self.update(now, request);
        let bumped = joins || subscription_changed || self.topics_changed(topics);
        if bumped {
            self.bump(now, topics);
        }
        self.reconcile(now, &id, owned.as_ref());
        let member = self.members.get(&id).ok_or(ConsumerError::UnknownMember)?;
        let after = Some(member.snapshot());
        let moved = before.as_ref().map(|b| &b.assigned) != after.as_ref().map(|a| &a.assigned);
        Ok(HeartbeatReply {
            member_id: id,
            member_epoch: member.epoch,
            heartbeat_interval: self.settings.heartbeat_interval,
            assignment: (moved || said_all).then(|| member.assigned.clone()),
            changed: bumped || before != after,
        })
    }

    /// Takes over what the member says of itself; says whether it wants other topics than before.
    fn update(&mut self, now: Timestamp, request: HeartbeatRequest) -> bool {
        let Some(member) = self.members.get_mut(&request.member_id) else { return false };
        member.expires_at = now.plus(self.settings.session_timeout);
        member.client_id = request.client_id;
        member.client_host = request.client_host;
        let mut changed = false;
        if let Some(topics) = request.topics {
            changed |= topics != member.topics;
            member.topics = topics;
        }
        if let Some(pattern) = request.pattern.map(|p| Some(p).filter(|p| !p.is_empty())) {
            changed |= pattern != member.pattern;
            member.pattern = pattern;
        }
        if request.assignor.is_some() {
            changed |= request.assignor != member.assignor;
            member.assignor = request.assignor;
        }
        if let Some(timeout) = request.rebalance_timeout {
            member.rebalance_timeout = timeout;
        }
        if request.rack.is_some() {
            member.rack = request.rack;
        }
        changed
    }
}
