//! The consumer group protocol (KIP-848): members say what they subscribe to and own, the group computes who gets what, and each member is led
//! there by its own heartbeats. Nobody waits for anybody: an answer is always given at once.
//!
//! A member's way to its target: give up what it must no longer have (`Unrevoked`), take what is free, and wait for what others
//! still hold (`Unreleased`), until it owns its target (`Stable`).
//!
//! While a group moves from the classic protocol to this one, members of both are in it: see `classic.rs`.

mod assign;
mod classic;
mod convert;
mod expel;
mod heartbeat;
mod member;
mod reconcile;
mod snapshot;
#[cfg(test)]
mod tests;

pub use classic::ClassicMember;
pub(crate) use classic::by_name;
pub(crate) use heartbeat::JOINING;
pub use heartbeat::{HeartbeatReply, HeartbeatRequest};
pub use member::{ConsumerMember, MemberState};
pub use snapshot::{ConsumerMemberSnapshot, ConsumerSnapshot};

use potok_types::Timestamp;
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::time::Duration;

/// A topic id as Kafka's protocol has it (KIP-516).
pub type TopicId = [u8; 16];
/// Partitions by topic.
pub type Assignment = BTreeMap<TopicId, BTreeSet<u32>>;

/// The assignors that a member may ask for; the first is the default.
pub const ASSIGNORS: [&str; 2] = ["uniform", "range"];

/// Bounds, as Kafka's `group.consumer.*` broker configs.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConsumerSettings {
    /// `group.consumer.session.timeout.ms`.
    pub session_timeout: Duration,
    /// `group.consumer.heartbeat.interval.ms`: what members are told.
    pub heartbeat_interval: Duration,
    /// `group.consumer.max.size`.
    pub members_max: usize,
}

impl Default for ConsumerSettings {
    fn default() -> ConsumerSettings {
        ConsumerSettings {
            session_timeout: Duration::from_secs(45),
            heartbeat_interval: Duration::from_secs(5),
            members_max: 10_000,
        }
    }
}

/// The topics that there are.
pub trait Topics {
    /// Id and number of partitions of a topic.
    fn topic(&self, name: &str) -> Option<(TopicId, u32)>;
    /// Its name.
    fn name(&self, id: TopicId) -> Option<String>;
    /// Names that match a pattern whole (RE2 syntax); none when the pattern is no regular expression.
    fn matching(&self, pattern: &str) -> Option<BTreeSet<String>>;
    /// Another number, never 0, whenever topics came, went or grew.
    fn version(&self) -> u64;
}

/// Why a heartbeat is refused; the wire has a code for each.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConsumerError {
    /// No member of this id.
    #[error("member is unknown to the group")]
    UnknownMember,
    /// Its epoch is not the group's: it must give everything up and join again.
    #[error("member epoch is fenced")]
    FencedEpoch,
    /// Its epoch is behind the group's, in a request that must be current.
    #[error("member epoch is stale")]
    StaleEpoch,
    /// Another member has this instance id (KIP-345); the newcomer is turned away.
    #[error("instance id is in use")]
    UnreleasedInstance,
    /// The instance id belongs to another member.
    #[error("instance id was taken over by another member")]
    FencedInstance,
    /// Not one of [`ASSIGNORS`].
    #[error("assignor is not supported; supported are uniform and range")]
    UnsupportedAssignor,
    /// `group.consumer.max.size`.
    #[error("group is full")]
    Full,
    /// The request contradicts itself.
    #[error("{0}")]
    Invalid(&'static str),
    /// The pattern is no regular expression.
    #[error("subscription pattern is no regular expression")]
    InvalidRegex,
    /// Of a member of the classic protocol: another generation is under way.
    #[error("generation is over")]
    IllegalGeneration,
    /// Only an empty group can be deleted.
    #[error("group has members")]
    NotEmpty,
    /// The group is not of this protocol, and cannot be made so.
    #[error(
        "group has members of the classic protocol that cannot be taken over: they are no consumers, or too many"
    )]
    ClassicGroup,
}

