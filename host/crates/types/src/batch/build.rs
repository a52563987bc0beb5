//! Builds batches: from records that come in one by one, and (for compaction) from the records that are left of a batch.

use super::records::{OpenBatch, Record};
use super::{
    BATCH_HEADER_LEN, BatchError, BatchHeader, CONTROL_BIT, NewBatch, RecordBatch, TRANSACTIONAL_BIT,
};
use super::{LENGTH_OVERHEAD, LOG_APPEND_TIME_BIT, parse_header, write_crc};
use crate::codec::Compression;
use crate::offset::{ProducerEpoch, ProducerId};
use crate::time::Timestamp;
use crate::varint;
use bytes::{Bytes, BytesMut};

/// Collects records into one batch. Offsets are given at the append; timestamps are the caller's.
#[derive(Debug)]
pub struct BatchBuilder {
    /// Room for the header, then the records.
    bytes: Vec<u8>,
    count: u32,
    base_timestamp: Timestamp,
    max_timestamp: Timestamp,
    compression: Compression,
    attributes: i16,
    producer: Option<(ProducerId, ProducerEpoch, i32)>,
}

impl BatchBuilder {
    /// An empty batch whose records will be packed with `compression`.
    pub fn new(compression: Compression) -> BatchBuilder {
        BatchBuilder::with_capacity(compression, 0)
    }
    /// The same with room for `bytes` of records.
    pub fn with_capacity(compression: Compression, bytes: usize) -> BatchBuilder {
        let mut header = Vec::with_capacity(BATCH_HEADER_LEN + bytes);
        header.resize(BATCH_HEADER_LEN, 0);
        BatchBuilder {
            bytes: header,
            count: 0,
            base_timestamp: Timestamp::NONE,
            max_timestamp: Timestamp::NONE,
            compression,
            attributes: 0,
            producer: None,
        }
    }
    /// Makes it the batch of an idempotent producer (KIP-98), of a transaction when `transactional`.
    pub fn producer(
        mut self,
        id: ProducerId,
        epoch: ProducerEpoch,
        base_sequence: i32,
        transactional: bool,
    ) -> Self {
        self.producer = Some((id, epoch, base_sequence));
        if transactional {
            self.attributes |= TRANSACTIONAL_BIT;
        }
        self
    }
    /// Makes it a control batch (a transaction marker).
    pub fn control(mut self) -> Self {
        self.attributes |= CONTROL_BIT;
        self
    }
    /// Records so far.
    #[inline]
    pub fn count(&self) -> u32 {
        self.count
    }
    /// Bytes so far, before compression.
    #[inline]
    pub fn byte_len(&self) -> usize {
        self.bytes.len()
    }
    /// Adds a record. Headers may be empty; their names may repeat.
    #[inline]
    pub fn push<'a>(
        &mut self,
        timestamp: Timestamp,
        key: Option<&[u8]>,
        value: Option<&[u8]>,
        headers: impl ExactSizeIterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone,
    ) {
        if self.count == 0 {
            self.base_timestamp = timestamp;
            self.max_timestamp = timestamp;
        }
        self.max_timestamp = self.max_timestamp.max(timestamp);
        let delta = timestamp.0.wrapping_sub(self.base_timestamp.0);
        put_record(&mut self.bytes, delta, self.count, key, value, headers);
        self.count += 1;
    }
    /// The batch, ready for the log; `None` when no record was added.
    pub fn build(self) -> Result<Option<NewBatch>, BatchError> {
        if self.count == 0 {
            return Ok(None);
        }
        let mut bytes = pack(self.bytes, self.compression)?;
        let attributes = self.attributes | i16::from(self.compression.bits());
        bytes[16] = 2;
        bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
        bytes[23..27].copy_from_slice(&(self.count - 1).to_be_bytes());
        bytes[27..35].copy_from_slice(&self.base_timestamp.0.to_be_bytes());
        bytes[35..43].copy_from_slice(&self.max_timestamp.0.to_be_bytes());
        let (id, epoch, sequence) = self.producer.unwrap_or((ProducerId(-1), ProducerEpoch(-1), -1));
        bytes[43..51].copy_from_slice(&id.0.to_be_bytes());
        bytes[51..53].copy_from_slice(&epoch.0.to_be_bytes());
        bytes[53..57].copy_from_slice(&sequence.to_be_bytes());
        bytes[57..61].copy_from_slice(&self.count.to_be_bytes());
        let bytes = seal(bytes)?;
        let header = parse_header(&bytes)?;
        Ok(Some(NewBatch { bytes, header }))
    }
}

