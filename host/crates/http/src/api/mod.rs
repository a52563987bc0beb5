//! Every body and query of `/v1`, as the server writes them and as a client may read them.
//! One module for both sides, so that they cannot differ; the OpenAPI document is made from these types.
//! Requests refuse fields that they do not know; answers may gain fields, so a client ignores those it does not know.
//! Moments are milliseconds since 1970-01-01 UTC.

mod groups;
mod modules;
mod problem;
mod processors;
mod records;
mod system;
mod topics;

pub use groups::{
    DeleteOffsetsQuery, Group, GroupAssignment, GroupList, GroupMember, GroupPosition, GroupSummary, MoveTo,
    SetOffset, SetOffsets,
};
pub use modules::{Grant, Module, ModuleList, ModulePort, ModuleStore, World};
pub use problem::Problem;
pub use processors::{
    DeployProcessor, FailedRecord, FailurePolicy, InputPosition, Limits, LogLine, LogsQuery, Processor,
    ProcessorList, ProcessorState, ProcessorStatus, ResetProcessor, StartAt, Task, TaskFailure, TaskState,
};
pub use records::{
    Acknowledged, Acks, Binary, DeleteRecordsQuery, DeletedPartition, DeletedRecords, Done, KeyEncoding,
    NewRecord, NewRecords, Placed, PlacedRun, ProduceEvent, ProduceQuery, Produced, ReadFrom, ReadQuery,
    Receipts, Record, RecordHeader, RecordPage, ValueEncoding,
};
pub use system::{Backup, Health, HealthStatus, Info, NewBackup};
pub use topics::{AlterTopic, Config, ConfigSource, CreateTopic, Partition, Topic, TopicList, TopicSummary};

/// One JSON value or an array of them: each is the value of one record.
pub const JSON: &str = "application/json";
/// One JSON value a line.
pub const NDJSON: &str = "application/x-ndjson";
/// Records with key, headers, timestamp and partition: [`NewRecords`].
pub const RECORDS_JSON: &str = "application/vnd.potok.records+json";
/// One [`NewRecord`] a line; what a read as NDJSON gives can be sent back as this.
pub const RECORDS_NDJSON: &str = "application/vnd.potok.records+ndjson";
/// One record of the bytes as they are.
pub const RAW: &str = "application/octet-stream";
/// One record of text a line.
pub const TEXT: &str = "text/plain";
/// Server-sent events.
pub const EVENTS: &str = "text/event-stream";
/// Problem details (RFC 9457).
pub const PROBLEM_JSON: &str = "application/problem+json";
/// A WebAssembly component.
pub const WASM: &str = "application/wasm";
