//! Groups and transactions as clients meet them, over the socket.

use crate::common::{Client, Door};
use bytes::Bytes;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::offset_commit_request::{
    OffsetCommitRequestPartition, OffsetCommitRequestTopic,
};
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::sync_group_request::SyncGroupRequestAssignment;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}
fn join(member: &StrBytes) -> JoinGroupRequest {
    let protocol = JoinGroupRequestProtocol::default()
        .with_name(text("range"))
        .with_metadata(Bytes::from_static(b"wants"));
    JoinGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_session_timeout_ms(30_000)
        .with_rebalance_timeout_ms(60_000)
        .with_member_id(member.clone())
        .with_protocol_type(text("consumer"))
        .with_protocols(vec![protocol])
}
fn sync(generation: i32, member: &StrBytes, assignment: &'static [u8]) -> SyncGroupRequest {
    let assignment = SyncGroupRequestAssignment::default()
        .with_member_id(member.clone())
        .with_assignment(Bytes::from_static(assignment));
    SyncGroupRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_generation_id(generation)
        .with_member_id(member.clone())
        .with_protocol_type(Some(text("consumer")))
        .with_protocol_name(Some(text("range")))
        .with_assignments(vec![assignment])
}
fn commit(generation: i32, member: &StrBytes, offset: i64) -> OffsetCommitRequest {
    let partition = OffsetCommitRequestPartition::default()
        .with_committed_offset(offset)
        .with_committed_metadata(Some(text("words")));
    let topic =
        OffsetCommitRequestTopic::default().with_name(TopicName(text("t"))).with_partitions(vec![partition]);
    OffsetCommitRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_generation_id_or_member_epoch(generation)
        .with_member_id(member.clone())
        .with_topics(vec![topic])
}
/// Error, offset and words of group `g` in partition 0 of `t`.
async fn position(client: &mut Client, stable: bool) -> (i16, i64, String) {
    let topic =
        OffsetFetchRequestTopics::default().with_name(TopicName(text("t"))).with_partition_indexes(vec![0]);
    let group =
        OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g"))).with_topics(Some(vec![topic]));
    let request = OffsetFetchRequest::default().with_groups(vec![group]).with_require_stable(stable);
    let response = client.ask(8, &request).await;
    let one = &response.groups[0].topics[0].partitions[0];
    (one.error_code, one.committed_offset, one.metadata.as_deref().unwrap_or_default().to_owned())
}

#[tokio::test]
async fn a_member_joins_with_the_id_it_is_given_commits_in_its_generation_and_leaves() {
    let door = Door::open().await;
    door.topic("t", 1, &[]).await;
    let running = door.run_coordinator();
    let mut client = door.connect().await;
    let first = client.ask(9, &join(&StrBytes::default())).await;
    assert_eq!(first.error_code, Code::MemberIdRequired.code());
    let member = first.member_id;
    let joined = client.ask(9, &join(&member)).await;
    assert_eq!((joined.error_code, joined.generation_id, &joined.leader), (0, 1, &member));
    assert_eq!(joined.members[0].metadata, &b"wants"[..]);
    let early = client.ask(8, &commit(1, &member, 5)).await;
    assert_eq!(early.topics[0].partitions[0].error_code, Code::RebalanceInProgress.code());
    let synced = client.ask(5, &sync(1, &member, b"all")).await;
    assert_eq!((synced.error_code, &synced.assignment[..]), (0, &b"all"[..]));
    let done = client.ask(8, &commit(1, &member, 5)).await;
    assert_eq!(done.topics[0].partitions[0].error_code, 0);
    let old = client.ask(8, &commit(0, &member, 4)).await;
    assert_eq!(old.topics[0].partitions[0].error_code, Code::IllegalGeneration.code());
    assert_eq!(position(&mut client, true).await, (0, 5, "words".to_owned()));
    let delete = DeleteGroupsRequest::default().with_groups_names(vec![GroupId(text("g"))]);
    assert_eq!(client.ask(2, &delete).await.results[0].error_code, Code::NonEmptyGroup.code());
    let leave = LeaveGroupRequest::default().with_group_id(GroupId(text("g"))).with_member_id(member);
    assert_eq!(client.ask(2, &leave).await.error_code, 0);
    assert_eq!(client.ask(2, &delete).await.results[0].error_code, 0);
    assert_eq!(position(&mut client, true).await.1, -1);
    running.abort();
    door.ended().await;
}

