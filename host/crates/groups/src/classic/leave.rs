//! LeaveGroup: members go, several at once since version 3 (KIP-345).

use super::{ClassicGroup, Effect, GroupError};
use potok_types::Timestamp;

/// One member that leaves: by its id, or by its instance id alone.
#[derive(Clone, Debug)]
pub struct LeaveRequest {
    /// May be empty when there is an instance id.
    pub member_id: String,
    /// Of a static member.
    pub instance_id: Option<String>,
}

impl ClassicGroup {
    /// Whether there may be something to keep: that a group is empty is, and fewer leave a member behind.
    pub(crate) fn leave_may_keep(&self, who: &[LeaveRequest]) -> bool {
        who.len() >= self.members.len()
    }

    /// Members leave. Answers one result each, in order, and what follows for the others.
    pub fn leave(
        &mut self,
        now: Timestamp,
        who: &[LeaveRequest],
    ) -> (Vec<Result<(), GroupError>>, Vec<Effect>) {
        let mut effects = Vec::new();
        let results = who.iter().map(|one| self.leave_one(now, one, &mut effects)).collect();
        (results, effects)
    }

    fn leave_one(
        &mut self,
        now: Timestamp,
        who: &LeaveRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<(), GroupError> {
        let by_instance = who.instance_id.as_ref().map(|instance| self.statics.get(instance).cloned());
        let id = match by_instance {
            Some(None) => return Err(GroupError::UnknownMember),
            Some(Some(id)) if who.member_id.is_empty() || who.member_id == id => id,
            Some(Some(_)) => return Err(GroupError::FencedInstance),
            None => who.member_id.clone(),
        };
        if self.pending.remove(&id).is_some() {
            self.complete_join_if_all_here(now, effects);
            return Ok(());
        }
        if !self.members.contains_key(&id) {
            return Err(GroupError::UnknownMember);
        }
        self.remove(&id, now, effects);
        Ok(())
    }
}
