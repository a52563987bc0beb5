//! ListOffsets (key 2): where a partition begins and ends, and which record is the first of a time or the newest of all.
//! Times come as numbers of which the negative ones are names; a name that the version does not know is refused.

use crate::api::topics;
use crate::call::Call;
use crate::error;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::messages::list_offsets_request::ListOffsetsPartition;
use kafka_protocol::messages::list_offsets_response::{
    ListOffsetsPartitionResponse, ListOffsetsTopicResponse,
};
use kafka_protocol::messages::{ListOffsetsRequest, ListOffsetsResponse};
use potok_log::{Log, ReadRequest};
use potok_types::{LeaderEpoch, Offset, Timestamp, TopicPartition};
use std::collections::HashSet;
use std::sync::Arc;

/// What a time may be instead of one: name, and the first version that knows it.
const LATEST: (i64, i16) = (-1, 1);
const EARLIEST: (i64, i16) = (-2, 1);
const MAX_TIMESTAMP: (i64, i16) = (-3, 7);
/// The earliest that is not only in remote storage. There is none, so it is the earliest.
const EARLIEST_LOCAL: (i64, i16) = (-4, 8);
/// The latest that is in remote storage: there is none.
const LATEST_TIERED: (i64, i16) = (-5, 9);

/// The partition that is asked for, and what of it.
type Asked = (ListOffsetsPartition, Result<TopicPartition, Code>);
/// An offset with its timestamp and its epoch, where there are any.
type Place = (Offset, Option<Timestamp>, Option<LeaderEpoch>);

pub(crate) async fn handle(call: &Call, request: ListOffsetsRequest) -> ListOffsetsResponse {
    let (log, version) = (Arc::clone(&call.broker.log), call.version());
    let committed_only = request.isolation_level == 1;
    let mut seen = HashSet::new();
    let mut topics = Vec::new();
    for topic in request.topics {
        let found = topics::named(&call.broker, &topic.name);
        let asked = topic.partitions.into_iter().map(|asked| {
            let once = seen.insert((topic.name.clone(), asked.partition_index));
            let at = found.as_ref().map_err(|code| *code).and_then(|found| {
                let at = topics::partition(found, asked.partition_index)?;
                topics::check_epoch(&call.broker, asked.current_leader_epoch)?;
                if once { Ok(at) } else { Err(Code::InvalidRequest) }
            });
            (asked, at)
        });
        topics.push((topic.name.clone(), asked.collect::<Vec<Asked>>()));
    }
    // a time is looked up on the disk
    let looked = tokio::task::spawn_blocking(move || {
        let answer = |asked: &Asked| answer(&*log, asked, version, committed_only);
        let topic = |(name, asked): (_, Vec<Asked>)| {
            ListOffsetsTopicResponse::default()
                .with_name(name)
                .with_partitions(asked.iter().map(answer).collect())
        };
        topics.into_iter().map(topic).collect()
    });
    ListOffsetsResponse::default().with_topics(looked.await.unwrap_or_default())
}

fn answer(
    log: &dyn Log,
    (asked, at): &Asked,
    version: i16,
    committed_only: bool,
) -> ListOffsetsPartitionResponse {
    let response = ListOffsetsPartitionResponse::default().with_partition_index(asked.partition_index);
    let found = at.and_then(|at| look(log, at, asked.timestamp, version, committed_only));
    let (offset, time, epoch) = match found {
        Err(code) => return response.with_error_code(code.code()),
        Ok(None) => return response,
        Ok(Some(found)) => found,
    };
    let response = response.with_offset(offset.to_wire()).with_timestamp(time.map_or(-1, |time| time.0));
    if version >= 4 { response.with_leader_epoch(epoch.map_or(-1, |epoch| epoch.0)) } else { response }
}

fn look(
    log: &dyn Log,
    at: TopicPartition,
    time: i64,
    version: i16,
    committed_only: bool,
) -> Result<Option<Place>, Code> {
    let ends = log.ends(at).map_err(|_| Code::UnknownTopicOrPartition)?;
    let end = if committed_only { ends.last_stable } else { ends.high_watermark };
    let is = |(name, from): (i64, i16)| time == name && version >= from;
    if is(LATEST) {
        return Ok(Some((end, None, Some(log.leader_epoch()))));
    }
    if is(EARLIEST) || is(EARLIEST_LOCAL) {
        return Ok(Some((ends.log_start, None, epoch_of(log, at, ends.log_start)?)));
    }
    if is(LATEST_TIERED) {
        return Ok(None);
    }
    let found = if is(MAX_TIMESTAMP) {
        log.offset_of_max_timestamp(at)
    } else if time >= 0 {
        log.offset_at(at, Timestamp(time))
    } else {
        return Err(Code::UnsupportedVersion);
    };
    // what is not committed yet is not there for who reads committed records only
    let found = found.map_err(|error| error::of_read(&error))?.filter(|(offset, _)| *offset < end);
    found.map(|(offset, time)| Ok((offset, Some(time), epoch_of(log, at, offset)?))).transpose()
}

/// The epoch in which the record at `offset` was written; this one's where it has yet to be.
fn epoch_of(log: &dyn Log, at: TopicPartition, offset: Offset) -> Result<Option<LeaderEpoch>, Code> {
    let request = ReadRequest { at, offset, bytes_max: 0, committed_only: false };
    let fetched = match log.read_cached(request) {
        Some(fetched) => fetched,
        None => log.read(request).map_err(|error| error::of_read(&error))?,
    };
    let epoch = fetched.batches.first().map(|batch| batch.header().leader_epoch);
    Ok(Some(epoch.unwrap_or_else(|| log.leader_epoch())))
}
