//! OffsetCommit (key 8): positions of a group. Answered once they are in the log.

use super::{partition, text};
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::offset_commit_request::OffsetCommitRequestPartition;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use potok_coordinator::{CommitRequest, GroupRefusal, NewOffset};
use potok_types::{LeaderEpoch, Offset};

/// The first version that knows that a group may be missing.
const KNOWS_UNKNOWN_GROUP: i16 = 9;

pub(crate) async fn handle(call: &Call, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let mut codes: Vec<Result<usize, Code>> = Vec::new();
    let mut offsets = Vec::new();
    for topic in &request.topics {
        for asked in &topic.partitions {
            codes.push(new_offset(call, &topic.name, asked).map(|offset| {
                offsets.push(offset);
                offsets.len() - 1
            }));
        }
    }
    let commit = CommitRequest {
        group: request.group_id.to_string(),
        member_id: request.member_id.to_string(),
        instance_id: text(request.group_instance_id.as_ref()),
        epoch: request.generation_id_or_member_epoch,
        offsets,
    };
    let committed = call.broker.coordinator.commit_offsets(commit).await.map_err(|refusal| match refusal {
        GroupRefusal::Unknown(_) if call.version() < KNOWS_UNKNOWN_GROUP => Code::IllegalGeneration,
        refusal => error::of_group(&refusal),
    });
    let code = |one: Result<usize, Code>| match (&committed, one) {
        (Err(refused), _) | (Ok(_), Err(refused)) => refused.code(),
        (Ok(results), Ok(index)) => match results.get(index) {
            Some(Err(refusal)) => error::of_offset(refusal).code(),
            Some(Ok(())) | None => 0,
        },
    };
    let mut codes = codes.into_iter().map(code);
    let topics = request.topics.into_iter().map(|topic| {
        let each = |p: OffsetCommitRequestPartition, code| {
            OffsetCommitResponsePartition::default().with_partition_index(p.partition_index).with_error_code(code)
        };
        let partitions = topic.partitions.into_iter().zip(codes.by_ref()).map(|(p, code)| each(p, code));
        OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions.collect())
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}

fn new_offset(call: &Call, topic: &str, asked: &OffsetCommitRequestPartition) -> Result<NewOffset, Code> {
    Ok(NewOffset {
        at: partition(&call.broker, topic, asked.partition_index).ok_or(Code::UnknownTopicOrPartition)?,
        offset: Offset::from_wire(asked.committed_offset).ok_or(Code::InvalidRequest)?,
        leader_epoch: (asked.committed_leader_epoch >= 0).then_some(LeaderEpoch(asked.committed_leader_epoch)),
        metadata: text(asked.committed_metadata.as_ref()).unwrap_or_default(),
    })
}
