//! ElectLeaders (key 43): each partition has its leader, so no election is needed.

use super::{exists, words};
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::elect_leaders_response::{PartitionResult, ReplicaElectionResult};
use kafka_protocol::messages::{ElectLeadersRequest, ElectLeadersResponse};

pub(crate) fn handle(call: &Call, request: ElectLeadersRequest) -> ElectLeadersResponse {
    let mut results = Vec::new();
    // who asks for all of them hears of those that had one: none
    for topic in request.topic_partitions.unwrap_or_default() {
        let elected = |partition: &i32| {
            let result = PartitionResult::default().with_error_message(None).with_partition_id(*partition);
            match exists(&call.broker, &topic.topic, *partition) {
                Ok(()) => result
                    .with_error_code(Code::ElectionNotNeeded.code())
                    .with_error_message(words("the partition has its leader")),
                Err(code) => result.with_error_code(code.code()),
            }
        };
        let partitions = topic.partitions.iter().map(elected).collect();
        results
            .push(ReplicaElectionResult::default().with_topic(topic.topic).with_partition_result(partitions));
    }
    ElectLeadersResponse::default().with_replica_election_results(results)
}
