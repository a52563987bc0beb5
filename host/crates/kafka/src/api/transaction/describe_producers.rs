//! DescribeProducers (key 61, KIP-664): who writes to a partition with an id, and what is open there. How operators find a
//! transaction that hangs.

use crate::api::topics;
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::describe_producers_response::{
    PartitionResponse, ProducerState, TopicResponse,
};
use kafka_protocol::messages::{DescribeProducersRequest, DescribeProducersResponse, ProducerId};
use potok_log::{ActiveProducer, Topic};

/// Producers of one partition that are shown at most.
const PRODUCERS_MAX: usize = 100_000;
/// What stands for no sequence and no offset.
const NONE: i32 = -1;
/// There is one coordinator, for ever in its first term.
const COORDINATOR_EPOCH: i32 = 0;

pub(crate) fn handle(call: &Call, request: DescribeProducersRequest) -> DescribeProducersResponse {
    let topic = |asked: kafka_protocol::messages::describe_producers_request::TopicRequest| {
        let topic = topics::named(&call.broker, &asked.name);
        let one = |index: i32| {
            let found = topic.as_ref().map_err(|code| *code).and_then(|topic| producers(call, topic, index));
            let response = PartitionResponse::default().with_partition_index(index);
            match found {
                Ok(all) => response.with_active_producers(all.into_iter().map(describe).collect()),
                Err(code) => response.with_error_code(code.code()),
            }
        };
        let partitions = asked.partition_indexes.iter().map(|index| one(*index)).collect();
        TopicResponse::default().with_name(asked.name).with_partitions(partitions)
    };
    DescribeProducersResponse::default().with_topics(request.topics.into_iter().map(topic).collect())
}

fn producers(call: &Call, topic: &Topic, index: i32) -> Result<Vec<ActiveProducer>, Code> {
    let at = topics::partition(topic, index)?;
    call.broker.log.producers(at, PRODUCERS_MAX).map_err(|error| error::of_read(&error))
}

fn describe(one: ActiveProducer) -> ProducerState {
    ProducerState::default()
        .with_producer_id(ProducerId(one.producer.0))
        .with_producer_epoch(one.epoch.0.into())
        .with_last_sequence(one.last_sequence.unwrap_or(NONE))
        .with_last_timestamp(one.last_written_at.0)
        .with_coordinator_epoch(COORDINATOR_EPOCH)
        .with_current_txn_start_offset(one.open_since.map_or(NONE.into(), potok_types::Offset::to_wire))
}
