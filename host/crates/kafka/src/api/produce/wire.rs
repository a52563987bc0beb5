//! A Produce request's and answer's bytes. Each batch is cut out of the request where it lies, so that the log stores the
//! bytes that came from the socket. Versions 0 to 2 are read too, to be refused partition by partition: they are advertised
//! only because old librdkafka otherwise believes that no codec is known (KAFKA-18659).

use crate::answer::{self, Answer};
use crate::error::Fault;
use crate::header::Header;
use crate::shape::ITEM_LEN;
use crate::wire::{Reader, Writer};
use bytes::BytesMut;
use kafka_protocol::ResponseError as Code;
use potok_log::Log;
use potok_types::TopicPartition;
use uuid::Uuid;

const FLEXIBLE_FROM: i16 = 9;
/// From here on topics are named by their ids.
const TOPIC_IDS_FROM: i16 = 13;
/// No offset, no time: what goes with an error.
const NONE: i64 = -1;

/// Refusals that tell where the log begins.
const TELL_START: [Code; 4] =
    [Code::InvalidRecord, Code::InvalidTimestamp, Code::OutOfOrderSequenceNumber, Code::InvalidProducerEpoch];

/// A request.
#[derive(Debug)]
pub(super) struct Request {
    /// Set by a transactional producer.
    pub(super) transactional_id: Option<String>,
    /// 0, 1 or -1 for all.
    pub(super) acks: i16,
    /// How long the answer may take, in milliseconds.
    pub(super) timeout_ms: i32,
    /// By topic.
    pub(super) topics: Vec<TopicData>,
}

/// What goes to one topic.
#[derive(Debug)]
pub(super) struct TopicData {
    /// Its name, or empty where the request has ids.
    pub(super) name: String,
    /// Its id, where the request has ids.
    pub(super) id: Option<Uuid>,
    /// By partition.
    pub(super) partitions: Vec<PartitionData>,
}

/// What goes to one partition.
#[derive(Debug)]
pub(super) struct PartitionData {
    /// Its index as it came.
    pub(super) index: i32,
    /// The partition, once it is known that there is one.
    pub(super) at: Option<TopicPartition>,
    /// The batch; empty where the request has none.
    pub(super) records: BytesMut,
    /// What became of it.
    pub(super) answer: PartitionAnswer,
}

/// What became of one partition's batch.
#[derive(Debug)]
pub(super) struct PartitionAnswer {
    /// 0 where it was appended.
    pub(super) code: i16,
    /// Offset of its first record, or -1.
    pub(super) base_offset: i64,
    /// The broker's time where the topic has `LogAppendTime`, else -1.
    pub(super) append_time: i64,
    /// Log start offset, or -1.
    pub(super) log_start: i64,
    /// Index in the batch of the record at fault.
    pub(super) record: Option<u32>,
    /// What was wrong, for people.
    pub(super) message: Option<String>,
}

impl Default for PartitionAnswer {
    fn default() -> PartitionAnswer {
        PartitionAnswer {
            code: 0,
            base_offset: NONE,
            append_time: NONE,
            log_start: NONE,
            record: None,
            message: None,
        }
    }
}

impl PartitionAnswer {
    pub(super) fn refused(code: Code, message: Option<String>) -> PartitionAnswer {
        PartitionAnswer { code: code.code(), message, ..PartitionAnswer::default() }
    }
    /// A refusal with where the log begins, where Kafka says so: what does not belong behind the records that are there tells of
    /// them; a batch that is broken, too large or in the wrong place does not.
    pub(super) fn telling_start(self, log: &dyn Log, at: TopicPartition) -> PartitionAnswer {
        let tells = TELL_START.iter().any(|code| code.code() == self.code);
        let start = log.ends(at).ok().filter(|_| tells).map(|ends| ends.log_start.to_wire());
        PartitionAnswer { log_start: start.unwrap_or(NONE), ..self }
    }
}

// what an item is counted as where room for requests is found
const _: () = assert!(size_of::<PartitionData>() <= ITEM_LEN && size_of::<TopicData>() <= ITEM_LEN);

/// Reads a request whose shape is sound; its batches stay where they are.
pub(super) fn decode(version: i16, body: BytesMut) -> Result<Request, Fault> {
    let mut reader = Reader { bytes: body, flexible: version >= FLEXIBLE_FROM };
    let transactional_id = if version >= 3 { reader.string()? } else { None };
    let (acks, timeout_ms) = (reader.i16()?, reader.i32()?);
    let count = reader.count()?;
    let mut topics = Vec::with_capacity(count);
    for _ in 0..count {
        let by_id = version >= TOPIC_IDS_FROM;
        let id = if by_id { Some(reader.uuid()?) } else { None };
        let name = if by_id { None } else { reader.string()? };
        let count = reader.count()?;
        let mut partitions = Vec::with_capacity(count);
        for _ in 0..count {
            let (index, records) = (reader.i32()?, reader.bytes()?.unwrap_or_default());
            reader.skip_tagged()?;
            partitions.push(PartitionData { index, at: None, records, answer: PartitionAnswer::default() });
        }
        reader.skip_tagged()?;
        topics.push(TopicData { name: name.unwrap_or_default(), id, partitions });
    }
    reader.skip_tagged()?;
    Ok(Request { transactional_id, acks, timeout_ms, topics })
}

/// The answer, at the version of the request.
pub(super) fn encode(header: &Header, topics: &[TopicData]) -> Result<Answer, Fault> {
    let version = header.version;
    let mut writer = Writer::new(answer::start(header, version), version >= FLEXIBLE_FROM);
    writer.count(Some(topics.len()));
    for topic in topics {
        match topic.id {
            Some(id) => writer.uuid(id),
            None => writer.string(Some(&topic.name)),
        }
        writer.count(Some(topic.partitions.len()));
        for partition in &topic.partitions {
            encode_partition(&mut writer, version, partition.index, &partition.answer);
        }
        writer.no_tagged();
    }
    if version >= 1 {
        // nobody is throttled
        writer.i32(0);
    }
    writer.no_tagged();
    let (first, rest) = writer.finish();
    Answer::finish(first, rest)
}

fn encode_partition(writer: &mut Writer, version: i16, index: i32, answer: &PartitionAnswer) {
    writer.i32(index);
    writer.i16(answer.code);
    writer.i64(answer.base_offset);
    if version >= 2 {
        writer.i64(answer.append_time);
    }
    if version >= 5 {
        writer.i64(answer.log_start);
    }
    if version >= 8 {
        writer.count(Some(usize::from(answer.record.is_some())));
        if let Some(record) = answer.record {
            writer.i32(record.cast_signed());
            writer.string(answer.message.as_deref());
            writer.no_tagged();
        }
        writer.string(answer.message.as_deref());
    }
    writer.no_tagged();
}
