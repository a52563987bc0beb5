//! TxnOffsetCommit (key 28): positions of a group that count when the transaction commits (KIP-447).

use super::{Knows, identity};
use crate::api::group::offsets::{Asked, WireOffset};
use crate::api::group::text;
use crate::call::Call;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::txn_offset_commit_response::{
    TxnOffsetCommitResponsePartition, TxnOffsetCommitResponseTopic,
};
use kafka_protocol::messages::{TxnOffsetCommitRequest, TxnOffsetCommitResponse};
use potok_coordinator::{CommitRequest, GroupRefusal, TransactionRefusal, TxnCommitRequest};

/// The first version that says of which member the positions are.
const HAS_MEMBER: i16 = 3;
/// The first version whose clients know that a transaction can be over without their being fenced.
const KNOWS_ABORTABLE: i16 = 4;
/// The first version that adds the group by itself (KIP-890).
const IMPLICIT: i16 = 5;

pub(crate) async fn handle(call: &Call, request: TxnOffsetCommitRequest) -> TxnOffsetCommitResponse {
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
        epoch: if call.version() < HAS_MEMBER { -1 } else { request.generation_id },
        offsets,
    };
    let committed = call.broker.coordinator.txn_commit_offsets(TxnCommitRequest {
        transactional_id: request.transactional_id.to_string(),
        who: identity(request.producer_id, request.producer_epoch),
        commit,
        implicit: call.version() >= IMPLICIT,
    });
    let mut codes = asked.codes(committed.await.map_err(|refusal| refused(call, &refusal)));
    let topics = request.topics.into_iter().map(|topic| {
        let partitions = topic.partitions.iter().zip(codes.by_ref()).map(|(asked, code)| {
            TxnOffsetCommitResponsePartition::default()
                .with_partition_index(asked.partition_index)
                .with_error_code(code)
        });
        let partitions = partitions.collect();
        TxnOffsetCommitResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    });
    TxnOffsetCommitResponse::default().with_topics(topics.collect())
}

fn refused(call: &Call, refusal: &TransactionRefusal) -> Code {
    match refusal {
        TransactionRefusal::Group(GroupRefusal::Unknown(_)) => Code::IllegalGeneration,
        // here clients know a newer producer by its epoch alone
        refusal => Knows { fenced: false, abortable: call.version() >= KNOWS_ABORTABLE }.code(refusal),
    }
}
