//! Topic configs by Kafka's names: those that do something, and those that tune files of other logs and are only kept. Any other
//! name is refused.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::sync::Arc;
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
    /// Not set on the topic: the log's settings say it.
    Settings,
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
    /// `retention.ms` by the log's settings, where they do not leave it built in. Not the topic's: it is not kept with it, and
    /// holds again once the topic's own is taken back.
    #[serde(skip)]
    log_retention: Option<Arc<str>>,
}

/// What `compression.type` may say. None has an effect: a batch is stored as it came.
const CODECS: [&str; 6] = ["producer", "uncompressed", "gzip", "snappy", "lz4", "zstd"];
/// The config that the log's settings may say for all topics.
const RETENTION: &str = "retention.ms";

impl TopicConfig {
    /// All configs there are.
    pub const KEYS: &'static [ConfigKey] = &[
        ConfigKey {
            name: "cleanup.policy",
            default: "delete",
            doc: "what becomes of old records: delete, compact, or both with a comma",
        },
        ConfigKey {
            name: "compression.type",
            default: "producer",
            doc: "a codec's name, for clients that set one; batches stay as their producers compressed them",
        },
        ConfigKey {
            name: "delete.retention.ms",
            default: "86400000",
            doc: "how long compaction keeps a tombstone, in milliseconds",
        },
        ConfigKey { name: "max.message.bytes", default: "1048588", doc: "largest record batch, in bytes" },
        ConfigKey {
            name: "message.timestamp.type",
            default: "CreateTime",
            doc: "whose clock sets timestamps: CreateTime or LogAppendTime",
        },
        ConfigKey {
            name: "min.cleanable.dirty.ratio",
            default: "0.5",
            doc: "share of a compacted partition that must be new before it is compacted again",
        },
        ConfigKey {
            name: "min.compaction.lag.ms",
            default: "0",
            doc: "a record younger than this is not compacted away, in milliseconds",
        },
        ConfigKey {
            name: "retention.bytes",
            default: "-1",
            doc: "bytes a partition keeps at most; -1 is without limit",
        },
        ConfigKey {
            name: "retention.ms",
            default: "604800000",
            doc: "how long records are kept, in milliseconds; -1 is for ever",
        },
    ];

    /// Configs that tune files which are not there: kept, so that clients read back what they set, and without effect.
    pub const KEPT: &'static [&'static str] = &[
        "compression.gzip.level",
        "compression.lz4.level",
        "compression.zstd.level",
        "file.delete.delay.ms",
        "flush.messages",
        "flush.ms",
        "follower.replication.throttled.replicas",
        "index.interval.bytes",
        "leader.replication.throttled.replicas",
        "max.compaction.lag.ms",
        "message.timestamp.after.max.ms",
        "preallocate",
        "segment.bytes",
        "segment.index.bytes",
        "segment.jitter.ms",
        "segment.ms",
        "unclean.leader.election.enable",
    ];

    /// These configs in a log whose settings keep records for so many milliseconds, 0 for ever.
    #[must_use]
    pub fn in_log(self, retention_ms: u64) -> TopicConfig {
        let value = match i64::try_from(retention_ms) {
            Ok(0) => -1,
            Ok(ms) => ms,
            Err(_) => i64::MAX,
        };
        let value = value.to_string();
        let built_in = Self::KEYS.iter().any(|key| key.name == RETENTION && key.default == value);
        TopicConfig { log_retention: (!built_in).then(|| value.into()), ..self }
    }
    /// What the log's settings say of a config; none where they leave it built in.
    pub fn by_settings(&self, name: &str) -> Option<&str> {
        self.log_retention.as_deref().filter(|_| name == RETENTION)
    }
    /// Checks and sets; `None` unsets. Nothing is changed when any is refused.
    pub fn apply(&mut self, changes: &[(String, Option<String>)]) -> Result<(), ConfigError> {
        let mut next = self.set.clone();
        for (name, value) in changes {
            let kept = Self::KEPT.iter().find(|kept| *kept == name);
            let name = match kept {
                Some(kept) => *kept,
                None => Self::key(name)?.name,
            };
            match value {
                Some(value) => {
                    check(name, value)?;
                    next.insert(name.to_owned(), value.trim().to_owned());
                }
                None => {
                    next.remove(name);
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
        Self::KEYS.iter().map(|key| match (self.set.get(key.name), self.by_settings(key.name)) {
            (Some(value), _) => (*key, value.as_str(), ConfigSource::Topic),
            (None, Some(value)) => (*key, value, ConfigSource::Settings),
            (None, None) => (*key, key.default, ConfigSource::Default),
        })
    }
    /// Only what was set on the topic.
    pub fn overrides(&self) -> &BTreeMap<String, String> {
        &self.set
    }
    fn text(&self, name: &'static str) -> &str {
        let built_in = || Self::KEYS.iter().find(|key| key.name == name).map_or("", |key| key.default);
        let set = self.set.get(name).map(String::as_str);
        set.or_else(|| self.by_settings(name)).unwrap_or_else(built_in)
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
        self.millis(RETENTION)
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
        if self.text("message.timestamp.type") == "LogAppendTime" {
            TimestampType::LogAppendTime
        } else {
            TimestampType::CreateTime
        }
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

/// Bytes of a value that is only kept.
const KEPT_LEN_MAX: usize = 1024;
/// Largest legal `max.message.bytes`: 256 MiB, so that a batch is always far below the 2 GiB of its length field.
const BATCH_LEN_MAX: i64 = 256 << 20;

fn check(name: &'static str, value: &str) -> Result<(), ConfigError> {
    let value = value.trim();
    let refuse =
        |expected| Err(ConfigError::Value { name, value: value.chars().take(100).collect(), expected });
    let number = value.parse::<i64>().ok();
    match name {
        _ if TopicConfig::KEPT.contains(&name) && value.len() <= KEPT_LEN_MAX => Ok(()),
        _ if TopicConfig::KEPT.contains(&name) => refuse("a text of at most 1024 bytes"),
        "cleanup.policy" => {
            match value.split(',').map(str::trim).all(|part| matches!(part, "delete" | "compact")) {
                true => Ok(()),
                false => refuse("delete, compact, or delete,compact"),
            }
        }
        "compression.type" if CODECS.contains(&value) => Ok(()),
        "compression.type" => refuse("producer, uncompressed, gzip, snappy, lz4 or zstd"),
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

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    fn set(name: &str, value: &str) -> Result<TopicConfig, String> {
        let mut config = TopicConfig::default();
        let change = [(name.to_owned(), Some(value.to_owned()))];
        config.apply(&change).map(|()| config).map_err(|error| error.to_string())
    }

    #[test]
    fn defaults_are_kafkas() {
        let config = TopicConfig::default();
        assert_eq!(config.cleanup_policy(), CleanupPolicy { delete: true, compact: false });
        assert_eq!(config.retention(), Some(Duration::from_hours(7 * 24)));
        assert_eq!(config.retention_bytes(), None);
        assert_eq!(config.batch_len_max(), 1_048_588);
        assert_eq!(config.timestamp_type(), TimestampType::CreateTime);
        assert_eq!(config.tombstone_retention(), Duration::from_hours(24));
        assert_eq!(config.compaction_lag(), Duration::ZERO);
        assert_eq!(config.dirty_ratio_min().to_string(), "0.5");
        assert!(config.overrides().is_empty());
    }
    #[test]
    fn every_default_is_a_legal_value_and_every_config_has_words() {
        for key in TopicConfig::KEYS {
            assert_eq!(set(key.name, key.default).map(|_| ()), Ok(()), "{}", key.name);
            assert!(!key.doc.is_empty());
        }
        assert!(TopicConfig::KEYS.is_sorted_by_key(|key| key.name));
    }
    #[test]
    fn what_is_set_is_read_back_typed() {
        assert_eq!(set("retention.ms", "-1").unwrap().retention(), None);
        assert_eq!(set("retention.ms", "0").unwrap().retention(), Some(Duration::ZERO));
        assert_eq!(set("retention.bytes", " 7 ").unwrap().retention_bytes(), Some(7));
        assert_eq!(set("max.message.bytes", "99").unwrap().batch_len_max(), 99);
        let both = CleanupPolicy { delete: true, compact: true };
        assert_eq!(set("cleanup.policy", "compact, delete").unwrap().cleanup_policy(), both);
        let compact = CleanupPolicy { delete: false, compact: true };
        assert_eq!(set("cleanup.policy", "compact").unwrap().cleanup_policy(), compact);
        let stamped = set("message.timestamp.type", "LogAppendTime").unwrap();
        assert_eq!(stamped.timestamp_type(), TimestampType::LogAppendTime);
        assert_eq!(set("min.compaction.lag.ms", "5").unwrap().compaction_lag(), Duration::from_millis(5));
        assert_eq!(set("min.cleanable.dirty.ratio", "0.25").unwrap().dirty_ratio_min().to_string(), "0.25");
    }
    #[test]
    fn illegal_values_are_refused_with_what_would_be_legal() {
        for (name, value, expected) in [
            ("cleanup.policy", "", "delete, compact, or delete,compact"),
            ("cleanup.policy", "delete,", "delete, compact, or delete,compact"),
            ("cleanup.policy", "compacted", "delete, compact, or delete,compact"),
            ("compression.type", "brotli", "producer, uncompressed, gzip, snappy, lz4 or zstd"),
            ("message.timestamp.type", "logappendtime", "CreateTime or LogAppendTime"),
            ("min.cleanable.dirty.ratio", "1.5", "a number from 0 to 1"),
            ("min.cleanable.dirty.ratio", "NaN", "a number from 0 to 1"),
            ("retention.ms", "-2", "a whole number, -1 for no limit"),
            ("retention.ms", "1e3", "a whole number, -1 for no limit"),
            ("retention.bytes", "9223372036854775808", "a whole number, -1 for no limit"),
            ("max.message.bytes", "268435457", "a whole number of bytes from 0 to 268435456 (256 MiB)"),
            ("max.message.bytes", "-1", "a whole number of bytes from 0 to 268435456 (256 MiB)"),
            ("delete.retention.ms", "-1", "a whole number of milliseconds, 0 or more"),
            ("min.compaction.lag.ms", "x", "a whole number of milliseconds, 0 or more"),
        ] {
            assert_eq!(set(name, value).unwrap_err(), format!("{name}={value:?} is not legal: {expected}"));
        }
    }
    #[test]
    fn an_unknown_config_is_refused_with_the_list_of_those_there_are() {
        let error = set("flush.massages", "1").unwrap_err();
        assert!(error.starts_with(
            "unknown topic config \"flush.massages\"; known are cleanup.policy, compression.type,"
        ));
        let long = set(&"x".repeat(100_000), "1").unwrap_err();
        assert!(long.len() < 1_000, "the answer repeats {} bytes of nonsense", long.len());
        assert!(set("retention.ms", &"9".repeat(100_000)).unwrap_err().len() < 1_000);
    }
    #[test]
    fn what_tunes_other_logs_is_kept_and_not_shown_among_what_works() {
        let config = set("segment.bytes", " 1048576 ").unwrap();
        assert_eq!(config.overrides()["segment.bytes"], "1048576");
        assert!(config.all().all(|(key, ..)| key.name != "segment.bytes"));
        assert!(TopicConfig::KEPT.is_sorted());
        assert!(set("segment.bytes", &"9".repeat(1025)).is_err());
    }
    #[test]
    fn one_bad_change_refuses_them_all_and_unsetting_brings_the_default_back() {
        let mut config = set("retention.ms", "5").unwrap();
        let before = config.clone();
        let bad =
            [("retention.ms".to_owned(), None), ("retention.bytes".to_owned(), Some("much".to_owned()))];
        assert!(config.apply(&bad).is_err());
        assert_eq!(config, before);
        config.apply(&bad[..1]).unwrap();
        assert_eq!(config, TopicConfig::default());
    }
    #[test]
    fn all_says_where_each_value_comes_from() {
        let config = set("retention.ms", "5").unwrap();
        let all: Vec<_> = config.all().map(|(key, value, source)| (key.name, value, source)).collect();
        assert_eq!(all.len(), TopicConfig::KEYS.len());
        assert!(all.contains(&("retention.ms", "5", ConfigSource::Topic)));
        assert!(all.contains(&("retention.bytes", "-1", ConfigSource::Default)));
    }
    #[test]
    fn the_settings_of_the_log_hold_where_the_topic_says_nothing_and_are_not_kept_with_it() {
        let five = TopicConfig::default().in_log(5);
        assert_eq!(five.retention(), Some(Duration::from_millis(5)));
        assert!(five.all().any(|one| (one.0.name, one.1, one.2) == (RETENTION, "5", ConfigSource::Settings)));
        assert_eq!(serde_json::to_string(&five).unwrap(), "{}");
        assert_eq!(five.clone().in_log(0).retention(), None);
        assert_eq!(five.in_log(604_800_000), TopicConfig::default());
        let mut own = set(RETENTION, "7").unwrap().in_log(5);
        assert_eq!(own.retention(), Some(Duration::from_millis(7)));
        own.apply(&[(RETENTION.to_owned(), None)]).unwrap();
        assert_eq!(own.retention(), Some(Duration::from_millis(5)));
    }
    #[test]
    fn it_is_kept_as_what_was_set_and_nothing_else() {
        let config = set("retention.ms", "5").unwrap();
        let text = serde_json::to_string(&config).unwrap();
        assert_eq!(text, r#"{"retention.ms":"5"}"#);
        assert_eq!(serde_json::from_str::<TopicConfig>(&text).unwrap(), config);
    }

    proptest! {
        #[test]
        fn no_text_panics_and_what_is_taken_can_be_read(name in 0..TopicConfig::KEYS.len(), value in ".{0,30}") {
            if let Ok(config) = set(TopicConfig::KEYS[name].name, &value) {
                let _ = (config.cleanup_policy(), config.retention(), config.retention_bytes(), config.batch_len_max());
                prop_assert!((0.0..=1.0).contains(&config.dirty_ratio_min()));
                prop_assert_eq!(config.all().count(), TopicConfig::KEYS.len());
            }
        }
    }
}
