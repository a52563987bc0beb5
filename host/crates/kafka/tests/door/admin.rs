//! Topics and offsets, as tools ask for them.

use crate::batches::{builder, bytes, name, now, plain, produce};
use crate::common::Door;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::create_partitions_request::CreatePartitionsTopic;
use kafka_protocol::messages::create_topics_request::{
    CreatableReplicaAssignment, CreatableTopic, CreatableTopicConfig,
};
use kafka_protocol::messages::delete_records_request::{DeleteRecordsPartition, DeleteRecordsTopic};
use kafka_protocol::messages::delete_topics_request::DeleteTopicState;
use kafka_protocol::messages::list_offsets_request::{ListOffsetsPartition, ListOffsetsTopic};
use kafka_protocol::messages::metadata_request::MetadataRequestTopic;
use kafka_protocol::messages::*;
use kafka_protocol::protocol::StrBytes;
use potok_types::Compression;

pub(crate) fn text(text: &str) -> StrBytes {
    StrBytes::from_string(text.to_owned())
}

pub(crate) fn new_topic(named: &str, partitions: i32, config: &[(&str, &str)]) -> CreatableTopic {
    let config = config.iter().map(|(name, value)| {
        CreatableTopicConfig::default().with_name(text(name)).with_value(Some(text(value)))
    });
    CreatableTopic::default()
        .with_name(name(named))
        .with_num_partitions(partitions)
        .with_replication_factor(-1)
        .with_configs(config.collect())
}

#[tokio::test]
async fn topics_are_created_each_with_an_answer_of_its_own() {
    let door = Door::with(|settings| settings.partitions_default = 4).await;
    door.topic("there", 1, &[]).await;
    let mut client = door.connect().await;
    let assigned = |replicas: &[i32]| {
        let one = CreatableReplicaAssignment::default()
            .with_broker_ids(replicas.iter().copied().map(BrokerId).collect());
        new_topic("assigned", -1, &[]).with_assignments(vec![one])
    };
    let unchecked = |topics| CreateTopicsRequest::default().with_topics(topics).with_timeout_ms(1);
    for (asked, code) in [
        (new_topic("fine", 3, &[("retention.ms", "5"), ("segment.bytes", "99")]), 0),
        (new_topic("default", -1, &[]), 0),
        (assigned(&[0]), 0),
        (new_topic("there", 1, &[]), Code::TopicAlreadyExists.code()),
        (new_topic("no/name", 1, &[]), Code::InvalidTopicException.code()),
        (new_topic("none", 0, &[]), Code::InvalidPartitions.code()),
        (new_topic("many", 1_000_000, &[]), Code::InvalidPartitions.code()),
        (new_topic("copies", 1, &[]).with_replication_factor(3), Code::InvalidReplicationFactor.code()),
        (new_topic("odd", 1, &[("no.such.config", "1")]), Code::InvalidConfig.code()),
        (new_topic("odd", 1, &[("retention.ms", "long")]), Code::InvalidConfig.code()),
        (new_topic("odd", 1, &[("segment.bytes", "large")]), Code::InvalidConfig.code()),
        (new_topic("odd", 1, &[("min.insync.replicas", "2")]), Code::InvalidConfig.code()),
        (assigned(&[1]).with_name(name("elsewhere")), Code::InvalidReplicaAssignment.code()),
        (assigned(&[0]).with_num_partitions(1), Code::InvalidRequest.code()),
        (new_topic("_potok.mine", 1, &[]), Code::TopicAuthorizationFailed.code()),
    ] {
        let (named, partitions) = (asked.name.clone(), asked.num_partitions);
        let response = client.ask(7, &unchecked(vec![asked])).await;
        let told = &response.topics[0];
        assert_eq!(told.error_code, code, "{named:?} {:?}", told.error_message);
        assert_eq!(told.error_code == 0, told.error_message.is_none());
        if code == 0 && partitions != 1 {
            assert_eq!(
                door.log.topic(&named.parse().unwrap()).unwrap().partitions.cast_signed(),
                told.num_partitions
            );
        }
    }
    let twice = vec![new_topic("twice", 1, &[]), new_topic("once", 1, &[]), new_topic("twice", 2, &[])];
    let codes: Vec<_> =
        client.ask(7, &unchecked(twice)).await.topics.iter().map(|told| told.error_code).collect();
    assert_eq!(codes, [Code::InvalidRequest.code(), 0]);
    let many = vec![new_topic("m1", 6_000, &[]), new_topic("m2", 6_000, &[]), new_topic("m3", 1, &[])];
    let codes: Vec<_> =
        client.ask(7, &unchecked(many)).await.topics.iter().map(|told| told.error_code).collect();
    assert_eq!(codes, [0, Code::PolicyViolation.code(), 0]);
    let dry = unchecked(vec![new_topic("dry", 2, &[])]).with_validate_only(true);
    assert_eq!(client.ask(7, &dry).await.topics[0].error_code, 0);
    assert!(door.log.topic(&"dry".parse().unwrap()).is_none());
    door.ended().await;
}

