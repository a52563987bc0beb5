//! One member of a group of KIP-848: what it said of itself, what it has, and where it is on its way to what it is to have.

use super::{Assignment, ClassicMember, HeartbeatRequest, JOINING};
use potok_types::Timestamp;
use serde::{Deserialize, Serialize};
use std::collections::BTreeSet;
use std::time::Duration;

/// Where a member is on its way.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum MemberState {
    /// Owns its target.
    Stable,
    /// Must give partitions up.
    Unrevoked,
    /// Waits for partitions that others hold.
    Unreleased,
}

/// One member.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerMember {
    /// Its id.
    pub id: String,
    /// Of a static member.
    pub instance_id: Option<String>,
    /// Where it is.
    pub rack: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// How long it may take to give partitions up.
    pub rebalance_timeout: Duration,
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
    /// Where it is.
    pub state: MemberState,
    /// What it has.
    pub assigned: Assignment,
    /// What it must give up.
    pub pending_revocation: Assignment,
    /// What it is to have.
    pub target: Assignment,
    /// Of a member of the classic protocol.
    pub classic: Option<ClassicMember>,
    pub(super) expires_at: Timestamp,
    /// By when it must have given up what it must.
    pub(super) revoke_by: Option<Timestamp>,
    /// A static member that left for a while (epoch -2).
    pub(super) away: bool,
}

impl ConsumerMember {
    pub(super) fn new(id: String, instance_id: Option<String>, expires_at: Timestamp) -> ConsumerMember {
        ConsumerMember {
            id,
            instance_id,
            rack: None,
            client_id: String::new(),
            client_host: String::new(),
            rebalance_timeout: Duration::ZERO,
            topics: BTreeSet::new(),
            pattern: None,
            assignor: None,
            epoch: JOINING,
            previous_epoch: JOINING,
            state: MemberState::Stable,
            assigned: Assignment::new(),
            pending_revocation: Assignment::new(),
            target: Assignment::new(),
            classic: None,
            expires_at,
            revoke_by: None,
            away: false,
        }
    }
    /// When it is expelled unless it does what it must.
    pub(super) fn ends_at(&self) -> Timestamp {
        let classic = self.classic.iter().flat_map(ClassicMember::deadlines);
        self.revoke_by.into_iter().chain(classic).fold(self.expires_at, Timestamp::min)
    }
    /// Whether all that the request says is known.
    pub(super) fn says_no_more(&self, request: &HeartbeatRequest) -> bool {
        let pattern = request.pattern.as_ref().map(|p| Some(p).filter(|p| !p.is_empty()));
        request.client_id == self.client_id
            && request.client_host == self.client_host
            && request.topics.as_ref().is_none_or(|topics| *topics == self.topics)
            && pattern.is_none_or(|pattern| pattern == self.pattern.as_ref())
            && (request.assignor.is_none() || request.assignor == self.assignor)
            && request.rebalance_timeout.is_none_or(|timeout| timeout == self.rebalance_timeout)
            && (request.rack.is_none() || request.rack == self.rack)
    }
}
