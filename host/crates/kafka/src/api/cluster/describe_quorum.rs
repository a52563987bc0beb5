//! DescribeQuorum (key 55): who agrees on the cluster's metadata. One node agrees with itself, so it leads and votes, and there
//! is no log of it: its offsets are 0.

use crate::broker::NODE;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::describe_quorum_response::{
    Listener, Node, PartitionData, ReplicaState, TopicData,
};
use kafka_protocol::messages::{DescribeQuorumRequest, DescribeQuorumResponse};
use kafka_protocol::protocol::StrBytes;

/// The partition that a quorum is asked about.
const METADATA_TOPIC: &str = "__cluster_metadata";
/// First version with nodes.
const NODES_FROM: i16 = 2;

pub(crate) fn handle(call: &Call, request: DescribeQuorumRequest) -> DescribeQuorumResponse {
    let epoch = call.broker.log.leader_epoch().0;
    let partition = |metadata: bool, index: i32| {
        let told = PartitionData::default().with_partition_index(index);
        if !metadata || index != 0 {
            return told.with_error_code(Code::UnknownTopicOrPartition.code());
        }
        let voter = ReplicaState::default().with_replica_id(NODE).with_log_end_offset(0);
        told.with_leader_id(NODE).with_leader_epoch(epoch).with_current_voters(vec![voter])
    };
    let topic = |asked: kafka_protocol::messages::describe_quorum_request::TopicData| {
        let metadata = asked.topic_name.as_str() == METADATA_TOPIC;
        let partitions = asked.partitions.iter().map(|one| partition(metadata, one.partition_index));
        TopicData::default().with_partitions(partitions.collect()).with_topic_name(asked.topic_name)
    };
    let topics = request.topics.into_iter().map(topic).collect();
    let response = DescribeQuorumResponse::default().with_topics(topics);
    if call.version() < NODES_FROM {
        return response;
    }
    let (host, port) = call.broker.address(&call.client);
    let listener = Listener::default()
        .with_name(StrBytes::from_static_str("PLAINTEXT"))
        .with_host(StrBytes::from_string(host))
        .with_port(u16::try_from(port).unwrap_or_default());
    let mut response = response.with_error_message(None);
    for partition in response.topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        partition.error_message = None;
    }
    response.with_nodes(vec![Node::default().with_node_id(NODE).with_listeners(vec![listener])])
}