#[tokio::test]
async fn an_offset_in_a_transaction_is_unstable_until_it_commits_and_gone_when_it_aborts() {
    let door = Door::open().await;
    door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    let init = InitProducerIdRequest::default()
        .with_transactional_id(Some(TransactionalId(text("tx"))))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(ProducerId(-1))
        .with_producer_epoch(-1);
    let given = client.ask(4, &init).await;
    assert_eq!(given.error_code, 0);
    let (producer, mut epoch) = (given.producer_id, given.producer_epoch);
    for (offset, commits, after) in [(7, true, 7), (9, false, 7)] {
        let partition = TxnOffsetCommitRequestPartition::default().with_committed_offset(offset);
        let topic = TxnOffsetCommitRequestTopic::default()
            .with_name(TopicName(text("t")))
            .with_partitions(vec![partition]);
        let pending = TxnOffsetCommitRequest::default()
            .with_transactional_id(TransactionalId(text("tx")))
            .with_group_id(GroupId(text("g")))
            .with_producer_id(producer)
            .with_producer_epoch(epoch)
            .with_generation_id(-1)
            .with_topics(vec![topic]);
        assert_eq!(client.ask(5, &pending).await.topics[0].partitions[0].error_code, 0);
        assert_eq!(position(&mut client, true).await.0, Code::UnstableOffsetCommit.code());
        assert_eq!(position(&mut client, false).await.1, if commits { -1 } else { 7 });
        let end = EndTxnRequest::default()
            .with_transactional_id(TransactionalId(text("tx")))
            .with_producer_id(producer)
            .with_producer_epoch(epoch)
            .with_committed(commits);
        let ended = client.ask(5, &end).await;
        assert_eq!((ended.error_code, ended.producer_epoch), (0, epoch + 1), "each end moves the epoch on");
        assert_eq!(client.ask(5, &end).await.producer_epoch, epoch + 1, "its retry is known");
        epoch += 1;
        assert_eq!(position(&mut client, true).await.1, after);
    }
    assert_eq!(client.ask(4, &init).await.error_code, 0);
    let fenced = EndTxnRequest::default()
        .with_transactional_id(TransactionalId(text("tx")))
        .with_producer_id(producer)
        .with_producer_epoch(epoch)
        .with_committed(true);
    assert_eq!(client.ask(2, &fenced).await.error_code, Code::ProducerFenced.code());
    assert_eq!(client.ask(1, &fenced).await.error_code, Code::InvalidProducerEpoch.code());
    door.ended().await;
}

#[tokio::test]
async fn a_group_whose_members_are_no_consumers_is_none_to_members_of_the_other_protocol() {
    let door = Door::open().await;
    door.topic("t", 1, &[]).await;
    let running = door.run_coordinator();
    let mut client = door.connect().await;
    let beat = |epoch| {
        ConsumerGroupHeartbeatRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_member_id(text("newer"))
            .with_member_epoch(epoch)
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(vec![TopicName(text("t"))]))
            .with_topic_partitions(Some(vec![]))
    };
    let member = client.ask(9, &join(&StrBytes::default())).await.member_id;
    assert_eq!(client.ask(9, &join(&member)).await.error_code, 0);
    assert_eq!(client.ask(1, &beat(0)).await.error_code, Code::GroupIdNotFound.code());
    let leave = |id: &StrBytes| {
        let one = leave_group_request::MemberIdentity::default().with_member_id(id.clone());
        LeaveGroupRequest::default().with_group_id(GroupId(text("g"))).with_members(vec![one])
    };
    assert_eq!(client.ask(5, &leave(&member)).await.members[0].error_code, 0);
    let came = client.ask(1, &beat(0)).await;
    assert_eq!((came.error_code, came.member_epoch), (0, 1));
    let refused = client.ask(9, &join(&StrBytes::default())).await;
    assert_eq!(refused.error_code, Code::InconsistentGroupProtocol.code());
    assert_eq!(client.ask(5, &leave(&text("newer"))).await.members[0].error_code, 0, "by an administrator");
    assert_eq!(client.ask(1, &beat(1)).await.error_code, Code::UnknownMemberId.code());
    door.ended().await;
    running.await.unwrap();
}

