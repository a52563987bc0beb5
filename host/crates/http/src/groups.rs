//! `/v1/groups`: consumer groups, their members and where they stand, and moving or forgetting their positions.
//! In come names and places, out go calls on the coordinator, which Kafka's clients meet in too: nothing here changes a group behind
//! its members' backs. The log is only read, for positions and the ends of partitions.

use crate::api::{
    DeleteOffsetsQuery, Group, GroupAssignment, GroupList, GroupMember, GroupPosition, GroupSummary, MoveTo,
    SetOffset, SetOffsets,
};
use crate::app::{App, partition};
use crate::error::Refusal;
use crate::extract::{Json, Name, Nothing, Query};
use axum::extract::State;
use axum::http::StatusCode;
use potok_coordinator::{
    ClassicDescription, ConsumerDescription, ConsumerError, ConsumerMember, Description, GroupError,
    GroupRefusal, TopicId, embedded,
};
use potok_log::{CommittedOffset, OffsetChange, OffsetCommit};
use potok_types::{Offset, Timestamp, TopicName, TopicPartition};
use std::collections::{BTreeMap, BTreeSet};
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

/// All groups: those with members, those with positions, and the processors'.
#[utoipa::path(get, path = "/v1/groups", tag = "groups", responses((status = 200, body = GroupList)))]
pub(crate) async fn list(
    State(app): State<App>,
    _: Query<Nothing>,
) -> Result<axum::Json<GroupList>, Refusal> {
    let (listed, reader) = (app.coordinator.list_groups().await?, app.clone());
    let read = move || listed.into_iter().map(|group| summary(&reader, group)).collect::<Result<Vec<_>, _>>();
    Ok(axum::Json(GroupList { groups: app.limits.blocking(read).await? }))
}

/// A group, its members and its positions.
#[utoipa::path(get, path = "/v1/groups/{group}", tag = "groups", params(("group" = String, Path, description = "name of the group")),
    responses((status = 200, body = Group)))]
pub(crate) async fn describe(
    State(app): State<App>,
    Name(GroupName(name)): Name<GroupName>,
    _: Query<Nothing>,
) -> Result<axum::Json<Group>, Refusal> {
    Ok(axum::Json(found(&app, name).await?))
}

/// Sets positions of a group without members, all or none. A group that is not there comes into being. With `dry_run` nothing is set:
/// the answer is what the group would be.
#[utoipa::path(put, path = "/v1/groups/{group}/offsets", tag = "groups", params(("group" = String, Path, description = "name of the group")),
    request_body = SetOffsets, responses((status = 200, body = Group)))]
pub(crate) async fn set_offsets(
    State(app): State<App>,
    Name(GroupName(name)): Name<GroupName>,
    _: Query<Nothing>,
    Json(asked): Json<SetOffsets>,
) -> Result<axum::Json<Group>, Refusal> {
    refuse_processors(&app, &name)?;
    if asked.offsets.is_empty() {
        return Err(Refusal::Body("name at least one position to set".to_owned()));
    }
    let (reader, group, dry_run) = (app.clone(), name.clone(), asked.dry_run);
    let resolve = move || {
        let mut commits = Vec::new();
        for one in &asked.offsets {
            resolve(&reader, &group, one, &mut commits)?;
        }
        Ok(commits)
    };
    let offsets = app.limits.blocking(resolve).await?;
    if dry_run {
        return Ok(axum::Json(planned(&app, name, offsets).await?));
    }
    let (coordinator, group) = (app.coordinator.clone(), name.clone());
    to_its_end(&name, async move { coordinator.set_offsets(&group, offsets).await }).await?;
    Ok(axum::Json(found(&app, name).await?))
}

/// Forgets positions of a group in a topic that no member reads.
#[utoipa::path(delete, path = "/v1/groups/{group}/offsets", tag = "groups",
    params(("group" = String, Path, description = "name of the group"), DeleteOffsetsQuery),
    responses((status = 204, description = "they are gone")))]
