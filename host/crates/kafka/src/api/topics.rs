//! Topics as requests name them: by name or by id, known or not, created on demand.

use crate::broker::Broker;
use crate::error;
use kafka_protocol::ResponseError as Code;
use potok_log::{CreateTopicError, NewTopic, Topic};
use potok_types::{PartitionIndex, TopicName, TopicPartition};
use std::cmp::Ordering;
use std::sync::Arc;
use uuid::Uuid;

/// The topic of this name, or the code that says why there is none.
pub(crate) fn named(broker: &Broker, name: &str) -> Result<Arc<Topic>, Code> {
    let name = name.parse::<TopicName>().map_err(|_| Code::InvalidTopicException)?;
    broker.log.topic(&name).ok_or(Code::UnknownTopicOrPartition)
}

/// The topic of this id.
pub(crate) fn with_id(broker: &Broker, id: Uuid) -> Result<Arc<Topic>, Code> {
    broker.log.topic_with_id(*id.as_bytes()).ok_or(Code::UnknownTopicId)
}

/// The topic of this name, created when it is not there and the settings allow it.
pub(crate) async fn named_or_created(broker: &Broker, name: &str) -> Result<Arc<Topic>, Code> {
    match named(broker, name) {
        Err(Code::UnknownTopicOrPartition) if broker.settings.auto_create_topics => {}
        found => return found,
    }
    let name = name.parse::<TopicName>().map_err(|_| Code::InvalidTopicException)?;
    if name.is_internal() {
        return Err(Code::UnknownTopicOrPartition);
    }
    let new =
        NewTopic { name: name.clone(), partitions: broker.settings.partitions_default, config: Vec::new() };
    match broker.log.create_topic(new).await {
        Ok(topic) => Ok(topic),
        // another request was quicker
        Err(CreateTopicError::Exists(_)) => broker.log.topic(&name).ok_or(Code::UnknownTopicOrPartition),
        Err(error) => Err(error::of_create_topic(&error)),
    }
}

/// The partition of this index as it came.
pub(crate) fn partition(topic: &Topic, index: i32) -> Result<TopicPartition, Code> {
    let index = u32::try_from(index).map_err(|_| Code::UnknownTopicOrPartition)?;
    topic.partition(PartitionIndex(index)).ok_or(Code::UnknownTopicOrPartition)
}

/// Whether a client's idea of who leads is this one's; -1 is none (KIP-320).
pub(crate) fn check_epoch(broker: &Broker, known: i32) -> Result<(), Code> {
    match known.cmp(&broker.log.leader_epoch().0) {
        _ if known < 0 => Ok(()),
        Ordering::Less => Err(Code::FencedLeaderEpoch),
        Ordering::Equal => Ok(()),
        Ordering::Greater => Err(Code::UnknownLeaderEpoch),
    }
}
