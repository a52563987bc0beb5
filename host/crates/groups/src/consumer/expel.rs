//! LeaveGroup for members of KIP-848: they leave by heartbeats, and administrators take them out by this.

use super::{ConsumerGroup, Topics};
use crate::classic::{GroupError, LeaveRequest};
use potok_types::Timestamp;

impl ConsumerGroup {
    /// Takes members out. Answers one result each, in order, and whether the group must be kept.
    pub fn expel(
        &mut self,
        now: Timestamp,
        topics: &dyn Topics,
        who: &[LeaveRequest],
    ) -> (Vec<Result<(), GroupError>>, bool) {
        let results: Vec<_> = who.iter().map(|one| self.expel_one(one)).collect();
        let changed = results.iter().any(Result::is_ok);
        if changed {
            self.bump(now, topics);
        }
        (results, changed)
    }

    fn expel_one(&mut self, who: &LeaveRequest) -> Result<(), GroupError> {
        let id = match &who.instance_id {
            None => &who.member_id,
            Some(instance) => self.statics.get(instance).ok_or(GroupError::UnknownMember)?,
        };
        if !who.member_id.is_empty() && who.member_id != *id {
            return Err(GroupError::FencedInstance);
        }
        if !self.members.contains_key(id) {
            return Err(GroupError::UnknownMember);
        }
        let id = id.clone();
        self.remove(&id);
        Ok(())
    }
}
