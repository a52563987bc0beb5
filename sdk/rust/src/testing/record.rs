//! Records as a test writes them, and as it finds them.
//! In: text or bytes. Out: batches for the processor, and what it sent. Invariant: none beyond the records' own.

use crate::outcome::Fresh;
use crate::record::{Batch, Record};
use crate::time::Timestamp;
use serde::de::DeserializeOwned;

/// A record to send to a processor.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TestRecord {
    pub(super) input: usize,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) timestamp: Option<Timestamp>,
    pub(super) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

impl TestRecord {
    /// A record of the first input with this value, no key, and the harness's clock as its time.
    pub fn new(value: impl AsRef<[u8]>) -> TestRecord {
        TestRecord { value: Some(value.as_ref().to_vec()), ..TestRecord::default() }
    }
    /// A record without a value.
    pub fn tombstone() -> TestRecord {
        TestRecord::default()
    }
    /// With this key.
    pub fn key(mut self, key: impl AsRef<[u8]>) -> TestRecord {
        self.key = Some(key.as_ref().to_vec());
        self
    }
    /// Of this time.
    pub fn timestamp(mut self, at: Timestamp) -> TestRecord {
        self.timestamp = Some(at);
        self
    }
    /// Of this input, counted from 0.
    pub fn input(mut self, input: usize) -> TestRecord {
        self.input = input;
        self
    }
    /// With one header more.
    pub fn header(mut self, name: &str, value: impl AsRef<[u8]>) -> TestRecord {
        self.headers.push((name.as_bytes().to_vec(), Some(value.as_ref().to_vec())));
        self
    }
}

impl<T: AsRef<[u8]> + ?Sized> From<&T> for TestRecord {
    fn from(value: &T) -> TestRecord {
        TestRecord::new(value)
    }
}
impl From<String> for TestRecord {
    fn from(value: String) -> TestRecord {
        TestRecord::new(value)
    }
}

/// A batch of these records, with their offsets.
pub(super) fn batch(partition: u32, records: &[(u64, TestRecord)]) -> Batch {
    let mut batch = Batch { partition, ..Batch::default() };
    let any_headers = records.iter().any(|(_, record)| !record.headers.is_empty());
    batch.headers = any_headers.then(Default::default);
    for (offset, record) in records {
        batch.input = crate::output::wire(record.input);
        batch.offsets.extend(offset.to_le_bytes());
        batch.timestamps.extend(record.timestamp.unwrap_or_default().0.to_le_bytes());
        batch.keys.push(record.key.as_deref());
        batch.values.push(record.value.as_deref());
        if let Some(headers) = &mut batch.headers {
            headers.push(record.headers.iter().map(|(name, value)| (name.as_slice(), value.as_deref())));
        }
    }
    batch
}

/// A record that a processor sent.
#[derive(Clone, Debug, PartialEq)]
pub struct Sent {
    /// To which output, counted from 0.
    pub output: usize,
    /// Its key.
    pub key: Option<Vec<u8>>,
    /// Its value; `None` for a tombstone.
    pub value: Option<Vec<u8>>,
    /// Its time.
    pub timestamp: Timestamp,
    /// Its headers.
    pub headers: Vec<(String, Option<Vec<u8>>)>,
    /// Its partition, when the processor named one.
    pub partition: Option<u32>,
}

impl Sent {
    /// The key as text. Panics when there is none, or it is none.
    #[track_caller]
    pub fn key_str(&self) -> &str {
        text("key", self.key.as_deref())
    }
    /// The value as text. Panics when there is none, or it is none.
    #[track_caller]
    pub fn value_str(&self) -> &str {
        text("value", self.value.as_deref())
    }
    /// The value read as JSON. Panics when it is none, or of another shape.
    #[track_caller]
    pub fn json<T: DeserializeOwned>(&self) -> T {
        let value = self.value_str();
        serde_json::from_str(value)
            .unwrap_or_else(|e| panic!("the value {value} is not the JSON expected: {e}"))
    }
    pub(super) fn forwarded(output: usize, record: Record<'_>) -> Sent {
        Sent {
            output,
            key: record.key().map(<[u8]>::to_vec),
            value: record.value().map(<[u8]>::to_vec),
            timestamp: record.timestamp(),
            headers: owned(record.headers()),
            partition: None,
        }
    }
    pub(super) fn fresh(output: usize, fresh: &Fresh, index: usize) -> Sent {
        let partitions = fresh.partitions.as_chunks::<4>().0;
        Sent {
            output,
            key: fresh.keys.get(index).map(<[u8]>::to_vec),
            value: fresh.values.get(index).map(<[u8]>::to_vec),
            timestamp: Timestamp(i64::from_le_bytes(fresh.timestamps.as_chunks::<8>().0[index])),
            headers: fresh.headers.iter().flat_map(|headers| owned(headers.get(index))).collect(),
            partition: partitions.get(index).map(|partition| u32::from_le_bytes(*partition)),
        }
    }
}

fn owned<'a>(headers: impl Iterator<Item = (&'a [u8], Option<&'a [u8]>)>) -> Vec<(String, Option<Vec<u8>>)> {
    headers
        .map(|(name, value)| (String::from_utf8_lossy(name).into_owned(), value.map(<[u8]>::to_vec)))
        .collect()
}

#[track_caller]
fn text<'a>(part: &str, bytes: Option<&'a [u8]>) -> &'a str {
    let Some(bytes) = bytes else { panic!("the record has no {part}") };
    std::str::from_utf8(bytes).unwrap_or_else(|e| panic!("the {part} {bytes:?} is not UTF-8: {e}"))
}
