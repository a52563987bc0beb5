//! AlterConfigs (key 33: all that a topic or the broker has set, anew) and IncrementalAlterConfigs (key 44: one by one). Each
//! resource is changed as a whole or not at all.

use super::key::{Effect, Key, Kind};
use super::{BROKER, TOPIC, broker_keys, topic_key};
use crate::broker::{Broker, NODE};
use crate::call::Call;
use crate::error::Refusal;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::alter_configs_response::AlterConfigsResourceResponse;
use kafka_protocol::messages::incremental_alter_configs_response::AlterConfigsResourceResponse as Told;
use kafka_protocol::messages::{
    AlterConfigsRequest, AlterConfigsResponse, IncrementalAlterConfigsRequest,
    IncrementalAlterConfigsResponse,
};
use potok_log::{CommitError, TopicChange};
use potok_types::TopicName;
use std::collections::HashSet;

/// What becomes of one config (`AlterConfigOp.OpType`).
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Op {
    Set,
    Delete,
    Append,
    Subtract,
}

impl Op {
    fn of(number: i8) -> Option<Op> {
        [Op::Set, Op::Delete, Op::Append, Op::Subtract].into_iter().nth(usize::try_from(number).ok()?)
    }
}

/// A change as it came: name, operation, value.
type Change = (String, Option<Op>, Option<String>);
/// A change as it is done: a value, or unset.
type Done = (String, Option<String>);

pub(crate) async fn all_anew(call: &Call, request: AlterConfigsRequest) -> AlterConfigsResponse {
    let mut seen = HashSet::new();
    let mut responses = Vec::new();
    for asked in request.resources {
        let once = seen.insert((asked.resource_type, asked.resource_name.clone()));
        let set = |one: kafka_protocol::messages::alter_configs_request::AlterableConfig| {
            (one.name.to_string(), Some(Op::Set), one.value.map(|value| value.to_string()))
        };
        let resource = Resource { kind: asked.resource_type, name: &asked.resource_name, anew: true };
        let changes = asked.configs.into_iter().map(set).collect();
        let altered = alter(&call.broker, &resource, changes, once, request.validate_only).await;
        let response = AlterConfigsResourceResponse::default()
            .with_error_message(None)
            .with_resource_type(asked.resource_type);
        responses.push(match altered {
            Ok(()) => response.with_resource_name(asked.resource_name),
            Err(refusal) => response
                .with_resource_name(asked.resource_name)
                .with_error_code(refusal.code.code())
                .with_error_message(refusal.text()),
        });
    }
    AlterConfigsResponse::default().with_responses(responses)
}

pub(crate) async fn one_by_one(
    call: &Call,
    request: IncrementalAlterConfigsRequest,
) -> IncrementalAlterConfigsResponse {
    let mut seen = HashSet::new();
    let mut responses = Vec::new();
    for asked in request.resources {
        let once = seen.insert((asked.resource_type, asked.resource_name.clone()));
        let change = |one: kafka_protocol::messages::incremental_alter_configs_request::AlterableConfig| {
            (one.name.to_string(), Op::of(one.config_operation), one.value.map(|value| value.to_string()))
        };
        let resource = Resource { kind: asked.resource_type, name: &asked.resource_name, anew: false };
        let changes = asked.configs.into_iter().map(change).collect();
        let altered = alter(&call.broker, &resource, changes, once, request.validate_only).await;
        let response = Told::default().with_error_message(None).with_resource_type(asked.resource_type);
        responses.push(match altered {
            Ok(()) => response.with_resource_name(asked.resource_name),
            Err(refusal) => response
                .with_resource_name(asked.resource_name)
                .with_error_code(refusal.code.code())
                .with_error_message(refusal.text()),
        });
    }
    IncrementalAlterConfigsResponse::default().with_responses(responses)
}

/// What is changed.
struct Resource<'a> {
    kind: i8,
    name: &'a str,
    /// Whether what the request does not name is unset.
    anew: bool,
}

