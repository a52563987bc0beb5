//! Topics and their partitions: the catalog in memory, its entries on disk, and what creating, altering and deleting change.
//! In come names and wishes, out go topics. Invariant: the catalog changes only behind the write that keeps the change, and
//! a topic's number is never used again.
//! The rules (names, counts, configs) are `crate::topics`'s.
//!
//! ```text
//! on disk: JSON { "name", "number", "id": 32 hexadecimal digits, "partitions", "config": { name: value } }
//! ```

use super::keys::{meta, meta::Counter, partitions, topic_range};
use super::partition::{Partition, Tail};
use super::store::{Family, corrupt_entry};
use super::writer::Writer;
use crate::api::{NewTopic, Topic, TopicChange};
use crate::config::TopicConfig;
use crate::error::{AlterTopicError, CreateTopicError, DeleteTopicError, StoreError};
use crate::topics::Topics;
use potok_types::{PartitionIndex, TopicName, TopicNumber, TopicPartition};
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::hash::{BuildHasher, RandomState};
use std::sync::Arc;

/// Batches of a deleted topic that are removed in one command: a few milliseconds in which others wait.
const REMOVED_MAX: usize = 10_000;

/// Topics and their partitions.
#[derive(Debug, Default)]
pub(super) struct Catalog {
    topics: Topics,
    partitions: HashMap<TopicNumber, Vec<Arc<Partition>>>,
}

impl Catalog {
    /// No topics so far; one that sets no configs will have `unset`.
    pub(super) fn with(unset: TopicConfig) -> Catalog {
        Catalog { topics: Topics::with(unset), partitions: HashMap::new() }
    }
    /// The topics.
    pub(super) fn topics(&self) -> &Topics {
        &self.topics
    }
    /// A partition that exists.
    pub(super) fn partition(&self, at: TopicPartition) -> Option<&Arc<Partition>> {
        self.partitions.get(&at.topic)?.get(usize::try_from(at.partition.0).ok()?)
    }
    /// All partitions of all topics.
    pub(super) fn all_partitions(&self) -> impl Iterator<Item = &Arc<Partition>> {
        self.partitions.values().flatten()
    }
    /// Puts a topic in; partitions that it has no tail for begin empty.
    pub(super) fn put(&mut self, topic: Arc<Topic>, mut tails: HashMap<PartitionIndex, Tail>) {
        let partitions = self.partitions.entry(topic.number).or_default();
        for at in topic.all_partitions().skip(partitions.len()) {
            let tail = tails.remove(&at.partition).unwrap_or_default();
            partitions.push(Arc::new(Partition::new(at, tail)));
        }
        self.topics.put(topic);
    }
    fn remove(&mut self, topic: &Topic) -> Vec<Arc<Partition>> {
        self.topics.remove(&topic.name);
        self.partitions.remove(&topic.number).unwrap_or_default()
    }
}

#[derive(Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
struct Kept {
    name: TopicName,
    number: TopicNumber,
    id: String,
    partitions: u32,
    config: TopicConfig,
}

/// A topic's value on disk.
fn encode(topic: &Topic) -> Vec<u8> {
    let kept = Kept {
        name: topic.name.clone(),
        number: topic.number,
        id: topic.id.iter().map(|byte| format!("{byte:02x}")).collect(),
        partitions: topic.partitions,
        config: topic.config.clone(),
    };
    serde_json::to_vec(&kept).unwrap_or_default()
}
/// A topic from its value on disk.
pub(super) fn decode(value: &[u8]) -> Result<Topic, StoreError> {
    let kept: Kept = serde_json::from_slice(value)
        .map_err(|error| corrupt_entry(Family::Meta, &format!("a topic ({error})")))?;
    let id = u128::from_str_radix(&kept.id, 16).map_err(|_| corrupt_entry(Family::Meta, "a topic's id"))?;
    let Kept { name, number, partitions, config, .. } = kept;
    Ok(Topic { name, number, id: id.to_be_bytes(), partitions, config })
}

