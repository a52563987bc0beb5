//! Records: written to and read from `/v1/topics/{topic}/records`.
//!
//! A record's bytes appear as JSON, as text or as base64. A value is JSON unless `value_encoding` says otherwise, a key
//! is text unless `key_encoding` says otherwise, and both directions follow the same rule: what was read can be sent
//! back, and the same bytes come to lie in the log.

use serde::{Deserialize, Serialize};
use serde_json::value::RawValue;
use utoipa::{IntoParams, ToSchema};

/// Bytes as they are, in the document; never a body of JSON.
#[derive(Clone, Copy, Debug, ToSchema)]
#[schema(value_type = String, format = Binary)]
pub struct Binary(#[allow(dead_code, reason = "only its shape is used")] u8);

/// How the bytes of a key or of a header are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum KeyEncoding {
    /// The bytes are UTF-8 and stand as they are.
    #[default]
    Text,
    /// RFC 4648, section 4, with padding.
    Base64,
}

/// How the bytes of a value are written.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ValueEncoding {
    /// The bytes are JSON and stand as they are; `null` is no value at all (a tombstone).
    #[default]
    Json,
    /// The bytes are UTF-8, as a JSON string.
    Text,
    /// RFC 4648, section 4, with padding, as a JSON string.
    Base64,
}

/// When a write is answered.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub enum Acks {
    /// Once it is queued: nothing is promised, and no offset is known.
    #[serde(rename = "0")]
    None,
    /// Once it is written: survives the process being killed.
    #[serde(rename = "1")]
    Written,
    /// Once it is synced: survives the machine losing power.
    #[default]
    #[serde(rename = "all")]
    Synced,
}

/// How much a streamed write says of each record.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum Receipts {
    /// One line for each batch that was acknowledged.
    #[default]
    Batch,
    /// One line for each record. The client must read while it writes.
    Record,
}

/// Query of a write.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ProduceQuery {
    /// Partition of every record. Absent: by key (Kafka's murmur2), and records without a key stay together in one
    /// partition for a batch, then move on to the next.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Key of every record that brings none of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How `key` is written; `text` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub key_encoding: Option<KeyEncoding>,
    /// For `text/plain`: what stands before the first occurrence of this text in a line is the record's key.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(min_length = 1)]
    pub key_separator: Option<String>,
    /// Headers of every record that brings none of its own: a JSON array, as `headers` in [`NewRecord`].
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(example = r#"[{"name":"source","value":"web"}]"#)]
    pub headers: Option<String>,
    /// Timestamp of every record that brings none of its own, in milliseconds since 1970-01-01 UTC; now when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0)]
    pub timestamp: Option<i64>,
    /// When the write is answered; `all` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub acks: Option<Acks>,
    /// For streamed writes: how much is said of each record; `batch` when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub receipts: Option<Receipts>,
}

/// A record to be written, with all its parts. One line of [`super::RECORDS_NDJSON`], one element of [`NewRecords`].
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecord {
    /// The key; none when absent or null.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How `key` is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_encoding: Option<KeyEncoding>,
    /// The value: any JSON, kept as it is written. Absent or `null` it is a tombstone.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(value_type = Option<serde_json::Value>)]
    pub value: Option<Box<RawValue>>,
    /// How `value` is written: unless it is JSON, a string.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_encoding: Option<ValueEncoding>,
    /// Headers in order; names may repeat.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<RecordHeader>,
    /// Milliseconds since 1970-01-01 UTC; the query's, or now, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    #[schema(minimum = 0)]
    pub timestamp: Option<i64>,
    /// The partition; the query's, or by key, when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Not looked at, so that a record can be sent back as it was read.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// Records to be written, with all their parts.
#[derive(Clone, Debug, Default, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct NewRecords {
    /// The records in order.
    pub records: Vec<NewRecord>,
}

/// A header of a record.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct RecordHeader {
    /// Its name.
    pub name: String,
    /// Its value; null is legal.
    #[serde(default)]
    pub value: Option<String>,
    /// How `value` is written.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub encoding: Option<KeyEncoding>,
}

/// What a write answers: where each record came to lie.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Produced {
    /// In the order of the request.
    pub records: Vec<Placed>,
}

