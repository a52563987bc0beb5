//! Topic configs by Kafka's names. Only configs that do something are known; the rest are refused by name.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::time::Duration;

/// What becomes of old records (`cleanup.policy`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct CleanupPolicy {
    /// By age and size.
    pub delete: bool,
    /// All but the newest of each key.
    pub compact: bool,
}

/// Whose clock sets timestamps (`message.timestamp.type`).
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub enum TimestampType {
    /// The producer's.
    CreateTime,
    /// The broker's.
    LogAppendTime,
}

/// A config by its Kafka name, with the words that describe it.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct ConfigKey {
    /// Kafka's name.
    pub name: &'static str,
    /// What it does.
    pub doc: &'static str,
    /// Kafka's default as text.
    pub default: &'static str,
}

/// Where a value comes from.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum ConfigSource {
    /// Set on the topic.
    Topic,
    /// Nobody set it.
    Default,
}

/// Why a config is refused.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum ConfigError {
    /// No such config, or one that would do nothing here.
    #[error("unknown topic config {name:?}; known are {known}")]
    Unknown {
        /// As it was asked for.
        name: String,
        /// The list of those there are.
        known: String,
    },
    /// Not a legal value.
    #[error("{name}={value:?} is not legal: {expected}")]
    Value {
        /// The config.
        name: &'static str,
        /// What came.
        value: String,
        /// What it should be.
        expected: &'static str,
    },
}

/// The configs of a topic: what was set, and typed access with defaults.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
#[serde(transparent)]
pub struct TopicConfig {
    set: BTreeMap<String, String>,
}

impl TopicConfig {
    /// All configs there are.
    pub const KEYS: &'static [ConfigKey] = &[
        ConfigKey { name: "cleanup.policy", default: "delete", doc: "what becomes of old records: delete, compact, or both with a comma" },
        ConfigKey { name: "compression.type", default: "producer", doc: "codec of stored batches; producer keeps the producer's, the only value here" },
        ConfigKey { name: "delete.retention.ms", default: "86400000", doc: "how long compaction keeps a tombstone, in milliseconds" },
        ConfigKey { name: "max.message.bytes", default: "1048588", doc: "largest record batch, in bytes" },
        ConfigKey { name: "message.timestamp.type", default: "CreateTime", doc: "whose clock sets timestamps: CreateTime or LogAppendTime" },
        ConfigKey { name: "min.cleanable.dirty.ratio", default: "0.5", doc: "share of a compacted partition that must be new before it is compacted again" },
        ConfigKey { name: "min.compaction.lag.ms", default: "0", doc: "a record younger than this is not compacted away, in milliseconds" },
        ConfigKey { name: "retention.bytes", default: "-1", doc: "bytes a partition keeps at most; -1 is without limit" },
        ConfigKey { name: "retention.ms", default: "604800000", doc: "how long records are kept, in milliseconds; -1 is for ever" },
    ];

    /// Checks and sets; `None` unsets. Nothing is changed when any is refused.
    pub fn apply(&mut self, changes: &[(String, Option<String>)]) -> Result<(), ConfigError> {
        let mut next = self.set.clone();
        for (name, value) in changes {
            let key = Self::key(name)?;
            match value {
                Some(value) => {
                    check(key.name, value)?;
                    next.insert(key.name.to_owned(), value.trim().to_owned());
                }
                None => {
                    next.remove(key.name);
                }
            }
        }
        self.set = next;
        Ok(())
    }
    /// The config of this name.
    pub fn key(name: &str) -> Result<ConfigKey, ConfigError> {
        Self::KEYS.iter().find(|key| key.name == name).copied().ok_or_else(|| ConfigError::Unknown {
            name: name.chars().take(100).collect(),
            known: Self::KEYS.iter().map(|key| key.name).collect::<Vec<_>>().join(", "),
        })
    }
    /// Every config with its value and where that comes from.
    pub fn all(&self) -> impl Iterator<Item = (ConfigKey, &str, ConfigSource)> {
        Self::KEYS.iter().map(|key| match self.set.get(key.name) {
            Some(value) => (*key, value.as_str(), ConfigSource::Topic),
            None => (*key, key.default, ConfigSource::Default),
        })
    }
    /// Only what was set on the topic.
    pub fn overrides(&self) -> &BTreeMap<String, String> {
        &self.set
    }
    fn text(&self, name: &'static str) -> &str {
        let default = Self::KEYS.iter().find(|key| key.name == name).map_or("", |key| key.default);
        self.set.get(name).map_or(default, String::as_str)
    }
    fn number(&self, name: &'static str) -> i64 {
        self.text(name).parse().unwrap_or(-1)
    }
    fn millis(&self, name: &'static str) -> Option<Duration> {
        u64::try_from(self.number(name)).ok().map(Duration::from_millis)
    }
    /// `cleanup.policy`.
    pub fn cleanup_policy(&self) -> CleanupPolicy {
        let text = self.text("cleanup.policy");
        CleanupPolicy { delete: text.contains("delete"), compact: text.contains("compact") }
    }
    /// `retention.ms`; none is for ever.
    pub fn retention(&self) -> Option<Duration> {
        self.millis("retention.ms")
    }
    /// `retention.bytes`; none is without limit.
    pub fn retention_bytes(&self) -> Option<u64> {
        u64::try_from(self.number("retention.bytes")).ok()
    }
    /// `max.message.bytes`.
    pub fn batch_len_max(&self) -> usize {
        usize::try_from(self.number("max.message.bytes")).unwrap_or(0)
    }
    /// `message.timestamp.type`.
    pub fn timestamp_type(&self) -> TimestampType {
        if self.text("message.timestamp.type") == "LogAppendTime" { TimestampType::LogAppendTime } else { TimestampType::CreateTime }
    }
    /// `delete.retention.ms`.
    pub fn tombstone_retention(&self) -> Duration {
        self.millis("delete.retention.ms").unwrap_or_default()
    }
    /// `min.compaction.lag.ms`.
    pub fn compaction_lag(&self) -> Duration {
        self.millis("min.compaction.lag.ms").unwrap_or_default()
    }
    /// `min.cleanable.dirty.ratio`, 0 to 1.
    pub fn dirty_ratio_min(&self) -> f64 {
        self.text("min.cleanable.dirty.ratio").parse().unwrap_or(0.5)
    }
}

