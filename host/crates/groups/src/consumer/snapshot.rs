//! What is kept of a group of KIP-848, and the group made from it again: its members go on where they were, with fresh sessions.

use super::classic::{ClassicMember, ClassicMemberSnapshot};
use super::{Assignment, ConsumerGroup, ConsumerMember, ConsumerSettings, MemberState, TopicId};
use potok_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Topics' ids and partitions, as they are kept.
type Kept = Vec<(TopicId, Vec<u32>)>;

/// A group as it is kept. Version 1 of the format.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsumerSnapshot {
    /// Its epoch.
    pub epoch: i32,
    /// The epoch of the target.
    pub target_epoch: i32,
    /// Milliseconds since 1970-01-01 UTC.
    pub state_since: Timestamp,
    /// Topics as they were when the target was computed: name, id, partitions.
    pub seen: Vec<(String, TopicId, u32)>,
    /// Its members.
    pub members: Vec<ConsumerMemberSnapshot>,
}

/// A member as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ConsumerMemberSnapshot {
    /// Its id.
    pub id: String,
    /// Of a static member.
    pub instance_id: Option<String>,
    /// Where it is.
    pub rack: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connected from.
    pub client_host: String,
    /// Milliseconds.
    pub rebalance_timeout_ms: u64,
    /// By name.
    pub topics: BTreeSet<String>,
    /// By pattern.
    pub pattern: Option<String>,
    /// The one it asked for.
    pub assignor: Option<String>,
    /// Epoch that it has reached.
    pub epoch: i32,
    /// The one before.
    pub previous_epoch: i32,
    /// `stable`, `unrevoked` or `unreleased`.
    pub state: MemberState,
    /// A static member that left for a while.
    pub away: bool,
    /// What it has.
    pub assigned: Kept,
    /// What it must give up.
    pub pending_revocation: Kept,
    /// What it is to have.
    pub target: Kept,
    /// Of a member of the classic protocol.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub classic: Option<ClassicMemberSnapshot>,
}

fn keep(assignment: &Assignment) -> Kept {
    assignment.iter().map(|(topic, partitions)| (*topic, partitions.iter().copied().collect())).collect()
}
fn unkeep(kept: Kept) -> Assignment {
    kept.into_iter().map(|(topic, partitions)| (topic, partitions.into_iter().collect())).collect()
}

impl ConsumerMember {
    pub(super) fn snapshot(&self) -> ConsumerMemberSnapshot {
        ConsumerMemberSnapshot {
            id: self.id.clone(),
            instance_id: self.instance_id.clone(),
            rack: self.rack.clone(),
            client_id: self.client_id.clone(),
            client_host: self.client_host.clone(),
            rebalance_timeout_ms: u64::try_from(self.rebalance_timeout.as_millis()).unwrap_or(u64::MAX),
            topics: self.topics.clone(),
            pattern: self.pattern.clone(),
            assignor: self.assignor.clone(),
            epoch: self.epoch,
            previous_epoch: self.previous_epoch,
            state: self.state,
            away: self.away,
            assigned: keep(&self.assigned),
            pending_revocation: keep(&self.pending_revocation),
            target: keep(&self.target),
            classic: self.classic.as_ref().map(ClassicMember::snapshot),
        }
    }
    fn restore(kept: ConsumerMemberSnapshot, settings: &ConsumerSettings, now: Timestamp) -> ConsumerMember {
        let rebalance_timeout = Duration::from_millis(kept.rebalance_timeout_ms);
        let must_revoke = kept.state == MemberState::Unrevoked && kept.classic.is_none();
        let classic = kept.classic.map(ClassicMember::restore);
        let session_timeout = classic.as_ref().map_or(settings.session_timeout, |c| c.session_timeout);
        ConsumerMember {
            id: kept.id,
            instance_id: kept.instance_id,
            rack: kept.rack,
            client_id: kept.client_id,
            client_host: kept.client_host,
            rebalance_timeout,
            topics: kept.topics,
            pattern: kept.pattern,
            assignor: kept.assignor,
            epoch: kept.epoch,
            previous_epoch: kept.previous_epoch,
            state: kept.state,
            assigned: unkeep(kept.assigned),
            pending_revocation: unkeep(kept.pending_revocation),
            target: unkeep(kept.target),
            classic,
            expires_at: now.plus(session_timeout),
            revoke_by: must_revoke.then(|| now.plus(rebalance_timeout)),
            away: kept.away,
        }
    }
}

impl ConsumerGroup {
    /// What to keep.
    pub fn snapshot(&self) -> ConsumerSnapshot {
        ConsumerSnapshot {
            epoch: self.epoch,
            target_epoch: self.target_epoch,
            state_since: self.state_since,
            seen: self.seen.iter().map(|(name, (id, count))| (name.clone(), *id, *count)).collect(),
            members: self.members.values().map(ConsumerMember::snapshot).collect(),
        }
    }
    /// The group again; sessions begin at `now`.
    pub fn restore(settings: ConsumerSettings, now: Timestamp, kept: ConsumerSnapshot) -> ConsumerGroup {
        let mut group = ConsumerGroup::new(settings, kept.state_since);
        group.epoch = kept.epoch;
        group.target_epoch = kept.target_epoch;
        group.seen = kept.seen.into_iter().map(|(name, id, count)| (name, (id, count))).collect();
        for member in kept.members {
            if let Some(instance) = &member.instance_id {
                group.statics.insert(instance.clone(), member.id.clone());
            }
            let member = ConsumerMember::restore(member, &settings, now);
            group.members.insert(member.id.clone(), member);
        }
        group
    }
}
