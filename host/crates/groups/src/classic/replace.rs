//! A static member that comes back (KIP-345): with a new id, in the place of its former self, which is fenced.

use super::{ClassicGroup, Effect, GroupError, GroupState, JoinRequest, Ticket};
use potok_types::Timestamp;

impl ClassicGroup {
    /// A static member comes back under a new id: it takes the old one's place, and in a stable group nobody else notices.
    pub(super) fn replace_static(
        &mut self,
        now: Timestamp,
        ticket: Ticket,
        old_id: &str,
        request: JoinRequest,
        effects: &mut Vec<Effect>,
    ) -> Result<(), GroupError> {
        let Some(mut member) = self.members.remove(old_id) else { return Err(GroupError::UnknownMember) };
        for (waiting, fenced) in [(member.joining.take(), true), (member.syncing.take(), false)] {
            match waiting {
                Some(ticket) if fenced => effects.push(Effect::Join(ticket, Err(GroupError::FencedInstance))),
                Some(ticket) => effects.push(Effect::Sync(ticket, Err(GroupError::FencedInstance))),
                None => {}
            }
        }
        let id = request.fresh_member_id.clone();
        let before = self.protocol.as_deref().map(|p| member.metadata(p));
        let was_leader = self.leader.as_deref() == Some(old_id);
        if was_leader {
            self.leader = Some(id.clone());
        }
        if let Some(instance) = &request.instance_id {
            self.statics.insert(instance.clone(), id.clone());
        }
        if let Some((waiting, _)) = &mut self.sync_deadline
            && waiting.remove(old_id)
        {
            waiting.insert(id.clone());
        }
        member.id.clone_from(&id);
        let can_skip = request.can_skip_assignment;
        self.members.insert(id.clone(), member);
        let request = JoinRequest { member_id: id.clone(), ..request };
        self.update(now, ticket, request, effects);
        let after = self.members.get(&id).zip(self.protocol.as_deref()).map(|(m, p)| m.metadata(p));
        if self.state == GroupState::Stable && before == after && self.choose_protocol() == self.protocol {
            if let Some(member) = self.members.get_mut(&id) {
                member.joining = None;
            }
            let mut reply = self.join_reply(&id, was_leader && can_skip);
            if was_leader && !can_skip {
                // before KIP-814 a leader that comes back is told of another leader, so that it does not assign anew
                old_id.clone_into(&mut reply.leader);
                reply.members.clear();
            }
            effects.push(Effect::Persist);
            effects.push(Effect::Join(ticket, Ok(reply)));
            return Ok(());
        }
        self.prepare_rebalance(now, effects);
        self.complete_join_if_all_here(now, effects);
        Ok(())
    }
}