/// Largest legal `max.message.bytes`: 256 MiB, so that a batch is always far below the 2 GiB of its length field.
const BATCH_LEN_MAX: i64 = 256 << 20;

fn check(name: &'static str, value: &str) -> Result<(), ConfigError> {
    let value = value.trim();
    let refuse = |expected| Err(ConfigError::Value { name, value: value.chars().take(100).collect(), expected });
    let number = value.parse::<i64>().ok();
    match name {
        "cleanup.policy" => match value.split(',').map(str::trim).all(|part| matches!(part, "delete" | "compact")) {
            true => Ok(()),
            false => refuse("delete, compact, or delete,compact"),
        },
        "compression.type" if value == "producer" => Ok(()),
        "compression.type" => refuse("producer: batches are kept as they were sent"),
        "message.timestamp.type" if matches!(value, "CreateTime" | "LogAppendTime") => Ok(()),
        "message.timestamp.type" => refuse("CreateTime or LogAppendTime"),
        "min.cleanable.dirty.ratio" => match value.parse::<f64>() {
            Ok(ratio) if (0.0..=1.0).contains(&ratio) => Ok(()),
            _ => refuse("a number from 0 to 1"),
        },
        "retention.ms" | "retention.bytes" if number.is_some_and(|n| n >= -1) => Ok(()),
        "retention.ms" | "retention.bytes" => refuse("a whole number, -1 for no limit"),
        "max.message.bytes" if number.is_some_and(|n| (0..=BATCH_LEN_MAX).contains(&n)) => Ok(()),
        "max.message.bytes" => refuse("a whole number of bytes from 0 to 268435456 (256 MiB)"),
        _ if number.is_some_and(|n| n >= 0) => Ok(()),
        _ => refuse("a whole number of milliseconds, 0 or more"),
    }
}
