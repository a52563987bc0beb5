//! Every API that is advertised, at each of its versions: it is answered, and the answer is one of that version.

use crate::common::{Client, Door};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::Request;
use std::collections::BTreeMap;

async fn versions(client: &mut Client) -> BTreeMap<i16, (i16, i16)> {
    let told = client.ask(0, &ApiVersionsRequest::default()).await;
    told.api_keys.iter().map(|api| (api.api_key, (api.min_version, api.max_version))).collect()
}

/// Rows of the reference page under the heading that has this first column.
fn documented(column: &str) -> Vec<Vec<String>> {
    let path = std::path::Path::new(env!("CARGO_MANIFEST_DIR")).join("../../../docs/reference/kafka.md");
    let page = std::fs::read_to_string(path).unwrap();
    let rows = page.lines().skip_while(|line| !line.starts_with(&format!("| {column} |"))).skip(2);
    let cells = |line: &str| line.split('|').map(|cell| cell.trim().trim_matches('`').to_owned()).collect();
    rows.take_while(|line| line.starts_with('|')).map(cells).collect()
}

#[tokio::test]
async fn the_reference_lists_what_is_advertised() {
    let door = Door::open().await;
    let advertised = versions(&mut door.connect().await).await;
    let there: Vec<_> = advertised
        .iter()
        .map(|(key, (min, max))| {
            let name = format!("{:?}", ApiKey::try_from(*key).unwrap());
            (key.to_string(), name, if min == max { min.to_string() } else { format!("{min} to {max}") })
        })
        .collect();
    let listed: Vec<_> =
        documented("key").into_iter().map(|row| (row[1].clone(), row[2].clone(), row[3].clone())).collect();
    assert_eq!(listed, there);
    door.ended().await;
}

#[tokio::test]
async fn the_reference_lists_the_configs_of_a_topic_with_their_defaults() {
    let door = Door::open().await;
    door.topic("t", 1, &[]).await;
    let there: Vec<_> = crate::configs::configs(&door, crate::configs::TOPIC, "t")
        .await
        .into_iter()
        .map(|(name, (value, ..))| (name, if value.is_empty() { "none".to_owned() } else { value }))
        .collect();
    let listed: Vec<_> =
        documented("topic config").into_iter().map(|row| (row[1].clone(), row[2].clone())).collect();
    assert_eq!(listed, there);
    door.ended().await;
}

/// A request with nothing in it, at each version that is advertised.
async fn ask_each<R: Request + Default>(door: &Door, advertised: &mut BTreeMap<i16, (i16, i16)>) {
    let (min, max) = advertised.remove(&R::KEY).unwrap_or_else(|| panic!("key {} is not advertised", R::KEY));
    let mut client = door.connect().await;
    for version in min..=max {
        client.ask(version, &R::default()).await;
    }
}

macro_rules! ask_all {
    ($door:expr, $advertised:expr, $($request:ty)*) => { $( ask_each::<$request>($door, $advertised).await; )* };
}

#[tokio::test]
async fn an_empty_request_of_every_api_is_answered_in_its_version() {
    let door = Door::open().await;
    door.topic("t", 2, &[]).await;
    let mut advertised = versions(&mut door.connect().await).await;
    // an empty one wants no answer; its versions are all tried in `produce.rs`
    assert_eq!(advertised.remove(&ProduceRequest::KEY), Some((0, 13)));
    ask_all! { &door, &mut advertised,
        FetchRequest ListOffsetsRequest MetadataRequest OffsetCommitRequest OffsetFetchRequest
        FindCoordinatorRequest JoinGroupRequest HeartbeatRequest LeaveGroupRequest SyncGroupRequest
        DescribeGroupsRequest ListGroupsRequest ApiVersionsRequest CreateTopicsRequest DeleteTopicsRequest
        DeleteRecordsRequest InitProducerIdRequest OffsetForLeaderEpochRequest AddPartitionsToTxnRequest
        AddOffsetsToTxnRequest EndTxnRequest TxnOffsetCommitRequest DescribeAclsRequest CreateAclsRequest
        DeleteAclsRequest DescribeConfigsRequest AlterConfigsRequest AlterReplicaLogDirsRequest
        DescribeLogDirsRequest CreatePartitionsRequest DeleteGroupsRequest ElectLeadersRequest
        IncrementalAlterConfigsRequest AlterPartitionReassignmentsRequest ListPartitionReassignmentsRequest
        OffsetDeleteRequest DescribeClientQuotasRequest AlterClientQuotasRequest
        DescribeUserScramCredentialsRequest AlterUserScramCredentialsRequest DescribeQuorumRequest
        UpdateFeaturesRequest DescribeClusterRequest DescribeProducersRequest DescribeTransactionsRequest
        ListTransactionsRequest ConsumerGroupHeartbeatRequest ConsumerGroupDescribeRequest
        ListConfigResourcesRequest DescribeTopicPartitionsRequest
    }
    assert!(advertised.is_empty(), "advertised and not asked here: {advertised:?}");
    door.ended().await;
}
