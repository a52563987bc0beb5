//! Record batches as producers send them, and the requests that carry them.

use bytes::{Bytes, BytesMut};
use kafka_protocol::messages::fetch_request::{FetchPartition, FetchTopic};
use kafka_protocol::messages::fetch_response::PartitionData;
use kafka_protocol::messages::produce_request::{PartitionProduceData, TopicProduceData};
use kafka_protocol::messages::produce_response::PartitionProduceResponse;
use kafka_protocol::messages::{FetchRequest, FetchResponse, ProduceRequest, ProduceResponse, TopicName};
use kafka_protocol::protocol::StrBytes;
use potok_log::Topic;
use potok_types::{
    BatchBuilder, Compression, LeaderEpoch, Offset, ProducerEpoch, ProducerId, RecordBatch, SystemClock,
    Timestamp, batch_len,
};
use uuid::Uuid;

/// First version of Produce and of Fetch that goes by ids.
pub(crate) const IDS_FROM: i16 = 13;

pub(crate) fn now() -> Timestamp {
    SystemClock::shared().now()
}

/// A builder with a record for each value; the same header name comes twice in each.
pub(crate) fn builder(codec: Compression, values: &[&[u8]]) -> BatchBuilder {
    let mut builder = BatchBuilder::new(codec);
    for value in values {
        let headers = [(&b"twice"[..], Some(&b"a"[..])), (b"twice", None)];
        builder.push(now(), Some(b"key"), Some(value), headers.into_iter());
    }
    builder
}

/// The bytes that a producer sends.
pub(crate) fn bytes(builder: BatchBuilder) -> BytesMut {
    let batch = builder.build().unwrap().unwrap();
    BytesMut::from(&batch.place(Offset::FIRST, LeaderEpoch(-1)).bytes()[..])
}

pub(crate) fn plain(values: &[&[u8]]) -> BytesMut {
    bytes(builder(Compression::None, values))
}

pub(crate) fn of_producer(
    id: i64,
    epoch: i16,
    sequence: i32,
    transactional: bool,
    values: &[&[u8]],
) -> BytesMut {
    let builder = builder(Compression::None, values);
    bytes(builder.producer(ProducerId(id), ProducerEpoch(epoch), sequence, transactional))
}

/// Makes the checksum right after bytes were changed.
pub(crate) fn repair(batch: &mut BytesMut) {
    let crc = crc32c::crc32c(&batch[21..]);
    batch[17..21].copy_from_slice(&crc.to_be_bytes());
}

pub(crate) fn name(text: &str) -> TopicName {
    TopicName(StrBytes::from_string(text.to_owned()))
}

/// A request for one partition.
pub(crate) fn produce(
    version: i16,
    topic: &Topic,
    partition: i32,
    acks: i16,
    records: Bytes,
) -> ProduceRequest {
    let data = PartitionProduceData::default().with_index(partition).with_records(Some(records));
    let to = TopicProduceData::default().with_partition_data(vec![data]);
    let to = if version >= IDS_FROM {
        to.with_topic_id(Uuid::from_bytes(topic.id))
    } else {
        to.with_name(name(topic.name.as_str()))
    };
    ProduceRequest::default().with_acks(acks).with_timeout_ms(30_000).with_topic_data(vec![to])
}

/// The one partition of an answer.
pub(crate) fn produced(response: &ProduceResponse) -> &PartitionProduceResponse {
    assert_eq!((response.responses.len(), response.responses[0].partition_responses.len()), (1, 1));
    &response.responses[0].partition_responses[0]
}

/// A fetch of partitions from offsets on, without a session.
pub(crate) fn fetch(version: i16, topic: &Topic, from: &[(i32, i64)]) -> FetchRequest {
    let partition = |(partition, offset): &(i32, i64)| {
        let one = FetchPartition::default().with_partition(*partition).with_fetch_offset(*offset);
        one.with_partition_max_bytes(1 << 20)
    };
    let wanted = FetchTopic::default().with_partitions(from.iter().map(partition).collect());
    let wanted = if version >= IDS_FROM {
        wanted.with_topic_id(Uuid::from_bytes(topic.id))
    } else {
        wanted.with_topic(name(topic.name.as_str()))
    };
    FetchRequest::default()
        .with_max_wait_ms(0)
        .with_min_bytes(1)
        .with_max_bytes(10 << 20)
        .with_session_epoch(-1)
        .with_topics(vec![wanted])
}

/// The partition of this index in an answer.
pub(crate) fn fetched(response: &FetchResponse, partition: i32) -> &PartitionData {
    let mut all = response.responses.iter().flat_map(|topic| &topic.partitions);
    all.find(|one| one.partition_index == partition).expect("the answer leaves the partition out")
}

/// The batches of a partition.
pub(crate) fn batches(data: &PartitionData) -> Vec<RecordBatch> {
    let mut bytes = data.records.clone().expect("records are null");
    let mut batches = Vec::new();
    while !bytes.is_empty() {
        let batch = bytes.split_to(batch_len(&bytes).unwrap());
        batches.push(RecordBatch::from_stored(batch).unwrap());
    }
    batches
}

/// The values of a partition's records.
pub(crate) fn values(data: &PartitionData) -> Vec<String> {
    let mut values = Vec::new();
    for batch in batches(data) {
        for record in batch.open(1 << 20).unwrap().records() {
            values.push(String::from_utf8(record.unwrap().value.unwrap().to_vec()).unwrap());
        }
    }
    values
}
