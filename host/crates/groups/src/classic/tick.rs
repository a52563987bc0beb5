//! The passing of time: sessions, rebalances and pending ids that end.

use super::{ClassicGroup, Effect};
use potok_types::Timestamp;

impl ClassicGroup {
    /// The next moment at which [`ClassicGroup::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        let sessions = self
            .members
            .values()
            .filter(|m| m.joining.is_none() && m.syncing.is_none())
            .map(|m| m.expires_at);
        let newcomers =
            self.members.values().filter(|m| m.joining.is_some() && m.is_new).map(|m| m.expires_at);
        let rebalance = self.rebalance.iter().flat_map(|r| r.not_before.into_iter().chain([r.deadline]));
        let syncs = self.sync_deadline.iter().map(|(_, at)| *at);
        sessions.chain(newcomers).chain(self.pending.values().copied()).chain(rebalance).chain(syncs).min()
    }

    /// Ends what is over at `now`.
    pub fn tick(&mut self, now: Timestamp) -> Vec<Effect> {
        let mut effects = Vec::new();
        let pending = self.pending.len();
        self.pending.retain(|_, expires_at| *expires_at > now);
        // a member that waits for an answer of ours is not silent
        let silent: Vec<String> = self
            .members
            .values()
            .filter(|m| m.expires_at <= now && m.syncing.is_none() && (m.joining.is_none() || m.is_new))
            .map(|m| m.id.clone())
            .collect();
        silent.iter().for_each(|id| self.remove(id, now, &mut effects));
        if let Some((waiting, _)) = self.sync_deadline.take_if(|(_, at)| *at <= now) {
            waiting.iter().for_each(|id| self.remove(id, now, &mut effects));
        }
        if let Some(rebalance) = &mut self.rebalance {
            if rebalance.not_before.is_some_and(|not_before| not_before <= now) {
                rebalance.not_before = None;
                self.complete_join_if_all_here(now, &mut effects);
            } else if rebalance.deadline <= now {
                self.expire_join(now, &mut effects);
            } else if pending != self.pending.len() {
                self.complete_join_if_all_here(now, &mut effects);
            }
        }
        effects
    }
}
