//! The classic protocol's requests. Joins and syncs wait for the others; everything else is answered at once.

use crate::coordinator::Coordinator;
use crate::error::GroupRefusal;
use crate::ids::member_id;
use crate::settings::MEMBER_METADATA_LEN_MAX;
use potok_groups::{GroupError, JoinReply, JoinRequest, LeaveRequest, SyncReply, SyncRequest};
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
        let ticket = cell.ticket();
        let step = cell.group.join(inner.time.now(), &inner.topics, ticket, request);
        cell.joins.insert(ticket, sender);
        let done = inner.carry_out(&mut cell, step).await;
        if done.is_err() {
            cell.joins.remove(&ticket);
        }
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
        let step = cell.group.sync(inner.time.now(), &inner.topics, ticket, request);
        cell.syncs.insert(ticket, sender);
        let done = inner.carry_out(&mut cell, step).await;
        if done.is_err() {
            cell.syncs.remove(&ticket);
        }
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
        Ok(cell.group.heartbeat(inner.time.now(), member_id, instance_id, generation)?)
    }

    /// Members leave, or are taken out, of a group of either protocol; one result each.
    pub async fn leave(
        &self,
        group: &str,
        who: &[LeaveRequest],
    ) -> Result<Vec<Result<(), GroupError>>, GroupRefusal> {
        let inner = &self.inner;
        inner.check_own_group(group)?;
        let Some(mut cell) = inner.lock_known(group).await else {
            return Ok(who.iter().map(|_| Err(GroupError::UnknownMember)).collect());
        };
        let step = cell.group.leave(inner.time.now(), &inner.topics, who);
        let done = inner.carry_out(&mut cell, step).await;
        inner.settle(&mut cell);
        Ok(done?)
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

fn unknown_member() -> GroupRefusal {
    GroupRefusal::Classic(GroupError::UnknownMember)
}

fn check_size(request: &JoinRequest) -> Result<(), GroupRefusal> {
    let len = request.protocols.iter().map(|p| p.name.len() + p.metadata.len()).sum();
    let limit = MEMBER_METADATA_LEN_MAX;
    if len > limit { Err(GroupRefusal::MemberTooLarge { len, limit }) } else { Ok(()) }
}