#[tokio::test]
async fn topics_grow_and_go() {
    let door = Door::open().await;
    let topic = door.topic("t", 2, &[]).await;
    let mut client = door.connect().await;
    let mut grow = async |named: &str, count| {
        let one =
            CreatePartitionsTopic::default().with_name(name(named)).with_count(count).with_assignments(None);
        client.ask(3, &CreatePartitionsRequest::default().with_topics(vec![one])).await.results[0].error_code
    };
    assert_eq!(grow("t", 5).await, 0);
    assert_eq!(grow("t", 5).await, Code::InvalidPartitions.code());
    assert_eq!(grow("nowhere", 5).await, Code::UnknownTopicOrPartition.code());
    assert_eq!(door.log.topic(&topic.name).unwrap().partitions, 5);
    let by_id = DeleteTopicState::default().with_name(None).with_topic_id(uuid::Uuid::from_bytes(topic.id));
    let mut delete = async |one| client.ask(6, &DeleteTopicsRequest::default().with_topics(vec![one])).await;
    let by_both = by_id.clone().with_name(Some(name("t")));
    assert_eq!(delete(by_both).await.responses[0].error_code, Code::InvalidRequest.code());
    let told = delete(by_id.clone()).await;
    assert_eq!((told.responses[0].error_code, told.responses[0].name.clone()), (0, Some(name("t"))));
    assert_eq!(delete(by_id).await.responses[0].error_code, Code::UnknownTopicId.code());
    assert!(door.log.topic(&topic.name).is_none());
    door.ended().await;
}

#[tokio::test]
async fn metadata_creates_topics_where_it_may() {
    for allowed in [true, false] {
        let door = Door::with(|settings| settings.auto_create_topics = allowed).await;
        let mut client = door.connect().await;
        let ask = |named: &str, creates| {
            let topic = MetadataRequestTopic::default().with_name(Some(name(named)));
            MetadataRequest::default().with_topics(Some(vec![topic])).with_allow_auto_topic_creation(creates)
        };
        let quiet = client.ask(12, &ask("new", false)).await;
        assert_eq!(quiet.topics[0].error_code, Code::UnknownTopicOrPartition.code());
        let asked = client.ask(12, &ask("new", true)).await;
        assert_eq!(asked.topics[0].error_code == 0, allowed);
        let wrong = client.ask(12, &ask("no/name", true)).await;
        assert_eq!(wrong.topics[0].error_code, Code::InvalidTopicException.code());
        door.ended().await;
    }
}

#[tokio::test]
async fn metadata_takes_ids_from_the_version_on_that_kafka_takes_them() {
    let door = Door::open().await;
    let id = uuid::Uuid::from_bytes(door.topic("t", 1, &[]).await.id);
    let mut client = door.connect().await;
    let by_id = MetadataRequestTopic::default().with_name(None).with_topic_id(id);
    let by_both = by_id.clone().with_name(Some(name("t")));
    let by_neither = by_id.clone().with_topic_id(uuid::Uuid::nil());
    for version in [10, 11] {
        for asked in [&by_id, &by_both, &by_neither] {
            let request = MetadataRequest::default().with_topics(Some(vec![asked.clone()]));
            let told = client.ask(version, &request).await.topics.remove(0);
            let named = Some(asked.name.clone().unwrap_or_default());
            assert_eq!((told.error_code, told.name), (Code::InvalidRequest.code(), named), "v{version}");
        }
    }
    let request = MetadataRequest::default().with_topics(Some(vec![by_id]));
    let told = client.ask(12, &request).await.topics.remove(0);
    assert_eq!((told.error_code, told.name), (0, Some(name("t"))));
    door.ended().await;
}

