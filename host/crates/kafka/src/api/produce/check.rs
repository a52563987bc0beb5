//! Whether a producer's batch may enter a topic, as far as the batch itself says. In come the bytes as they were sent, out
//! goes a validated batch over the same bytes. Records are walked over, never copied; compressed ones are unpacked for it
//! on a thread that may take its time, and never to more than their topic could hold unpacked a hundred times.

use super::wire::PartitionAnswer;
use crate::error;
use bytes::BytesMut;
use kafka_protocol::ResponseError as Code;
use potok_log::{TimestampType, Topic};
use potok_types::{BATCH_HEADER_LEN, BatchError, BatchLimits, Compression, NewBatch, Timestamp, batch_len};

/// First version whose consumers know zstd (KIP-110).
const ZSTD_FROM: i16 = 7;
/// Batches below this are copied: a cached one must not keep a whole read buffer, or a request of many partitions, in memory.
const COPIED_LEN: usize = crate::room::SMALL;
/// Compressed records up to this many bytes are unpacked at once, on the connection's own thread.
const UNPACKED_HERE_LEN: usize = 16 * 1024;
/// What compressed records may unpack to, in multiples of `max.message.bytes`: far above what real data does, far below a
/// bomb.
const UNPACKED_RATIO_MAX: usize = 100;
/// The topic's config of how far ahead a record's time may lie, and its default in milliseconds.
const AHEAD: &str = "message.timestamp.after.max.ms";
const AHEAD_MAX_MS: i64 = 3_600_000;
/// 256 MiB: what compressed records may unpack to whatever their topic says.
const UNPACKED_LEN_MAX: usize = 256 << 20;

/// Checks the one batch of a partition.
pub(super) async fn batch(
    version: i16,
    topic: &Topic,
    bytes: BytesMut,
    now: Timestamp,
) -> Result<NewBatch, PartitionAnswer> {
    one_batch(&bytes)?;
    let bytes = if bytes.len() < COPIED_LEN { BytesMut::from(&bytes[..]) } else { bytes };
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
    if header.compression == Compression::Zstd && version < ZSTD_FROM {
        return Err(PartitionAnswer::refused(Code::UnsupportedCompressionType, None));
    }
    in_time(&batch, topic, now)?;
    records(batch, limits.batch_len_max).await
}

/// No record's time may lie too far ahead: it would keep its neighbours from their retention (KIP-937).
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

/// Exactly one batch a partition, of format 2 (KIP-98).
fn one_batch(bytes: &[u8]) -> Result<(), PartitionAnswer> {
    let invalid = |what: &str| Err(PartitionAnswer::refused(Code::InvalidRecord, Some(what.to_owned())));
    match batch_len(bytes) {
        _ if bytes.is_empty() => invalid("there is no record batch"),
        _ if bytes.get(16).is_some_and(|magic| *magic != 2) => {
            invalid("only record batches of format 2 are taken")
        }
        Ok(len) if len < bytes.len() && bytes.len() - len >= BATCH_HEADER_LEN => {
            invalid("there is more than one record batch")
        }
        Ok(_) => Ok(()),
        Err(error) => Err(refuse(&error)),
    }
}

fn refuse(error: &BatchError) -> PartitionAnswer {
    let record = if let BatchError::Record { index, .. } = error { Some(*index) } else { None };
    PartitionAnswer { record, ..PartitionAnswer::refused(error::of_batch(error), Some(error.to_string())) }
}

/// Walks over every record.
async fn records(batch: NewBatch, batch_len_max: usize) -> Result<NewBatch, PartitionAnswer> {
    let unpacked_len_max = batch_len_max.saturating_mul(UNPACKED_RATIO_MAX).min(UNPACKED_LEN_MAX);
    let check = move |batch: NewBatch| match batch.check_records(unpacked_len_max) {
        Ok(()) => Ok(batch),
        Err(error) => Err(refuse(&error)),
    };
    if batch.header().compression == Compression::None || batch.len() <= UNPACKED_HERE_LEN {
        return check(batch);
    }
    let checked = tokio::task::spawn_blocking(move || check(batch)).await;
    checked.unwrap_or_else(|_| Err(PartitionAnswer::refused(Code::UnknownServerError, None)))
}
