//! OffsetCommit (key 8): positions of a group. Answered once they are in the log.

use super::offsets::{Asked, WireOffset};
use super::text;
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::offset_commit_response::{
    OffsetCommitResponsePartition, OffsetCommitResponseTopic,
};
use kafka_protocol::messages::{OffsetCommitRequest, OffsetCommitResponse};
use potok_coordinator::{CommitRequest, GroupRefusal};

/// The first version that knows that a group may be missing.
const KNOWS_UNKNOWN_GROUP: i16 = 9;

pub(crate) async fn handle(call: &Call, request: OffsetCommitRequest) -> OffsetCommitResponse {
    let wire = request.topics.iter().flat_map(|topic| {
        topic.partitions.iter().map(|p| WireOffset {
            topic: &topic.name,
            partition: p.partition_index,
            offset: p.committed_offset,
            leader_epoch: p.committed_leader_epoch,
            metadata: p.committed_metadata.as_ref(),
        })
    });
    let (asked, offsets) = Asked::read(call, wire);
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
    let mut codes = asked.codes(committed);
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().zip(codes.by_ref()).map(|(asked, code)| {
            OffsetCommitResponsePartition::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(code)
        });
        let partitions = partitions.collect();
        OffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    });
    OffsetCommitResponse::default().with_topics(topics.collect())
}