pub(crate) async fn delete_offsets(
    State(app): State<App>,
    Name(GroupName(name)): Name<GroupName>,
    Query(asked): Query<DeleteOffsetsQuery>,
) -> Result<StatusCode, Refusal> {
    refuse_processors(&app, &name)?;
    let partitions = targets(&app, &asked.topic, asked.partition)?;
    let (coordinator, group) = (app.coordinator.clone(), name.clone());
    let gone =
        to_its_end(&name, async move { coordinator.delete_offsets(&group, &partitions).await }).await?;
    // all of one topic, so all or none
    if gone.contains(&false) { Err(Refusal::GroupHasMembers(name)) } else { Ok(StatusCode::NO_CONTENT) }
}

/// Forgets a group without members, with all its positions.
#[utoipa::path(delete, path = "/v1/groups/{group}", tag = "groups", params(("group" = String, Path, description = "name of the group")),
    responses((status = 204, description = "it is gone")))]
pub(crate) async fn delete(
    State(app): State<App>,
    Name(GroupName(name)): Name<GroupName>,
    _: Query<Nothing>,
) -> Result<StatusCode, Refusal> {
    refuse_processors(&app, &name)?;
    let (coordinator, group) = (app.coordinator.clone(), name.clone());
    to_its_end(&name, async move { coordinator.delete_group(&group).await }).await?;
    Ok(StatusCode::NO_CONTENT)
}

/// Runs a change to its end, also when the client goes first: the coordinator would fall behind what it has written. Members that
/// are in its way are said of the group by name.
async fn to_its_end<T: Send + 'static>(
    group: &str,
    change: impl Future<Output = Result<T, GroupRefusal>> + Send + 'static,
) -> Result<T, Refusal> {
    match tokio::spawn(change).await {
        Ok(Err(
            GroupRefusal::Classic(GroupError::NotEmpty) | GroupRefusal::Consumer(ConsumerError::NotEmpty),
        )) => Err(Refusal::GroupHasMembers(group.to_owned())),
        Ok(done) => Ok(done?),
        Err(error) => Err(Refusal::Panic(format!("a change of a group ended early: {error}"))),
    }
}

/// A processor keeps its position in memory while it runs: changed behind its back it would be written over.
fn refuse_processors(app: &App, group: &str) -> Result<(), Refusal> {
    let owner = app.processors.list().into_iter().map(|status| status.deployment.name);
    match owner.into_iter().find(|name| potok_processor::group_of(name) == group) {
        Some(name) => Err(Refusal::GroupOfProcessor { group: group.to_owned(), processor: name.to_string() }),
        None => Ok(()),
    }
}

fn targets(app: &App, topic: &str, index: Option<u32>) -> Result<Vec<TopicPartition>, Refusal> {
    let name: TopicName = topic.parse()?;
    let topic = app.topic(&name)?;
    Ok(match index {
        Some(index) => vec![partition(&topic, index)?],
        None => topic.all_partitions().collect(),
    })
}

