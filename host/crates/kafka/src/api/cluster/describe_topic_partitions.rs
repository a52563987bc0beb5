//! DescribeTopicPartitions (key 75): topics by name with their partitions, in pages (KIP-966).

use crate::api::{operations, topics};
use crate::broker::{Broker, NODE};
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::describe_topic_partitions_response::{
    Cursor, DescribeTopicPartitionsResponsePartition, DescribeTopicPartitionsResponseTopic,
};
use kafka_protocol::messages::{DescribeTopicPartitionsRequest, DescribeTopicPartitionsResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use potok_log::Topic;
use std::collections::BTreeSet;
use uuid::Uuid;

/// Partitions of one answer (`max.request.partition.size.limit`).
const PARTITIONS_MAX: usize = 2000;

pub(crate) fn handle(
    call: &Call,
    request: &DescribeTopicPartitionsRequest,
) -> DescribeTopicPartitionsResponse {
    let broker = &call.broker;
    let mut names: BTreeSet<String> = request.topics.iter().map(|topic| topic.name.to_string()).collect();
    let all = names.is_empty();
    if all {
        names.extend(broker.log.topics().iter().map(|topic| topic.name.to_string()));
    }
    let (from, first) = match &request.cursor {
        Some(cursor) => (cursor.topic_name.to_string(), u32::try_from(cursor.partition_index).unwrap_or(0)),
        None => (String::new(), 0),
    };
    let limit = usize::try_from(request.response_partition_limit).unwrap_or(0).clamp(1, PARTITIONS_MAX);
    let mut left = limit;
    let mut response = DescribeTopicPartitionsResponse::default();
    for name in names.range(from.clone()..) {
        let first = if *name == from { first } else { 0 };
        if left == 0 {
            response.next_cursor = Some(cursor(name, first));
            break;
        }
        match topics::named(broker, name) {
            Ok(topic) => {
                let (told, next) = describe(broker, &topic, first, left);
                left -= told.partitions.len();
                response.topics.push(told);
                if let Some(next) = next {
                    response.next_cursor = Some(cursor(name, next));
                    break;
                }
            }
            // deleted since its name was listed
            Err(_) if all => {}
            Err(code) => response.topics.push(unknown(name, code)),
        }
    }
    response
}

fn cursor(name: &str, partition: u32) -> Cursor {
    Cursor::default().with_topic_name(wire(name)).with_partition_index(partition.cast_signed())
}

fn wire(name: &str) -> TopicName {
    TopicName(StrBytes::from_string(name.to_owned()))
}

fn unknown(name: &str, code: Code) -> DescribeTopicPartitionsResponseTopic {
    let topic = DescribeTopicPartitionsResponseTopic::default().with_name(Some(wire(name)));
    topic.with_error_code(code.code()).with_topic_authorized_operations(operations::of_topic(true))
}

/// Up to `left` partitions from `first` on, and with which to go on.
fn describe(
    broker: &Broker,
    topic: &Topic,
    first: u32,
    left: usize,
) -> (DescribeTopicPartitionsResponseTopic, Option<u32>) {
    let end = topic.partitions.min(first.saturating_add(u32::try_from(left).unwrap_or(u32::MAX)));
    let epoch = broker.log.leader_epoch().0;
    let partition = |index: u32| {
        DescribeTopicPartitionsResponsePartition::default()
            .with_partition_index(index.cast_signed())
            .with_leader_id(NODE)
            .with_leader_epoch(epoch)
            .with_replica_nodes(vec![NODE])
            .with_isr_nodes(vec![NODE])
            .with_eligible_leader_replicas(Some(Vec::new()))
            .with_last_known_elr(Some(Vec::new()))
    };
    let told = DescribeTopicPartitionsResponseTopic::default()
        .with_name(Some(wire(topic.name.as_str())))
        .with_topic_id(Uuid::from_bytes(topic.id))
        .with_is_internal(topic.name.is_internal())
        .with_partitions((first..end).map(partition).collect())
        .with_topic_authorized_operations(operations::of_topic(true));
    (told, (end < topic.partitions).then_some(end))
}
