//! Produce (key 0): batches to the log, as the bytes they are. A request is checked and has its place in what is to be queued before the
//! next one of its connection is looked at, so that order is kept; its acknowledgement is waited for beside those of others.
//! What is checked is what Kafka checks: one batch a partition, format 2, no control batch, the checksum, every record's
//! framing; the log does keys, sizes and sequences.

mod check;
mod transaction;
mod wire;

use crate::answer::Answer;
use crate::api::{Outcome, topics};
use crate::broker::Broker;
use crate::call::Body;
use crate::error::{self, Fault};
use crate::gather::Gather;
use crate::header::Header;
use bytes::BytesMut;
use futures::FutureExt;
use kafka_protocol::ResponseError as Code;
use potok_log::{Acks, Append, AppendError, Appended, Log, Topic};
use potok_types::Timestamp;
use std::sync::Arc;
use std::time::Duration;
use wire::{PartitionAnswer, PartitionData, Request, TopicData};

/// First version that is served (KIP-896).
const VERSION_MIN: i16 = 3;
/// An answer that waits for the disk may take this long even when the client wants it sooner, as a disk needs time to sync.
const TIMEOUT_MIN: Duration = Duration::from_secs(1);

/// Checks a request, and gathers what is sound of it to be queued.
pub(crate) async fn start(
    broker: Arc<Broker>,
    header: Header,
    body: Body,
    gather: &mut Gather,
) -> Result<Outcome, Fault> {
    let Body { bytes, span } = body;
    let (log, version) = (&*broker.log, header.version);
    let mut request = wire::decode(version, bytes)?;
    let acks = match (version >= VERSION_MIN, request.acks) {
        (false, _) => Err(Code::UnsupportedVersion),
        (true, 0) => Ok(Acks::None),
        (true, 1) => Ok(Acks::Written),
        (true, -1) => Ok(Acks::Synced),
        (true, _) => Err(Code::InvalidRequiredAcks),
    };
    let mut placed = match acks {
        Ok(_) => gather.before(log, check_all(&broker, version, &mut request, span)).await,
        Err(code) => {
            refuse_all(&mut request.topics, code);
            (Vec::new(), Vec::new())
        }
    };
    let leave = transaction::leave(&broker, version, &mut request, &mut placed);
    let leave = gather.before(log, leave).await;
    let (appends, places) = placed;
    let acks = acks.unwrap_or(Acks::Written);
    // what stands in the queue is written by itself, so waiting here for room in it waits for nobody behind this request
    let mut appending = match places.is_empty() {
        true => futures::future::ready(Vec::new()).boxed(),
        false => gather.add(log, appends, acks).await,
    };
    if let Some(leave) = leave {
        appending = transaction::hold(leave, appending, places.len());
    }
    Ok(async move {
        let results = match acks {
            Acks::Synced => {
                let patience = Duration::from_millis(u64::try_from(request.timeout_ms).unwrap_or(0));
                tokio::time::timeout(patience.max(TIMEOUT_MIN), appending).await.ok()
            }
            Acks::None | Acks::Written => Some(appending.await),
        };
        settle(&*broker.log, &mut request.topics, &places, results);
        answer(&header, &request)
    }
    .boxed())
}

/// Where an append's result belongs: topic and partition by their places in the request.
type Place = (usize, usize);

/// Checks every partition's batch; those that are sound become appends.
async fn check_all(broker: &Broker, version: i16, request: &mut Request, span: usize) -> transaction::Placed {
    let (mut appends, mut places) = (Vec::new(), Vec::new());
    let now = broker.clock.now();
    for (t, data) in request.topics.iter_mut().enumerate() {
        let topic = find(broker, data);
        for (p, partition) in data.partitions.iter_mut().enumerate() {
            let topic = topic.as_deref().map_err(|code| *code);
            match check_one(broker, version, topic, partition, now).await {
                Ok(append) => {
                    appends.push(append);
                    places.push((t, p));
                }
                Err(refused) => partition.answer = refused,
            }
        }
    }
    check::apart(&mut appends, span);
    (appends, places)
}

async fn check_one(
    broker: &Broker,
    version: i16,
    topic: Result<&Topic, Code>,
    partition: &mut PartitionData,
    now: Timestamp,
) -> Result<Append, PartitionAnswer> {
    let records = std::mem::take(&mut partition.records);
    let known = topic.and_then(|topic| Ok((topic, topics::partition(topic, partition.index)?)));
    let (topic, to) = known.map_err(|code| PartitionAnswer::refused(code, None))?;
    partition.at = Some(to);
    check::form(version, &records)?;
    let checked = check::batch(topic, records, now, &broker.unpacking).await;
    checked.map(|batch| Append { to, batch }).map_err(|refused| refused.telling_start(&*broker.log, to))
}

fn find(broker: &Broker, data: &TopicData) -> Result<Arc<Topic>, Code> {
    let topic = match data.id {
        Some(id) => topics::with_id(broker, id)?,
        None => topics::named(broker, &data.name)?,
    };
    if topic.name.is_internal() { Err(Code::InvalidTopicException) } else { Ok(topic) }
}

fn refuse_all(topics: &mut [TopicData], code: Code) {
    for PartitionData { records, answer, .. } in topics.iter_mut().flat_map(|topic| &mut topic.partitions) {
        *records = BytesMut::new();
        *answer = PartitionAnswer::refused(code, None);
    }
}

/// Puts the log's answers where they belong.
fn settle(
    log: &dyn Log,
    topics: &mut [TopicData],
    places: &[Place],
    results: Option<Vec<Result<Appended, AppendError>>>,
) {
    let Some(results) = results else {
        let late = || PartitionAnswer::refused(Code::RequestTimedOut, None);
        return places.iter().for_each(|(t, p)| topics[*t].partitions[*p].answer = late());
    };
    for ((t, p), result) in places.iter().zip(results) {
        let partition = &mut topics[*t].partitions[*p];
        partition.answer = match result {
            Ok(appended) => PartitionAnswer {
                base_offset: appended.base_offset.map_or(-1, potok_types::Offset::to_wire),
                append_time: appended.append_time.map_or(-1, |time| time.0),
                log_start: appended.log_start.to_wire(),
                ..PartitionAnswer::default()
            },
            Err(error) => {
                let record = if let AppendError::KeyMissing { index } = error { Some(index) } else { None };
                let refused = PartitionAnswer::refused(error::of_append(&error), Some(error.to_string()));
                let refused = PartitionAnswer { record, ..refused };
                match partition.at {
                    Some(at) => refused.telling_start(log, at),
                    None => refused,
                }
            }
        };
    }
}

/// With `acks=0` nobody reads an answer: a client learns of a failure by its connection being closed, as from Kafka.
fn answer(header: &Header, request: &Request) -> Result<Option<Answer>, Fault> {
    if request.acks != 0 {
        return wire::encode(header, &request.topics).map(Some);
    }
    let mut partitions = request.topics.iter().flat_map(|topic| &topic.partitions);
    match partitions.find(|partition| partition.answer.code != 0) {
        Some(failed) => Err(Fault::Unacknowledged(failed.answer.code)),
        None => Ok(None),
    }
}
