//! AlterPartitionReassignments (key 45): partitions to the node on which they are; there is no other.

use super::{exists, words};
use crate::broker::NODE;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::alter_partition_reassignments_request::ReassignablePartition;
use kafka_protocol::messages::alter_partition_reassignments_response::{
    ReassignablePartitionResponse, ReassignableTopicResponse,
};
use kafka_protocol::messages::{AlterPartitionReassignmentsRequest, AlterPartitionReassignmentsResponse};

/// First version that allows or forbids another number of replicas.
const FACTOR_FROM: i16 = 1;

pub(crate) fn handle(
    call: &Call,
    request: AlterPartitionReassignmentsRequest,
) -> AlterPartitionReassignmentsResponse {
    let mut responses = Vec::new();
    for topic in request.topics {
        let moved = |asked: &ReassignablePartition| {
            let told = ReassignablePartitionResponse::default()
                .with_error_message(None)
                .with_partition_index(asked.partition_index);
            let known = exists(&call.broker, &topic.name, asked.partition_index);
            let (code, message) = match (known, &asked.replicas) {
                (Err(code), _) => (code, "there is no such partition"),
                (Ok(()), None) => {
                    (Code::NoReassignmentInProgress, "nothing is on its way that could be cancelled")
                }
                (Ok(()), Some(replicas)) if *replicas == [NODE] => return told,
                (Ok(()), Some(_)) => (Code::InvalidReplicaAssignment, "there is one node, 0"),
            };
            told.with_error_code(code.code()).with_error_message(words(message))
        };
        let partitions = topic.partitions.iter().map(moved).collect();
        responses
            .push(ReassignableTopicResponse::default().with_name(topic.name).with_partitions(partitions));
    }
    let response =
        AlterPartitionReassignmentsResponse::default().with_error_message(None).with_responses(responses);
    if call.version() < FACTOR_FROM {
        return response;
    }
    response.with_allow_replication_factor_change(request.allow_replication_factor_change)
}
