//! CreateTopics (key 19): a topic is there for everybody once the answer says so.

use super::{NEW_PARTITIONS_MAX, counts, internal, is_this_node, name_of, take, wrong_replicas};
use crate::api::config;
use crate::broker::Broker;
use crate::call::Call;
use crate::error::Refusal;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::create_topics_request::CreatableTopic;
use kafka_protocol::messages::create_topics_response::{CreatableTopicConfigs, CreatableTopicResult};
use kafka_protocol::messages::{CreateTopicsRequest, CreateTopicsResponse};
use kafka_protocol::protocol::StrBytes;
use potok_log::{CreateTopicError, NewTopic, PARTITIONS_MAX, TopicConfig};
use uuid::Uuid;

/// First version that tells of partitions and configs.
const TELLS_FROM: i16 = 5;
/// Leaves a number to the broker.
const DEFAULT: i32 = -1;

/// What was created, or would be.
struct Created {
    id: Uuid,
    partitions: u32,
    config: TopicConfig,
}

pub(crate) async fn handle(call: &Call, request: CreateTopicsRequest) -> CreateTopicsResponse {
    let mut counts = counts(request.topics.iter().map(|topic| topic.name.clone()));
    let (mut results, mut left) = (Vec::new(), NEW_PARTITIONS_MAX);
    for asked in &request.topics {
        let created = match counts.insert(asked.name.clone(), 0) {
            Some(0) => continue,
            Some(1) => create(&call.broker, asked, request.validate_only, &mut left).await,
            _ => Err(Refusal::new(Code::InvalidRequest, "the request names this topic more than once")),
        };
        let result = CreatableTopicResult::default().with_error_message(None).with_name(asked.name.clone());
        results.push(match created {
            Ok(created) => told(result, call.version(), &created),
            Err(refusal) => result.with_error_code(refusal.code.code()).with_error_message(refusal.text()),
        });
    }
    CreateTopicsResponse::default().with_topics(results)
}

fn told(result: CreatableTopicResult, version: i16, created: &Created) -> CreatableTopicResult {
    let result = if version >= 7 { result.with_topic_id(created.id) } else { result };
    if version < TELLS_FROM {
        return result;
    }
    let config = |one: config::Shown| {
        CreatableTopicConfigs::default()
            .with_name(StrBytes::from_static_str(one.name))
            .with_value(Some(StrBytes::from_string(one.value)))
            .with_config_source(one.source)
    };
    result
        .with_num_partitions(created.partitions.cast_signed())
        .with_replication_factor(1)
        .with_configs(Some(config::of_topic(&created.config).map(config).collect()))
}

async fn create(
    broker: &Broker,
    asked: &CreatableTopic,
    validate_only: bool,
    left: &mut u32,
) -> Result<Created, Refusal> {
    let name = name_of(&asked.name)?;
    if name.is_internal() {
        return Err(internal(&name));
    }
    let partitions = partitions(broker, asked)?;
    if partitions > PARTITIONS_MAX {
        return Err(CreateTopicError::Partitions { asked: partitions, max: PARTITIONS_MAX }.into());
    }
    take(left, partitions)?;
    let set = asked.configs.iter().map(|one| match &one.value {
        Some(value) => Ok((one.name.to_string(), value.to_string())),
        None => Err(Refusal::new(Code::InvalidConfig, format!("{} has no value", one.name.as_str()))),
    });
    let set = config::for_log(set.collect::<Result<Vec<_>, _>>()?)?;
    if validate_only {
        if broker.log.topic(&name).is_some() {
            return Err(CreateTopicError::Exists(name).into());
        }
        let mut config = broker.log.unset_config();
        config.apply(&set.into_iter().map(|(name, value)| (name, Some(value))).collect::<Vec<_>>())?;
        return Ok(Created { id: Uuid::nil(), partitions, config });
    }
    let topic = broker.log.create_topic(NewTopic { name, partitions, config: set }).await?;
    Ok(Created { id: Uuid::from_bytes(topic.id), partitions: topic.partitions, config: topic.config.clone() })
}

/// How many partitions the topic gets.
fn partitions(broker: &Broker, asked: &CreatableTopic) -> Result<u32, Refusal> {
    if !asked.assignments.is_empty() {
        return assigned(asked);
    }
    match asked.replication_factor {
        -1 | 1 => {}
        other => {
            let message =
                format!("replication factor {other} cannot be reached: there is one node, so it is 1");
            return Err(Refusal::new(Code::InvalidReplicationFactor, message));
        }
    }
    match u32::try_from(asked.num_partitions) {
        Ok(count) if count > 0 => Ok(count),
        Err(_) if asked.num_partitions == DEFAULT => Ok(broker.settings.partitions_default),
        _ => Err(Refusal::new(Code::InvalidPartitions, "a topic has one partition or more")),
    }
}

/// Partitions whose replicas the client chose: 0, 1, 2 and so on, each on this node.
fn assigned(asked: &CreatableTopic) -> Result<u32, Refusal> {
    if asked.num_partitions != DEFAULT || asked.replication_factor != -1 {
        let message = "replicas are assigned, and numbers of partitions or replicas given as well";
        return Err(Refusal::new(Code::InvalidRequest, message));
    }
    let mut indexes: Vec<i32> = asked.assignments.iter().map(|one| one.partition_index).collect();
    indexes.sort_unstable();
    let consecutive = indexes.iter().zip(0..).all(|(index, expected)| *index == expected);
    if !consecutive || !asked.assignments.iter().all(|one| is_this_node(&one.broker_ids)) {
        return Err(wrong_replicas());
    }
    u32::try_from(indexes.len()).map_err(|_| wrong_replicas())
}
