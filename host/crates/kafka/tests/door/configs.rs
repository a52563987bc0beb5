//! Configs of topics and of the broker, as tools show and change them.

use crate::admin::{new_topic, text};
use crate::common::Door;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::describe_configs_request::DescribeConfigsResource;
use kafka_protocol::messages::incremental_alter_configs_request::{AlterConfigsResource, AlterableConfig};
use kafka_protocol::messages::*;
use potok_log::{RocksLog, Settings};
use potok_types::SystemClock;
use std::collections::BTreeMap;

pub(crate) const TOPIC: i8 = 2;
const BROKER: i8 = 4;

pub(crate) async fn configs(door: &Door, kind: i8, named: &str) -> BTreeMap<String, (String, i8, bool)> {
    let one = DescribeConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(named))
        .with_configuration_keys(None);
    let request = DescribeConfigsRequest::default()
        .with_resources(vec![one])
        .with_include_synonyms(true)
        .with_include_documentation(true);
    let response = door.connect().await.ask(4, &request).await;
    assert_eq!(response.results[0].error_code, 0);
    let all = response.results[0].configs.iter();
    all.map(|one| {
        assert!(one.documentation.as_ref().is_some_and(|words| !words.is_empty()), "{:?}", one.name);
        let value = one.value.as_ref().unwrap().to_string();
        (one.name.to_string(), (value, one.config_source, one.read_only))
    })
    .collect()
}

async fn alter(door: &Door, kind: i8, named: &str, changes: &[(&str, i8, Option<&str>)]) -> i16 {
    let change = |(name, op, value): &(&str, i8, Option<&str>)| {
        AlterableConfig::default()
            .with_name(text(name))
            .with_config_operation(*op)
            .with_value(value.map(text))
    };
    let one = AlterConfigsResource::default()
        .with_resource_type(kind)
        .with_resource_name(text(named))
        .with_configs(changes.iter().map(change).collect());
    let request = IncrementalAlterConfigsRequest::default().with_resources(vec![one]);
    door.connect().await.ask(1, &request).await.responses[0].error_code
}

#[tokio::test]
async fn configs_of_a_topic_are_set_added_to_taken_from_and_unset() {
    let door = Door::open().await;
    door.topic("t", 1, &[]).await;
    let before = configs(&door, TOPIC, "t").await;
    assert_eq!(before.len(), 33);
    assert_eq!(before["retention.ms"], ("604800000".to_owned(), 5, false));
    let (set, delete, append, subtract) = (0, 1, 2, 3);
    let changes = [("retention.ms", set, Some("1000")), ("cleanup.policy", append, Some("compact"))];
    assert_eq!(alter(&door, TOPIC, "t", &changes).await, 0);
    let after = configs(&door, TOPIC, "t").await;
    assert_eq!(after["retention.ms"], ("1000".to_owned(), 1, false));
    assert_eq!(after["cleanup.policy"].0, "delete,compact");
    let changes = [("retention.ms", delete, None), ("cleanup.policy", subtract, Some("delete"))];
    assert_eq!(alter(&door, TOPIC, "t", &changes).await, 0);
    let after = configs(&door, TOPIC, "t").await;
    assert_eq!(after["retention.ms"], before["retention.ms"]);
    assert_eq!(after["cleanup.policy"].0, "compact");
    for (change, code) in [
        (("retention.ms", append, Some("1")), Code::InvalidConfig),
        (("retention.ms", set, None), Code::InvalidRequest),
        (("retention.ms", 9, Some("1")), Code::InvalidRequest),
        (("no.such", set, Some("1")), Code::InvalidConfig),
        (("remote.storage.enable", set, Some("true")), Code::InvalidConfig),
    ] {
        assert_eq!(alter(&door, TOPIC, "t", &[change]).await, code.code(), "{change:?}");
    }
    assert_eq!(alter(&door, TOPIC, "nowhere", &[]).await, Code::UnknownTopicOrPartition.code());
    door.ended().await;
}

