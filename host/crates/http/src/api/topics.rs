//! Topics: what is asked and answered under `/v1/topics`.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::ToSchema;

/// A topic to be created.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct CreateTopic {
    /// Letters, digits, `.`, `_` and `-`, at most 249 of them.
    #[schema(min_length = 1, max_length = 249, pattern = "^[a-zA-Z0-9._-]+$", example = "flights")]
    pub name: String,
    /// How many partitions; they can be added later, never taken away.
    #[serde(default = "one")]
    #[schema(minimum = 1, default = 1)]
    pub partitions: u32,
    /// Configs by Kafka's names, such as `retention.ms`, `cleanup.policy` or `max.message.bytes`.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, String>,
}

fn one() -> u32 {
    1
}

/// What to change of a topic; what is absent stays.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct AlterTopic {
    /// The new number of partitions: at least as many as there are.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 1)]
    pub partitions: Option<u32>,
    /// Configs to set; `null` gives a config its default back.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    pub configs: BTreeMap<String, Option<String>>,
}

/// All topics by name.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicList {
    /// The topics.
    pub topics: Vec<TopicSummary>,
}

/// A topic in a few numbers.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TopicSummary {
    /// Its name.
    pub name: String,
    /// How many partitions.
    pub partitions: u32,
    /// Offsets from the first to the last record of all partitions; fewer records where the topic is compacted.
    pub records: u64,
    /// Bytes of its record batches.
    pub size_bytes: u64,
    /// `delete`, `compact` or `delete,compact`.
    pub cleanup_policy: String,
    /// Potok's own: it can be read, not written or deleted.
    pub internal: bool,
}

/// A topic as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Topic {
    /// Its name.
    pub name: String,
    /// Its topic id (KIP-516): a UUID that no other topic ever has.
    pub id: String,
    /// Bytes of its record batches.
    pub size_bytes: u64,
    /// Potok's own: it can be read, not written or deleted.
    pub internal: bool,
    /// Its partitions in order.
    pub partitions: Vec<Partition>,
    /// All its configs.
    pub configs: Vec<Config>,
    /// The processor that reads or writes it, if one does: the topic cannot be deleted before.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub used_by: Option<String>,
}

/// A partition as it is now.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Partition {
    /// Its index, from 0.
    pub partition: u32,
    /// First offset that can be read.
    pub start: u64,
    /// The offset that the next record gets.
    pub end: u64,
    /// First offset that a reader of committed records must not see.
    pub last_stable: u64,
    /// Bytes of its record batches.
    pub size_bytes: u64,
}

/// A config with its value and where that comes from.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Config {
    /// Kafka's name.
    pub name: String,
    /// The value in force.
    pub value: String,
    /// Who set it.
    pub source: ConfigSource,
    /// The value when neither the topic nor the settings say it.
    pub default: String,
    /// What it does.
    pub description: String,
}

/// Where the value of a config comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// Said by the server's settings (`log.retention_ms`) for topics that do not say it.
    Settings,
    /// Nobody set it.
    Default,
}
