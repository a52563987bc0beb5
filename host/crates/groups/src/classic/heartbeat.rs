//! Heartbeat: a member lives, and learns whether it must join again.

use super::{ClassicGroup, GroupError, GroupState};
use potok_types::Timestamp;

impl ClassicGroup {
    /// A member lives.
    pub fn heartbeat(
        &mut self,
        now: Timestamp,
        member_id: &str,
        instance_id: Option<&str>,
        generation: i32,
    ) -> Result<(), GroupError> {
        self.check_member(member_id, instance_id)?;
        if generation != self.generation {
            return Err(GroupError::IllegalGeneration);
        }
        if let Some(member) = self.members.get_mut(member_id) {
            member.touch(now);
        }
        match self.state {
            GroupState::Empty => Err(GroupError::UnknownMember),
            GroupState::PreparingRebalance => Err(GroupError::RebalanceInProgress),
            GroupState::CompletingRebalance | GroupState::Stable => Ok(()),
        }
    }
}
