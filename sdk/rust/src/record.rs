//! Records as an author's code sees them: views into a batch's columns, read only where they are looked at.
//! In: a batch from the host, sound by the host's word. Out: [`Record`]s. Invariant: nothing is copied or decoded before it is asked for.

use crate::column::{Column, HeaderColumns};
use crate::time::Timestamp;
use serde::Deserialize;
use std::fmt;

/// Records of one partition of one input, in offset order.
#[derive(Clone, Debug, Default)]
pub struct Batch {
    pub(crate) input: u32,
    pub(crate) partition: u32,
    /// n u64, little-endian.
    pub(crate) offsets: Vec<u8>,
    /// n i64, little-endian, milliseconds.
    pub(crate) timestamps: Vec<u8>,
    pub(crate) keys: Column,
    pub(crate) values: Column,
    pub(crate) headers: Option<HeaderColumns>,
}

impl Batch {
    /// Which of the description's inputs, counted from 0.
    pub fn input(&self) -> usize {
        self.input as usize
    }
    /// The partition that all of these records are from.
    pub fn partition(&self) -> u32 {
        self.partition
    }
    /// Records; never 0 in a call.
    #[inline]
    pub fn len(&self) -> usize {
        self.offsets.len() / 8
    }
    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.offsets.is_empty()
    }
    /// Record i. Panics when there is none.
    #[inline]
    pub fn get(&self, index: usize) -> Record<'_> {
        assert!(index < self.len(), "no record {index} in a batch of {}", self.len());
        Record { batch: self, index }
    }
    /// All records in order.
    pub fn iter(&self) -> impl ExactSizeIterator<Item = Record<'_>> {
        (0..self.len()).map(|index| Record { batch: self, index })
    }
    /// All keys; null where a record has none.
    pub fn keys(&self) -> &Column {
        &self.keys
    }
    /// All values; null for a tombstone.
    pub fn values(&self) -> &Column {
        &self.values
    }
}

/// One record of a batch.
#[derive(Clone, Copy)]
pub struct Record<'a> {
    pub(crate) batch: &'a Batch,
    pub(crate) index: usize,
}

impl<'a> Record<'a> {
    /// Which of the description's inputs it came from, counted from 0.
    #[inline]
    pub fn input(&self) -> usize {
        self.batch.input as usize
    }
    /// Its partition.
    #[inline]
    pub fn partition(&self) -> u32 {
        self.batch.partition
    }
    /// Its index in the batch.
    #[inline]
    pub fn index(&self) -> usize {
        self.index
    }
    /// Its offset: with topic and partition, its name for ever.
    #[inline]
    pub fn offset(&self) -> u64 {
        u64::from_le_bytes(self.batch.offsets.as_chunks::<8>().0[self.index])
    }
    /// Its time.
    #[inline]
    pub fn timestamp(&self) -> Timestamp {
        Timestamp(i64::from_le_bytes(self.batch.timestamps.as_chunks::<8>().0[self.index]))
    }
    /// Its key; `None` when it has none.
    #[inline]
    pub fn key(&self) -> Option<&'a [u8]> {
        self.batch.keys.get(self.index)
    }
    /// Its value; `None` when it is a tombstone.
    #[inline]
    pub fn value(&self) -> Option<&'a [u8]> {
        self.batch.values.get(self.index)
    }
    /// Its key as text.
    pub fn key_str(&self) -> Result<&'a str, RecordError> {
        let key = self.key().ok_or(RecordError::NoKey)?;
        std::str::from_utf8(key).map_err(|e| RecordError::NotText { part: "key", at: e.valid_up_to() })
    }
    /// Its value as text.
    pub fn value_str(&self) -> Result<&'a str, RecordError> {
        let value = self.value().ok_or(RecordError::NoValue)?;
        std::str::from_utf8(value).map_err(|e| RecordError::NotText { part: "value", at: e.valid_up_to() })
    }
    /// Its value read as JSON.
    pub fn json<T: Deserialize<'a>>(&self) -> Result<T, RecordError> {
        let value = self.value().ok_or(RecordError::NoValue)?;
        serde_json::from_slice(value).map_err(|e| RecordError::NotJson(e.to_string()))
    }
    /// Its headers in order: names may repeat.
    pub fn headers(&self) -> impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)> + use<'a> {
        let index = self.index;
        self.batch.headers.iter().flat_map(move |headers| headers.get(index))
    }
    /// The last header of this name, as Kafka's clients have it.
    pub fn header(&self, name: &str) -> Option<&'a [u8]> {
        self.headers().filter(|(n, _)| *n == name.as_bytes()).last().and_then(|(_, value)| value)
    }
}

impl fmt::Debug for Record<'_> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Record")
            .field("input", &self.input())
            .field("partition", &self.partition())
            .field("offset", &self.offset())
            .field("timestamp", &self.timestamp())
            .field("key", &self.key().map(String::from_utf8_lossy))
            .field("value", &self.value().map(String::from_utf8_lossy))
            .finish()
    }
}

/// A record is not what it was read as. With `?` in `process` it refuses the record.
#[derive(Clone, Debug, PartialEq, Eq)]
#[non_exhaustive]
pub enum RecordError {
    /// It has no key.
    NoKey,
    /// It has no value: it is a tombstone.
    NoValue,
    /// Not UTF-8.
    NotText {
        /// `key` or `value`.
        part: &'static str,
        /// The first byte that is not UTF-8.
        at: usize,
    },
    /// Not JSON, or not of the shape that was asked for.
    NotJson(String),
}

impl fmt::Display for RecordError {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            RecordError::NoKey => f.write_str("the record has no key"),
            RecordError::NoValue => f.write_str("the record has no value"),
            RecordError::NotText { part, at } => write!(f, "the {part} is not UTF-8 from byte {at} on"),
            RecordError::NotJson(reason) => write!(f, "the value is not the JSON expected: {reason}"),
        }
    }
}
impl std::error::Error for RecordError {}
