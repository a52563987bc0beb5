//! A fetch's answer in bytes: the batches are pieces of their own, from the log to the socket without a copy.
//! A partition without records has zero bytes of them, never null: clients take that for damage (KAFKA-18646).

use super::read::{Found, Reading, Want};
use crate::answer::{self, Answer};
use crate::budget::Grant;
use crate::error::Fault;
use crate::header::Header;
use crate::wire::Writer;
use kafka_protocol::ResponseError as Code;

const FLEXIBLE_FROM: i16 = 12;
/// From here on topics are named by their ids.
pub(super) const TOPIC_IDS_FROM: i16 = 13;
/// Tag of the diverging epoch.
const DIVERGING_EPOCH: usize = 0;
/// Epoch and offset as a tagged struct: 4 + 8 bytes and its own tagged fields.
const DIVERGING_EPOCH_LEN: usize = 13;
/// Refusals with a list of aborted transactions that is empty, not null.
const UNKNOWN: [Code; 2] = [Code::UnknownTopicOrPartition, Code::UnknownTopicId];
/// No offset.
const NONE: i64 = -1;

/// An answer that says why there is nothing, of the whole request.
pub(super) fn refusal(header: &Header, code: Code) -> Result<Answer, Fault> {
    let mut writer = begin(header, code.code(), 0);
    writer.count(Some(0));
    writer.no_tagged();
    let (first, rest) = writer.finish();
    Answer::finish(first, rest)
}

/// The partitions of `told`, by their places.
pub(super) fn encode(
    header: &Header,
    session_id: i32,
    reading: &Reading,
    told: &[usize],
    committed_only: bool,
    grant: Grant,
) -> Result<Answer, Fault> {
    let mut writer = begin(header, 0, session_id);
    let topics = by_topic(&reading.wants, told);
    writer.count(Some(topics.len()));
    for places in topics {
        let first = &reading.wants[places[0]];
        if header.version >= TOPIC_IDS_FROM {
            writer.uuid(first.topic_id);
        } else {
            writer.string(Some(&first.topic));
        }
        writer.count(Some(places.len()));
        for place in places {
            let (want, found) = (&reading.wants[*place], &reading.found[*place]);
            partition(&mut writer, header.version, want, found, committed_only);
        }
        writer.no_tagged();
    }
    writer.no_tagged();
    let (first, rest) = writer.finish();
    Ok(Answer { grant: Some(grant), ..Answer::finish(first, rest)? })
}

fn begin(header: &Header, code: i16, session_id: i32) -> Writer {
    let start = answer::start(header, header.version);
    let mut writer = Writer::new(start, header.version >= FLEXIBLE_FROM);
    // nobody is throttled
    writer.i32(0);
    if header.version >= 7 {
        writer.i16(code);
        writer.i32(session_id);
    }
    writer
}

/// Runs of places with the same topic, in the order given.
fn by_topic<'a>(wants: &[Want], told: &'a [usize]) -> Vec<&'a [usize]> {
    let same =
        |a: &usize, b: &usize| wants[*a].topic_id == wants[*b].topic_id && wants[*a].topic == wants[*b].topic;
    told.chunk_by(same).collect()
}

fn partition(writer: &mut Writer, version: i16, want: &Want, found: &Found, committed_only: bool) {
    let ends = found.ends.filter(|_| found.code == 0);
    writer.i32(want.partition);
    writer.i16(found.code);
    writer.i64(ends.map_or(NONE, |ends| ends.high_watermark.to_wire()));
    writer.i64(ends.map_or(NONE, |ends| ends.last_stable.to_wire()));
    if version >= 5 {
        writer.i64(ends.map_or(NONE, |ends| ends.log_start.to_wire()));
    }
    // none where nobody asked; Kafka has an empty list for partitions that it does not know
    let is_unknown = UNKNOWN.iter().any(|code| code.code() == found.code);
    writer.count((committed_only || is_unknown).then_some(found.aborted.len()));
    for aborted in &found.aborted {
        writer.i64(aborted.producer.0);
        writer.i64(aborted.first_offset.to_wire());
        writer.no_tagged();
    }
    if version >= 11 {
        // no preferred read replica: there is one node
        writer.i32(-1);
    }
    writer.records(found.bytes, &found.batches);
    match found.diverging.filter(|_| version >= FLEXIBLE_FROM) {
        None => writer.no_tagged(),
        Some((epoch, end)) => {
            writer.varint(1);
            writer.varint(DIVERGING_EPOCH);
            writer.varint(DIVERGING_EPOCH_LEN);
            writer.i32(epoch.0);
            writer.i64(end.to_wire());
            writer.no_tagged();
        }
    }
}
