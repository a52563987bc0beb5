//! Topics created, grown, emptied and deleted: one file a request. Each topic of a request is answered on its own.

pub(crate) mod create_partitions;
pub(crate) mod create_topics;
pub(crate) mod delete_records;
pub(crate) mod delete_topics;

use crate::broker::Broker;
use crate::error::Refusal;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::BrokerId;
use potok_log::Topic;
use potok_types::TopicName;
use std::collections::HashMap;
use std::hash::Hash;
use std::sync::Arc;

/// Partitions that one request may make: a few bytes ask for as many as they like (Kafka's controller has the same limit).
const NEW_PARTITIONS_MAX: u32 = 10_000;

/// Takes `count` partitions out of what a request may still make.
fn take(left: &mut u32, count: u32) -> Result<(), Refusal> {
    *left = left.checked_sub(count).ok_or_else(|| {
        let message =
            format!("one request makes {NEW_PARTITIONS_MAX} partitions at most; ask for the rest by another");
        Refusal::new(Code::PolicyViolation, message)
    })?;
    Ok(())
}

/// A topic's name as it came.
pub(super) fn name_of(text: &str) -> Result<TopicName, Refusal> {
    text.parse::<TopicName>().map_err(|error| Refusal::new(Code::InvalidTopicException, error.to_string()))
}

/// A topic that clients may change: Potok's own are not theirs.
pub(super) fn changeable(broker: &Broker, name: &TopicName) -> Result<Arc<Topic>, Refusal> {
    let topic = broker.log.topic(name);
    let topic = topic
        .ok_or_else(|| Refusal::new(Code::UnknownTopicOrPartition, format!("there is no topic {name}")))?;
    if topic.name.is_internal() { Err(internal(name)) } else { Ok(topic) }
}

fn internal(name: &TopicName) -> Refusal {
    let message = format!("topic {name} is Potok's own, and not for clients to change");
    Refusal::new(Code::TopicAuthorizationFailed, message)
}

/// How often each thing is named: what is named twice is refused, once. A caller puts 0 where it has answered.
fn counts<T: Hash + Eq>(named: impl Iterator<Item = T>) -> HashMap<T, usize> {
    let mut counts = HashMap::new();
    for one in named {
        *counts.entry(one).or_default() += 1;
    }
    counts
}

/// Whether replicas of a partition are what one node can have: itself.
fn is_this_node(replicas: &[BrokerId]) -> bool {
    replicas == [crate::broker::NODE]
}

fn wrong_replicas() -> Refusal {
    Refusal::new(
        Code::InvalidReplicaAssignment,
        "there is one node, 0: each partition has it as its only replica",
    )
}
