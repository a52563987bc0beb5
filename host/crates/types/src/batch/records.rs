//! The records inside a batch, read without copying: keys, values and headers are slices of the batch (or of its
//! unpacked form). Every length is checked against the bytes that are there before it is used.

use super::{BATCH_HEADER_LEN, BatchError, BatchHeader};
use crate::codec::Compression;
use crate::column::RecordColumns;
use crate::offset::Offset;
use crate::time::Timestamp;
use crate::varint;
use std::borrow::Cow;

/// A batch whose records can be read.
#[derive(Debug)]
pub struct OpenBatch<'a> {
    header: BatchHeader,
    payload: Cow<'a, [u8]>,
}

/// One record; its parts are slices of the batch.
#[derive(Clone, Copy, Debug)]
pub struct Record<'a> {
    /// Its offset.
    pub offset: Offset,
    /// Its timestamp: the producer's, or the broker's when the batch says so.
    pub timestamp: Timestamp,
    /// None without a key.
    pub key: Option<&'a [u8]>,
    /// None for a tombstone.
    pub value: Option<&'a [u8]>,
    headers: RawHeaders<'a>,
}

/// One header of a record; names may repeat.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct RecordHeader<'a> {
    /// UTF-8 by convention, not checked.
    pub name: &'a [u8],
    /// None is legal.
    pub value: Option<&'a [u8]>,
}

#[derive(Clone, Copy, Debug)]
struct RawHeaders<'a> {
    bytes: &'a [u8],
    count: usize,
}

impl<'a> Record<'a> {
    /// The headers in order, repeats included.
    pub fn headers(&self) -> impl ExactSizeIterator<Item = RecordHeader<'a>> + use<'a> {
        let mut at = 0;
        let bytes = self.headers.bytes;
        // the shapes were checked when the record was read, so nothing is missing here
        (0..self.headers.count).map(move |_| RecordHeader {
            name: take_bytes(bytes, &mut at).flatten().unwrap_or_default(),
            value: take_bytes(bytes, &mut at).flatten(),
        })
    }
}

/// Length-prefixed bytes; `Some(None)` is null (length -1), `None` is malformed.
#[inline(always)]
fn take_bytes<'a>(from: &'a [u8], at: &mut usize) -> Option<Option<&'a [u8]>> {
    let len = varint::take(from, at)?;
    if len < 0 {
        return if len == -1 { Some(None) } else { None };
    }
    let end = at.checked_add(usize::try_from(len).ok()?)?;
    let bytes = from.get(*at..end)?;
    *at = end;
    Some(Some(bytes))
}

impl<'a> OpenBatch<'a> {
    pub(super) fn open(
        bytes: &'a [u8],
        header: BatchHeader,
        unpacked_len_max: usize,
    ) -> Result<OpenBatch<'a>, BatchError> {
        let packed = &bytes[BATCH_HEADER_LEN..];
        let payload = match header.compression {
            Compression::None => Cow::Borrowed(packed),
            codec => Cow::Owned(codec.unpack(packed, unpacked_len_max)?),
        };
        Ok(OpenBatch { header, payload })
    }
    /// The fixed fields of the batch.
    pub fn header(&self) -> &BatchHeader {
        &self.header
    }
    /// The records in order; after an error there are no more.
    pub fn records(&self) -> Records<'_> {
        Records { header: self.header, payload: &self.payload, at: 0, index: 0 }
    }
    /// Appends the records from `from` on to `columns`, until these hold `records_max` records or `bytes_max` bytes (one
    /// record always fits). Says whether the batch was read to its end.
    pub fn read_into(
        &self,
        from: Offset,
        columns: &mut RecordColumns,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<bool, BatchError> {
        self.read_on(&mut RecordPlace::default(), from, columns, records_max, bytes_max)
    }
    /// The same from `place` on, which is left at the first record that was not read: a large batch that is read in several
    /// steps is walked over once, not once a step.
    pub fn read_on(
        &self,
        place: &mut RecordPlace,
        from: Offset,
        columns: &mut RecordColumns,
        records_max: usize,
        bytes_max: usize,
    ) -> Result<bool, BatchError> {
        let mut bytes = columns.byte_len();
        let mut records =
            Records { header: self.header, payload: &self.payload, at: place.at, index: place.index };
        loop {
            let here = RecordPlace { at: records.at, index: records.index };
            let Some(record) = records.next() else { return Ok(true) };
            let record = record?;
            if record.offset < from {
                continue;
            }
            let len = record.key.map_or(0, <[u8]>::len)
                + record.value.map_or(0, <[u8]>::len)
                + record.headers.bytes.len();
            let full = columns.len() >= records_max || bytes + len > bytes_max;
            if full && !columns.is_empty() {
                *place = here;
                return Ok(false);
            }
            bytes += len + RECORD_COLUMN_OVERHEAD_LEN;
            columns.push(
                record.offset,
                record.timestamp,
                record.key,
                record.value,
                record.headers().map(|h| (h.name, h.value)),
            );
        }
    }
    /// Walks over every record, which must have every offset in turn; answers their largest timestamp.
    pub(super) fn check_dense(&self) -> Result<Timestamp, BatchError> {
        let mut largest = Timestamp(i64::MIN);
        let mut records = self.records();
        let mut next = self.header.base_offset;
        while let Some(record) = records.next() {
            let record = record?;
            if record.offset != next {
                let index = records.index - 1;
                return Err(BatchError::Record {
                    index,
                    reason: "its offset does not follow the one before",
                });
            }
            next = next.after(1);
            largest = largest.max(record.timestamp);
        }
        Ok(largest)
    }
}

