//! `/v1/topics`: creating, listing, describing, altering and deleting topics, and deleting their records.

use crate::api::{
    AlterTopic, Config, ConfigSource, CreateTopic, DeleteRecordsQuery, DeletedPartition, DeletedRecords,
    Partition, Topic, TopicList, TopicSummary,
};
use crate::app::{App, partition};
use crate::error::Refusal;
use crate::extract::{Json, Name, Nothing, Query};
use axum::extract::State;
use axum::http::{StatusCode, header};
use axum::response::IntoResponse;
use potok_log::{NewTopic, TopicChange};
use potok_types::{Offset, TopicName, TopicPartition};

/// All topics.
#[utoipa::path(get, path = "/v1/topics", tag = "topics", responses((status = 200, body = TopicList)))]
pub(crate) async fn list(State(app): State<App>, _: Query<Nothing>) -> axum::Json<TopicList> {
    let topics = app.log.topics().iter().map(|topic| summary(&app, topic)).collect();
    axum::Json(TopicList { topics })
}

/// Creates a topic. It is durable when this answers.
#[utoipa::path(post, path = "/v1/topics", tag = "topics", request_body = CreateTopic,
    responses((status = 201, body = Topic, headers(("location" = String, description = "where the topic is")))))]
pub(crate) async fn create(
    State(app): State<App>,
    _: Query<Nothing>,
    Json(new): Json<CreateTopic>,
) -> Result<impl IntoResponse, Refusal> {
    let name: TopicName = new.name.parse()?;
    refuse_internal(&name)?;
    let config = new.configs.into_iter().collect();
    let topic = app.log.create_topic(NewTopic { name, partitions: new.partitions, config }).await?;
    let location = format!("/v1/topics/{}", topic.name);
    Ok((StatusCode::CREATED, [(header::LOCATION, location)], axum::Json(describe_now(&app, &topic)?)))
}

/// A topic with its partitions and configs.
#[utoipa::path(get, path = "/v1/topics/{topic}", tag = "topics", params(("topic" = String, Path, description = "name of the topic")),
    responses((status = 200, body = Topic)))]
pub(crate) async fn describe(
    State(app): State<App>,
    Name(name): Name<TopicName>,
    _: Query<Nothing>,
) -> Result<axum::Json<Topic>, Refusal> {
    Ok(axum::Json(describe_now(&app, &*app.topic(&name)?)?))
}

/// Adds partitions, sets configs and gives them their defaults back. Records with a key may come to lie in other
/// partitions than before when partitions are added.
#[utoipa::path(patch, path = "/v1/topics/{topic}", tag = "topics", params(("topic" = String, Path, description = "name of the topic")),
    request_body = AlterTopic, responses((status = 200, body = Topic)))]
pub(crate) async fn alter(
    State(app): State<App>,
    Name(name): Name<TopicName>,
    _: Query<Nothing>,
    Json(change): Json<AlterTopic>,
) -> Result<axum::Json<Topic>, Refusal> {
    refuse_internal(&name)?;
    let config = change.configs.into_iter().collect();
    let topic = app.log.alter_topic(&name, TopicChange { partitions: change.partitions, config }).await?;
    Ok(axum::Json(describe_now(&app, &topic)?))
}

/// Deletes a topic with all its records. Refused while a processor uses it.
#[utoipa::path(delete, path = "/v1/topics/{topic}", tag = "topics", params(("topic" = String, Path, description = "name of the topic")),
    responses((status = 204, description = "it is gone")))]
pub(crate) async fn delete(
    State(app): State<App>,
    Name(name): Name<TopicName>,
    _: Query<Nothing>,
) -> Result<StatusCode, Refusal> {
    refuse_internal(&name)?;
    app.topic(&name)?;
    if let Some(processor) = app.processors.uses_topic(&name) {
        return Err(Refusal::TopicInUse { topic: name, processor });
    }
    app.log.delete_topic(&name).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Deletes records from the front of partitions; the space is given back in time.
#[utoipa::path(delete, path = "/v1/topics/{topic}/records", tag = "records",
    params(("topic" = String, Path, description = "name of the topic"), DeleteRecordsQuery), responses((status = 200, body = DeletedRecords)))]
