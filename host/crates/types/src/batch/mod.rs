//! Kafka's RecordBatch v2: validated once at the door, then the same opaque bytes on disk, in caches and on sockets.
//!
//! ```text
//!  0 base offset i64 | 8 length i32 | 12 leader epoch i32 | 16 magic i8 = 2 | 17 crc32c u32 | 21 attributes i16
//! 23 last offset delta i32 | 27 base timestamp i64 | 35 max timestamp i64 | 43 producer id i64 | 51 producer epoch i16
//! 53 base sequence i32 | 57 records i32 | 61 records, compressed as the attributes' low three bits say
//! ```
//! The CRC covers everything from the attributes on: base offset and leader epoch are set without touching it.
//! (Kafka documentation, "Record Batch"; `org.apache.kafka.common.record.DefaultRecordBatch`.)

mod build;
mod records;

pub use build::BatchBuilder;
pub use records::{OpenBatch, Record, RecordHeader, RecordPlace, Records};

use crate::codec::{CodecError, Compression};
use crate::offset::{LeaderEpoch, Offset, ProducerEpoch, ProducerId};
use crate::time::Timestamp;
use bytes::{Bytes, BytesMut};

/// Bytes before the first record.
pub const BATCH_HEADER_LEN: usize = 61;
/// Bytes that the length field does not count: base offset and the length itself.
const LENGTH_OVERHEAD: usize = 12;
const CRC_START: usize = 17;
const CRC_COVERS_FROM: usize = 21;
/// Of the attributes' low byte.
const CODEC_BITS: u8 = 0b111;
const LOG_APPEND_TIME_BIT: i16 = 1 << 3;
const TRANSACTIONAL_BIT: i16 = 1 << 4;
const CONTROL_BIT: i16 = 1 << 5;

/// Why bytes are no acceptable record batch.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum BatchError {
    /// Fewer bytes than the header or than the length field claims.
    #[error("batch is cut off: {have} bytes of {need}")]
    Cut {
        /// Bytes that came.
        have: usize,
        /// Bytes needed.
        need: usize,
    },
    /// The length field is negative, below the header, or differs from the bytes that came.
    #[error("batch claims {claimed} bytes, {have} came")]
    Length {
        /// The length field, plus the bytes it does not count.
        claimed: i64,
        /// Bytes that came.
        have: usize,
    },
    /// Larger than the limit.
    #[error("batch of {len} bytes is over the limit of {limit} bytes")]
    TooLarge {
        /// Its bytes.
        len: usize,
        /// The limit in bytes.
        limit: usize,
    },
    /// Message formats 0 and 1 were dropped by Kafka 4.0 (KIP-724).
    #[error("message format {0} is not supported, only 2 is")]
    Magic(i8),
    /// Damaged on the way, or on disk.
    #[error("checksum is {found:08x}, the header says {expected:08x}")]
    Crc {
        /// As the header says.
        expected: u32,
        /// Of the bytes.
        found: u32,
    },
    /// Counts in the header contradict each other or the records.
    #[error("counts are wrong: {0}")]
    Counts(String),
    /// A record inside is malformed.
    #[error("record {index} is malformed: {reason}")]
    Record {
        /// Its index in the batch.
        index: u32,
        /// What is wrong.
        reason: &'static str,
    },
    /// The records do not unpack.
    #[error(transparent)]
    Codec(#[from] CodecError),
}

/// Bounds that a batch from outside must keep.
#[derive(Clone, Copy, Debug)]
pub struct BatchLimits {
    /// Bytes of the whole batch, as sent.
    pub batch_len_max: usize,
}

/// The fixed fields of a batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct BatchHeader {
    /// Offset of the first record.
    pub base_offset: Offset,
    /// Leadership term in which it was appended.
    pub leader_epoch: LeaderEpoch,
    /// Codec of the records.
    pub compression: Compression,
    /// The broker's clock set the timestamps (`message.timestamp.type=LogAppendTime`).
    pub log_append_time: bool,
    /// Part of a transaction.
    pub transactional: bool,
    /// A transaction marker, not data.
    pub control: bool,
    /// Last offset less the base offset.
    pub last_offset_delta: u32,
    /// What the records' timestamps are relative to.
    pub base_timestamp: Timestamp,
    /// The largest timestamp inside.
    pub max_timestamp: Timestamp,
    /// Who wrote it, for idempotence.
    pub producer: Option<(ProducerId, ProducerEpoch)>,
    /// Sequence of the first record; -1 without a producer.
    pub base_sequence: i32,
    /// Records inside; after compaction fewer than offsets.
    pub count: u32,
}

