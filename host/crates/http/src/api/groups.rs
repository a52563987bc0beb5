//! Consumer groups, their members and their positions, under `/v1/groups`.

use serde::{Deserialize, Serialize};
use utoipa::{IntoParams, ToSchema};

/// All groups: those with members, those with positions, and the processors'.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupList {
    /// By name.
    pub groups: Vec<GroupSummary>,
}

/// A group in a few numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupSummary {
    /// Its name.
    pub name: String,
    /// Kafka's word for its state: `Empty`, `PreparingRebalance`, `CompletingRebalance`, `Assigning`, `Reconciling` or `Stable`.
    pub state: String,
    /// Kafka's word for its protocol: `Classic` or `Consumer` (KIP-848). A group that only has positions is `Classic`.
    pub protocol: String,
    /// How many members it has.
    pub members: u64,
    /// Topics in which it has a position.
    pub topics: Vec<String>,
    /// Partitions in which it has a position.
    pub partitions: u64,
    /// Offsets between its positions and the ends.
    pub lag: u64,
}

/// A group, its members and its positions.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Group {
    /// Its name.
    pub name: String,
    /// As in the list.
    pub state: String,
    /// As in the list.
    pub protocol: String,
    /// Offsets between its positions and the ends.
    pub lag: u64,
    /// Who reads now.
    pub members: Vec<GroupMember>,
    /// By topic and partition.
    pub positions: Vec<GroupPosition>,
}

/// A member of a group.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupMember {
    /// The id that the server gave it, or that it chose.
    pub id: String,
    /// `group.instance.id` of a static member.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub instance_id: Option<String>,
    /// `client.id`.
    pub client_id: String,
    /// Where it connects from.
    pub host: String,
    /// What it reads, by topic. Empty while the group rebalances, and where the members are no consumers.
    pub assignment: Vec<GroupAssignment>,
}

/// Partitions of one topic that a member reads.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupAssignment {
    /// The topic.
    pub topic: String,
    /// Its partitions, in order.
    pub partitions: Vec<u32>,
}

/// Where a group stands in one partition.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct GroupPosition {
    /// The topic.
    pub topic: String,
    /// The partition.
    pub partition: u32,
    /// The next offset that it reads.
    pub offset: u64,
    /// The end of the partition.
    pub end: u64,
    /// Offsets between the two.
    pub lag: u64,
    /// The client's words.
    pub metadata: String,
    /// When it was committed, in milliseconds since 1970-01-01 UTC.
    pub committed_at: i64,
}

/// Which positions are forgotten.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteOffsetsQuery {
    /// The topic.
    pub topic: String,
    /// The partition; all of the topic when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
}

/// Positions to be set. All of them are, or none.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetOffsets {
    /// One for each partition, or for all partitions of a topic at once.
    #[schema(min_items = 1)]
    pub offsets: Vec<SetOffset>,
    /// Only answers what the group would be: nothing is set.
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    pub dry_run: bool,
}

/// One position to be set.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct SetOffset {
    /// The topic.
    pub topic: String,
    /// The partition; all of the topic when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Where to.
    pub to: MoveTo,
}

/// Where a position is moved to.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum MoveTo {
    /// The first record there is.
    Earliest,
    /// The end.
    Latest,
    /// This offset.
    Offset(u64),
    /// The first record of this moment or later, in milliseconds since 1970-01-01 UTC; the end when there is none.
    Time(i64),
}
