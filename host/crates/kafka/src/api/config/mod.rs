//! Configs of topics and of the broker, as Kafka's clients and tools know them: all of Kafka's names, each with its value, where
//! that comes from, and what it is. Which of them do something here is said by [`key::Effect`].

pub(crate) mod alter;
mod broker_keys;
pub(crate) mod describe;
mod key;
pub(crate) mod list;
mod stored;
mod topic_keys;

use crate::error::Refusal;
use kafka_protocol::ResponseError as Code;
use key::{Effect, Key, Kind};
use potok_log::TopicConfig;

pub(crate) use stored::BrokerConfigs;

/// What a request about configs names (`ConfigResource.Type`).
const TOPIC: i8 = 2;
const BROKER: i8 = 4;
const GROUP: i8 = 32;

/// Where a value comes from (`ConfigSource`).
const OF_TOPIC: i8 = 1;
const OF_BROKER: i8 = 2;
const STATIC_BROKER: i8 = 4;
const DEFAULT: i8 = 5;

/// A config as clients see it.
#[derive(Clone, Debug)]
pub(crate) struct Shown {
    pub(crate) name: &'static str,
    pub(crate) value: String,
    pub(crate) source: i8,
    read_only: bool,
    kind: Kind,
    doc: &'static str,
    /// Where the value comes from, and what stands in where that is unset.
    chain: Vec<Synonym>,
}

/// One place that may say a value: name, value, source.
type Synonym = (&'static str, String, i8);

/// All configs of a topic.
pub(crate) fn of_topic(config: &TopicConfig) -> impl Iterator<Item = Shown> {
    topic_keys::KEYS.iter().map(|key| {
        let said = |name, value: &str, source| (name, value.to_owned(), source);
        let set = config.overrides().get(key.name).map(|value| said(key.name, value, OF_TOPIC));
        let by_settings = config.by_settings(key.name).map(|value| said(key.synonym, value, STATIC_BROKER));
        let (name, value) = topic_keys::built_in(key);
        let built_in = said(name, value, DEFAULT);
        let mut chain: Vec<_> = set.into_iter().chain(by_settings).chain([built_in]).collect();
        let source = chain[0].2;
        let value = if source == DEFAULT { key.default.to_owned() } else { chain[0].1.clone() };
        chain.retain(|(name, ..)| !name.is_empty());
        Shown { name: key.name, value, source, read_only: false, kind: key.kind, doc: key.doc, chain }
    })
}

/// A topic's config by name.
fn topic_key(name: &str) -> Result<&'static Key, Refusal> {
    topic_keys::find(name).ok_or_else(|| {
        let shown: String = name.chars().take(100).collect();
        Refusal::new(Code::InvalidConfig, format!("unknown topic config {shown:?}"))
    })
}

/// What of `set` the log has to keep: all but what holds anyway. Refuses what is no config or no value of it.
pub(crate) fn for_log(set: Vec<(String, String)>) -> Result<Vec<(String, String)>, Refusal> {
    let mut kept = Vec::new();
    for (name, value) in set {
        let key = topic_key(&name)?;
        key.check(&value)?;
        if key.effect != Effect::Fixed {
            kept.push((name, value));
        }
    }
    Ok(kept)
}