impl BatchHeader {
    /// Offset of the last record (or of one that compaction removed).
    pub fn last_offset(&self) -> Offset {
        self.base_offset.after(self.last_offset_delta)
    }
    /// The offset that follows the batch.
    pub fn next_offset(&self) -> Offset {
        self.last_offset().after(1)
    }
    /// Sequence of the last record, wrapping from `i32::MAX` to 0 as Kafka's does.
    pub fn last_sequence(&self) -> i32 {
        let sum = i64::from(self.base_sequence) + i64::from(self.last_offset_delta);
        i32::try_from(sum % (i64::from(i32::MAX) + 1)).unwrap_or(0)
    }
}

fn bytes_at<const N: usize>(bytes: &[u8], at: usize) -> [u8; N] {
    let mut out = [0; N];
    out.copy_from_slice(&bytes[at..at + N]);
    out
}
fn i16_at(bytes: &[u8], at: usize) -> i16 {
    i16::from_be_bytes(bytes_at(bytes, at))
}
fn i32_at(bytes: &[u8], at: usize) -> i32 {
    i32::from_be_bytes(bytes_at(bytes, at))
}
fn i64_at(bytes: &[u8], at: usize) -> i64 {
    i64::from_be_bytes(bytes_at(bytes, at))
}

/// How many bytes the batch at the front of `bytes` takes by its length field; refuses what no batch can have.
/// For splitting a record set without touching what the length merely claims.
pub fn batch_len(bytes: &[u8]) -> Result<usize, BatchError> {
    if bytes.len() < LENGTH_OVERHEAD {
        return Err(BatchError::Cut { have: bytes.len(), need: BATCH_HEADER_LEN });
    }
    let claimed = i64::from(i32_at(bytes, 8)) + LENGTH_OVERHEAD as i64;
    match usize::try_from(claimed) {
        Ok(len) if len >= BATCH_HEADER_LEN => Ok(len),
        _ => Err(BatchError::Length { claimed, have: bytes.len() }),
    }
}

/// Reads and checks the header of exactly one batch: shape, magic, counts; not the CRC.
fn parse_header(bytes: &[u8]) -> Result<BatchHeader, BatchError> {
    if bytes.len() < BATCH_HEADER_LEN {
        return Err(BatchError::Cut { have: bytes.len(), need: BATCH_HEADER_LEN });
    }
    // the magic comes first: older formats have other bytes everywhere else
    let magic = bytes[16].cast_signed();
    if magic != 2 {
        return Err(BatchError::Magic(magic));
    }
    let len = batch_len(bytes)?;
    if len != bytes.len() {
        return Err(BatchError::Length {
            claimed: i64::try_from(len).unwrap_or(i64::MAX),
            have: bytes.len(),
        });
    }
    let attributes = i16_at(bytes, 21);
    let last_offset_delta = u32::try_from(i32_at(bytes, 23));
    let count = u32::try_from(i32_at(bytes, 57));
    let (Ok(last_offset_delta), Ok(count)) = (last_offset_delta, count) else {
        return Err(BatchError::Counts("a count is negative".into()));
    };
    if u64::from(count) > u64::from(last_offset_delta) + 1 {
        return Err(BatchError::Counts(format!(
            "{count} records in {} offsets",
            u64::from(last_offset_delta) + 1
        )));
    }
    let base_offset = Offset::from_wire(i64_at(bytes, 0))
        .filter(|base| base.get() < Offset::MAX.get() - u64::from(last_offset_delta))
        .ok_or_else(|| BatchError::Counts(format!("base offset {} is out of range", i64_at(bytes, 0))))?;
    let compression = Compression::from_bits(bytes[22] & CODEC_BITS)?;
    let producer_id = i64_at(bytes, 43);
    Ok(BatchHeader {
        base_offset,
        leader_epoch: LeaderEpoch(i32_at(bytes, 12)),
        compression,
        log_append_time: attributes & LOG_APPEND_TIME_BIT != 0,
        transactional: attributes & TRANSACTIONAL_BIT != 0,
        control: attributes & CONTROL_BIT != 0,
        last_offset_delta,
        base_timestamp: Timestamp(i64_at(bytes, 27)),
        max_timestamp: Timestamp(i64_at(bytes, 35)),
        producer: (producer_id >= 0).then(|| (ProducerId(producer_id), ProducerEpoch(i16_at(bytes, 51)))),
        base_sequence: i32_at(bytes, 53),
        count,
    })
}

