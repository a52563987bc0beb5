//! Whether a producer's batch may enter a topic, as far as the batch itself says. In come the bytes as they were sent, out
//! goes a validated batch over the same bytes. Records are walked over, never copied; compressed ones are unpacked for it
//! on a thread that may take its time, few at a time, and never to more than their topic could hold unpacked a hundred times.

use super::wire::PartitionAnswer;
use crate::error;
use bytes::BytesMut;
use kafka_protocol::ResponseError as Code;
use potok_log::{Append, TimestampType, Topic};
use potok_types::{
    BATCH_HEADER_LEN, BatchError, BatchLimits, CodecError, Compression, NewBatch, Timestamp, batch_len,
};
use tokio::sync::Semaphore;

/// First version whose consumers know zstd (KIP-110).
const ZSTD_FROM: i16 = 7;
/// Where a batch's header has its codec, and what of that byte it is.
const CODEC_AT: usize = 22;
const CODEC_BITS: u8 = 7;
const ZSTD: u8 = 4;
/// Batches from this size on are kept where they are, whatever else that keeps in memory.
const KEPT_LEN: usize = crate::room::SMALL;
/// So are smaller ones that together are such a part of what they keep.
const KEPT_PART: usize = 2;
/// Where they would keep more than this, they are copied all the same: one that outlives the others, in the answer to a slow client, would
/// keep all of it.
const KEPT_SPAN_MAX: usize = 256 << 10;
/// Compressed records up to this many bytes are unpacked at once, on the connection's own thread, unless they come to more than
/// this: a few kilobytes may be a bomb, and other connections wait for that thread.
const UNPACKED_HERE_LEN: usize = 16 * 1024;
const UNPACKED_HERE_MAX: usize = 1 << 20;
/// What compressed records may unpack to, in multiples of `max.message.bytes`: far above what real data does, far below a
/// bomb.
const UNPACKED_RATIO_MAX: usize = 100;
/// The topic's config of how far ahead a record's time may lie, and its default in milliseconds.
const AHEAD: &str = "message.timestamp.after.max.ms";
const AHEAD_MAX_MS: i64 = 3_600_000;
/// 256 MiB: what compressed records may unpack to whatever their topic says.
const UNPACKED_LEN_MAX: usize = 256 << 20;

/// Copies small batches where all that were taken of a request are little beside what they would keep in memory while they are cached:
/// a buffer of many requests, or a request of which most was refused. `span` is what they would keep.
pub(super) fn apart(taken: &mut [Append], span: usize) {
    let len: usize = taken.iter().map(|append| append.batch.len()).sum();
    if len * KEPT_PART < span || span > KEPT_SPAN_MAX {
        let small = taken.iter_mut().filter(|append| append.batch.len() < KEPT_LEN);
        small.for_each(|append| append.batch.detach());
    }
}

/// Checks the one batch of a partition, which [`form`] has let pass.
pub(super) async fn batch(
    topic: &Topic,
    bytes: BytesMut,
    now: Timestamp,
    unpacking: &Semaphore,
) -> Result<NewBatch, PartitionAnswer> {
    let limits = BatchLimits { batch_len_max: topic.config.batch_len_max() };
    let batch = NewBatch::from_producer(bytes, limits).map_err(|error| refuse(&error))?;
    let header = batch.header();
    let invalid = |what: &str| Err(PartitionAnswer::refused(Code::InvalidRecord, Some(what.to_owned())));
    if header.control {
        return invalid("clients are not allowed to write control records");
    }
    if header.producer.is_some() && header.base_sequence < 0 {
        return invalid("a batch of an idempotent producer has no sequence");
    }
    if header.transactional && header.producer.is_none() {
        return invalid("a transactional batch has no producer id");
    }
    let stamped = topic.config.timestamp_type() == TimestampType::LogAppendTime;
    if stamped && header.log_append_time {
        let message = "producers do not set the type of timestamps to LogAppendTime".to_owned();
        return Err(PartitionAnswer::refused(Code::InvalidTimestamp, Some(message)));
    }
    let batch = records(batch, limits.batch_len_max, unpacking).await?;
    in_time(&batch, topic, now)?;
    Ok(batch)
}

/// No record's time may lie too far ahead: it would keep its neighbours from their retention (KIP-937). The largest one is known
/// once all records were looked at.
fn in_time(batch: &NewBatch, topic: &Topic, now: Timestamp) -> Result<(), PartitionAnswer> {
    let set = topic.config.overrides().get(AHEAD).and_then(|text| text.parse().ok());
    let latest = now.0.saturating_add(set.unwrap_or(AHEAD_MAX_MS));
    let newest = batch.header().max_timestamp;
    if topic.config.timestamp_type() == TimestampType::LogAppendTime || newest.0 <= latest {
        return Ok(());
    }
    let message =
        format!("timestamp {} is too far in the future: the latest is {latest} ({AHEAD})", newest.0);
    Err(PartitionAnswer::refused(Code::InvalidTimestamp, Some(message)))
}