fn resolve(app: &App, group: &str, one: &SetOffset, to: &mut Vec<OffsetCommit>) -> Result<(), Refusal> {
    for at in targets(app, &one.topic, one.partition)? {
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
    let (description, reader) = (app.coordinator.describe_group(&name).await?, app.clone());
    let read = move || {
        let positions = positions(&reader, &name)?;
        let lag = positions.iter().map(|position| position.lag).sum();
        let (state, protocol, members) = match description {
            Description::Classic(group) => (group.state, "Classic", classic_members(group)),
            Description::Consumer(group) => (group.state, "Consumer", consumer_members(&reader, group)),
        };
        Ok(Group { name, state: state.to_owned(), protocol: protocol.to_owned(), lag, members, positions })
    };
    app.limits.blocking(read).await
}

/// What the group would be after these changes.
async fn planned(app: &App, name: String, changes: Vec<OffsetCommit>) -> Result<Group, Refusal> {
    let mut group = match found(app, name.clone()).await {
        Ok(group) if group.members.is_empty() => group,
        Ok(_) => return Err(Refusal::GroupHasMembers(name)),
        Err(Refusal::Group(GroupRefusal::Unknown(_))) => unborn(name),
        Err(refusal) => return Err(refusal),
    };
    let reader = app.clone();
    let read = move || {
        let at = |position: GroupPosition| ((position.topic.clone(), position.partition), position);
        let mut positions: BTreeMap<_, _> = group.positions.drain(..).map(at).collect();
        for OffsetCommit { at: partition, change, .. } in changes {
            let OffsetChange::Set(committed) = change else { continue };
            positions.extend(position(&reader, partition, committed).map(at));
        }
        group.positions = positions.into_values().collect();
        group.lag = group.positions.iter().map(|position| position.lag).sum();
        Ok(group)
    };
    app.limits.blocking(read).await
}

/// A group that nobody has heard of.
fn unborn(name: String) -> Group {
    let (state, protocol) = ("Empty".to_owned(), "Classic".to_owned());
    Group { name, state, protocol, lag: 0, members: Vec::new(), positions: Vec::new() }
}

fn classic_members(group: ClassicDescription) -> Vec<GroupMember> {
    // what members of Connect and others tell each other only looks alike
    let read = |bytes: &[u8]| match group.protocol_type.as_str() {
        "consumer" => embedded::assigned_partitions(bytes).unwrap_or_default(),
        _ => Vec::new(),
    };
    let member = |member: potok_coordinator::GroupMember| GroupMember {
        assignment: by_topic(read(&member.assignment)),
        id: member.id,
        instance_id: member.instance_id,
        client_id: member.client_id,
        host: host(&member.client_host),
    };
    group.members.into_iter().map(member).collect()
}

fn consumer_members(app: &App, group: ConsumerDescription) -> Vec<GroupMember> {
    let named = |(id, partitions): (TopicId, BTreeSet<u32>)| {
        Some((app.log.topic_with_id(id)?.name.to_string(), partitions.into_iter().collect()))
    };
    let member = |member: ConsumerMember| GroupMember {
        assignment: by_topic(member.assigned.into_iter().filter_map(named).collect()),
        id: member.id,
        instance_id: member.instance_id,
        client_id: member.client_id,
        host: host(&member.client_host),
    };
    group.members.into_iter().map(member).collect()
}

fn by_topic(mut assigned: Vec<(String, Vec<u32>)>) -> Vec<GroupAssignment> {
    assigned.sort();
    let one = |(topic, mut partitions): (String, Vec<u32>)| {
        partitions.sort_unstable();
        GroupAssignment { topic, partitions }
    };
    assigned.into_iter().map(one).collect()
}

/// An address without the slash that Kafka's own broker puts before it.
fn host(client_host: &str) -> String {
    client_host.trim_start_matches('/').to_owned()
}

fn positions(app: &App, group: &str) -> Result<Vec<GroupPosition>, Refusal> {
    let committed = app.log.committed_all(group)?.into_iter();
    let mut positions: Vec<_> =
        committed.filter_map(|(at, committed)| position(app, at, committed)).collect();
    positions.sort_by(|a, b| (&a.topic, a.partition).cmp(&(&b.topic, b.partition)));
    Ok(positions)
}

/// None in a deleted topic: positions are forgotten with it.
fn position(app: &App, at: TopicPartition, committed: CommittedOffset) -> Option<GroupPosition> {
    let (topic, ends) = (app.log.topic_numbered(at.topic)?, app.log.ends(at).ok()?);
    Some(GroupPosition {
        topic: topic.name.to_string(),
        partition: at.partition.0,
        offset: committed.offset.get(),
        end: ends.high_watermark.get(),
        lag: ends.high_watermark.since(committed.offset.max(ends.log_start)),
        metadata: committed.metadata,
        committed_at: committed.committed_at.0,
    })
}

fn summary(app: &App, group: potok_coordinator::GroupSummary) -> Result<GroupSummary, Refusal> {
    let positions = positions(app, &group.name)?;
    let mut topics: Vec<String> = positions.iter().map(|position| position.topic.clone()).collect();
    topics.dedup();
    Ok(GroupSummary {
        name: group.name,
        state: group.state.to_owned(),
        protocol: group.kind.to_owned(),
        members: group.members as u64,
        topics,
        partitions: positions.len() as u64,
        lag: positions.iter().map(|position| position.lag).sum(),
    })
}