/// One group.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerGroup {
    settings: ConsumerSettings,
    /// One more whenever members or subscriptions change.
    epoch: i32,
    /// The epoch for which the target was computed.
    target_epoch: i32,
    members: BTreeMap<String, ConsumerMember>,
    statics: HashMap<String, String>,
    /// Topics and partitions as they were when the target was computed.
    seen: BTreeMap<String, (TopicId, u32)>,
    /// The topics' version when they were last compared with `seen`.
    seen_version: u64,
    state_since: Timestamp,
}

impl ConsumerGroup {
    /// A group without members.
    pub fn new(settings: ConsumerSettings, now: Timestamp) -> ConsumerGroup {
        ConsumerGroup {
            settings,
            epoch: 0,
            target_epoch: 0,
            members: BTreeMap::new(),
            statics: HashMap::new(),
            seen: BTreeMap::new(),
            seen_version: 0,
            state_since: now,
        }
    }
    /// One more whenever members or subscriptions change.
    pub fn epoch(&self) -> i32 {
        self.epoch
    }
    /// The epoch of the target assignment.
    pub fn target_epoch(&self) -> i32 {
        self.target_epoch
    }
    /// Its members by id.
    pub fn members(&self) -> impl ExactSizeIterator<Item = &ConsumerMember> {
        self.members.values()
    }
    /// `Empty`, `Assigning`, `Reconciling` or `Stable`, as Kafka shows it.
    pub fn state(&self) -> &'static str {
        if self.members.is_empty() {
            "Empty"
        } else if self.epoch > self.target_epoch {
            "Assigning"
        } else if self
            .members
            .values()
            .any(|m| m.state != MemberState::Stable || m.epoch != self.target_epoch)
        {
            "Reconciling"
        } else {
            "Stable"
        }
    }
    /// The assignor that most members ask for, else the default.
    pub fn assignor(&self) -> &str {
        let mut votes: BTreeMap<&str, usize> = BTreeMap::new();
        for name in self.members.values().filter_map(|m| m.assignor.as_deref()) {
            *votes.entry(name).or_default() += 1;
        }
        votes.into_iter().max_by_key(|(_, n)| *n).map_or(ASSIGNORS[0], |(name, _)| name)
    }
    /// When it came into its state.
    pub fn state_since(&self) -> Timestamp {
        self.state_since
    }
    /// May this member commit? Its epoch must be the one it was given.
    /// In a transaction (`transactional`) a client that says nothing of itself may always.
    pub fn may_commit(&self, member_id: &str, epoch: i32, transactional: bool) -> Result<(), ConsumerError> {
        if epoch < 0 && (self.members.is_empty() || (transactional && member_id.is_empty())) {
            return Ok(());
        }
        let member = self.members.get(member_id).ok_or(ConsumerError::UnknownMember)?;
        match &member.classic {
            _ if member.epoch == epoch => Ok(()),
            Some(_) => Err(ConsumerError::IllegalGeneration),
            None => Err(ConsumerError::StaleEpoch),
        }
    }
    /// May the group be deleted?
    pub fn may_delete(&self) -> Result<(), ConsumerError> {
        if self.members.is_empty() { Ok(()) } else { Err(ConsumerError::NotEmpty) }
    }
    /// The next moment at which [`ConsumerGroup::tick`] has something to do.
    pub fn next_deadline(&self) -> Option<Timestamp> {
        self.members.values().map(ConsumerMember::ends_at).min()
    }
    /// Expels members that are silent, or do not give partitions up, join or sync in time; says whether anything changed.
    pub fn tick(&mut self, now: Timestamp, topics: &dyn Topics) -> bool {
        let over = |m: &&ConsumerMember| m.ends_at() <= now;
        let gone: Vec<String> = self.members.values().filter(over).map(|m| m.id.clone()).collect();
        gone.iter().for_each(|id| self.remove(id));
        if gone.is_empty() {
            return false;
        }
        self.bump(now, topics);
        true
    }
    fn remove(&mut self, id: &str) {
        if let Some(instance) = self.members.remove(id).and_then(|m| m.instance_id)
            && self.statics.get(&instance).is_some_and(|current| current == id)
        {
            self.statics.remove(&instance);
        }
    }
    /// Members or subscriptions changed: a new epoch with a new target.
    fn bump(&mut self, now: Timestamp, topics: &dyn Topics) {
        self.epoch = self.epoch.checked_add(1).unwrap_or(1);
        self.state_since = now;
        self.compute_target(topics);
    }
}
