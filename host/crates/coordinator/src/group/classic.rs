//! The classic protocol's requests. Joins and syncs wait for the others; everything else is answered at once.

use super::{Cell, Inner, Kind};
use crate::coordinator::Coordinator;
use crate::error::GroupRefusal;
use crate::ids::member_id;
use crate::settings::MEMBER_METADATA_LEN_MAX;
use potok_groups::{ClassicGroup, GroupError, JoinReply, JoinRequest, LeaveRequest, SyncReply, SyncRequest};
use tokio::sync::oneshot;
use tokio_util::sync::CancellationToken;

impl Coordinator {
    /// A member joins; returns when the rebalance is complete, or `gone` is cancelled. `fresh_member_id` may be left empty: it is made
    /// here.
    pub async fn join(
        &self,
        group: &str,
        mut request: JoinRequest,
        gone: &CancellationToken,
    ) -> Result<JoinReply, GroupRefusal> {
        let inner = &self.inner;
        inner.check_own_group(group)?;
        check_size(&request)?;
        if request.fresh_member_id.is_empty() {
            let prefix = request.instance_id.as_deref().unwrap_or(&request.client_id);
            request.fresh_member_id = member_id(prefix);
        }
        let (sender, reply) = oneshot::channel();
        let mut cell = inner.lock(group).await?;
        let (ticket, now) = (cell.ticket(), inner.time.now());
        let decided = inner
            .classic(&mut cell, request.member_id.is_empty())
            .map(|machine| machine.join(now, ticket, request));
        let done = match decided {
            Ok(effects) => {
                cell.joins.insert(ticket, sender);
                inner.carry_out(&mut cell, effects).await.map_err(GroupRefusal::from)
            }
            Err(refusal) => Err(refusal),
        };
        inner.settle(&mut cell);
        drop(cell);
        done?;
        wait(reply, gone).await
    }

    /// A member syncs; returns when the leader has, or `gone` is cancelled.
    pub async fn sync(
        &self,
        group: &str,
        request: SyncRequest,
        gone: &CancellationToken,
    ) -> Result<SyncReply, GroupRefusal> {
        let inner = &self.inner;
        inner.check_own_group(group)?;
        let Some(mut cell) = inner.lock_known(group).await else { return Err(unknown_member()) };
        let (sender, reply) = oneshot::channel();
        let ticket = cell.ticket();
        let Some(Kind::Classic(machine)) = &mut cell.kind else { return Err(unknown_member()) };
        let effects = machine.sync(inner.time.now(), ticket, request);
        cell.syncs.insert(ticket, sender);
        let done = inner.carry_out(&mut cell, effects).await;
        inner.settle(&mut cell);
        drop(cell);
        done?;
        wait(reply, gone).await
    }

    /// A member lives.
    pub async fn heartbeat(
        &self,
        group: &str,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupRefusal> {
        let inner = &self.inner;
        inner.check_own_group(group)?;
        let Some(mut cell) = inner.lock_known(group).await else { return Err(unknown_member()) };
        let Some(Kind::Classic(machine)) = &mut cell.kind else { return Err(unknown_member()) };
        Ok(machine.heartbeat(inner.time.now(), member_id, instance_id, generation)?)
    }

    /// Members leave, or are taken out, of a group of either protocol; one result each.
    pub async fn leave(
        &self,
        group: &str,
        who: &[LeaveRequest],
    ) -> Result<Vec<Result<(), GroupError>>, GroupRefusal> {
        let inner = &self.inner;
        inner.check_own_group(group)?;
        let nobody = || who.iter().map(|_| Err(GroupError::UnknownMember)).collect();
        let Some(mut cell) = inner.lock_known(group).await else { return Ok(nobody()) };
        let now = inner.time.now();
        let (results, done) = match &mut cell.kind {
            Some(Kind::Classic(machine)) => {
                let (results, effects) = machine.leave(now, who);
                (results, inner.carry_out(&mut cell, effects).await)
            }
            Some(Kind::Consumer(machine)) => {
                let (results, changed) = machine.expel(now, &inner.topics, who);
                (results, if changed { inner.keep(&mut cell).await } else { Ok(()) })
            }
            None => (nobody(), Ok(())),
        };
        inner.settle(&mut cell);
        done?;
        Ok(results)
    }
}

/// The reply that a ticket stands for, unless whoever waits for it goes first.
async fn wait<T>(
    reply: oneshot::Receiver<Result<T, GroupRefusal>>,
    gone: &CancellationToken,
) -> Result<T, GroupRefusal> {
    tokio::select! {
        reply = reply => reply.unwrap_or(Err(GroupRefusal::Stopping)),
        () = gone.cancelled() => Err(GroupRefusal::Stopping),
    }
}

impl Inner {
    /// The group as a classic one: a member without an id may make it, or take one over that has no members.
    fn classic<'a>(&self, cell: &'a mut Cell, may_make: bool) -> Result<&'a mut ClassicGroup, GroupRefusal> {
        let memberless = cell.is_memberless();
        let other = match &cell.kind {
            Some(Kind::Classic(_)) => false,
            Some(Kind::Consumer(_)) if !memberless => {
                return Err(GroupRefusal::OtherProtocol { group: cell.name.clone(), has: "consumer" });
            }
            Some(Kind::Consumer(_)) | None => true,
        };
        if other {
            if !may_make {
                return Err(unknown_member());
            }
            let fresh = ClassicGroup::new(self.settings.classic(), self.time.now());
            cell.kind = Some(Kind::Classic(fresh));
        }
        match &mut cell.kind {
            Some(Kind::Classic(group)) => Ok(group),
            Some(Kind::Consumer(_)) | None => Err(unknown_member()),
        }
    }
}

fn unknown_member() -> GroupRefusal {
    GroupRefusal::Classic(GroupError::UnknownMember)
}

fn check_size(request: &JoinRequest) -> Result<(), GroupRefusal> {
    let len = request.protocols.iter().map(|p| p.name.len() + p.metadata.len()).sum();
    let limit = MEMBER_METADATA_LEN_MAX;
    if len > limit { Err(GroupRefusal::MemberTooLarge { len, limit }) } else { Ok(()) }
}
