//! The topics there are, and the rules for new and changed ones. In come names and wishes, out go topics or refusals.
//! Invariant: a name, a number and a metric name (`.` and `_` as one) each belong to one topic at most.
//! Pure: numbers and ids are given from outside, writing is the store's.

use crate::api::{NewTopic, Topic, TopicChange};
use crate::config::TopicConfig;
use crate::error::{AlterTopicError, CreateTopicError, DeleteTopicError};
use potok_types::{TopicName, TopicNumber, TopicPartition};
use std::collections::{BTreeMap, HashMap};
use std::sync::Arc;

/// Partitions of one topic at most: each costs memory and a place in every listing, and a typing error must not take
/// the node down. Kafka's advice for a whole broker is 4,000.
pub const PARTITIONS_MAX: u32 = 10_000;

/// All topics.
#[derive(Debug, Default)]
pub(crate) struct Topics {
    by_name: BTreeMap<TopicName, Arc<Topic>>,
    by_number: HashMap<TopicNumber, Arc<Topic>>,
    by_id: HashMap<[u8; 16], TopicNumber>,
    by_metric_name: HashMap<String, TopicName>,
    /// The configs of a topic that sets none.
    unset: TopicConfig,
}

impl Topics {
    /// None so far; a topic that sets no configs will have `unset`.
    pub(crate) fn with(unset: TopicConfig) -> Topics {
        Topics { unset, ..Topics::default() }
    }
    /// The configs of a topic that sets none.
    pub(crate) fn unset(&self) -> &TopicConfig {
        &self.unset
    }
    /// The topic of this name.
    pub(crate) fn named(&self, name: &TopicName) -> Option<&Arc<Topic>> {
        self.by_name.get(name)
    }
    /// The topic of this number.
    pub(crate) fn numbered(&self, number: TopicNumber) -> Option<&Arc<Topic>> {
        self.by_number.get(&number)
    }
    /// The topic of this id.
    pub(crate) fn with_id(&self, id: [u8; 16]) -> Option<&Arc<Topic>> {
        self.numbered(*self.by_id.get(&id)?)
    }
    /// All by name.
    pub(crate) fn all(&self) -> impl ExactSizeIterator<Item = &Arc<Topic>> {
        self.by_name.values()
    }
    /// The topic of a partition that exists.
    pub(crate) fn of_partition(&self, at: TopicPartition) -> Option<&Arc<Topic>> {
        self.numbered(at.topic).filter(|topic| at.partition.0 < topic.partitions)
    }

    /// Whether a topic may be created; its configs when it may.
    pub(crate) fn check_new(&self, new: &NewTopic) -> Result<TopicConfig, CreateTopicError> {
        if self.by_name.contains_key(&new.name) {
            return Err(CreateTopicError::Exists(new.name.clone()));
        }
        if let Some(existing) = self.by_metric_name.get(&metric_name(&new.name)) {
            return Err(CreateTopicError::Collides { new: new.name.clone(), existing: existing.clone() });
        }
        if !(1..=PARTITIONS_MAX).contains(&new.partitions) {
            return Err(CreateTopicError::Partitions { asked: new.partitions, max: PARTITIONS_MAX });
        }
        let mut config = self.unset.clone();
        let wanted: Vec<_> =
            new.config.iter().map(|(name, value)| (name.clone(), Some(value.clone()))).collect();
        config.apply(&wanted)?;
        Ok(config)
    }
    /// The topic as `change` would make it.
    pub(crate) fn check_change(
        &self,
        name: &TopicName,
        change: &TopicChange,
    ) -> Result<Topic, AlterTopicError> {
        let topic = self.by_name.get(name).ok_or_else(|| AlterTopicError::Unknown(name.clone()))?;
        let mut next = Topic::clone(topic);
        if let Some(asked) = change.partitions {
            let have = topic.partitions;
            if asked <= have || asked > PARTITIONS_MAX {
                return Err(AlterTopicError::Partitions { have, asked, max: PARTITIONS_MAX });
            }
            next.partitions = asked;
        }
        next.config.apply(&change.config)?;
        Ok(next)
    }
    /// The topic that is to be deleted.
    pub(crate) fn check_delete(&self, name: &TopicName) -> Result<Arc<Topic>, DeleteTopicError> {
        self.by_name.get(name).cloned().ok_or_else(|| DeleteTopicError::Unknown(name.clone()))
    }

    /// Puts a topic in, or in the place of the one with its number.
    pub(crate) fn put(&mut self, topic: Arc<Topic>) {
        self.by_metric_name.insert(metric_name(&topic.name), topic.name.clone());
        self.by_id.insert(topic.id, topic.number);
        self.by_number.insert(topic.number, topic.clone());
        self.by_name.insert(topic.name.clone(), topic);
    }
    /// Takes a topic out.
    pub(crate) fn remove(&mut self, name: &TopicName) -> Option<Arc<Topic>> {
        let topic = self.by_name.remove(name)?;
        self.by_number.remove(&topic.number);
        self.by_id.remove(&topic.id);
        self.by_metric_name.remove(&metric_name(name));
        Some(topic)
    }
}

/// The name as Kafka's metrics have it.
fn metric_name(name: &TopicName) -> String {
    name.as_str().replace('.', "_")
}
