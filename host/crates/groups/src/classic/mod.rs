//! The classic group protocol (KIP-62, KIP-345 static members, KIP-394 known member ids, KIP-429 cooperative rebalances run on top
//! of it unchanged). One [`ClassicGroup`] holds one group; `op/` has a file for each request.
//!
//! ```text
//!            join                    all joined, or time is up            leader synced
//!  Empty ───────────> Preparing ───────────────────────────> Completing ───────────────> Stable
//!    ^                 ^     │ nobody left                      │  join, leave, expiry       │
//!    └─────────────────┼─────┘                                  v                            v
//!                      └────────────────────────────────────────┴────────────────────────────┘
//! ```

mod commit;
mod convert;
mod heartbeat;
mod join;
mod leave;
mod rebalance;
mod replace;
mod snapshot;
mod sync;
#[cfg(test)]
mod tests;
mod tick;

pub use join::{JoinReply, JoinRequest, JoinedMember, Protocol};
pub use leave::LeaveRequest;
pub use snapshot::{Blob, MemberSnapshot, Snapshot};
pub use sync::{SyncReply, SyncRequest};

use bytes::Bytes;
use potok_types::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// Names a reply that somebody waits for. The caller makes them; they are never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Ticket(pub u64);

/// Bounds of groups, as Kafka's `group.*` broker configs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct GroupSettings {
    /// `group.min.session.timeout.ms`.
    pub session_timeout_min: Duration,
    /// `group.max.session.timeout.ms`.
    pub session_timeout_max: Duration,
    /// `group.initial.rebalance.delay.ms`: how long an empty group waits for more members.
    pub initial_rebalance_delay: Duration,
    /// `group.max.size`: members of one group.
    pub members_max: usize,
}

impl GroupSettings {
    pub(crate) fn check_session(&self, request: &JoinRequest) -> Result<(), GroupError> {
        let bounds = self.session_timeout_min..=self.session_timeout_max;
        if bounds.contains(&request.session_timeout) {
            Ok(())
        } else {
            Err(GroupError::InvalidSessionTimeout)
        }
    }
}

impl Default for GroupSettings {
    fn default() -> GroupSettings {
        GroupSettings {
            session_timeout_min: Duration::from_secs(6),
            session_timeout_max: Duration::from_secs(30 * 60),
            initial_rebalance_delay: Duration::from_secs(3),
            members_max: 10_000,
        }
    }
}

/// What consumers say that their group is for; only they tell each other what they read.
pub const CONSUMERS: &str = "consumer";

/// A joining member that never joins is forgotten after this long, as in Kafka.
const NEW_MEMBER_TIMEOUT: Duration = Duration::from_secs(5 * 60);

/// Why a request is refused; the wire has a code for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum GroupError {
    /// No member of this id.
    #[error("member is unknown to the group")]
    UnknownMember,
    /// Join again with the id given here (KIP-394).
    #[error("join again as {0:?}")]
    MemberIdRequired(String),
    /// Another generation is under way.
    #[error("generation is over")]
    IllegalGeneration,
    /// Join again.
    #[error("a rebalance is in progress")]
    RebalanceInProgress,
    /// Protocols have nothing in common with the others'.
    #[error("no protocol in common with the group")]
    InconsistentProtocol,
    /// Session time-out out of bounds.
    #[error("session time-out is outside the bounds")]
    InvalidSessionTimeout,
    /// Another member took this instance id over (KIP-345).
    #[error("instance id was taken over by another member")]
    FencedInstance,
    /// `group.max.size`.
    #[error("group is full")]
    Full,
    /// Only an empty group can be deleted.
    #[error("group has members")]
    NotEmpty,
}

/// What the caller does.
#[derive(Clone, Debug, PartialEq)]
pub enum Effect {
    /// Answers a join.
    Join(Ticket, Result<JoinReply, GroupError>),
    /// Answers a sync.
    Sync(Ticket, Result<SyncReply, GroupError>),
    /// Keep [`ClassicGroup::snapshot`] before the effects that follow are carried out.
    Persist,
}

