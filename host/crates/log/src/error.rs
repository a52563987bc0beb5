//! One narrow error for each operation at the door, so that a caller sees only what can happen.
//! Facts are fields; what the caller can do next is [`Remedy`].

use crate::config::ConfigError;
use potok_types::{BatchError, Offset, TopicName, TopicPartition};
use std::sync::Arc;

/// What the caller does next.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Remedy {
    /// The request is wrong and stays wrong.
    FixRequest,
    /// The same request may succeed in a while.
    RetryLater,
    /// Nothing will be written before the process is started again.
    RestartNode,
}

/// The store below failed or holds damaged data.
#[derive(Clone, Debug, thiserror::Error)]
pub enum StoreError {
    /// Reading or writing failed.
    #[error("storage failed: {0}")]
    Io(Arc<str>),
    /// A value does not decode or its checksum is wrong.
    #[error("{at} is damaged: {reason}")]
    Corrupt {
        /// Which thing: column family and key, or topic, partition and offset.
        at: String,
        /// What is wrong.
        reason: String,
    },
    /// The disk has too little room for records; the log goes on by itself once there is enough.
    #[error("the disk is full: {free} bytes are free, {needed} are kept free")]
    DiskFull {
        /// Bytes free.
        free: u64,
        /// Bytes below which records are refused.
        needed: u64,
    },
    /// The log has stopped taking writes: its first failure.
    #[error("log refuses writes since: {0}")]
    WritesRefused(Arc<str>),
    /// The log is closing.
    #[error("log is closed")]
    Closed,
}

/// There is no such partition (any more).
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
#[error("no partition {0}")]
pub struct UnknownPartition(pub TopicPartition);

/// Why a topic was not created.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CreateTopicError {
    /// The name is taken.
    #[error("topic {0} already exists")]
    Exists(TopicName),
    /// Kafka's rule: `.` and `_` are the same in metric names, so two topics may not differ in them alone.
    #[error("topic {new} differs from {existing} in '.' and '_' only")]
    Collides {
        /// The name asked for.
        new: TopicName,
        /// The one that is there.
        existing: TopicName,
    },
    /// Not 1 to the maximum.
    #[error("a topic has 1 to {max} partitions, not {asked}")]
    Partitions {
        /// What was asked for.
        asked: u32,
        /// The limit.
        max: u32,
    },
    /// A config is unknown or its value illegal.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a topic was not altered.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AlterTopicError {
    /// There is none.
    #[error("no topic {0}")]
    Unknown(TopicName),
    /// Partitions are only ever added.
    #[error("the topic has {have} partitions; {asked} would not be an increase, or is above {max}")]
    Partitions {
        /// What there is.
        have: u32,
        /// What was asked for.
        asked: u32,
        /// The limit.
        max: u32,
    },
    /// A config is unknown or its value illegal.
    #[error(transparent)]
    Config(#[from] ConfigError),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a topic was not deleted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeleteTopicError {
    /// There is none.
    #[error("no topic {0}")]
    Unknown(TopicName),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a batch was not appended. Nothing of it is in the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum AppendError {
    /// There is no such partition.
    #[error(transparent)]
    UnknownPartition(#[from] UnknownPartition),
    /// Over the topic's `max.message.bytes`.
    #[error("batch of {len} bytes is over max.message.bytes={limit}")]
    TooLarge {
        /// Its bytes.
        len: usize,
        /// The topic's limit.
        limit: usize,
    },
    /// The batch is malformed.
    #[error(transparent)]
    Invalid(#[from] BatchError),
    /// A compacted topic keeps the newest record of each key, so each record needs one.
    #[error("record {index} has no key, and the topic is compacted")]
    KeyMissing {
        /// Its index in the batch.
        index: u32,
    },
    /// The producer's sequence leaves a gap (KIP-98).
    #[error("sequence {found} of producer {producer} follows {expected}")]
    OutOfOrder {
        /// Producer id.
        producer: i64,
        /// The sequence that was due.
        expected: i32,
        /// The one that came.
        found: i32,
    },
    /// An older epoch of this producer: it was replaced.
    #[error("producer {producer} epoch {found} is fenced by epoch {current}")]
    Fenced {
        /// Producer id.
        producer: i64,
        /// The newest epoch.
        current: i16,
        /// The one that came.
        found: i16,
    },
    /// The write queue stayed full.
    #[error("the log is behind: its write queue is full")]
    Overloaded,
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why a unit was not committed. Nothing of it is in the log.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CommitError {
    /// One of its appends.
    #[error("append {index}: {error}")]
    Append {
        /// Which of the unit's appends.
        index: usize,
        /// Why.
        #[source]
        error: AppendError,
    },
    /// An offset for a partition that is not there.
    #[error(transparent)]
    UnknownPartition(#[from] UnknownPartition),
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why nothing could be read.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ReadError {
    /// There is no such partition.
    #[error(transparent)]
    UnknownPartition(#[from] UnknownPartition),
    /// Below the log start or above the high watermark.
    #[error("offset {asked} is outside {log_start} to {high_watermark}")]
    OutOfRange {
        /// What was asked for.
        asked: Offset,
        /// First offset there is.
        log_start: Offset,
        /// First offset that is not there yet.
        high_watermark: Offset,
    },
    /// The store; a damaged batch is named by topic, partition and offset, and never handed out.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// Why records were not deleted.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeleteRecordsError {
    /// There is no such partition.
    #[error(transparent)]
    UnknownPartition(#[from] UnknownPartition),
    /// Above the high watermark.
    #[error("offset {asked} is above the high watermark {high_watermark}")]
    OutOfRange {
        /// What was asked for.
        asked: Offset,
        /// The limit.
        high_watermark: Offset,
    },
    /// The store.
    #[error(transparent)]
    Store(#[from] StoreError),
}

impl StoreError {
    /// What the caller does next.
    pub fn remedy(&self) -> Remedy {
        match self {
            StoreError::Io(_) | StoreError::WritesRefused(_) | StoreError::Corrupt { .. } => {
                Remedy::RestartNode
            }
            StoreError::Closed | StoreError::DiskFull { .. } => Remedy::RetryLater,
        }
    }
}

impl AppendError {
    /// What the caller does next.
    pub fn remedy(&self) -> Remedy {
        match self {
            AppendError::UnknownPartition(_)
            | AppendError::TooLarge { .. }
            | AppendError::Invalid(_)
            | AppendError::KeyMissing { .. }
            | AppendError::OutOfOrder { .. }
            | AppendError::Fenced { .. } => Remedy::FixRequest,
            AppendError::Overloaded => Remedy::RetryLater,
            AppendError::Store(error) => error.remedy(),
        }
    }
}
