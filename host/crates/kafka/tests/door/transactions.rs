//! Transactions as their producers and administrators see them.

use crate::batches::{name, of_producer, produce, produced};
use crate::common::{Client, Door, soon};
use futures::FutureExt;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::add_partitions_to_txn_request::AddPartitionsToTxnTopic;
use kafka_protocol::messages::txn_offset_commit_request::{
    TxnOffsetCommitRequestPartition, TxnOffsetCommitRequestTopic,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use potok_log::{FailingLog, Faults, Log, MemoryLog};
use potok_types::SystemClock;
use std::sync::Arc;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}
fn id() -> TransactionalId {
    TransactionalId(text("x"))
}

/// A producer's id and epoch.
type Who = (ProducerId, i16);

async fn begin(client: &mut Client, claimed: Option<Who>) -> Who {
    let (producer, epoch) = claimed.unwrap_or((ProducerId(-1), -1));
    let request = InitProducerIdRequest::default()
        .with_transactional_id(Some(id()))
        .with_transaction_timeout_ms(60_000)
        .with_producer_id(producer)
        .with_producer_epoch(epoch);
    let told = client.ask(4, &request).await;
    assert_eq!(told.error_code, 0);
    (told.producer_id, told.producer_epoch)
}

/// A transaction on partition 0 of the topic `t`.
async fn transact(client: &mut Client, who: Who, commit: bool) {
    let topic = AddPartitionsToTxnTopic::default().with_name(name("t")).with_partitions(vec![0]);
    let add = AddPartitionsToTxnRequest::default()
        .with_v3_and_below_transactional_id(id())
        .with_v3_and_below_producer_id(who.0)
        .with_v3_and_below_producer_epoch(who.1)
        .with_v3_and_below_topics(vec![topic]);
    let added = client.ask(3, &add).await;
    assert_eq!(added.results_by_topic_v3_and_below[0].results_by_partition[0].partition_error_code, 0);
    let end = EndTxnRequest::default()
        .with_transactional_id(id())
        .with_producer_id(who.0)
        .with_producer_epoch(who.1)
        .with_committed(commit);
    assert_eq!(client.ask(3, &end).await.error_code, 0);
}

/// The state as one description and the list of all tell it.
async fn state(client: &mut Client) -> String {
    let request = DescribeTransactionsRequest::default().with_transactional_ids(vec![id()]);
    let described = client.ask(0, &request).await.transaction_states[0].transaction_state.to_string();
    let request = ListTransactionsRequest::default().with_duration_filter(-1);
    let listed = client.ask(1, &request).await.transaction_states[0].transaction_state.to_string();
    assert_eq!(described, listed);
    described
}

#[tokio::test]
async fn how_a_transaction_ended_is_told_until_its_producer_begins_anew() {
    let door = Door::open().await;
    door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    let mut who = begin(&mut client, None).await;
    assert_eq!(state(&mut client).await, "Empty");
    for (commit, ended) in [(true, "CompleteCommit"), (false, "CompleteAbort")] {
        transact(&mut client, who, commit).await;
        assert_eq!(state(&mut client).await, ended);
        who = begin(&mut client, Some(who)).await;
        assert_eq!(state(&mut client).await, "Empty");
    }
    door.ended().await;
}

/// Commits an offset in a transaction; the code of the answer.
async fn commit_offset(client: &mut Client, who: Who, member: &'static str, generation: i32) -> i16 {
    let one = TxnOffsetCommitRequestPartition::default().with_committed_offset(7);
    let topic = TxnOffsetCommitRequestTopic::default().with_name(name("t")).with_partitions(vec![one]);
    let request = TxnOffsetCommitRequest::default()
        .with_transactional_id(id())
        .with_group_id(GroupId(text("g")))
        .with_producer_id(who.0)
        .with_producer_epoch(who.1)
        .with_generation_id(generation)
        .with_member_id(text(member))
        .with_topics(vec![topic]);
    client.ask(5, &request).await.topics[0].partitions[0].error_code
}

#[tokio::test]
async fn a_group_that_keeps_only_offsets_is_there_and_misses_the_member() {
    let door = Door::open().await;
    door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    let who = begin(&mut client, None).await;
    assert_eq!(commit_offset(&mut client, who, "m", 1).await, Code::IllegalGeneration.code(), "no group");
    assert_eq!(commit_offset(&mut client, who, "", -1).await, 0);
    assert_eq!(commit_offset(&mut client, who, "m", 1).await, Code::UnknownMemberId.code(), "a pending one");
    let end = EndTxnRequest::default().with_transactional_id(id()).with_committed(true);
    let end = end.with_producer_id(who.0).with_producer_epoch(who.1);
    assert_eq!(client.ask(3, &end).await.error_code, 0);
    assert_eq!(
        commit_offset(&mut client, who, "m", 1).await,
        Code::UnknownMemberId.code(),
        "a committed one"
    );
    door.ended().await;
}

#[tokio::test]
async fn the_end_of_a_transaction_and_a_next_request_behind_it_wait_for_an_append_and_not_for_each_other() {
    let log = FailingLog::new(MemoryLog::new(SystemClock::shared()), 1, Faults::NONE);
    let door = Door::over(Arc::clone(&log) as _, |_| {}).await;
    let topic = door.topic("t", 1, &[]).await;
    let (mut writer, mut ender) = (door.connect().await, door.connect().await);
    let who = begin(&mut writer, None).await;
    let batch = |sequence| {
        let batch = of_producer(who.0.0, who.1, sequence, true, &[b"x"]).freeze();
        produce(12, &topic, 0, 1, batch).with_transactional_id(Some(id()))
    };
    let held_back = log.hold_answers().await;
    writer.send(12, &batch(0)).await;
    let at = topic.all_partitions().next().unwrap();
    let mut ends = log.watch(at).unwrap();
    soon(ends.wait_for(|ends| ends.log_end.get() == 1)).await.unwrap();
    let end = EndTxnRequest::default().with_transactional_id(id()).with_committed(true);
    ender.send(3, &end.with_producer_id(who.0).with_producer_epoch(who.1)).await;
    let ending = async {
        // whoever only looks comes behind the one who ends it
        while door.coordinator.describe_transaction("x").now_or_never().is_some() {
            tokio::task::yield_now().await;
        }
    };
    soon(ending).await;
    writer.send(12, &batch(1)).await;
    // the server is given every chance to look at it: it stands behind the end as well
    for _ in 0..1_000 {
        tokio::task::yield_now().await;
    }
    drop(held_back);
    assert_eq!(produced(&writer.receive::<ProduceRequest>(12).await.1).base_offset, 0);
    assert_eq!(ender.receive::<EndTxnRequest>(3).await.1.error_code, 0);
    assert_eq!(produced(&writer.receive::<ProduceRequest>(12).await.1).error_code, 0, "the next transaction");
    door.ended().await;
}
