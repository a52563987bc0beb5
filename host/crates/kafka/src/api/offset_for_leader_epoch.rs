//! OffsetForLeaderEpoch (key 23): where the records of an epoch end, so that a client can see whether those that it has are those
//! that are here (KIP-320).

use crate::api::topics;
use crate::broker::Broker;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::offset_for_leader_epoch_request::OffsetForLeaderPartition;
use kafka_protocol::messages::offset_for_leader_epoch_response::{
    EpochEndOffset, OffsetForLeaderTopicResult,
};
use kafka_protocol::messages::{OffsetForLeaderEpochRequest, OffsetForLeaderEpochResponse};
use potok_log::Topic;
use potok_types::LeaderEpoch;
use std::sync::Arc;

pub(crate) fn handle(call: &Call, request: OffsetForLeaderEpochRequest) -> OffsetForLeaderEpochResponse {
    let broker = &call.broker;
    let mut topics = Vec::new();
    for asked in request.topics {
        let topic = topics::named(broker, &asked.topic);
        let ends = asked.partitions.iter().map(|partition| end(broker, &topic, partition)).collect();
        topics.push(OffsetForLeaderTopicResult::default().with_topic(asked.topic).with_partitions(ends));
    }
    OffsetForLeaderEpochResponse::default().with_topics(topics)
}

fn end(
    broker: &Broker,
    topic: &Result<Arc<Topic>, Code>,
    asked: &OffsetForLeaderPartition,
) -> EpochEndOffset {
    let response = EpochEndOffset::default().with_partition(asked.partition);
    let found = topic.as_ref().map_err(|code| *code).and_then(|topic| {
        let at = topics::partition(topic, asked.partition)?;
        topics::check_epoch(broker, asked.current_leader_epoch)?;
        if asked.leader_epoch > broker.log.leader_epoch().0 {
            return Ok(None);
        }
        let end = broker.log.epoch_end(at, LeaderEpoch(asked.leader_epoch));
        end.map_err(|_| Code::UnknownTopicOrPartition)
    });
    match found {
        Ok(Some((epoch, end))) => response.with_leader_epoch(epoch.0).with_end_offset(end.to_wire()),
        // an epoch from before anything that is kept, or one that has not come
        Ok(None) => response,
        Err(code) => response.with_error_code(code.code()),
    }
}