/// A random id (KIP-516), from the keys that the standard library draws from the machine for every hasher.
fn random_id(number: TopicNumber) -> [u8; 16] {
    let half = || RandomState::new().hash_one(number).to_be_bytes();
    let mut id = [0; 16];
    id[..8].copy_from_slice(&half());
    id[8..].copy_from_slice(&half());
    // 0 is "no id" on the wire
    id[15] |= 1;
    id
}

impl Writer {
    /// Creates a topic.
    pub(super) fn create_topic(&mut self, new: &NewTopic) -> Result<Arc<Topic>, CreateTopicError> {
        let config = self.shared.catalog.read().topics().check_new(new)?;
        let number = self.next(Counter::Topic)?;
        let number =
            TopicNumber(u32::try_from(number).map_err(|_| StoreError::Io("out of topic numbers".into()))?);
        let topic = Topic {
            name: new.name.clone(),
            number,
            id: random_id(number),
            partitions: new.partitions,
            config,
        };
        self.keep_topic(topic).map_err(CreateTopicError::from)
    }
    /// Alters a topic.
    pub(super) fn alter_topic(
        &mut self,
        name: &TopicName,
        change: &TopicChange,
    ) -> Result<Arc<Topic>, AlterTopicError> {
        let next = self.shared.catalog.read().topics().check_change(name, change)?;
        self.keep_topic(next).map_err(AlterTopicError::from)
    }
    fn keep_topic(&mut self, topic: Topic) -> Result<Arc<Topic>, StoreError> {
        let topic = Arc::new(topic);
        self.ops.put(self.shared.ids, Family::Meta, &meta::topic(topic.number), &encode(&topic));
        self.write()?;
        self.shared.catalog.write().put(topic.clone(), HashMap::new());
        Ok(topic)
    }
    /// Deletes a topic with all that is kept of it, but for its batches: there may be millions. The next pass of the
    /// maintenance removes those, and gives their files back.
    pub(super) fn delete_topic(&mut self, name: &TopicName) -> Result<(), DeleteTopicError> {
        let topic = self.shared.catalog.read().topics().check_delete(name)?;
        let (start, end) = topic_range(topic.number);
        let families = [Family::Times, Family::Sizes, Family::Partitions, Family::Producers];
        for family in families {
            self.ops.delete_range(self.shared.ids, family, &start, &end);
        }
        self.ops.delete(self.shared.ids, Family::Meta, &meta::topic(topic.number));
        self.ops.put(self.shared.ids, Family::Meta, &meta::going(topic.number), &[]);
        self.forget_offsets_of(topic.number)?;
        self.write()?;
        let partitions = self.shared.catalog.write().remove(&topic);
        partitions.iter().for_each(|partition| partition.delete());
        self.producers.forget_topic(topic.number);
        Ok(())
    }
    /// Removes some batches of a topic that was deleted. Answers whether there are more.
    pub(super) fn remove_some(&mut self, number: TopicNumber) -> Result<bool, StoreError> {
        let (start, end) = topic_range(number);
        let more = self.release_range(&start, &end, REMOVED_MAX)?;
        self.ops.delete_range(self.shared.ids, Family::Records, &start, more.as_ref().unwrap_or(&end));
        if more.is_none() {
            self.ops.delete(self.shared.ids, Family::Meta, &meta::going(number));
        }
        self.write()?;
        Ok(more.is_some())
    }
    /// A partition's entry among the changes: its ends and size.
    pub(super) fn keep_tail(&mut self, at: TopicPartition, tail: &Tail) {
        self.ops.put(self.shared.ids, Family::Partitions, &partitions::itself(at), &tail.encode());
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_reads_back_and_a_later_field_is_refused() {
        let mut config = TopicConfig::default();
        config.apply(&[("retention.ms".into(), Some("5".into()))]).unwrap();
        let number = TopicNumber(7);
        let topic = Topic {
            name: "flights.x_1".parse().unwrap(),
            number,
            id: random_id(number),
            partitions: 3,
            config,
        };
        assert_eq!(decode(&encode(&topic)).unwrap(), topic);
        assert!(matches!(decode(b"{\"name\":\"a\",\"later\":1}"), Err(StoreError::Corrupt { .. })));
        assert_ne!(random_id(number), random_id(number));
    }
}
