//! `/v1/groups`: where consumer groups stand, and moving or forgetting their positions.

use crate::api::{Group, GroupList, GroupPosition, GroupSummary, MoveTo, SetOffset, SetOffsets};
use crate::app::{App, partition};
use crate::error::Refusal;
use crate::extract::{Json, Name, Nothing, Query};
use axum::extract::State;
use axum::http::StatusCode;
use potok_log::{Acks, CommittedOffset, OffsetChange, OffsetCommit, Unit};
use potok_types::{Offset, Timestamp, TopicName, TopicPartition};
use std::str::FromStr;

/// A group's name: any text, as Kafka has it.
#[derive(Debug)]
pub(crate) struct GroupName(String);

impl FromStr for GroupName {
    type Err = Refusal;
    fn from_str(text: &str) -> Result<GroupName, Refusal> {
        Ok(GroupName(text.to_owned()))
    }
}

/// All groups that have committed an offset.
#[utoipa::path(get, path = "/v1/groups", tag = "groups", responses((status = 200, body = GroupList)))]
pub(crate) async fn list(
    State(app): State<App>,
    _: Query<Nothing>,
) -> Result<axum::Json<GroupList>, Refusal> {
    let reader = app.clone();
    let read = move || {
        let names = reader.log.groups()?;
        names.into_iter().map(|name| describe_now(&reader, name).map(summary)).collect::<Result<Vec<_>, _>>()
    };
    Ok(axum::Json(GroupList { groups: app.limits.blocking(read).await? }))
}

/// A group and its positions.
#[utoipa::path(get, path = "/v1/groups/{group}", tag = "groups", params(("group" = String, Path, description = "name of the group")),
    responses((status = 200, body = Group)))]
pub(crate) async fn describe(
    State(app): State<App>,
    Name(GroupName(name)): Name<GroupName>,
    _: Query<Nothing>,
) -> Result<axum::Json<Group>, Refusal> {
    Ok(axum::Json(found(&app, name).await?))
}

/// Sets positions of a group, all or none. A group that has none comes into being.
#[utoipa::path(put, path = "/v1/groups/{group}/offsets", tag = "groups", params(("group" = String, Path, description = "name of the group")),
    request_body = SetOffsets, responses((status = 200, body = Group)))]
pub(crate) async fn set_offsets(
    State(app): State<App>,
    Name(GroupName(name)): Name<GroupName>,
    _: Query<Nothing>,
    Json(asked): Json<SetOffsets>,
) -> Result<axum::Json<Group>, Refusal> {
    refuse_processors(&app, &name)?;
    if name.is_empty() || asked.offsets.is_empty() {
        return Err(Refusal::Body("a group has a name, and at least one position to be set".to_owned()));
    }
    let (reader, group) = (app.clone(), name.clone());
    let resolve = move || {
        let mut commits = Vec::new();
        for one in &asked.offsets {
            resolve(&reader, &group, one, &mut commits)?;
        }
        Ok(commits)
    };
    let offsets = app.limits.blocking(resolve).await?;
    app.log.commit(Unit { offsets, ..Unit::default() }, Acks::Synced).await?;
    Ok(axum::Json(found(&app, name).await?))
}

/// Forgets all positions of a group.
#[utoipa::path(delete, path = "/v1/groups/{group}", tag = "groups", params(("group" = String, Path, description = "name of the group")),
    responses((status = 204, description = "they are gone")))]
pub(crate) async fn delete(
    State(app): State<App>,
    Name(GroupName(name)): Name<GroupName>,
    _: Query<Nothing>,
) -> Result<StatusCode, Refusal> {
    refuse_processors(&app, &name)?;
    let positions = app.log.committed_all(&name)?;
    if positions.is_empty() {
        return Err(Refusal::UnknownGroup(name));
    }
    let remove = |at| OffsetCommit { group: name.clone(), at, change: OffsetChange::Remove };
    let offsets = positions.into_iter().map(|(at, _)| remove(at)).collect();
    app.log.commit(Unit { offsets, ..Unit::default() }, Acks::Synced).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// A processor keeps its position in memory while it runs: changed behind its back it would be written over.
fn refuse_processors(app: &App, group: &str) -> Result<(), Refusal> {
    let owner = app.processors.list().into_iter().map(|status| status.deployment.name);
    match owner.into_iter().find(|name| potok_processor::group_of(name) == group) {
        Some(name) => Err(Refusal::GroupOfProcessor { group: group.to_owned(), processor: name.to_string() }),
        None => Ok(()),
    }
}

fn resolve(app: &App, group: &str, one: &SetOffset, to: &mut Vec<OffsetCommit>) -> Result<(), Refusal> {
    let name: TopicName = one.topic.parse()?;
    let topic = app.topic(&name)?;
    let targets: Vec<TopicPartition> = match one.partition {
        Some(index) => vec![partition(&topic, index)?],
        None => topic.all_partitions().collect(),
    };
    for at in targets {
        let committed = CommittedOffset {
            offset: target(app, at, one.to)?,
            leader_epoch: None,
            metadata: String::new(),
            committed_at: app.clock.now(),
        };
        to.push(OffsetCommit { group: group.to_owned(), at, change: OffsetChange::Set(committed) });
    }
    Ok(())
}

fn target(app: &App, at: TopicPartition, to: MoveTo) -> Result<Offset, Refusal> {
    let ends = app.log.ends(at).map_err(potok_log::ReadError::from)?;
    match to {
        MoveTo::Earliest => Ok(ends.log_start),
        MoveTo::Latest => Ok(ends.high_watermark),
        MoveTo::Time(time) => {
            Ok(app.log.offset_at(at, Timestamp(time))?.map_or(ends.high_watermark, |(offset, _)| offset))
        }
        MoveTo::Offset(raw) => match Offset::new(raw) {
            Some(offset) if (ends.log_start..=ends.high_watermark).contains(&offset) => Ok(offset),
            other => Err(potok_log::ReadError::OutOfRange {
                asked: other.unwrap_or(Offset::MAX),
                log_start: ends.log_start,
                high_watermark: ends.high_watermark,
            }
            .into()),
        },
    }
}

async fn found(app: &App, name: String) -> Result<Group, Refusal> {
    let reader = app.clone();
    let group = app.limits.blocking(move || describe_now(&reader, name)).await?;
    if group.positions.is_empty() { Err(Refusal::UnknownGroup(group.name)) } else { Ok(group) }
}

fn describe_now(app: &App, name: String) -> Result<Group, Refusal> {
    let mut positions = Vec::new();
    for (at, committed) in app.log.committed_all(&name)? {
        // positions in deleted topics are forgotten with them
        let (Some(topic), Ok(ends)) = (app.log.topic_numbered(at.topic), app.log.ends(at)) else { continue };
        positions.push(GroupPosition {
            topic: topic.name.to_string(),
            partition: at.partition.0,
            offset: committed.offset.get(),
            end: ends.high_watermark.get(),
            lag: ends.high_watermark.since(committed.offset.max(ends.log_start)),
            metadata: committed.metadata,
            committed_at: committed.committed_at.0,
        });
    }
    positions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    Ok(Group { name, lag: positions.iter().map(|position| position.lag).sum(), positions })
}

fn summary(group: Group) -> GroupSummary {
    let mut topics: Vec<String> = group.positions.iter().map(|position| position.topic.clone()).collect();
    topics.dedup();
    GroupSummary { name: group.name, topics, partitions: group.positions.len() as u64, lag: group.lag }
}