#[tokio::test]
async fn configs_of_the_broker_say_what_its_settings_say_and_some_are_kept() {
    let door = Door::with(|settings| settings.partitions_default = 7).await;
    let before = configs(&door, BROKER, "0").await;
    assert_eq!(before["num.partitions"], ("7".to_owned(), 4, true));
    assert_eq!(before["advertised.listeners"].0, format!("PLAINTEXT://{}", door.address));
    let change = ("log.flush.interval.messages", 0, Some("5"));
    assert_eq!(alter(&door, BROKER, "0", &[change]).await, 0);
    assert_eq!(configs(&door, BROKER, "0").await["log.flush.interval.messages"].0, "5");
    assert_eq!(
        alter(&door, BROKER, "0", &[("num.partitions", 0, Some("5"))]).await,
        Code::InvalidRequest.code()
    );
    assert_eq!(alter(&door, BROKER, "1", &[]).await, Code::InvalidRequest.code());
    door.ended().await;
}

/// Where `retention.ms` of a topic comes from, and what stands in where that is unset: names, values, sources.
async fn chain(door: &Door, named: &str) -> Vec<(String, String, i8)> {
    let one = DescribeConfigsResource::default().with_resource_type(TOPIC).with_resource_name(text(named));
    let one = one.with_configuration_keys(Some(vec![text("retention.ms")]));
    let request = DescribeConfigsRequest::default().with_resources(vec![one]).with_include_synonyms(true);
    let mut response = door.connect().await.ask(4, &request).await;
    let told = response.results.remove(0).configs.remove(0).synonyms.into_iter();
    told.map(|one| (one.name.to_string(), one.value.unwrap().to_string(), one.source)).collect()
}

#[tokio::test]
async fn retention_is_the_settings_where_a_topic_has_none_of_its_own() {
    let folder = tempfile::tempdir().unwrap();
    let settings = Settings { dir: folder.path().to_owned(), retention_ms: 0, ..Settings::default() };
    let door = Door::over(RocksLog::open(settings, SystemClock::shared()).unwrap(), |_| {}).await;
    let retention = async |kind, named, config| configs(&door, kind, named).await[config].clone();
    assert_eq!(retention(BROKER, "0", "log.retention.ms").await, ("-1".to_owned(), 4, true));
    let mut client = door.connect().await;
    for (validate_only, named) in [(true, "trial"), (false, "plain")] {
        let request = CreateTopicsRequest::default()
            .with_topics(vec![new_topic(named, 1, &[])])
            .with_validate_only(validate_only);
        let told = client.ask(7, &request).await.topics.remove(0).configs.unwrap();
        let told = told.iter().find(|one| one.name.as_str() == "retention.ms").unwrap();
        assert_eq!((told.value.as_deref(), told.config_source), (Some("-1"), 4), "{named}");
    }
    assert_eq!(retention(TOPIC, "plain", "retention.ms").await, ("-1".to_owned(), 4, false));
    assert_eq!(alter(&door, TOPIC, "plain", &[("retention.ms", 0, Some("5"))]).await, 0);
    assert_eq!(retention(TOPIC, "plain", "retention.ms").await, ("5".to_owned(), 1, false));
    let said = |name: &str, value: &str, source| (name.to_owned(), value.to_owned(), source);
    let behind = [said("log.retention.ms", "-1", 4), said("log.retention.hours", "168", 5)];
    assert_eq!(chain(&door, "plain").await, [&[said("retention.ms", "5", 1)], &behind[..]].concat());
    assert_eq!(alter(&door, TOPIC, "plain", &[("retention.ms", 1, None)]).await, 0);
    assert_eq!(retention(TOPIC, "plain", "retention.ms").await, ("-1".to_owned(), 4, false));
    assert_eq!(chain(&door, "plain").await, behind);
    door.ended().await;
}
