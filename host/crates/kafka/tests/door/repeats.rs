//! Requests that ask for the same thing again and again: they are told of it once, so that an answer is no larger than what there is.

use crate::batches::{name, of_producer, produce};
use crate::common::Door;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::describe_log_dirs_request::DescribableLogDirTopic;
use kafka_protocol::messages::describe_producers_request::TopicRequest;
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::offset_fetch_request::{
    OffsetFetchRequestGroup, OffsetFetchRequestTopic, OffsetFetchRequestTopics,
};
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use uuid::Uuid;

const TIMES: usize = 1_000;

fn text(text: &'static str) -> StrBytes {
    StrBytes::from_static_str(text)
}

#[tokio::test]
async fn metadata_tells_of_a_topic_once_by_its_name_and_once_by_its_id() {
    let door = Door::open().await;
    let topic = door.topic("t", 3, &[]).await;
    door.topic("u", 1, &[]).await;
    let mut client = door.connect().await;
    let named = |text, id| MetadataRequestTopic::default().with_name(Some(name(text))).with_topic_id(id);
    let of_id = MetadataRequestTopic::default().with_name(None).with_topic_id(Uuid::from_bytes(topic.id));
    let mut asked = vec![named("u", Uuid::nil())];
    for id in 0..TIMES as u128 {
        // an id beside a name says nothing, so it makes no difference
        asked.extend([named("t", Uuid::from_u128(id)), of_id.clone()]);
    }
    let response = client.ask(12, &MetadataRequest::default().with_topics(Some(asked))).await;
    let told: Vec<_> = response.topics.iter().map(|one| one.partitions.len()).collect();
    assert_eq!(told, [1, 3, 3]);
    door.ended().await;
}

#[tokio::test]
async fn groups_and_transactions_are_described_once() {
    let door = Door::open().await;
    let mut client = door.connect().await;
    let groups = || vec![GroupId(text("g")); TIMES];
    let response = client.ask(5, &DescribeGroupsRequest::default().with_groups(groups())).await;
    assert_eq!(response.groups.len(), 1);
    let response = client.ask(0, &ConsumerGroupDescribeRequest::default().with_group_ids(groups())).await;
    assert_eq!(response.groups.len(), 1);
    let ids = vec![TransactionalId(text("x")); TIMES];
    let request = DescribeTransactionsRequest::default().with_transactional_ids(ids);
    assert_eq!(client.ask(0, &request).await.transaction_states.len(), 1);
    door.ended().await;
}

#[tokio::test]
async fn a_partition_of_a_group_is_told_once_in_the_old_form_and_the_new() {
    let door = Door::open().await;
    door.topic("t", 2, &[]).await;
    let mut client = door.connect().await;
    let old = OffsetFetchRequestTopic::default().with_name(name("t")).with_partition_indexes(vec![1, 0, 1]);
    let request =
        OffsetFetchRequest::default().with_group_id(GroupId(text("g"))).with_topics(Some(vec![old; TIMES]));
    let response = client.ask(5, &request).await;
    let told: Vec<_> =
        response.topics.iter().flat_map(|one| &one.partitions).map(|one| one.partition_index).collect();
    assert_eq!(told, [1, 0]);
    let new = OffsetFetchRequestTopics::default().with_name(name("t")).with_partition_indexes(vec![1, 0, 1]);
    let group =
        OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g"))).with_topics(Some(vec![new; 2]));
    let response = client.ask(8, &OffsetFetchRequest::default().with_groups(vec![group; TIMES])).await;
    assert_eq!(response.groups.len(), 16, "a group is told of no more often");
    let topics = &response.groups[0].topics;
    let told: Vec<_> = topics.iter().flat_map(|one| &one.partitions).map(|one| one.partition_index).collect();
    assert_eq!(told, [1, 0]);
    door.ended().await;
}

#[tokio::test]
async fn a_group_that_is_named_twice_is_told_of_twice_each_time_as_it_is_asked() {
    let door = Door::open().await;
    door.topic("t", 2, &[]).await;
    let mut client = door.connect().await;
    let group = |indexes: Vec<i32>| {
        let topic = OffsetFetchRequestTopics::default().with_name(name("t")).with_partition_indexes(indexes);
        OffsetFetchRequestGroup::default().with_group_id(GroupId(text("g"))).with_topics(Some(vec![topic]))
    };
    let request = OffsetFetchRequest::default().with_groups(vec![group(vec![0]), group(vec![1, 0])]);
    let response = client.ask(8, &request).await;
    let told: Vec<Vec<i32>> = response
        .groups
        .iter()
        .map(|group| group.topics[0].partitions.iter().map(|one| one.partition_index).collect())
        .collect();
    assert_eq!(told, [vec![0], vec![1, 0]]);
    door.ended().await;
}

#[tokio::test]
async fn configs_producers_and_sizes_are_told_once() {
    let door = Door::open().await;
    let topic = door.topic("t", 2, &[]).await;
    let mut client = door.connect().await;
    let of_topic = DescribeConfigsResource::default()
        .with_resource_type(2)
        .with_resource_name(text("t"))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default().with_resources(vec![of_topic; TIMES]);
    assert_eq!(client.ask(4, &request).await.results.len(), 1);
    let batch = of_producer(7, 0, 0, false, &[b"x"]).freeze();
    client.ask(9, &produce(9, &topic, 1, -1, batch)).await;
    let asked = TopicRequest::default().with_name(name("t")).with_partition_indexes(vec![1; TIMES]);
    let request = DescribeProducersRequest::default().with_topics(vec![asked; 2]);
    let response = client.ask(0, &request).await;
    let told = response.topics.iter().flat_map(|one| &one.partitions).flat_map(|one| &one.active_producers);
    assert_eq!(told.map(|one| one.producer_id.0).collect::<Vec<_>>(), [7]);
    let asked = DescribableLogDirTopic::default().with_topic(name("t")).with_partitions(vec![1, 0, 1]);
    let request = DescribeLogDirsRequest::default().with_topics(Some(vec![asked; TIMES]));
    let response = client.ask(4, &request).await;
    let told =
        response.results[0].topics.iter().flat_map(|one| &one.partitions).map(|one| one.partition_index);
    assert_eq!(told.collect::<Vec<_>>(), [1, 0]);
    door.ended().await;
}