/// Where a record came to lie.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Placed {
    /// Its partition.
    pub partition: u32,
    /// Its offset; unknown with `acks=0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
}

/// One line of what a streamed write answers. A whole answer ends with `done` or with `problem`; one that ends with
/// neither was cut off.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "snake_case")]
pub enum ProduceEvent {
    /// These lines are in the log, and stay there.
    Acknowledged(Acknowledged),
    /// Everything sent is in the log.
    Done(Done),
    /// The write ends here; what was acknowledged stays, nothing else was written.
    Problem(super::Problem),
}

/// Lines that are in the log.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Acknowledged {
    /// First line, counted from 1.
    pub first_line: u64,
    /// Last line.
    pub last_line: u64,
    /// Where they came to lie; within a partition in the order of the lines.
    pub placed: Vec<PlacedRun>,
}

/// Records that lie one after the other.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct PlacedRun {
    /// Their partition.
    pub partition: u32,
    /// Offset of the first; unknown with `acks=0`.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub first_offset: Option<u64>,
    /// How many.
    pub count: u64,
}

/// The end of a streamed write.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct Done {
    /// Records written.
    pub records: u64,
    /// Lines that came, empty ones included.
    pub lines: u64,
}

/// Where a read begins.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ReadFrom {
    /// At the first record there is.
    #[default]
    Earliest,
    /// Only what comes from now on.
    Latest,
}

/// Query of a read. At most one of `from`, `offset`, `timestamp` and `cursor`; without any, from the first record there is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct ReadQuery {
    /// Only this partition; all of them when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// At either end.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(inline)]
    pub from: Option<ReadFrom>,
    /// At this offset; needs `partition` unless the topic has only one.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub offset: Option<u64>,
    /// At the first record of this moment or later, in milliseconds since 1970-01-01 UTC.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 0)]
    pub timestamp: Option<i64>,
    /// Where another read ended: `partition:offset` pairs with commas between. Partitions that it does not name begin at
    /// their first record.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(example = "0:17,1:4")]
    pub cursor: Option<String>,
    /// Records at most. A page has 100 when absent and never more than 10,000; a stream has no limit of its own.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(minimum = 1)]
    pub limit: Option<u64>,
    /// When there is no record yet, how long to wait for one, in milliseconds; 0 when absent, at most 60,000.
    #[serde(skip_serializing_if = "Option::is_none")]
    #[param(maximum = 60_000)]
    pub wait: Option<u64>,
    /// For NDJSON: go on with what comes, until the client leaves or `limit` is reached. An empty line is a sign of life;
    /// a line with the field `problem` says why the stream ends.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<bool>,
}

/// A record as it is read.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct Record {
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
    /// Milliseconds since 1970-01-01 UTC.
    pub timestamp: i64,
    /// Its key; absent when it has none.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key: Option<String>,
    /// How `key` is written; `text` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub key_encoding: Option<KeyEncoding>,
    /// Its value: JSON when its bytes are JSON, else text, else base64; `null` for a tombstone.
    #[schema(value_type = serde_json::Value)]
    pub value: Box<RawValue>,
    /// How `value` is written; `json` when absent.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub value_encoding: Option<ValueEncoding>,
    /// Its headers; absent when it has none.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub headers: Vec<RecordHeader>,
}

/// Some records and where to go on.
#[derive(Clone, Debug, Serialize, Deserialize, ToSchema)]
pub struct RecordPage {
    /// In order of offset within each partition.
    pub records: Vec<Record>,
    /// `cursor` of the next read.
    pub next: String,
    /// Offsets between `next` and the ends.
    pub lag: u64,
}

/// Query of a deletion of records.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct DeleteRecordsQuery {
    /// Only this partition; all of them when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub partition: Option<u32>,
    /// Records below this offset; needs `partition` unless the topic has only one. All records when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub before: Option<u64>,
}

/// What a deletion of records left.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedRecords {
    /// The partitions asked for.
    pub partitions: Vec<DeletedPartition>,
}

/// The new start of a partition.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct DeletedPartition {
    /// Which.
    pub partition: u32,
    /// First offset that can still be read.
    pub start: u64,
}