async fn offset(door: &Door, version: i16, time: i64) -> (i16, i64, i64) {
    let partition = ListOffsetsPartition::default().with_partition_index(0).with_timestamp(time);
    let topic = ListOffsetsTopic::default().with_name(name("t")).with_partitions(vec![partition]);
    let request = ListOffsetsRequest::default().with_topics(vec![topic]);
    let response = door.connect().await.ask(version, &request).await;
    let told = &response.topics[0].partitions[0];
    (told.error_code, told.offset, told.timestamp)
}

#[tokio::test]
async fn offsets_are_found_by_time_and_by_name() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    let mut client = door.connect().await;
    let start = now().0 - 1_000_000;
    for step in [100, 300, 200] {
        let mut builder = builder(Compression::Gzip, &[]);
        builder.push(potok_types::Timestamp(start + step), None, Some(b"x"), std::iter::empty());
        client.ask(9, &produce(9, &topic, 0, 1, bytes(builder).freeze())).await;
    }
    assert_eq!(offset(&door, 1, -1).await, (0, 3, -1));
    assert_eq!(offset(&door, 1, -2).await, (0, 0, -1));
    assert_eq!(offset(&door, 7, -3).await, (0, 1, start + 300));
    assert_eq!(offset(&door, 8, -4).await, (0, 0, -1));
    assert_eq!(offset(&door, 9, -5).await, (0, -1, -1));
    assert_eq!(offset(&door, 10, start).await, (0, 0, start + 100));
    assert_eq!(offset(&door, 10, start + 101).await, (0, 1, start + 300));
    assert_eq!(offset(&door, 10, start + 301).await, (0, -1, -1));
    for (version, time) in [(6, -3), (7, -4), (8, -5), (10, -6), (10, i64::MIN)] {
        assert_eq!(
            offset(&door, version, time).await.0,
            Code::UnsupportedVersion.code(),
            "{time} at v{version}"
        );
    }
    door.ended().await;
}

#[tokio::test]
async fn records_are_deleted_up_to_an_offset() {
    let door = Door::open().await;
    let topic = door.topic("t", 1, &[]).await;
    door.topic("table", 1, &[("cleanup.policy", "compact")]).await;
    let mut client = door.connect().await;
    for _ in 0..3 {
        client.ask(9, &produce(9, &topic, 0, 1, plain(&[b"x"]).freeze())).await;
    }
    let mut delete = async |named: &str, offset| {
        let one = DeleteRecordsPartition::default().with_partition_index(0).with_offset(offset);
        let topic = DeleteRecordsTopic::default().with_name(name(named)).with_partitions(vec![one]);
        let response = client.ask(2, &DeleteRecordsRequest::default().with_topics(vec![topic])).await;
        let told = &response.topics[0].partitions[0];
        (told.error_code, told.low_watermark)
    };
    assert_eq!(delete("t", 2).await, (0, 2));
    assert_eq!(delete("t", 9).await, (Code::OffsetOutOfRange.code(), -1));
    assert_eq!(delete("t", -2).await, (Code::OffsetOutOfRange.code(), -1));
    assert_eq!(delete("t", -1).await, (0, 3));
    assert_eq!(delete("table", 0).await, (Code::PolicyViolation.code(), -1));
    door.ended().await;
}

#[tokio::test]
async fn partitions_are_described_in_pages() {
    let door = Door::open().await;
    for topic in ["a", "b"] {
        door.topic(topic, 3, &[]).await;
    }
    let mut client = door.connect().await;
    let mut request = DescribeTopicPartitionsRequest::default().with_response_partition_limit(2);
    let mut pages = Vec::new();
    loop {
        let response = client.ask(0, &request).await;
        let page = response.topics.iter().flat_map(|topic| {
            let named = topic.name.as_ref().unwrap().to_string();
            topic.partitions.iter().map(move |one| format!("{named}{}", one.partition_index))
        });
        pages.push(page.collect::<Vec<_>>().join(" "));
        let Some(next) = response.next_cursor else { break };
        let cursor = describe_topic_partitions_request::Cursor::default();
        request.cursor =
            Some(cursor.with_topic_name(next.topic_name).with_partition_index(next.partition_index));
    }
    assert_eq!(pages, ["a0 a1", "a2 b0", "b1 b2"]);
    door.ended().await;
}
