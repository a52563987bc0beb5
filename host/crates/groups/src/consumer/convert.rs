//! A classic group becomes one of KIP-848, and when it is to be a classic one again. What comes of it then is in `classic/convert.rs`.

use super::classic::by_id;
use super::{ClassicMember, ConsumerGroup, ConsumerMember, ConsumerSettings, Topics};
use crate::classic::{CONSUMERS, ClassicGroup, JoinRequest, Member};
use crate::embedded;
use potok_types::Timestamp;

impl ConsumerGroup {
    /// The group with all its members, each at the generation as its epoch, with what it was last given. None where they are no
    /// consumers, say of themselves what cannot be read, or are too many.
    pub(crate) fn from_classic(
        settings: ConsumerSettings,
        now: Timestamp,
        topics: &dyn Topics,
        classic: &ClassicGroup,
    ) -> Option<ConsumerGroup> {
        if classic.protocol_type() != Some(CONSUMERS) || classic.members().len() > settings.members_max {
            return None;
        }
        let mut group = ConsumerGroup::new(settings, now);
        group.epoch = classic.generation();
        group.target_epoch = classic.generation();
        for one in classic.members() {
            let mut member = taken_over(now, topics, one, classic.protocol())?;
            member.epoch = classic.generation();
            member.previous_epoch = classic.generation();
            if let Some(instance) = &member.instance_id {
                group.statics.insert(instance.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        Some(group)
    }

    /// Whether nobody speaks KIP-848 any more, and somebody the classic protocol.
    pub(crate) fn is_all_classic(&self) -> bool {
        !self.members.is_empty() && self.members.values().all(|member| member.classic.is_some())
    }

    /// Whether the last member of KIP-848 comes back as a classic one, under its instance id; it is taken out then, to join anew.
    pub(crate) fn makes_way(&mut self, request: &JoinRequest) -> bool {
        let holder = request.instance_id.as_ref().and_then(|instance| self.statics.get(instance)).cloned();
        let Some(holder) = holder.filter(|_| request.member_id.is_empty()) else { return false };
        let mut speakers = self.members.values().filter(|member| member.classic.is_none());
        let is_last = speakers.next().is_some_and(|member| member.id == holder) && speakers.next().is_none();
        if is_last {
            self.remove(&holder);
        }
        is_last
    }
}

fn taken_over(
    now: Timestamp,
    topics: &dyn Topics,
    one: &Member,
    protocol: Option<&str>,
) -> Option<ConsumerMember> {
    let metadata = match protocol {
        Some(protocol) => one.metadata(protocol),
        None => one.protocols.first()?.metadata.clone(),
    };
    let said = embedded::read_subscription(&metadata)?;
    let assigned = by_id(topics, embedded::assigned_partitions(&one.assignment)?);
    let expires_at = now.plus(one.session_timeout);
    Some(ConsumerMember {
        rack: said.rack,
        client_id: one.client_id.clone(),
        client_host: one.client_host.clone(),
        rebalance_timeout: one.rebalance_timeout,
        topics: said.topics.into_iter().collect(),
        target: assigned.clone(),
        assigned,
        classic: Some(ClassicMember::new(one.session_timeout, one.protocols.clone())),
        ..ConsumerMember::new(one.id.clone(), one.instance_id.clone(), expires_at)
    })
}
