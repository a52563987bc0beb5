//! OffsetDelete (key 47): positions of a group in topics that none of its members reads.

use super::partition;
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::offset_delete_response::{
    OffsetDeleteResponsePartition, OffsetDeleteResponseTopic,
};
use kafka_protocol::messages::{OffsetDeleteRequest, OffsetDeleteResponse};
use std::collections::HashMap;

pub(crate) async fn handle(call: &Call, request: OffsetDeleteRequest) -> OffsetDeleteResponse {
    let broker = &call.broker;
    let named = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().filter_map(|p| partition(broker, &topic.name, p.partition_index))
    });
    let places: Vec<_> = named.collect();
    let response = OffsetDeleteResponse::default();
    let deleted: HashMap<_, _> = match broker.coordinator.delete_offsets(&request.group_id, &places).await {
        Ok(deleted) => places.into_iter().zip(deleted).collect(),
        Err(refusal) => return response.with_error_code(error::of_group(&refusal).code()),
    };
    let topics = request.topics.into_iter().map(|topic| {
        let one = |index: i32| {
            let code = match partition(broker, &topic.name, index).and_then(|at| deleted.get(&at)) {
                Some(true) => 0,
                Some(false) => Code::GroupSubscribedToTopic.code(),
                None => Code::UnknownTopicOrPartition.code(),
            };
            OffsetDeleteResponsePartition::default().with_partition_index(index).with_error_code(code)
        };
        let partitions = topic.partitions.iter().map(|p| one(p.partition_index)).collect();
        OffsetDeleteResponseTopic::default().with_name(topic.name.clone()).with_partitions(partitions)
    });
    response.with_topics(topics.collect())
}