pub(crate) async fn delete_records(
    State(app): State<App>,
    Name(name): Name<TopicName>,
    Query(query): Query<DeleteRecordsQuery>,
) -> Result<axum::Json<DeletedRecords>, Refusal> {
    refuse_internal(&name)?;
    let topic = app.topic(&name)?;
    let targets: Vec<TopicPartition> = match query.partition {
        Some(index) => vec![partition(&topic, index)?],
        None => topic.all_partitions().collect(),
    };
    if query.before.is_some() && targets.len() > 1 {
        return Err(Refusal::Query(format!(
            "`before` needs `partition`: topic {name} has {} of them",
            topic.partitions
        )));
    }
    let before = query
        .before
        .map(|raw| Offset::new(raw).ok_or_else(|| Refusal::Query(format!("before={raw} is no offset"))));
    let before = before.transpose()?;
    let mut partitions = Vec::with_capacity(targets.len());
    for at in targets {
        let start = app.log.delete_records(at, before).await?;
        partitions.push(DeletedPartition { partition: at.partition.0, start: start.get() });
    }
    Ok(axum::Json(DeletedRecords { partitions }))
}

/// Potok's own topics are not the users' to change.
pub(crate) fn refuse_internal(name: &TopicName) -> Result<(), Refusal> {
    if name.is_internal() { Err(Refusal::InternalTopic(name.clone())) } else { Ok(()) }
}

fn summary(app: &App, topic: &potok_log::Topic) -> TopicSummary {
    let (mut records, mut size_bytes) = (0, 0);
    for at in topic.all_partitions() {
        // a topic deleted at this moment counts nothing
        records += app.log.ends(at).map_or(0, |ends| ends.high_watermark.since(ends.log_start));
        size_bytes += app.log.size(at).unwrap_or(0);
    }
    let policy = topic.config.cleanup_policy();
    let cleanup_policy = match (policy.delete, policy.compact) {
        (true, true) => "delete,compact",
        (false, true) => "compact",
        (_, false) => "delete",
    };
    TopicSummary {
        name: topic.name.to_string(),
        partitions: topic.partitions,
        records,
        size_bytes,
        cleanup_policy: cleanup_policy.to_owned(),
        internal: topic.name.is_internal(),
    }
}

fn describe_now(app: &App, topic: &potok_log::Topic) -> Result<Topic, Refusal> {
    let gone = |_| Refusal::UnknownTopic(topic.name.clone());
    let mut partitions = Vec::with_capacity(topic.partitions as usize);
    for at in topic.all_partitions() {
        let ends = app.log.ends(at).map_err(gone)?;
        partitions.push(Partition {
            partition: at.partition.0,
            start: ends.log_start.get(),
            end: ends.high_watermark.get(),
            last_stable: ends.last_stable.get(),
            size_bytes: app.log.size(at).map_err(gone)?,
        });
    }
    Ok(Topic {
        name: topic.name.to_string(),
        id: uuid_text(topic.id),
        size_bytes: partitions.iter().map(|partition| partition.size_bytes).sum(),
        internal: topic.name.is_internal(),
        partitions,
        configs: topic.config.all().map(config).collect(),
        used_by: app.processors.uses_topic(&topic.name).map(|name| name.to_string()),
    })
}

fn config((key, value, source): (potok_log::ConfigKey, &str, potok_log::ConfigSource)) -> Config {
    Config {
        name: key.name.to_owned(),
        value: value.to_owned(),
        source: match source {
            potok_log::ConfigSource::Topic => ConfigSource::Topic,
            potok_log::ConfigSource::Settings => ConfigSource::Settings,
            potok_log::ConfigSource::Default => ConfigSource::Default,
        },
        default: key.default.to_owned(),
        description: key.doc.to_owned(),
    }
}

/// A topic id as RFC 9562 writes it.
fn uuid_text(id: [u8; 16]) -> String {
    let hex: String = id.iter().map(|byte| format!("{byte:02x}")).collect();
    format!("{}-{}-{}-{}-{}", &hex[..8], &hex[8..12], &hex[12..16], &hex[16..20], &hex[20..])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_topic_id_is_written_as_a_uuid() {
        let id = [0x01, 0x23, 0x45, 0x67, 0x89, 0xab, 0xcd, 0xef, 0, 1, 2, 3, 4, 5, 6, 7];
        assert_eq!(uuid_text(id), "01234567-89ab-cdef-0001-020304050607");
    }
}