/// Where a group is, drawn at the head of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum GroupState {
    /// No members.
    Empty,
    /// Members join.
    PreparingRebalance,
    /// The leader assigns.
    CompletingRebalance,
    /// Everybody works.
    Stable,
}

/// One member.
#[derive(Clone, Debug, PartialEq)]
pub struct Member {
    /// Its id.
    pub id: String,
    /// Its instance id when it is static.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// How long it may be silent.
    pub session_timeout: Duration,
    /// How long it may take to rejoin.
    pub rebalance_timeout: Duration,
    /// Protocols in its order of preference.
    pub protocols: Vec<Protocol>,
    /// What the leader gave it.
    pub assignment: Bytes,
    joining: Option<Ticket>,
    syncing: Option<Ticket>,
    /// Joined for the first time and not yet answered.
    is_new: bool,
    expires_at: Timestamp,
}

impl Member {
    fn touch(&mut self, now: Timestamp) {
        self.expires_at = now.plus(self.session_timeout);
    }
    /// Metadata for the chosen protocol.
    pub fn metadata(&self, protocol: &str) -> Bytes {
        self.protocols.iter().find(|p| p.name == protocol).map(|p| p.metadata.clone()).unwrap_or_default()
    }
}

/// When the rebalance that is being prepared ends, whoever has not joined by then.
#[derive(Clone, Copy, Debug, PartialEq)]
struct Rebalance {
    /// The join phase ends here at the latest.
    deadline: Timestamp,
    /// Of an empty group: not before this, so that members that start together join together.
    not_before: Option<Timestamp>,
}

/// One group.
#[derive(Clone, Debug, PartialEq)]
pub struct ClassicGroup {
    settings: GroupSettings,
    state: GroupState,
    generation: i32,
    protocol_type: Option<String>,
    protocol: Option<String>,
    leader: Option<String>,
    members: BTreeMap<String, Member>,
    /// Instance id to member id.
    statics: HashMap<String, String>,
    /// Ids given out (KIP-394) and not joined with yet, and when they are forgotten.
    pending: BTreeMap<String, Timestamp>,
    rebalance: Option<Rebalance>,
    /// Members that have not synced in this generation, and when they are expelled for it.
    sync_deadline: Option<(BTreeSet<String>, Timestamp)>,
    /// When the group became what it is; offsets expire by it.
    state_since: Timestamp,
}

impl ClassicGroup {
    /// A group without members.
    pub fn new(settings: GroupSettings, now: Timestamp) -> ClassicGroup {
        ClassicGroup {
            settings,
            state: GroupState::Empty,
            generation: 0,
            protocol_type: None,
            protocol: None,
            leader: None,
            members: BTreeMap::new(),
            statics: HashMap::new(),
            pending: BTreeMap::new(),
            rebalance: None,
            sync_deadline: None,
            state_since: now,
        }
    }
    /// Where it is.
    pub fn state(&self) -> GroupState {
        self.state
    }
    /// Generation: one more at each rebalance.
    pub fn generation(&self) -> i32 {
        self.generation
    }
    /// `consumer`, `connect`, …
    pub fn protocol_type(&self) -> Option<&str> {
        self.protocol_type.as_deref()
    }
    /// The chosen protocol.
    pub fn protocol(&self) -> Option<&str> {
        self.protocol.as_deref()
    }
    /// The member that assigns.
    pub fn leader(&self) -> Option<&str> {
        self.leader.as_deref()
    }
    /// Its members by id.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &Member> {
        self.members.values()
    }
    /// When it came into its state.
    pub fn state_since(&self) -> Timestamp {
        self.state_since
    }

    fn enter(&mut self, state: GroupState, now: Timestamp) {
        self.state = state;
        self.state_since = now;
    }
    /// The member, when the ids belong together.
    fn check_member(&self, id: &str, instance_id: Option<&str>) -> Result<(), GroupError> {
        if let Some(current) = instance_id.and_then(|instance| self.statics.get(instance))
            && current != id
        {
            return Err(GroupError::FencedInstance);
        }
        if instance_id.is_some_and(|instance| !self.statics.contains_key(instance))
            || !self.members.contains_key(id)
        {
            return Err(GroupError::UnknownMember);
        }
        Ok(())
    }
}
