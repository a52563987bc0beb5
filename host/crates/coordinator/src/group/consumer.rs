//! The requests of KIP-848: a heartbeat that says and is told everything, and what the group is like.

use super::{Cell, Inner, Kind};
use crate::coordinator::Coordinator;
use crate::error::GroupRefusal;
use crate::ids::member_id;
use crate::settings::MEMBER_TOPICS_MAX;
use potok_groups::{ConsumerError, ConsumerGroup, HeartbeatReply, HeartbeatRequest};

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
        let now = inner.time.now();
        let decided = inner
            .consumer(&mut cell, joins)
            .and_then(|machine| Ok(machine.heartbeat(now, &inner.topics, request)?));
        let done = match decided {
            Ok(reply) if reply.changed => {
                inner.keep(&mut cell).await.map(|()| reply).map_err(GroupRefusal::from)
            }
            decided => decided,
        };
        inner.settle(&mut cell);
        done
    }
}

impl Inner {
    /// The group as one of KIP-848: a member that joins may make it, or take one over that has no members.
    fn consumer<'a>(
        &self,
        cell: &'a mut Cell,
        may_make: bool,
    ) -> Result<&'a mut ConsumerGroup, GroupRefusal> {
        let busy = !cell.is_memberless() || cell.next_deadline().is_some();
        let other = match &cell.kind {
            Some(Kind::Consumer(_)) => false,
            Some(Kind::Classic(_)) if busy => {
                return Err(GroupRefusal::OtherProtocol { group: cell.name.clone(), has: "classic" });
            }
            Some(Kind::Classic(_)) | None => true,
        };
        if other {
            if !may_make {
                return Err(ConsumerError::UnknownMember.into());
            }
            let fresh = ConsumerGroup::new(self.settings.consumer(), self.time.now());
            cell.kind = Some(Kind::Consumer(fresh));
        }
        match &mut cell.kind {
            Some(Kind::Consumer(group)) => Ok(group),
            Some(Kind::Classic(_)) | None => Err(ConsumerError::UnknownMember.into()),
        }
    }
}

fn check_size(request: &HeartbeatRequest) -> Result<(), GroupRefusal> {
    let len = request.topics.as_ref().map_or(0, std::collections::BTreeSet::len);
    let limit = MEMBER_TOPICS_MAX;
    if len > limit { Err(GroupRefusal::MemberTooLarge { len, limit }) } else { Ok(()) }
}
