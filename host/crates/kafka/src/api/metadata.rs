//! Metadata (key 3): the node, the topics and their partitions. Topics that are asked for by name are created where client
//! and settings allow it; from version 10 on a topic can be asked for by its id.

use super::{once, operations, topics};
use crate::broker::{Broker, NODE};
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::metadata_response::{
    MetadataResponseBroker, MetadataResponsePartition, MetadataResponseTopic,
};
use kafka_protocol::messages::{MetadataRequest, MetadataResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use potok_log::Topic;
use uuid::Uuid;

/// The first version that names topics by their ids. Two before have a place for them, and Kafka refuses them there.
const IDS_FROM: i16 = 12;

pub(crate) async fn handle(call: &Call, request: MetadataRequest) -> MetadataResponse {
    let broker = &call.broker;
    let version = call.version();
    let by_id = |asked: &MetadataRequestTopic| asked.name.is_none() || !asked.topic_id.is_nil();
    if version < IDS_FROM && request.topics.iter().flatten().any(by_id) {
        return refused(request.topics.unwrap_or_default());
    }
    // version 0 has no flag and says "all" by an empty list
    let creates = version < 4 || request.allow_auto_topic_creation;
    let told = operations::of_topic(request.include_topic_authorized_operations);
    let mut answers = Vec::new();
    match request.topics.filter(|asked| version > 0 || !asked.is_empty()) {
        None => answers.extend(broker.log.topics().iter().map(|topic| describe(broker, topic, told))),
        Some(asked) => {
            // who goes by the name does not go by the id
            let key = |topic: &MetadataRequestTopic| match &topic.name {
                Some(name) => Ok(name.clone()),
                None => Err(topic.topic_id),
            };
            for topic in once::by(asked, key) {
                answers.push(one(broker, topic, creates, told).await);
            }
        }
    }
    let (host, port) = broker.address(&call.client);
    let node = MetadataResponseBroker::default().with_node_id(NODE).with_host(host.into()).with_port(port);
    let mut response = MetadataResponse::default().with_brokers(vec![node]).with_topics(answers);
    response.controller_id = NODE;
    response.cluster_id = Some(StrBytes::from_string(broker.cluster_id.clone()));
    // only these versions ask, and only they have where to put it
    if (8..=10).contains(&version) {
        let asked = request.include_cluster_authorized_operations;
        response.cluster_authorized_operations = operations::of_cluster(asked);
    }
    response
}

/// An answer that tells of no topic, and names each: an answer of these versions has no null.
fn refused(asked: Vec<MetadataRequestTopic>) -> MetadataResponse {
    let one = |asked: MetadataRequestTopic| {
        let name = asked.name.unwrap_or_default();
        unknown(Some(name), asked.topic_id, Code::InvalidRequest)
    };
    let topics = once::by(asked, |topic| (topic.name.clone(), topic.topic_id)).into_iter().map(one);
    MetadataResponse::default().with_topics(topics.collect())
}

async fn one(
    broker: &Broker,
    asked: MetadataRequestTopic,
    creates: bool,
    told: i32,
) -> MetadataResponseTopic {
    let id = asked.topic_id;
    let found = match &asked.name {
        Some(name) if creates => topics::named_or_created(broker, name).await,
        Some(name) => topics::named(broker, name),
        None => topics::with_id(broker, id),
    };
    match found {
        Ok(topic) => describe(broker, &topic, told),
        Err(code) => unknown(asked.name, id, code),
    }
}

fn unknown(name: Option<TopicName>, id: Uuid, code: Code) -> MetadataResponseTopic {
    MetadataResponseTopic::default().with_error_code(code.code()).with_name(name).with_topic_id(id)
}

fn describe(broker: &Broker, topic: &Topic, operations: i32) -> MetadataResponseTopic {
    let epoch = broker.log.leader_epoch().0;
    let partition = |at: potok_types::TopicPartition| {
        MetadataResponsePartition::default()
            .with_partition_index(at.partition.0.cast_signed())
            .with_leader_id(NODE)
            .with_leader_epoch(epoch)
            .with_replica_nodes(vec![NODE])
            .with_isr_nodes(vec![NODE])
    };
    MetadataResponseTopic::default()
        .with_name(Some(TopicName(StrBytes::from_string(topic.name.to_string()))))
        .with_topic_id(Uuid::from_bytes(topic.id))
        .with_topic_authorized_operations(operations)
        .with_is_internal(topic.name.is_internal())
        .with_partitions(topic.all_partitions().map(partition).collect())
}
