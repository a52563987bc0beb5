//! Seeds of the target `kafka`: requests as clients encode them, alone and several in a row.

use crate::{batches, put_part};
use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::join_group_request::JoinGroupRequestProtocol;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::{Encodable, Request, StrBytes};

/// A request without its length; none at a version that has no such fields.
fn encode<R: Request>(version: i16, request: &R) -> Option<Vec<u8>> {
    let mut bytes = BytesMut::new();
    let header = RequestHeader::default()
        .with_request_api_key(R::KEY)
        .with_request_api_version(version)
        .with_correlation_id(7)
        .with_client_id(Some(StrBytes::from_static_str("fuzz")));
    header.encode(&mut bytes, R::header_version(version)).ok()?;
    request.encode(&mut bytes, version).ok()?;
    Some(bytes.to_vec())
}

fn topic() -> TopicName {
    TopicName(StrBytes::from_static_str("t"))
}

fn produce(records: Bytes) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(0).with_records(Some(records));
    let topic = TopicProduceData::default().with_name(topic()).with_partition_data(vec![data]);
    ProduceRequest::default().with_acks(-1).with_timeout_ms(1).with_topic_data(vec![topic])
}

fn fetch() -> FetchRequest {
    let partition = FetchPartition::default().with_partition_max_bytes(1 << 16);
    let topic = FetchTopic::default().with_topic(topic()).with_partitions(vec![partition]);
    FetchRequest::default().with_max_bytes(1 << 16).with_session_epoch(-1).with_topics(vec![topic])
}

fn list_offsets() -> ListOffsetsRequest {
    let partition = ListOffsetsPartition::default().with_timestamp(-3);
    let topic = ListOffsetsTopic::default().with_name(topic()).with_partitions(vec![partition]);
    ListOffsetsRequest::default().with_topics(vec![topic])
}

fn join() -> JoinGroupRequest {
    let word = StrBytes::from_static_str;
    let protocol = JoinGroupRequestProtocol::default().with_name(word("range"));
    JoinGroupRequest::default()
        .with_group_id(GroupId(word("g")))
        .with_protocol_type(word("consumer"))
        .with_session_timeout_ms(10_000)
        .with_rebalance_timeout_ms(10_000)
        .with_protocols(vec![protocol])
}

macro_rules! empty_ones {
    ($to:expr, $($request:ty)*) => { $(
        for version in 0..20 { $to.extend(encode(version, &<$request>::default())); }
    )* };
}

/// Every API at every version with nothing in it, and those that carry most with something.
pub fn kafka_seeds() -> Vec<Vec<u8>> {
    let mut requests = Vec::new();
    empty_ones! { requests,
        FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest FindCoordinatorRequest
        JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest DescribeGroupsRequest ListGroupsRequest
        ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest DeleteRecordsRequest InitProducerIdRequest
        OffsetForLeaderEpochRequest AddPartitionsToTxnRequest AddOffsetsToTxnRequest EndTxnRequest
        TxnOffsetCommitRequest DescribeAclsRequest CreateAclsRequest DeleteAclsRequest DescribeConfigsRequest
        AlterConfigsRequest AlterReplicaLogDirsRequest DescribeLogDirsRequest CreatePartitionsRequest
        DeleteGroupsRequest ElectLeadersRequest IncrementalAlterConfigsRequest AlterPartitionReassignmentsRequest
        ListPartitionReassignmentsRequest OffsetDeleteRequest DescribeClientQuotasRequest AlterClientQuotasRequest
        DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest DescribeQuorumRequest
        UpdateFeaturesRequest DescribeClusterRequest DescribeProducersRequest DescribeTransactionsRequest
        ListTransactionsRequest ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest ListConfigResourcesRequest
        DescribeTopicPartitionsRequest
    }
    let batches = batches().unwrap_or_else(|error| panic!("the seeds do not build: {error}"));
    for version in [3, 8, 9, 12] {
        requests.extend(batches.iter().filter_map(|batch| encode(version, &produce(batch.clone().into()))));
    }
    let filled = [encode(4, &fetch()), encode(12, &fetch()), encode(10, &list_offsets()), encode(9, &join())];
    requests.extend(filled.into_iter().flatten());
    let in_parts = |requests: &[Vec<u8>]| {
        let mut seed = Vec::new();
        requests.iter().for_each(|request| put_part(&mut seed, request));
        seed
    };
    let mut seeds: Vec<_> = requests.chunks(1).map(in_parts).collect();
    seeds.extend(requests.rchunks(8).take(8).map(in_parts));
    seeds
}