/// Where in a batch a reader stands; the default is its beginning.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct RecordPlace {
    at: usize,
    index: u32,
}

/// Offset, timestamp and the two ends of a record's key and value.
const RECORD_COLUMN_OVERHEAD_LEN: usize = 8 + 8 + 4 + 4;

/// Iterator over the records of an [`OpenBatch`].
#[derive(Debug)]
pub struct Records<'a> {
    header: BatchHeader,
    payload: &'a [u8],
    at: usize,
    index: u32,
}

impl<'a> Records<'a> {
    #[inline]
    fn read(&mut self) -> Result<Record<'a>, &'static str> {
        let len = varint::take(self.payload, &mut self.at).ok_or("its length is cut off")?;
        let end = usize::try_from(len).ok().and_then(|len| self.at.checked_add(len));
        let body = end.and_then(|end| self.payload.get(self.at..end)).ok_or("it is cut off")?;
        let mut at = 1; // attributes, unused
        let timestamp_delta = varint::take(body, &mut at).ok_or("its timestamp is cut off")?;
        let offset_delta = varint::take(body, &mut at).ok_or("its offset is cut off")?;
        let offset_delta = u32::try_from(offset_delta)
            .ok()
            .filter(|delta| *delta <= self.header.last_offset_delta)
            .ok_or("its offset is outside the batch")?;
        let key = take_bytes(body, &mut at).ok_or("its key is cut off")?;
        let value = take_bytes(body, &mut at).ok_or("its value is cut off")?;
        let headers = check_headers(body, at)?;
        self.at += body.len();
        let timestamp = if self.header.log_append_time {
            self.header.max_timestamp
        } else {
            Timestamp(self.header.base_timestamp.0.wrapping_add(timestamp_delta))
        };
        Ok(Record { offset: self.header.base_offset.after(offset_delta), timestamp, key, value, headers })
    }
}

/// Headers must fill the record to its last byte.
#[inline(always)]
fn check_headers(body: &[u8], mut at: usize) -> Result<RawHeaders<'_>, &'static str> {
    let count = varint::take(body, &mut at).ok_or("its header count is cut off")?;
    if count == 0 && at == body.len() {
        return Ok(RawHeaders { bytes: &[], count: 0 });
    }
    check_each_header(body, at, count)
}

#[inline(never)]
fn check_each_header(body: &[u8], mut at: usize, count: i64) -> Result<RawHeaders<'_>, &'static str> {
    let count = usize::try_from(count).map_err(|_| "its header count is negative")?;
    let start = at;
    for _ in 0..count {
        take_bytes(body, &mut at).flatten().ok_or("a header's name is cut off or null")?;
        take_bytes(body, &mut at).ok_or("a header's value is cut off")?;
    }
    if at == body.len() {
        Ok(RawHeaders { bytes: &body[start..], count })
    } else {
        Err("it has bytes after its headers")
    }
}

impl<'a> Iterator for Records<'a> {
    type Item = Result<Record<'a>, BatchError>;

    #[inline]
    fn next(&mut self) -> Option<Self::Item> {
        if self.index == self.header.count {
            if self.at == self.payload.len() {
                return None;
            }
            self.at = self.payload.len();
            return Some(Err(BatchError::Counts(format!(
                "bytes follow the last of {} records",
                self.header.count
            ))));
        }
        let index = self.index;
        match self.read() {
            Ok(record) => {
                self.index += 1;
                Some(Ok(record))
            }
            Err(reason) => {
                (self.index, self.at) = (self.header.count, self.payload.len());
                Some(Err(BatchError::Record { index, reason }))
            }
        }
    }
}
