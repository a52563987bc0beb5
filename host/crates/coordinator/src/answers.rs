//! The words of the door that are not the state machines' own: offsets asked for and given, and what a group or a transaction is like.

use bytes::Bytes;
use potok_groups::{ConsumerMember, Identity};
use potok_types::{LeaderEpoch, Offset, Timestamp, TopicPartition};
use std::time::Duration;

/// An offset to be committed.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct NewOffset {
    /// Where.
    pub at: TopicPartition,
    /// The next offset to read.
    pub offset: Offset,
    /// Epoch of the record before it, when the client said.
    pub leader_epoch: Option<LeaderEpoch>,
    /// The client's words.
    pub metadata: String,
}

/// Offsets that a member commits.
#[derive(Clone, Debug, Default)]
pub struct CommitRequest {
    /// The group.
    pub group: String,
    /// Who; empty for a client that manages its partitions by itself.
    pub member_id: String,
    /// Of a static member.
    pub instance_id: Option<String>,
    /// Generation or member epoch; -1 for a client that manages its partitions by itself.
    pub epoch: i32,
    /// What.
    pub offsets: Vec<NewOffset>,
}

/// Offsets that count when a transaction commits.
#[derive(Clone, Debug)]
pub struct TxnCommitRequest {
    /// The transactional id.
    pub transactional_id: String,
    /// The producer.
    pub who: Identity,
    /// What its consumer says of itself, and the offsets.
    pub commit: CommitRequest,
    /// KIP-890: the group need not have been added before.
    pub implicit: bool,
}

/// Why one offset was not committed; the others were.
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub enum OffsetRefusal {
    /// There is no such partition.
    #[error("there is no such partition")]
    UnknownPartition,
    /// `offset.metadata.max.bytes`.
    #[error("the text beside the offset is too long")]
    MetadataTooLong,
}

/// Where a group stands in one partition.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct FetchedOffset {
    /// The partition.
    pub at: TopicPartition,
    /// What is committed; none for nothing.
    pub committed: Option<potok_log::CommittedOffset>,
    /// An open transaction will change it (asked for with `require_stable`).
    pub pending: bool,
}

/// A group in a list.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct GroupSummary {
    /// Its name.
    pub name: String,
    /// `consumer`, `connect`, …; empty for a group that only commits offsets.
    pub protocol_type: String,
    /// Kafka's word for its state.
    pub state: &'static str,
    /// Kafka's word for its protocol: `Classic` or `Consumer`.
    pub kind: &'static str,
    /// How many members it has.
    pub members: usize,
}

/// A group as it is.
#[derive(Clone, Debug, PartialEq)]
pub enum Description {
    /// Of the classic protocol, or with offsets only.
    Classic(ClassicDescription),
    /// Of KIP-848.
    Consumer(ConsumerDescription),
}

/// A classic group as it is.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct ClassicDescription {
    /// Kafka's word for its state.
    pub state: &'static str,
    /// `consumer`, …; empty without members.
    pub protocol_type: String,
    /// The chosen one; empty unless stable.
    pub protocol: String,
    /// Its generation.
    pub generation: i32,
    /// Its members.
    pub members: Vec<GroupMember>,
}

/// A classic member as others see it.
#[derive(Clone, Debug, PartialEq)]
pub struct GroupMember {
    /// Its id.
    pub id: String,
    /// Of a static member.
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub client_host: String,
    /// For the chosen protocol; empty unless stable.
    pub metadata: Bytes,
    /// What the leader gave it; empty unless stable.
    pub assignment: Bytes,
}

/// A group of KIP-848 as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct ConsumerDescription {
    /// Kafka's word for its state.
    pub state: &'static str,
    /// One more whenever members or subscriptions change.
    pub epoch: i32,
    /// The epoch of the target assignment.
    pub target_epoch: i32,
    /// `uniform` or `range`.
    pub assignor: String,
    /// Its members.
    pub members: Vec<ConsumerMember>,
}

/// A transactional id as it is.
#[derive(Clone, Debug, PartialEq)]
pub struct TransactionDescription {
    /// The transactional id.
    pub transactional_id: String,
    /// Kafka's word for its state.
    pub state: &'static str,
    /// Who may write.
    pub identity: Identity,
    /// How long one may stay open.
    pub timeout: Duration,
    /// When the open one began.
    pub started_at: Option<Timestamp>,
    /// Partitions of the open one.
    pub partitions: Vec<TopicPartition>,
}
