//! A group of KIP-848 whose members all speak the classic protocol becomes a classic one, and what those who wait are told when it goes
//! the other way.

use super::{CONSUMERS, ClassicGroup, Effect, GroupError, GroupSettings, GroupState, Member};
use crate::consumer::{ConsumerGroup, ConsumerMember, Topics, by_name};
use crate::embedded;
use potok_types::Timestamp;

impl ClassicGroup {
    /// The group with all its classic members. They are to join again at once: what a member that left had is nobody's.
    pub(crate) fn from_consumer(
        settings: GroupSettings,
        now: Timestamp,
        topics: &dyn Topics,
        consumer: &ConsumerGroup,
    ) -> ClassicGroup {
        let mut group = ClassicGroup::new(settings, now);
        group.generation = consumer.epoch();
        group.protocol_type = Some(CONSUMERS.to_owned());
        for member in consumer.members().filter_map(|one| taken_over(now, topics, one)) {
            if let Some(instance) = &member.instance_id {
                group.statics.insert(instance.clone(), member.id.clone());
            }
            group.members.insert(member.id.clone(), member);
        }
        group.protocol = group.choose_protocol();
        group.state = GroupState::Stable;
        // nobody waits, and so nobody is answered
        group.prepare_rebalance(now, &mut Vec::new());
        group
    }

    /// The group is taken over: whoever waits is to join again.
    pub(crate) fn send_away(&mut self) -> Vec<Effect> {
        let mut effects = Vec::new();
        self.refuse_syncs(&GroupError::RebalanceInProgress, &mut effects);
        let joins = self.members.values_mut().filter_map(|member| member.joining.take());
        effects.extend(joins.map(|ticket| Effect::Join(ticket, Err(GroupError::RebalanceInProgress))));
        effects
    }
}

fn taken_over(now: Timestamp, topics: &dyn Topics, one: &ConsumerMember) -> Option<Member> {
    let classic = one.classic.as_ref()?;
    // all that it may still hold, so that nobody else is given it if the group is taken over again
    let mut holds = one.assigned.clone();
    for (topic, partitions) in &one.pending_revocation {
        holds.entry(*topic).or_default().extend(partitions);
    }
    Some(Member {
        id: one.id.clone(),
        instance_id: one.instance_id.clone(),
        client_id: one.client_id.clone(),
        client_host: one.client_host.clone(),
        session_timeout: classic.session_timeout,
        rebalance_timeout: one.rebalance_timeout,
        protocols: classic.protocols.clone(),
        assignment: embedded::assignment(&by_name(topics, &holds)),
        joining: None,
        syncing: None,
        is_new: false,
        expires_at: now.plus(classic.session_timeout),
    })
}
