//! The contract of `/v1/topics` and `/v1/groups`.

use crate::common::{Host, body, expect, refused};
use potok_http::api::{ConfigSource, DeletedRecords, Group, GroupList, Topic, TopicList};
use reqwest::Method;
use serde_json::json;

#[tokio::test]
async fn a_topic_is_created_described_altered_and_deleted() {
    let host = Host::start().await;
    let asked = json!({"name": "flights", "partitions": 2, "configs": {"retention.ms": "1000"}});
    let response = expect(host.ask(Method::POST, "/v1/topics").json(&asked), 201).await;
    assert_eq!(response.headers()["location"], "/v1/topics/flights");
    let made: Topic = response.json().await.unwrap();
    assert_eq!((made.name.as_str(), made.partitions.len(), made.id.len()), ("flights", 2, 36));
    let retention = made.configs.iter().find(|config| config.name == "retention.ms").unwrap();
    assert_eq!((retention.value.as_str(), retention.source), ("1000", ConfigSource::Topic));

    let change = json!({"partitions": 3, "configs": {"retention.ms": null, "cleanup.policy": "compact"}});
    let altered: Topic = body(host.ask(Method::PATCH, "/v1/topics/flights").json(&change), 200).await;
    assert_eq!((altered.partitions.len(), altered.id == made.id), (3, true));
    let retention = altered.configs.iter().find(|config| config.name == "retention.ms").unwrap();
    assert_eq!(retention.source, ConfigSource::Default);

    let list: TopicList = body(host.get("/v1/topics"), 200).await;
    let flights = list.topics.iter().find(|topic| topic.name == "flights").unwrap();
    assert_eq!(flights.cleanup_policy, "compact");
    expect(host.ask(Method::DELETE, "/v1/topics/flights"), 204).await;
    refused(host.get("/v1/topics/flights"), 404, "unknown-topic").await;
    refused(host.ask(Method::DELETE, "/v1/topics/flights"), 404, "unknown-topic").await;
}

#[tokio::test]
async fn what_a_topic_cannot_be_is_said() {
    let host = Host::start().await;
    host.topic("a.b", 1).await;
    let create = |asked: serde_json::Value| host.ask(Method::POST, "/v1/topics").json(&asked);
    refused(create(json!({"name": "a.b"})), 409, "topic-exists").await;
    refused(create(json!({"name": "a_b"})), 409, "topic-exists").await;
    refused(create(json!({"name": "a b"})), 400, "illegal-name").await;
    refused(create(json!({"name": ".."})), 400, "illegal-name").await;
    refused(create(json!({"name": "x".repeat(250)})), 400, "illegal-name").await;
    refused(create(json!({"name": "_potok.mine"})), 403, "internal-topic").await;
    refused(create(json!({"name": "x", "partitions": 0})), 400, "illegal-partitions").await;
    refused(create(json!({"name": "x", "configs": {"retention": "1"}})), 400, "illegal-config").await;
    refused(create(json!({"name": "x", "configs": {"retention.ms": "soon"}})), 400, "illegal-config").await;
    let problem = refused(create(json!({"name": "x", "partition": 3})), 400, "illegal-body").await;
    assert!(problem.detail.contains("`partitions`"), "the fields there are: {}", problem.detail);
    let alter = |asked: serde_json::Value| host.ask(Method::PATCH, "/v1/topics/a.b").json(&asked);
    refused(alter(json!({"partitions": 0})), 400, "illegal-partitions").await;
    refused(host.get("/v1/topics/a%2Fb"), 400, "illegal-name").await;
    refused(host.get("/v1/topics/none"), 404, "unknown-topic").await;
}

#[tokio::test]
async fn records_are_deleted_from_the_front() {
    let host = Host::start().await;
    host.topic("t", 1).await;
    expect(host.produce("/v1/topics/t/records", "application/json", "[1,2,3,4]"), 200).await;
    let deleted: DeletedRecords = body(host.ask(Method::DELETE, "/v1/topics/t/records?before=3"), 200).await;
    assert_eq!((deleted.partitions[0].partition, deleted.partitions[0].start), (0, 3));
    assert_eq!(host.values("t").await, vec![json!(4)]);
    refused(host.ask(Method::DELETE, "/v1/topics/t/records?before=9"), 400, "offset-out-of-range").await;
    refused(host.get("/v1/topics/t/records?offset=0"), 400, "offset-out-of-range").await;
    let deleted: DeletedRecords = body(host.ask(Method::DELETE, "/v1/topics/t/records"), 200).await;
    assert_eq!(deleted.partitions[0].start, 4);
}

#[tokio::test]
async fn a_group_is_moved_seen_and_forgotten() {
    let host = Host::start().await;
    host.topic("t", 2).await;
    expect(host.produce("/v1/topics/t/records?partition=1", "application/json", "[1,2,3]"), 200).await;
    refused(host.get("/v1/groups/g"), 404, "unknown-group").await;
    let put = |asked: serde_json::Value| host.ask(Method::PUT, "/v1/groups/g/offsets").json(&asked);
    let moved: Group = body(put(json!({"offsets": [{"topic": "t", "to": "earliest"}]})), 200).await;
    assert_eq!((moved.positions.len(), moved.lag), (2, 3));
    let moved: Group =
        body(put(json!({"offsets": [{"topic": "t", "partition": 1, "to": {"offset": 2}}]})), 200).await;
    assert_eq!(moved.lag, 1);
    let list: GroupList = body(host.get("/v1/groups"), 200).await;
    assert_eq!(
        (list.groups[0].name.as_str(), list.groups[0].topics.as_slice()),
        ("g", &["t".to_owned()][..])
    );
    refused(
        put(json!({"offsets": [{"topic": "t", "partition": 1, "to": {"offset": 4}}]})),
        400,
        "offset-out-of-range",
    )
    .await;
    refused(
        put(json!({"offsets": [{"topic": "t", "partition": 2, "to": "latest"}]})),
        404,
        "unknown-partition",
    )
    .await;
    refused(put(json!({"offsets": [{"topic": "u", "to": "latest"}]})), 404, "unknown-topic").await;
    refused(put(json!({"offsets": []})), 400, "illegal-body").await;
    expect(host.ask(Method::DELETE, "/v1/groups/g"), 204).await;
    refused(host.ask(Method::DELETE, "/v1/groups/g"), 404, "unknown-group").await;
}