fn check_crc(bytes: &[u8]) -> Result<(), BatchError> {
    let expected = u32::from_be_bytes(bytes_at(bytes, CRC_START));
    let found = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
    if expected == found { Ok(()) } else { Err(BatchError::Crc { expected, found }) }
}

fn write_crc(bytes: &mut [u8]) {
    let crc = crc32c::crc32c(&bytes[CRC_COVERS_FROM..]);
    bytes[CRC_START..CRC_COVERS_FROM].copy_from_slice(&crc.to_be_bytes());
}

/// A validated batch that has no offset yet: what a producer sent, or what a [`BatchBuilder`] built.
#[derive(Debug)]
pub struct NewBatch {
    bytes: BytesMut,
    header: BatchHeader,
}

impl NewBatch {
    /// Takes exactly one batch as a producer sent it: magic, length, limits, counts and CRC are checked, and that every
    /// offset has its record. The records themselves stay unopened: see [`NewBatch::check_records`].
    pub fn from_producer(mut bytes: BytesMut, limits: BatchLimits) -> Result<NewBatch, BatchError> {
        if bytes.len() > limits.batch_len_max {
            return Err(BatchError::TooLarge { len: bytes.len(), limit: limits.batch_len_max });
        }
        if bytes.len() >= 8 {
            // a producer's base offset says nothing, and librdkafka does not always send 0
            bytes[..8].fill(0);
        }
        let header = parse_header(&bytes)?;
        check_crc(&bytes)?;
        if header.count == 0 || u64::from(header.count) != u64::from(header.last_offset_delta) + 1 {
            let offsets = u64::from(header.last_offset_delta) + 1;
            return Err(BatchError::Counts(format!("{} records for {offsets} offsets", header.count)));
        }
        Ok(NewBatch { bytes, header })
    }
    /// The fixed fields; base offset 0.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }
    /// Bytes of the whole batch.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
    /// Never: a batch has a header.
    pub fn is_empty(&self) -> bool {
        false
    }
    /// Moves it into memory of its own, where it keeps nothing else there.
    pub fn detach(&mut self) {
        self.bytes = BytesMut::from(self.bytes.as_ref());
    }
    /// Opens the batch and walks over every record: framing, counts, offset deltas, varints, header shapes. `unpacked_len_max`
    /// bounds what compressed records may unpack to, in bytes.
    /// What the header says of times is made right where it is not, as Kafka does: there are clients that set no largest
    /// timestamp (Sarama until 2025), or the last one (kafka-go's `Conn`). Times are the records' own here: see
    /// [`NewBatch::stamp`].
    pub fn check_records(&mut self, unpacked_len_max: usize) -> Result<(), BatchError> {
        let own = BatchHeader { log_append_time: false, ..self.header };
        let largest = records::OpenBatch::open(&self.bytes, own, unpacked_len_max)?.check_dense()?;
        let right = BatchHeader { max_timestamp: largest, ..own };
        if right != self.header {
            self.header = right;
            self.write_times();
        }
        Ok(())
    }
    /// Calls `each` with every record, in order; stops at the first error.
    pub fn open(&self, unpacked_len_max: usize) -> Result<OpenBatch<'_>, BatchError> {
        records::OpenBatch::open(&self.bytes, self.header, unpacked_len_max)
    }
    /// Sets every timestamp to `now` (`message.timestamp.type=LogAppendTime`) by the attribute bit and the largest
    /// timestamp alone, as Kafka does; the CRC is made anew.
    pub fn stamp(&mut self, now: Timestamp) {
        self.header.log_append_time = true;
        self.header.max_timestamp = now;
        self.write_times();
    }
    /// Puts what the header says of times into the bytes, with the CRC of what they are then.
    fn write_times(&mut self) {
        let BatchHeader { log_append_time, max_timestamp, .. } = self.header;
        let others = i16_at(&self.bytes, 21) & !LOG_APPEND_TIME_BIT;
        let attributes = if log_append_time { others | LOG_APPEND_TIME_BIT } else { others };
        self.bytes[21..23].copy_from_slice(&attributes.to_be_bytes());
        self.bytes[35..43].copy_from_slice(&max_timestamp.0.to_be_bytes());
        write_crc(&mut self.bytes);
    }
    /// Gives the batch its place in a partition. The bytes are patched where they lie; nothing is copied.
    pub fn place(mut self, base_offset: Offset, epoch: LeaderEpoch) -> RecordBatch {
        self.bytes[..8].copy_from_slice(&base_offset.to_wire().to_be_bytes());
        self.bytes[12..16].copy_from_slice(&epoch.0.to_be_bytes());
        self.header.base_offset = base_offset;
        self.header.leader_epoch = epoch;
        RecordBatch { bytes: self.bytes.freeze(), header: self.header }
    }
}