/// Exactly one batch a partition, of format 2 (KIP-98), with a codec that this version of the request has.
pub(super) fn form(version: i16, bytes: &[u8]) -> Result<(), PartitionAnswer> {
    let invalid = |what: &str| Err(PartitionAnswer::refused(Code::InvalidRecord, Some(what.to_owned())));
    match batch_len(bytes) {
        _ if bytes.is_empty() => invalid("there is no record batch"),
        _ if bytes.get(16).is_some_and(|magic| *magic != 2) => {
            invalid("only record batches of format 2 are taken")
        }
        Ok(len) if len < bytes.len() && bytes.len() - len >= BATCH_HEADER_LEN => {
            invalid("there is more than one record batch")
        }
        Ok(_) if version < ZSTD_FROM && bytes.get(CODEC_AT).is_some_and(|byte| byte & CODEC_BITS == ZSTD) => {
            Err(PartitionAnswer::refused(Code::UnsupportedCompressionType, None))
        }
        Ok(_) => Ok(()),
        Err(error) => Err(refuse(&error)),
    }
}

fn refuse(error: &BatchError) -> PartitionAnswer {
    let record = if let BatchError::Record { index, .. } = error { Some(*index) } else { None };
    PartitionAnswer { record, ..PartitionAnswer::refused(error::of_batch(error), Some(error.to_string())) }
}

/// Walks over every record. Whoever unpacks much has one of the places of `unpacking`.
async fn records(
    mut batch: NewBatch,
    batch_len_max: usize,
    unpacking: &Semaphore,
) -> Result<NewBatch, PartitionAnswer> {
    let unpacked_len_max = batch_len_max.saturating_mul(UNPACKED_RATIO_MAX).min(UNPACKED_LEN_MAX);
    if batch.header().compression == Compression::None || batch.len() <= UNPACKED_HERE_LEN {
        match batch.check_records(unpacked_len_max.min(UNPACKED_HERE_MAX)) {
            Ok(()) => return Ok(batch),
            Err(BatchError::Codec(CodecError::TooLarge { limit })) if limit < unpacked_len_max => {}
            Err(error) => return Err(refuse(&error)),
        }
    }
    // it is never closed
    let _place = unpacking.acquire().await;
    let check = move || batch.check_records(unpacked_len_max).map(|()| batch).map_err(|error| refuse(&error));
    let checked = tokio::task::spawn_blocking(check).await;
    checked.unwrap_or_else(|_| Err(PartitionAnswer::refused(Code::UnknownServerError, None)))
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use potok_types::{BatchBuilder, LeaderEpoch, Offset, PartitionIndex, TopicNumber, TopicPartition};

    #[tokio::test]
    async fn what_unpacks_to_much_waits_for_a_place_and_what_is_small_does_not() {
        let batch = |value: &[u8]| {
            let mut builder = BatchBuilder::new(Compression::Zstd);
            builder.push(Timestamp(0), None, Some(value), std::iter::empty());
            builder.build().unwrap().unwrap()
        };
        let bomb = || batch(&vec![0; 2 * UNPACKED_HERE_MAX]);
        assert!(bomb().len() < 1_000, "it looks small");
        let full = Semaphore::new(0);
        assert!(records(batch(b"small"), 1 << 20, &full).now_or_never().unwrap().is_ok());
        assert!(records(bomb(), 1 << 20, &full).now_or_never().is_none());
        let free = Semaphore::new(1);
        assert!(records(bomb(), 1 << 20, &free).await.is_ok(), "a topic with such batches takes it");
        assert_eq!(records(bomb(), 1_000, &free).await.unwrap_err().code, Code::InvalidRecord.code());
        assert_eq!(free.available_permits(), 1);
    }
    #[test]
    fn small_batches_are_copied_out_of_what_is_much_more_than_they() {
        let place = |batch: NewBatch| batch.place(Offset::FIRST, LeaderEpoch(0)).bytes().clone();
        let kept = |lengths: &[usize], span| {
            let to = TopicPartition { topic: TopicNumber(1), partition: PartitionIndex(0) };
            let (mut taken, mut lay) = (Vec::new(), Vec::new());
            for len in lengths {
                let mut builder = BatchBuilder::new(Compression::None);
                builder.push(Timestamp(0), None, Some(&vec![7; *len]), std::iter::empty());
                let bytes = BytesMut::from(&place(builder.build().unwrap().unwrap())[..]);
                lay.push(bytes.as_ptr());
                let limits = BatchLimits { batch_len_max: 1 << 20 };
                taken.push(Append { to, batch: NewBatch::from_producer(bytes, limits).unwrap() });
            }
            apart(&mut taken, span);
            let lie = taken.into_iter().map(|append| place(append.batch).as_ptr());
            lie.zip(lay).filter(|(lies, lay)| lies == lay).count()
        };
        assert_eq!(kept(&[16_000], 17_000), 1);
        assert_eq!(kept(&[16_000; 8], 130_000), 8);
        assert_eq!(kept(&[16_000, 100], 200_000), 0);
        assert_eq!(kept(&[16_000; 40], 700_000), 0);
        assert_eq!(kept(&[KEPT_LEN, 100], 1 << 20), 1);
    }
}