/// Packs what follows the header.
fn pack(bytes: Vec<u8>, compression: Compression) -> Result<Vec<u8>, BatchError> {
    if compression == Compression::None {
        return Ok(bytes);
    }
    let packed = compression.pack(&bytes[BATCH_HEADER_LEN..])?;
    let mut all = Vec::with_capacity(BATCH_HEADER_LEN + packed.len());
    all.extend_from_slice(&bytes[..BATCH_HEADER_LEN]);
    all.extend_from_slice(&packed);
    Ok(all)
}

/// Writes length and CRC, the last two fields.
fn seal(mut bytes: Vec<u8>) -> Result<BytesMut, BatchError> {
    let limit = i32::MAX as usize;
    let len = i32::try_from(bytes.len() - LENGTH_OVERHEAD)
        .map_err(|_| BatchError::TooLarge { len: bytes.len(), limit })?;
    bytes[8..12].copy_from_slice(&len.to_be_bytes());
    write_crc(&mut bytes);
    Ok(BytesMut::from(Bytes::from(bytes)))
}

#[inline]
fn bytes_size(bytes: Option<&[u8]>) -> usize {
    match bytes {
        Some(bytes) => varint::size(as_i64(bytes.len())) + bytes.len(),
        None => 1,
    }
}
#[inline]
fn put_bytes(to: &mut Vec<u8>, bytes: Option<&[u8]>) {
    match bytes {
        Some(bytes) => {
            varint::put(to, as_i64(bytes.len()));
            to.extend_from_slice(bytes);
        }
        None => varint::put(to, -1),
    }
}
#[inline]
fn as_i64(len: usize) -> i64 {
    i64::try_from(len).unwrap_or(i64::MAX)
}

#[inline]
fn put_record<'a>(
    to: &mut Vec<u8>,
    timestamp_delta: i64,
    offset_delta: u32,
    key: Option<&[u8]>,
    value: Option<&[u8]>,
    headers: impl ExactSizeIterator<Item = (&'a [u8], Option<&'a [u8]>)> + Clone,
) {
    let count = as_i64(headers.len());
    let mut size = 1
        + varint::size(timestamp_delta)
        + varint::size(i64::from(offset_delta))
        + bytes_size(key)
        + bytes_size(value)
        + varint::size(count);
    if count > 0 {
        size +=
            headers.clone().map(|(name, value)| bytes_size(Some(name)) + bytes_size(value)).sum::<usize>();
    }
    to.reserve(size + 5);
    varint::put(to, as_i64(size));
    to.push(0); // attributes
    varint::put(to, timestamp_delta);
    varint::put(to, i64::from(offset_delta));
    put_bytes(to, key);
    put_bytes(to, value);
    varint::put(to, count);
    for (name, value) in headers {
        put_bytes(to, Some(name));
        put_bytes(to, value);
    }
}

/// The batch again with the records that `keep` wants; producer, sequence, offsets and timestamps stay.
pub(super) fn rebuild(
    original: &Bytes,
    header: BatchHeader,
    open: &OpenBatch<'_>,
    keep: &mut dyn FnMut(&Record<'_>) -> bool,
) -> Result<Option<RecordBatch>, BatchError> {
    let mut bytes = original[..BATCH_HEADER_LEN].to_vec();
    let (mut count, mut largest) = (0u32, Timestamp(i64::MIN));
    for record in open.records() {
        let record = record?;
        if !keep(&record) {
            continue;
        }
        let timestamp_delta = record.timestamp.0.wrapping_sub(header.base_timestamp.0);
        let offset_delta = u32::try_from(record.offset.since(header.base_offset)).unwrap_or(u32::MAX);
        let headers: Vec<_> = record.headers().map(|h| (h.name, h.value)).collect();
        put_record(&mut bytes, timestamp_delta, offset_delta, record.key, record.value, headers.into_iter());
        count += 1;
        largest = largest.max(record.timestamp);
    }
    if count == header.count {
        return Ok(Some(RecordBatch { bytes: original.clone(), header }));
    }
    if count == 0 {
        return Ok(None);
    }
    let mut bytes = pack(bytes, header.compression)?;
    debug_assert_eq!(bytes[21..23][1] & 8 != 0, header.log_append_time, "bit {LOG_APPEND_TIME_BIT}");
    bytes[35..43].copy_from_slice(&largest.0.to_be_bytes());
    bytes[57..61].copy_from_slice(&count.to_be_bytes());
    let bytes = seal(bytes)?.freeze();
    let header = parse_header(&bytes)?;
    Ok(Some(RecordBatch { bytes, header }))
}
