//! OffsetCommit: whether a client may commit for the group. The offsets themselves are the log's.

use super::{ClassicGroup, GroupError, GroupState};
use potok_types::Timestamp;

impl ClassicGroup {
    /// May this client commit? A client without a generation (below 0) may while the group has no members: it manages its partitions by itself.
    /// In a transaction (`transactional`) a client that says nothing of itself may always: clients before KIP-447 did not know better.
    pub fn may_commit(
        &self,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
        transactional: bool,
    ) -> Result<(), GroupError> {
        if generation < 0 && self.state == GroupState::Empty {
            return Ok(());
        }
        if generation < 0 && member_id.is_empty() && instance_id.is_none() {
            return if transactional { Ok(()) } else { Err(GroupError::UnknownMember) };
        }
        self.check_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        // the member must first learn its new partitions
        if self.state == GroupState::CompletingRebalance && !transactional {
            Err(GroupError::RebalanceInProgress)
        } else {
            Ok(())
        }
    }

    /// A member's offsets are committed: it lives.
    pub(crate) fn committed(&mut self, now: Timestamp, member_id: &str) {
        if let Some(member) = self.members.get_mut(member_id) {
            member.touch(now);
        }
    }

    /// May the group be deleted? Only while it is empty.
    pub fn may_delete(&self) -> Result<(), GroupError> {
        if self.state == GroupState::Empty { Ok(()) } else { Err(GroupError::NotEmpty) }
    }
}
