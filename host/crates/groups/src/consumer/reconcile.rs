//! One step of one member towards its target (KIP-848, "Assignment process").

use super::{Assignment, ConsumerGroup, ConsumerMember, MemberState, TopicId};
use potok_types::Timestamp;
use std::collections::BTreeSet;

fn pairs(assignment: &Assignment) -> impl Iterator<Item = (TopicId, u32)> {
    assignment.iter().flat_map(|(topic, partitions)| partitions.iter().map(move |p| (*topic, *p)))
}
fn collect(pairs: impl Iterator<Item = (TopicId, u32)>) -> Assignment {
    let mut assignment = Assignment::new();
    pairs.for_each(|(topic, partition)| {
        assignment.entry(topic).or_default().insert(partition);
    });
    assignment
}

impl ConsumerGroup {
    fn held_by_others(&self, id: &str) -> BTreeSet<(TopicId, u32)> {
        let others = self.members.values().filter(|m| m.id != id);
        others.flat_map(|m| pairs(&m.assigned).chain(pairs(&m.pending_revocation))).collect()
    }
    /// Whether a member waits for partitions that have all become free.
    pub(super) fn is_released(&self, member: &ConsumerMember) -> bool {
        let held = self.held_by_others(&member.id);
        let has = |(topic, partition): &(TopicId, u32)| {
            member.assigned.get(topic).is_some_and(|partitions| partitions.contains(partition))
        };
        member.state == MemberState::Unreleased
            && pairs(&member.target).all(|pair| has(&pair) || !held.contains(&pair))
    }

    /// Moves the member on as far as it can go now. `owned` is what it says that it has; none when it did not say.
    pub(super) fn reconcile(&mut self, now: Timestamp, id: &str, owned: Option<&Assignment>) {
        let held_by_others = self.held_by_others(id);
        let target_epoch = self.target_epoch;
        let Some(member) = self.members.get_mut(id) else { return };
        if member.state == MemberState::Unrevoked {
            let still_has = owned.is_none_or(|owned| {
                pairs(&member.pending_revocation)
                    .any(|(t, p)| owned.get(&t).is_some_and(|ps| ps.contains(&p)))
            });
            if still_has {
                return;
            }
            member.pending_revocation.clear();
            member.revoke_by = None;
        } else if member.state == MemberState::Stable && member.epoch == target_epoch {
            return;
        }
        let assigned: BTreeSet<_> = pairs(&member.assigned).collect();
        let target: BTreeSet<_> = pairs(&member.target).collect();
        let kept = assigned.intersection(&target).copied();
        let revoked: Vec<_> = assigned.difference(&target).copied().collect();
        // what it no longer owns by its own word needs no revocation
        let must_revoke = collect(
            revoked
                .into_iter()
                .filter(|(t, p)| owned.is_none_or(|owned| owned.get(t).is_some_and(|ps| ps.contains(p)))),
        );
        if !must_revoke.is_empty() {
            member.assigned = collect(kept);
            member.pending_revocation = must_revoke;
            member.state = MemberState::Unrevoked;
            // a classic member has its time to join instead
            member.revoke_by = member.classic.is_none().then(|| now.plus(member.rebalance_timeout));
            return;
        }
        let wanted: Vec<_> = target.difference(&assigned).copied().collect();
        let unreleased = wanted.iter().any(|pair| held_by_others.contains(pair));
        let free = wanted.into_iter().filter(|pair| !held_by_others.contains(pair));
        member.assigned = collect(kept.chain(free).collect::<Vec<_>>().into_iter());
        member.state = if unreleased { MemberState::Unreleased } else { MemberState::Stable };
        if member.epoch != target_epoch {
            member.previous_epoch = member.epoch;
            member.epoch = target_epoch;
        }
    }
}
