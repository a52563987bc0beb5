//! The rebalance itself: when the join phase begins and ends, and which protocol is chosen.

use super::{ClassicGroup, Effect, GroupError, GroupState, Rebalance};
use potok_types::Timestamp;
use std::collections::BTreeMap;
use std::time::Duration;

impl ClassicGroup {
    /// Begins the join phase, unless it is under way.
    pub(super) fn prepare_rebalance(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        if self.state == GroupState::PreparingRebalance {
            return;
        }
        self.refuse_syncs(&GroupError::RebalanceInProgress, effects);
        self.sync_deadline = None;
        let delay = self.settings.initial_rebalance_delay;
        let initial = self.state == GroupState::Empty && delay > Duration::ZERO;
        let deadline = now.plus(self.rebalance_timeout());
        self.rebalance =
            Some(Rebalance { deadline, not_before: initial.then(|| now.plus(delay).min(deadline)) });
        self.enter(GroupState::PreparingRebalance, now);
    }

    /// While an empty group waits for its first members, each newcomer prolongs the wait, up to the rebalance time-out.
    pub(super) fn extend_initial_delay(&mut self, now: Timestamp) {
        let delay = self.settings.initial_rebalance_delay;
        if let Some(Rebalance { deadline, not_before: Some(not_before) }) = &mut self.rebalance {
            *not_before = (*not_before).max(now.plus(delay)).min(*deadline);
        }
    }

    fn rebalance_timeout(&self) -> Duration {
        self.members.values().map(|m| m.rebalance_timeout).max().unwrap_or_default()
    }

    pub(super) fn refuse_syncs(&mut self, why: &GroupError, effects: &mut Vec<Effect>) {
        for member in self.members.values_mut() {
            if let Some(ticket) = member.syncing.take() {
                effects.push(Effect::Sync(ticket, Err(why.clone())));
            }
        }
    }

    /// Ends the join phase when nobody is missing.
    pub(super) fn complete_join_if_all_here(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        let Some(rebalance) = self.rebalance else { return };
        let waits = rebalance.not_before.is_some_and(|not_before| now < not_before);
        let all_here = self.pending.is_empty() && self.members.values().all(|m| m.joining.is_some());
        if !waits && all_here {
            self.complete_join(now, effects);
        }
    }

    /// Time is up: whoever has not come is left out. Static members stay until their session ends (KIP-345).
    pub(super) fn expire_join(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.pending.clear();
        let missing: Vec<String> = self
            .members
            .values()
            .filter(|m| m.joining.is_none() && m.instance_id.is_none())
            .map(|m| m.id.clone())
            .collect();
        missing.iter().for_each(|id| self.forget(id));
        if !self.members.is_empty() && self.members.values().all(|m| m.joining.is_none()) {
            // only silent static members are left: they get another round, which must not be over at once where their time to rejoin
            // is nothing
            let session = self.members.values().map(|m| m.session_timeout).max().unwrap_or_default();
            let deadline = now.plus(self.rebalance_timeout().max(session));
            self.rebalance = Some(Rebalance { deadline, not_before: None });
            return;
        }
        self.complete_join(now, effects);
    }

    fn complete_join(&mut self, now: Timestamp, effects: &mut Vec<Effect>) {
        self.rebalance = None;
        self.generation = self.generation.checked_add(1).unwrap_or(1);
        if self.members.is_empty() {
            self.protocol = None;
            self.leader = None;
            self.enter(GroupState::Empty, now);
            effects.push(Effect::Persist);
            return;
        }
        self.protocol = self.choose_protocol();
        let leader_is_here =
            self.leader.as_ref().and_then(|id| self.members.get(id)).is_some_and(|m| m.joining.is_some());
        if !leader_is_here {
            self.leader = self.members.values().find(|m| m.joining.is_some()).map(|m| m.id.clone());
        }
        self.enter(GroupState::CompletingRebalance, now);
        self.sync_deadline =
            Some((self.members.keys().cloned().collect(), now.plus(self.rebalance_timeout())));
        let ids: Vec<String> = self.members.keys().cloned().collect();
        for id in ids {
            let reply = self.join_reply(&id, false);
            let Some(member) = self.members.get_mut(&id) else { continue };
            member.is_new = false;
            member.touch(now);
            if let Some(ticket) = member.joining.take() {
                effects.push(Effect::Join(ticket, Ok(reply)));
            }
        }
    }

    /// Each member votes for the first of its protocols that all support; most votes win, the earlier name at a tie.
    pub(super) fn choose_protocol(&self) -> Option<String> {
        let common = |name: &str| self.members.values().all(|m| m.protocols.iter().any(|p| p.name == name));
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for member in self.members.values() {
            if let Some(choice) = member.protocols.iter().find(|p| common(&p.name)) {
                *votes.entry(&choice.name).or_default() += 1;
            }
        }
        votes.into_iter().rev().max_by_key(|(_, votes)| *votes).map(|(name, _)| name.to_owned())
    }

    /// Takes a member out, with no further consequence.
    pub(super) fn forget(&mut self, id: &str) {
        let Some(member) = self.members.remove(id) else { return };
        if let Some(instance) = &member.instance_id {
            self.statics.remove(instance);
        }
        if let Some((waiting, _)) = &mut self.sync_deadline {
            waiting.remove(id);
        }
        if self.leader.as_deref() == Some(id) {
            let joined = self.members.values().find(|m| m.joining.is_some());
            self.leader = joined.or_else(|| self.members.values().next()).map(|m| m.id.clone());
        }
    }

    /// A member is gone for good: the others rebalance.
    pub(super) fn remove(&mut self, id: &str, now: Timestamp, effects: &mut Vec<Effect>) {
        if let Some(member) = self.members.get_mut(id) {
            if let Some(ticket) = member.joining.take() {
                effects.push(Effect::Join(ticket, Err(GroupError::UnknownMember)));
            }
            if let Some(ticket) = member.syncing.take() {
                effects.push(Effect::Sync(ticket, Err(GroupError::UnknownMember)));
            }
        }
        self.forget(id);
        match self.state {
            GroupState::Stable | GroupState::CompletingRebalance => {
                self.prepare_rebalance(now, effects);
                self.complete_join_if_all_here(now, effects);
            }
            GroupState::PreparingRebalance => self.complete_join_if_all_here(now, effects),
            GroupState::Empty => {}
        }
    }
}
