//! The steps: each asks the machine of the group's protocol, and says beforehand whether there may be something to keep.

use super::{Done, Group, Kind, Step};
use crate::classic::{ClassicGroup, Effect, GroupError, JoinRequest, LeaveRequest, SyncRequest, Ticket};
use crate::consumer::{ConsumerError, HeartbeatReply, HeartbeatRequest, JOINING, Topics};
use potok_types::Timestamp;

impl Group {
    /// JoinGroup: a member joins; the answer comes as an effect, now or when the rebalance is complete. A member without an id makes the
    /// group, or takes over one of the other protocol that has no members.
    pub fn join(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        ticket: Ticket,
        request: JoinRequest,
    ) -> Step<()> {
        let may_keep = match &self.kind {
            Some(Kind::Classic(group)) => group.join_may_keep(&request),
            Some(Kind::Consumer(_)) | None => true,
        };
        self.step(may_keep, |group| {
            let nothing = |group: &Group| group.is_memberless() && group.next_deadline().is_none();
            let (effects, refused) = match group.try_join(now, topics, ticket, request) {
                Ok(effects) => (effects, nothing(group)),
                Err(error) => (vec![Effect::Join(ticket, Err(error))], true),
            };
            Done { effects, answer: (), refused }
        })
    }

    fn try_join(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        ticket: Ticket,
        request: JoinRequest,
    ) -> Result<Vec<Effect>, GroupError> {
        if !matches!(self.kind, Some(Kind::Consumer(_))) || self.is_memberless() {
            return Ok(self.classic(now, request.member_id.is_empty())?.join(now, ticket, request));
        }
        self.rules.classic.check_session(&request)?;
        if self.goes_back_with(now, topics, &request)? {
            let joins = self.classic(now, true)?.join(now, ticket, request);
            return match joins.first() {
                Some(Effect::Join(_, Err(error))) => Err(error.clone()),
                _ => Ok(persist(true).into_iter().chain(joins).collect()),
            };
        }
        let Some(Kind::Consumer(machine)) = &mut self.kind else { return Err(GroupError::UnknownMember) };
        let (reply, changed) = machine.classic_join(now, topics, request)?;
        Ok(persist(changed).into_iter().chain([Effect::Join(ticket, Ok(reply))]).collect())
    }

    /// SyncGroup: a member syncs; the answer comes as an effect, now or when the leader has synced.
    pub fn sync(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        ticket: Ticket,
        request: SyncRequest,
    ) -> Step<()> {
        let may_keep = match &self.kind {
            Some(Kind::Classic(group)) => group.sync_may_keep(&request),
            Some(Kind::Consumer(_)) | None => false,
        };
        self.step(may_keep, |group| {
            let effects = match &mut group.kind {
                Some(Kind::Classic(machine)) => machine.sync(now, ticket, request),
                Some(Kind::Consumer(machine)) => {
                    vec![Effect::Sync(ticket, machine.classic_sync(now, topics, request))]
                }
                None => vec![Effect::Sync(ticket, Err(GroupError::UnknownMember))],
            };
            Done { effects, answer: (), refused: false }
        })
    }

    /// Heartbeat: a member lives. There is never anything to keep.
    pub fn heartbeat(
        &mut self,
        now: Timestamp,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        match &mut self.kind {
            Some(Kind::Classic(machine)) => machine.heartbeat(now, member_id, instance_id, generation),
            Some(Kind::Consumer(machine)) => {
                machine.classic_heartbeat(now, member_id, instance_id, generation)
            }
            None => Err(GroupError::UnknownMember),
        }
    }

    /// LeaveGroup: members leave, or are taken out. Answers one result each, in order.
    pub fn leave(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        who: &[LeaveRequest],
    ) -> Step<Vec<Result<(), GroupError>>> {
        let may_keep = match &self.kind {
            Some(Kind::Classic(group)) => group.leave_may_keep(who),
            Some(Kind::Consumer(_)) => true,
            None => false,
        };
        self.step(may_keep, |group| {
            let (answer, effects) = match &mut group.kind {
                Some(Kind::Classic(machine)) => machine.leave(now, who),
                Some(Kind::Consumer(machine)) => {
                    let (results, changed) = machine.expel(now, topics, who);
                    group.go_back(now, topics);
                    (results, persist(changed))
                }
                None => (who.iter().map(|_| Err(GroupError::UnknownMember)).collect(), Vec::new()),
            };
            Done { effects, answer, refused: false }
        })
    }

    /// ConsumerGroupHeartbeat: a member of KIP-848 comes, lives, changes its mind or leaves. One that joins makes the group, or takes
    /// over one of the other protocol, with its members where they are consumers.
    pub fn consumer_heartbeat(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        request: HeartbeatRequest,
    ) -> Step<Result<HeartbeatReply, ConsumerError>> {
        let may_keep = match &self.kind {
            Some(Kind::Consumer(group)) => group.heartbeat_may_keep(topics, &request),
            Some(Kind::Classic(_)) | None => true,
        };
        self.step(may_keep, |group| {
            let mut effects = Vec::new();
            let machine = group.consumer(now, topics, request.member_epoch == JOINING, &mut effects);
            let answer = machine.and_then(|machine| machine.heartbeat(now, topics, request));
            match &answer {
                Ok(reply) => effects.extend(persist(reply.changed)),
                Err(_) => effects.clear(),
            }
            group.go_back(now, topics);
            Done { effects, refused: answer.is_err(), answer }
        })
    }

    /// Ends what is over at `now`.
    pub fn tick(&mut self, now: Timestamp, topics: &dyn Topics) -> Step<()> {
        let is_due = self.next_deadline().is_some_and(|at| at <= now);
        self.step(is_due, |group| {
            let effects = match &mut group.kind {
                Some(Kind::Classic(machine)) => machine.tick(now),
                Some(Kind::Consumer(machine)) => persist(machine.tick(now, topics)),
                None => Vec::new(),
            };
            group.go_back(now, topics);
            Done { effects, answer: (), refused: false }
        })
    }

    /// A member's offsets are committed: it lives.
    pub fn committed(&mut self, now: Timestamp, member_id: &str) {
        match &mut self.kind {
            Some(Kind::Classic(machine)) => machine.committed(now, member_id),
            Some(Kind::Consumer(_)) | None => {}
        }
    }

    /// The group as a classic one.
    fn classic(&mut self, now: Timestamp, may_make: bool) -> Result<&mut ClassicGroup, GroupError> {
        match &self.kind {
            Some(Kind::Classic(_)) => {}
            Some(Kind::Consumer(_)) | None if !may_make => return Err(GroupError::UnknownMember),
            Some(Kind::Consumer(_)) | None => {
                self.kind = Some(Kind::Classic(ClassicGroup::new(self.rules.classic, now)));
            }
        }
        match &mut self.kind {
            Some(Kind::Classic(group)) => Ok(group),
            Some(Kind::Consumer(_)) | None => Err(GroupError::UnknownMember),
        }
    }
}

fn persist(changed: bool) -> Vec<Effect> {
    if changed { vec![Effect::Persist] } else { Vec::new() }
}
