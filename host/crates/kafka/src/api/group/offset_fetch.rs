//! OffsetFetch (key 9): where groups stand; several groups at once from version 8 on. A partition without a position is answered
//! by -1, whether there is such a partition or not.

use super::partition;
use crate::api::once;
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::offset_fetch_request::{OffsetFetchRequestGroup, OffsetFetchRequestTopics};
use kafka_protocol::messages::offset_fetch_response::{
    OffsetFetchResponseGroup, OffsetFetchResponsePartition, OffsetFetchResponsePartitions,
    OffsetFetchResponseTopic, OffsetFetchResponseTopics,
};
use kafka_protocol::messages::{OffsetFetchRequest, OffsetFetchResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use potok_coordinator::FetchedOffset;
use std::collections::{BTreeMap, HashMap};

/// The first version with several groups.
const BATCHED: i16 = 8;
/// The first version with a code for the whole answer.
const HAS_CODE: i16 = 2;
const NOTHING: i64 = -1;
/// How often a request is told of one group, which it may ask of different topics each time. Clients name it once.
const TOLD_MAX: usize = 16;

pub(crate) async fn handle(call: &Call, request: OffsetFetchRequest) -> OffsetFetchResponse {
    let stable = request.require_stable;
    let mut groups = Vec::new();
    if call.version() >= BATCHED {
        for group in once::up_to(TOLD_MAX, request.groups, |group| group.group_id.clone()) {
            groups.push(one(call, told_once(group), stable).await);
        }
        return OffsetFetchResponse::default().with_groups(groups);
    }
    let widened = request.topics.map(|topics| {
        let widen = |t: kafka_protocol::messages::offset_fetch_request::OffsetFetchRequestTopic| {
            OffsetFetchRequestTopics::default().with_name(t.name).with_partition_indexes(t.partition_indexes)
        };
        topics.into_iter().map(widen).collect()
    });
    let group = OffsetFetchRequestGroup::default().with_group_id(request.group_id).with_topics(widened);
    let group = told_once(group);
    let asked = group.topics.clone();
    let group = one(call, group, stable).await;
    narrow(call.version(), group, asked)
}

fn told_once(mut group: OffsetFetchRequestGroup) -> OffsetFetchRequestGroup {
    let topics = group.topics.take();
    let each = |topics| {
        once::by_partition(topics, |t: &mut OffsetFetchRequestTopics| (&t.name, &mut t.partition_indexes))
    };
    group.with_topics(topics.map(each))
}

async fn one(call: &Call, asked: OffsetFetchRequestGroup, stable: bool) -> OffsetFetchResponseGroup {
    let member = asked.member_id.as_deref().map(|id| (id, asked.member_epoch));
    let places: Option<Vec<_>> = asked.topics.as_ref().map(|topics| {
        let each = |t: &OffsetFetchRequestTopics| {
            let known = |index: &i32| partition(&call.broker, &t.name, *index);
            t.partition_indexes.iter().filter_map(known).collect::<Vec<_>>()
        };
        topics.iter().flat_map(each).collect()
    });
    let coordinator = &call.broker.coordinator;
    let fetched = coordinator.fetch_offsets(&asked.group_id, member, places.as_deref(), stable).await;
    let response = OffsetFetchResponseGroup::default().with_group_id(asked.group_id);
    match (fetched, asked.topics) {
        (Err(refusal), _) => response.with_error_code(error::of_group(&refusal).code()),
        (Ok(found), Some(topics)) => response.with_topics(as_asked(call, topics, found)),
        (Ok(found), None) => response.with_topics(by_topic(call, found)),
    }
}

/// One answer for each partition asked for.
fn as_asked(
    call: &Call,
    topics: Vec<OffsetFetchRequestTopics>,
    found: Vec<FetchedOffset>,
) -> Vec<OffsetFetchResponseTopics> {
    let found: HashMap<_, _> = found.into_iter().map(|offset| (offset.at, offset)).collect();
    let each = |topic: OffsetFetchRequestTopics| {
        let one = |index: i32| {
            let known = partition(&call.broker, &topic.name, index).and_then(|at| found.get(&at));
            position(index, known)
        };
        let partitions = topic.partition_indexes.iter().map(|index| one(*index)).collect();
        OffsetFetchResponseTopics::default().with_name(topic.name.clone()).with_partitions(partitions)
    };
    topics.into_iter().map(each).collect()
}

/// All that there is.
fn by_topic(call: &Call, found: Vec<FetchedOffset>) -> Vec<OffsetFetchResponseTopics> {
    let mut topics: BTreeMap<String, Vec<OffsetFetchResponsePartitions>> = BTreeMap::new();
    for offset in found {
        // one of a topic that was deleted meanwhile goes with it
        let Some(topic) = call.broker.log.topic_numbered(offset.at.topic) else { continue };
        let index = offset.at.partition.0.cast_signed();
        topics.entry(topic.name.to_string()).or_default().push(position(index, Some(&offset)));
    }
    let each = |(name, partitions)| {
        let name = TopicName(StrBytes::from_string(name));
        OffsetFetchResponseTopics::default().with_name(name).with_partitions(partitions)
    };
    topics.into_iter().map(each).collect()
}

fn position(index: i32, found: Option<&FetchedOffset>) -> OffsetFetchResponsePartitions {
    let empty = OffsetFetchResponsePartitions::default()
        .with_partition_index(index)
        .with_committed_offset(NOTHING)
        .with_committed_leader_epoch(-1)
        .with_metadata(Some(StrBytes::default()));
    match found {
        Some(FetchedOffset { pending: true, .. }) => empty.with_error_code(Code::UnstableOffsetCommit.code()),
        Some(FetchedOffset { committed: Some(committed), .. }) => empty
            .with_committed_offset(committed.offset.to_wire())
            .with_committed_leader_epoch(committed.leader_epoch.map_or(-1, |epoch| epoch.0))
            .with_metadata(Some(StrBytes::from_string(committed.metadata.clone()))),
        Some(FetchedOffset { committed: None, .. }) | None => empty,
    }
}

/// The answer as it was before there could be several groups.
fn narrow(
    version: i16,
    group: OffsetFetchResponseGroup,
    asked: Option<Vec<OffsetFetchRequestTopics>>,
) -> OffsetFetchResponse {
    let code = group.error_code;
    let mut topics = group.topics;
    if code != 0 && version < HAS_CODE {
        // its place is each partition that was asked for
        let failed = |topic: OffsetFetchRequestTopics| {
            let one = |index: &i32| position(*index, None).with_error_code(code);
            let partitions = topic.partition_indexes.iter().map(one).collect();
            OffsetFetchResponseTopics::default().with_name(topic.name.clone()).with_partitions(partitions)
        };
        topics = asked.unwrap_or_default().into_iter().map(failed).collect();
    }
    let narrowed = |topic: OffsetFetchResponseTopics| {
        let one = |p: OffsetFetchResponsePartitions| {
            OffsetFetchResponsePartition::default()
                .with_partition_index(p.partition_index)
                .with_committed_offset(p.committed_offset)
                .with_committed_leader_epoch(p.committed_leader_epoch)
                .with_metadata(p.metadata)
                .with_error_code(p.error_code)
        };
        let partitions = topic.partitions.into_iter().map(one).collect();
        OffsetFetchResponseTopic::default().with_name(topic.name).with_partitions(partitions)
    };
    OffsetFetchResponse::default()
        .with_error_code(code)
        .with_topics(topics.into_iter().map(narrowed).collect())
}
