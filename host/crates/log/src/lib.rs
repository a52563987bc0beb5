//! Records become durable, get offsets, are read in order; units commit.
//! In come record batches and units, out go offsets and batches. The only crate that names RocksDB.
//! Whatever only RocksDB can do stays out of [`Log`]: the same processors are to run on other logs one day.

#![cfg_attr(not(feature = "rocks"), allow(dead_code, reason = "the log in memory needs less"))]

mod admission;
mod api;
mod config;
#[cfg(any(test, feature = "test-util"))]
pub mod contract;
mod error;
#[cfg(any(test, feature = "test-util"))]
mod failing;
mod memory;
mod piece;
mod producers;
#[cfg(feature = "rocks")]
mod rocks;
#[cfg(any(test, feature = "test-util"))]
mod seeded;
mod topics;
mod transactions;

pub use api::{
    AbortedTransaction, Acks, ActiveProducer, Append, Appended, Appending, CommittedOffset, Fetched, Health,
    KeyRange, Log, MetaChange, MetaKind, NewTopic, OffsetChange, OffsetCommit, ReadRequest, StateChange,
    StateEntry, StateStore, TaskKey, TimerChange, TimerClock, TimerEntry, Topic, TopicChange, Unit,
    UnitResult,
};
pub use config::{CleanupPolicy, ConfigError, ConfigKey, ConfigSource, TimestampType, TopicConfig};
pub use error::{
    AlterTopicError, AppendError, CommitError, CreateTopicError, DeleteRecordsError, DeleteTopicError,
    ReadError, Remedy, StoreError, UnknownPartition,
};
#[cfg(any(test, feature = "test-util"))]
pub use failing::{FailingLog, Fault, Faults};
pub use memory::MemoryLog;
pub use piece::{FilePiece, Located, Piece};
#[cfg(feature = "rocks")]
pub use rocks::{CheckpointError, OpenError, RocksLog, Settings};
#[cfg(any(test, feature = "test-util"))]
pub use seeded::Seeded;
pub use topics::PARTITIONS_MAX;
pub use transactions::Marker;