/// One batch as it lies in the log. Cheap to clone: the bytes are shared.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RecordBatch {
    bytes: Bytes,
    header: BatchHeader,
}

impl RecordBatch {
    /// Takes exactly one batch that was stored: shape, counts and CRC are checked, so that a flipped bit on disk is found
    /// before anyone sees it.
    pub fn from_stored(bytes: Bytes) -> Result<RecordBatch, BatchError> {
        let header = parse_header(&bytes)?;
        check_crc(&bytes)?;
        Ok(RecordBatch { bytes, header })
    }
    /// The fixed fields.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }
    /// The whole batch, as it travels.
    pub fn bytes(&self) -> &Bytes {
        &self.bytes
    }
    /// Bytes of the whole batch.
    pub fn len(&self) -> usize {
        self.bytes.len()
    }
    /// Never: a batch has a header.
    pub fn is_empty(&self) -> bool {
        false
    }
    /// Opens the records for reading; compressed ones unpack to at most `unpacked_len_max` bytes.
    pub fn open(&self, unpacked_len_max: usize) -> Result<OpenBatch<'_>, BatchError> {
        records::OpenBatch::open(&self.bytes, self.header, unpacked_len_max)
    }
    /// The same batch with its records unpacked, to at most `unpacked_len_max` bytes: for a reader who opens it several
    /// times. It is no batch to store or send: its checksum is that of the packed one.
    pub fn unpacked(&self, unpacked_len_max: usize) -> Result<RecordBatch, BatchError> {
        if self.header.compression == Compression::None {
            return Ok(self.clone());
        }
        let records = self.header.compression.unpack(&self.bytes[BATCH_HEADER_LEN..], unpacked_len_max)?;
        let mut bytes = Vec::with_capacity(BATCH_HEADER_LEN + records.len());
        bytes.extend_from_slice(&self.bytes[..BATCH_HEADER_LEN]);
        bytes.extend_from_slice(&records);
        let header = BatchHeader { compression: Compression::None, ..self.header };
        Ok(RecordBatch { bytes: bytes.into(), header })
    }
    /// The batch with only the records that `keep` wants, offsets and timestamps as they were: what compaction writes.
    /// `None` when nothing is left. The last offset delta stays, so that the next batch still follows (KIP-98).
    pub fn retain(
        &self,
        unpacked_len_max: usize,
        mut keep: impl FnMut(&Record<'_>) -> bool,
    ) -> Result<Option<RecordBatch>, BatchError> {
        let open = self.open(unpacked_len_max)?;
        build::rebuild(&self.bytes, self.header, &open, &mut keep)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    const LIMITS: BatchLimits = BatchLimits { batch_len_max: 1 << 20 };

    fn abc(compression: Compression) -> NewBatch {
        let mut builder = BatchBuilder::new(compression);
        builder.push(
            Timestamp(10),
            Some(b"a"),
            Some(b"1"),
            [(&b"h"[..], Some(&b"x"[..])), (b"h", None)].into_iter(),
        );
        builder.push(Timestamp(30), None, Some(b"22"), std::iter::empty());
        builder.push(Timestamp(20), Some(b"c"), None, std::iter::empty());
        builder.build().unwrap().unwrap()
    }

    #[test]
    fn a_built_batch_reads_back_whatever_the_codec() {
        for codec in
            [Compression::None, Compression::Gzip, Compression::Snappy, Compression::Lz4, Compression::Zstd]
        {
            let mut batch = abc(codec);
            let unchecked = batch.bytes.clone();
            batch.check_records(1 << 20).unwrap();
            assert_eq!(batch.bytes, unchecked, "what is right stays as it came");
            let placed = batch.place(Offset::new(100).unwrap(), LeaderEpoch(7));
            let stored = RecordBatch::from_stored(placed.bytes().clone()).unwrap();
            assert_eq!(stored.header().last_offset().get(), 102);
            assert_eq!(stored.header().max_timestamp, Timestamp(30));
            let open = stored.open(1 << 20).unwrap();
            let seen: Vec<_> = open
                .records()
                .map(|r| {
                    r.map(|r| (r.offset.get(), r.timestamp.0, r.key, r.value, r.headers().count())).unwrap()
                })
                .collect();
            assert_eq!(
                seen,
                vec![
                    (100, 10, Some(&b"a"[..]), Some(&b"1"[..]), 2),
                    (101, 30, None, Some(&b"22"[..]), 0),
                    (102, 20, Some(&b"c"[..]), None, 0)
                ]
            );
        }
    }
    #[test]
    fn every_flipped_bit_under_the_checksum_is_found() {
        let bytes = abc(Compression::None).place(Offset::FIRST, LeaderEpoch(0)).bytes().to_vec();
        for at in 16..bytes.len() {
            for bit in 0..8 {
                let mut wrong = bytes.clone();
                wrong[at] ^= 1 << bit;
                assert!(RecordBatch::from_stored(wrong.into()).is_err(), "byte {at} bit {bit}");
            }
        }
    }
    #[test]
    fn what_the_header_says_of_times_is_made_what_the_records_say() {
        for codec in [Compression::None, Compression::Gzip] {
            for (bit, claimed) in
                [(0, -1), (0, 20), (0, 31), (LOG_APPEND_TIME_BIT, 30), (LOG_APPEND_TIME_BIT, 5)]
            {
                let good = abc(codec).place(Offset::FIRST, LeaderEpoch(0)).bytes().to_vec();
                let mut wrong = good.clone();
                let attributes = i16_at(&wrong, 21) | bit;
                wrong[21..23].copy_from_slice(&attributes.to_be_bytes());
                wrong[35..43].copy_from_slice(&i64::to_be_bytes(claimed));
                write_crc(&mut wrong);
                let mut batch = NewBatch::from_producer(BytesMut::from(&wrong[..]), LIMITS).unwrap();
                batch.check_records(1 << 20).unwrap();
                assert_eq!(batch.header().max_timestamp, Timestamp(30));
                let placed = batch.place(Offset::FIRST, LeaderEpoch(0));
                assert_eq!(placed.bytes()[..], good[..], "bit {bit}, {claimed}");
            }
        }
    }
    #[test]
    fn what_a_producer_may_not_send_is_named() {
        let good = abc(Compression::None).place(Offset::FIRST, LeaderEpoch(0)).bytes().to_vec();
        let from = |bytes: Vec<u8>| NewBatch::from_producer(BytesMut::from(&bytes[..]), LIMITS).map(|_| ());
        assert_eq!(from(good.clone()), Ok(()));
        assert!(matches!(from(good[..40].to_vec()), Err(BatchError::Cut { .. })));
        let mut magic = good.clone();
        magic[16] = 1;
        assert_eq!(from(magic), Err(BatchError::Magic(1)));
        let mut length = good.clone();
        length[8..12].copy_from_slice(&i32::MAX.to_be_bytes());
        assert!(matches!(from(length), Err(BatchError::Length { .. })));
        let mut count = good.clone();
        count[57..61].copy_from_slice(&2i32.to_be_bytes());
        write_crc(&mut count);
        assert!(matches!(from(count), Err(BatchError::Counts(_))));
        let small = BatchLimits { batch_len_max: 50 };
        let over = NewBatch::from_producer(BytesMut::from(&good[..]), small);
        assert!(matches!(over, Err(BatchError::TooLarge { .. })));
    }
    #[test]
    fn compaction_keeps_offsets_and_drops_what_it_is_told() {
        let placed = abc(Compression::Lz4).place(Offset::new(5).unwrap(), LeaderEpoch(0));
        let kept = placed.retain(1 << 20, |r| r.key.is_some()).unwrap().unwrap();
        let kept = RecordBatch::from_stored(kept.bytes().clone()).unwrap();
        assert_eq!((kept.header().count, kept.header().next_offset().get()), (2, 8));
        let open = kept.open(1 << 20).unwrap();
        assert_eq!(open.records().map(|r| r.unwrap().offset.get()).collect::<Vec<_>>(), vec![5, 7]);
        assert_eq!(placed.retain(1 << 20, |_| false).unwrap(), None);
    }
    #[test]
    fn a_batch_read_in_steps_gives_every_record_once() {
        let mut builder = BatchBuilder::new(Compression::Zstd);
        (0..100i64).for_each(|i| builder.push(Timestamp(i), None, Some(b"value"), std::iter::empty()));
        let batch = builder.build().unwrap().unwrap().place(Offset::new(5).unwrap(), LeaderEpoch(0));
        let plain = batch.unpacked(1 << 20).unwrap();
        let (mut place, mut steps) = (RecordPlace::default(), Vec::new());
        loop {
            let mut columns = crate::RecordColumns::default();
            let open = plain.open(0).unwrap();
            let whole =
                open.read_on(&mut place, Offset::new(10).unwrap(), &mut columns, 30, 1 << 20).unwrap();
            steps.push((columns.offset(0).get(), columns.len()));
            if whole {
                break;
            }
        }
        assert_eq!(steps, vec![(10, 30), (40, 30), (70, 30), (100, 5)]);
        assert!(batch.unpacked(100).is_err(), "the limit holds");
    }
    #[test]
    fn append_time_covers_every_record() {
        let mut batch = abc(Compression::None);
        batch.stamp(Timestamp(99));
        let placed = batch.place(Offset::FIRST, LeaderEpoch(0));
        let stored = RecordBatch::from_stored(placed.bytes().clone()).unwrap();
        assert!(stored.open(1 << 20).unwrap().records().all(|r| r.unwrap().timestamp == Timestamp(99)));
    }

    proptest! {
        #[test]
        fn no_bytes_make_the_decoder_panic(mut bytes in proptest::collection::vec(any::<u8>(), 0..300), fix in any::<bool>()) {
            if fix && bytes.len() >= BATCH_HEADER_LEN {
                // so that the random bytes reach the record decoder
                bytes[16] = 2;
                let len = i32::try_from(bytes.len() - LENGTH_OVERHEAD).unwrap();
                bytes[8..12].copy_from_slice(&len.to_be_bytes());
                bytes[0] = 0;
                bytes[22] &= !7;
                bytes[23] = 0;
                let last = i32::from_be_bytes(bytes_at(&bytes, 23));
                bytes[57..61].copy_from_slice(&(last + 1).to_be_bytes());
                write_crc(&mut bytes);
            }
            if let Ok(mut batch) = NewBatch::from_producer(BytesMut::from(&bytes[..]), LIMITS)
                && batch.check_records(1 << 16).is_ok()
            {
                let placed = batch.place(Offset::FIRST, LeaderEpoch(0));
                assert_eq!(RecordBatch::from_stored(placed.bytes().clone()).unwrap().header(), placed.header());
            }
            if let Ok(batch) = RecordBatch::from_stored(bytes.into()) {
                let _ = batch.open(1 << 16).map(|open| open.records().count());
            }
        }
    }
}