/// What a classic consumer of `t` says of itself, and the request with it.
fn join_as_consumer(member: &StrBytes) -> JoinGroupRequest {
    let metadata = potok_coordinator::embedded::subscription(&["t".to_owned()], &[]);
    let protocol = JoinGroupRequestProtocol::default().with_name(text("range")).with_metadata(metadata);
    join(member).with_protocols(vec![protocol])
}
/// A heartbeat of KIP-848; a first one says everything.
fn beat(epoch: i32) -> ConsumerGroupHeartbeatRequest {
    let request = ConsumerGroupHeartbeatRequest::default()
        .with_group_id(GroupId(text("g")))
        .with_member_id(text("newer"))
        .with_member_epoch(epoch)
        .with_topic_partitions(Some(vec![]));
    match epoch {
        0 => request
            .with_rebalance_timeout_ms(60_000)
            .with_subscribed_topic_names(Some(vec![TopicName(text("t"))])),
        _ => request,
    }
}
#[tokio::test]
async fn a_member_of_the_newer_protocol_is_given_an_id_only_by_the_version_that_gives_one() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let nameless = beat(0).with_member_id(StrBytes::default());
    let refused = client.ask(1, &nameless).await;
    assert_eq!((refused.error_code, refused.member_epoch), (Code::InvalidRequest.code(), 0));
    let given = client.ask(0, &nameless).await;
    assert_eq!((given.error_code, given.member_epoch), (0, 1));
    assert!(given.member_id.is_some_and(|id| !id.is_empty()));
    door.ended().await;
}

/// Partitions of a classic member's assignment.
fn numbers(assignment: &[u8]) -> Vec<u32> {
    let topics = potok_coordinator::embedded::assigned_partitions(assignment).unwrap();
    topics.into_iter().flat_map(|(_, partitions)| partitions).collect()
}

#[tokio::test]
async fn a_classic_group_is_taken_over_by_the_newer_protocol_and_goes_back_while_its_members_are_there() {
    let door = Door::open().await;
    door.topic("t", 4, &[]).await;
    let running = door.run_coordinator();
    let mut client = door.connect().await;
    let member = client.ask(9, &join(&StrBytes::default())).await.member_id;
    let joined = client.ask(9, &join_as_consumer(&member)).await;
    assert_eq!((joined.error_code, joined.generation_id), (0, 1));
    let all = potok_coordinator::embedded::assignment(&[("t".to_owned(), vec![0, 1, 2, 3])]);
    let given =
        SyncGroupRequestAssignment::default().with_member_id(member.clone()).with_assignment(all.clone());
    let synced = client.ask(5, &sync(1, &member, b"").with_assignments(vec![given])).await;
    assert_eq!((synced.error_code, &synced.assignment), (0, &all));
    let came = client.ask(1, &beat(0)).await;
    assert_eq!((came.error_code, came.member_epoch), (0, 2));
    let lives = |generation| {
        HeartbeatRequest::default()
            .with_group_id(GroupId(text("g")))
            .with_member_id(member.clone())
            .with_generation_id(generation)
    };
    assert_eq!(client.ask(4, &lives(1)).await.error_code, Code::RebalanceInProgress.code());
    let joined = client.ask(9, &join_as_consumer(&member)).await;
    assert_eq!((joined.error_code, joined.generation_id, joined.leader.as_str()), (0, 2, ""));
    assert_eq!(joined.protocol_name.as_deref(), Some("range"));
    let mut held = numbers(&client.ask(5, &sync(2, &member, b"")).await.assignment);
    assert_eq!((held.len(), client.ask(4, &lives(2)).await.error_code), (2, 0));
    let told = client.ask(1, &beat(2)).await.assignment.unwrap();
    held.extend(told.topic_partitions[0].partitions.iter().map(|partition| partition.cast_unsigned()));
    held.sort_unstable();
    assert_eq!(held, [0, 1, 2, 3], "each has its half");
    let describe = ConsumerGroupDescribeRequest::default().with_group_ids(vec![GroupId(text("g"))]);
    let described = client.ask(1, &describe).await;
    let kinds: Vec<i8> = described.groups[0].members.iter().map(|member| member.member_type).collect();
    assert_eq!((kinds.iter().sum::<i8>(), kinds.len()), (1, 2), "one of each protocol");
    assert_eq!(client.ask(8, &commit(2, &member, 5)).await.topics[0].partitions[0].error_code, 0);
    let old = client.ask(8, &commit(1, &member, 4)).await;
    assert_eq!(old.topics[0].partitions[0].error_code, Code::IllegalGeneration.code());
    assert_eq!(client.ask(1, &beat(-1)).await.error_code, 0);
    assert_eq!(client.ask(4, &lives(2)).await.error_code, Code::IllegalGeneration.code());
    let joined = client.ask(9, &join_as_consumer(&member)).await;
    assert_eq!((joined.error_code, joined.generation_id, &joined.leader), (0, 4, &member), "it leads again");
    assert_eq!(position(&mut client, true).await.1, 5);
    running.abort();
    door.ended().await;
}
