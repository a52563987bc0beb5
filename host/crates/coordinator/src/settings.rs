//! The room's numbers: what an operator tunes, as Kafka's broker configs of the names given, and what is fixed, each with its reason.

use potok_groups::{ConsumerSettings, GroupSettings, Rules};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// Numbers of the room that a user tunes.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Shortest session a classic member may ask for, in milliseconds (`group.min.session.timeout.ms`). Shorter finds dead members
    /// sooner, and takes slow ones for dead.
    pub session_timeout_min_ms: u64,
    /// Longest session a classic member may ask for, in milliseconds (`group.max.session.timeout.ms`).
    pub session_timeout_max_ms: u64,
    /// How long an empty group waits for more members before it first assigns, in milliseconds
    /// (`group.initial.rebalance.delay.ms`). Longer saves rebalances when many members start at once; shorter starts sooner.
    pub initial_rebalance_delay_ms: u64,
    /// Session of a member of the newer protocol, in milliseconds (`group.consumer.session.timeout.ms`).
    pub consumer_session_timeout_ms: u64,
    /// How often a member of the newer protocol is to come, in milliseconds (`group.consumer.heartbeat.interval.ms`). Shorter
    /// spreads a rebalance sooner, and costs requests.
    pub consumer_heartbeat_interval_ms: u64,
    /// Members of one group at most (`group.max.size`).
    pub members_max: usize,
    /// How long offsets outlive their group's last member or commit, in minutes (`offsets.retention.minutes`).
    pub offsets_retention_minutes: u64,
    /// Bytes of the text that a client keeps beside an offset, at most (`offset.metadata.max.bytes`).
    pub offset_metadata_len_max: usize,
    /// Longest time a transaction may ask to stay open, in milliseconds (`transaction.max.timeout.ms`). While one is open, readers
    /// of committed records wait behind it.
    pub transaction_timeout_max_ms: u64,
    /// How long an unused transactional id is remembered, in milliseconds (`transactional.id.expiration.ms`).
    pub transactional_id_expiry_ms: u64,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            session_timeout_min_ms: 1_000,
            session_timeout_max_ms: 30 * 60_000,
            initial_rebalance_delay_ms: 200,
            consumer_session_timeout_ms: 45_000,
            consumer_heartbeat_interval_ms: 5_000,
            members_max: 10_000,
            offsets_retention_minutes: 7 * 24 * 60,
            offset_metadata_len_max: 4096,
            transaction_timeout_max_ms: 15 * 60_000,
            transactional_id_expiry_ms: 7 * 24 * 3_600_000,
        }
    }
}

/// Groups that are held in memory at once: those with members, or that had some and still keep offsets. About 1 KiB each when empty.
pub(crate) const GROUPS_MAX: usize = 100_000;
/// Transactional ids remembered at once. About 1 KiB each. Some clients use a new one again and again (Flink: at each checkpoint), so
/// where another comes, those that were unused for longest go.
pub(crate) const TRANSACTIONAL_IDS_MAX: usize = 100_000;
/// So many go at once: to find them, all are looked at.
pub(crate) const FORGOTTEN_AT_ONCE: usize = 100;
/// Bytes of a group's name and of a transactional id: the most a string of Kafka's protocol can have.
pub(crate) const NAME_LEN_MAX: usize = i16::MAX as usize;
/// Bytes of metadata and protocol names of one classic member: what a subscription to tens of thousands of topics takes.
pub(crate) const MEMBER_METADATA_LEN_MAX: usize = 1 << 20;
/// Topics that one member may name.
pub(crate) const MEMBER_TOPICS_MAX: usize = 10_000;
/// Partitions and offsets in one transaction: its end is one unit, and a unit is held in memory.
pub(crate) const TRANSACTION_PARTITIONS_MAX: usize = 100_000;
/// How often offsets and ids that nobody needs are looked for, as Kafka's `offsets.retention.check.interval.ms`.
pub(crate) const SWEEP_EVERY: Duration = Duration::from_secs(600);
/// Sessions, rebalances and transactions that are ended at the same time when their time is up. Each waits for one lock and one write:
/// enough that the log joins many into one sync, and that those which wait for whoever is at them leave room for others.
pub(crate) const ENDING_MAX: usize = 256;
/// After a write that failed, a deadline is tried again so much later.
pub(crate) const RETRY_AFTER: Duration = Duration::from_secs(1);

impl Settings {
    /// What groups go by.
    pub(crate) fn rules(&self) -> Rules {
        Rules { classic: self.classic(), consumer: self.consumer() }
    }
    fn classic(&self) -> GroupSettings {
        GroupSettings {
            session_timeout_min: Duration::from_millis(self.session_timeout_min_ms),
            session_timeout_max: Duration::from_millis(self.session_timeout_max_ms),
            initial_rebalance_delay: Duration::from_millis(self.initial_rebalance_delay_ms),
            members_max: self.members_max,
        }
    }
    fn consumer(&self) -> ConsumerSettings {
        ConsumerSettings {
            session_timeout: Duration::from_millis(self.consumer_session_timeout_ms),
            heartbeat_interval: Duration::from_millis(self.consumer_heartbeat_interval_ms),
            members_max: self.members_max,
        }
    }
    pub(crate) fn offsets_retention(&self) -> Duration {
        Duration::from_secs(self.offsets_retention_minutes.saturating_mul(60))
    }
    pub(crate) fn transaction_timeout_max(&self) -> Duration {
        Duration::from_millis(self.transaction_timeout_max_ms)
    }
    pub(crate) fn transactional_id_expiry(&self) -> Duration {
        Duration::from_millis(self.transactional_id_expiry_ms)
    }
}