async fn alter(
    broker: &Broker,
    resource: &Resource<'_>,
    changes: Vec<Change>,
    once: bool,
    validate_only: bool,
) -> Result<(), Refusal> {
    let wrong = |message: &str| Err(Refusal::new(Code::InvalidRequest, message));
    if !once {
        return wrong("the request names this resource more than once");
    }
    let mut names = HashSet::new();
    if !changes.iter().all(|(name, ..)| names.insert(name.as_str())) {
        return wrong("the request names a config more than once");
    }
    match resource.kind {
        TOPIC => alter_topic(broker, resource, changes, validate_only).await,
        BROKER if resource.name.is_empty() || resource.name == NODE.0.to_string() => {
            alter_broker(broker, resource, changes, validate_only).await
        }
        BROKER => wrong("there is one broker, 0"),
        _ => wrong("only configs of topics and of the broker can be altered here"),
    }
}

async fn alter_topic(
    broker: &Broker,
    resource: &Resource<'_>,
    changes: Vec<Change>,
    validate_only: bool,
) -> Result<(), Refusal> {
    let name: TopicName = crate::api::topic::name_of(resource.name)?;
    let topic = crate::api::topic::changeable(broker, &name)?;
    let set = topic.config.overrides();
    let mut config = Vec::new();
    if resource.anew {
        config.extend(set.keys().map(|name| (name.clone(), None)));
    }
    for change in changes {
        let key = topic_key(&change.0)?;
        let now = set.get(key.name).map_or(key.default, String::as_str);
        let (name, value) = done(key, change, now)?;
        if key.effect != Effect::Fixed {
            config.push((name, value));
        }
    }
    if validate_only {
        return Ok(topic.config.clone().apply(&config)?);
    }
    broker.log.alter_topic(&name, TopicChange { partitions: None, config }).await?;
    Ok(())
}

async fn alter_broker(
    broker: &Broker,
    resource: &Resource<'_>,
    changes: Vec<Change>,
    validate_only: bool,
) -> Result<(), Refusal> {
    let mut config = Vec::new();
    if resource.anew {
        config.extend(broker.configs.names().into_iter().map(|name| (name, None)));
    }
    for change in changes {
        let Some(key) = broker_keys::find(&change.0) else {
            let shown: String = change.0.chars().take(100).collect();
            return Err(Refusal::new(Code::InvalidConfig, format!("unknown broker config {shown:?}")));
        };
        if key.effect != Effect::Kept {
            let message = format!("{} is set in the server's settings, before its start", key.name);
            return Err(Refusal::new(Code::InvalidRequest, message));
        }
        let now = broker.configs.get(key.name).unwrap_or_else(|| key.default.to_owned());
        config.push(done(key, change, &now)?);
    }
    if validate_only {
        return Ok(());
    }
    match broker.configs.change(&*broker.log, &config).await {
        Ok(()) => Ok(()),
        Err(CommitError::Store(error)) => Err(error.into()),
        Err(error @ (CommitError::Append { .. } | CommitError::UnknownPartition(_))) => {
            Err(Refusal::new(Code::UnknownServerError, error.to_string()))
        }
    }
}

/// What a change makes of the value that is there `now`.
fn done(key: &Key, (name, op, value): Change, now: &str) -> Result<Done, Refusal> {
    let refuse = |code, message: &str| Err(Refusal::new(code, format!("{name}: {message}")));
    let value = match (op, value) {
        (None, _) => return refuse(Code::InvalidRequest, "no such operation"),
        (Some(Op::Delete), _) => return Ok((name, None)),
        (Some(_), None) => return refuse(Code::InvalidRequest, "a null value is not allowed"),
        (Some(Op::Set), Some(value)) => value,
        (Some(Op::Append | Op::Subtract), Some(_)) if key.kind != Kind::List => {
            return refuse(Code::InvalidConfig, "it is no list, so nothing can be appended or subtracted");
        }
        (Some(Op::Append), Some(value)) => {
            let mut parts: Vec<&str> = parts(now).collect();
            parts.extend(self::parts(&value).filter(|part| !now.split(',').any(|old| old.trim() == *part)));
            parts.join(",")
        }
        (Some(Op::Subtract), Some(value)) => {
            let gone: Vec<&str> = parts(&value).collect();
            parts(now).filter(|part| !gone.contains(part)).collect::<Vec<_>>().join(",")
        }
    };
    key.check(&value)?;
    Ok((name, Some(value)))
}

fn parts(list: &str) -> impl Iterator<Item = &str> {
    list.split(',').map(str::trim).filter(|part| !part.is_empty())
}
