//! The requests of KIP-848: a heartbeat that says and is told everything, and what the group is like.

use crate::coordinator::Coordinator;
use crate::error::GroupRefusal;
use crate::ids::member_id;
use crate::settings::MEMBER_TOPICS_MAX;
use potok_groups::{ConsumerError, HeartbeatReply, HeartbeatRequest};

/// Epoch of a member that joins.
const JOINING: i32 = 0;

impl Coordinator {
    /// A member of KIP-848 comes, lives, changes its mind or leaves. `member_id` may be empty for one that joins: it is made here
    /// (version 0 of the request).
    pub async fn consumer_heartbeat(
        &self,
        group: &str,
        mut request: HeartbeatRequest,
    ) -> Result<HeartbeatReply, GroupRefusal> {
        let inner = &self.inner;
        inner.check_own_group(group)?;
        check_size(&request)?;
        let joins = request.member_epoch == JOINING;
        if joins && request.member_id.is_empty() {
            request.member_id = member_id(&request.client_id);
        }
        let mut cell = match inner.lock_known(group).await {
            Some(cell) => cell,
            None if joins => inner.lock(group).await?,
            None => return Err(ConsumerError::UnknownMember.into()),
        };
        let step = cell.group.consumer_heartbeat(inner.time.now(), &inner.topics, request);
        let done = inner.carry_out(&mut cell, step).await;
        inner.settle(&mut cell);
        Ok(done??)
    }
}

fn check_size(request: &HeartbeatRequest) -> Result<(), GroupRefusal> {
    let len = request.topics.as_ref().map_or(0, std::collections::BTreeSet::len);
    let limit = MEMBER_TOPICS_MAX;
    if len > limit { Err(GroupRefusal::MemberTooLarge { len, limit }) } else { Ok(()) }
}
