//! THE table from our errors to Kafka's codes. In come the typed errors of other rooms, out go codes; each `match` lists every
//! case, so that a new error asks here for its code.
//! A [`Fault`] has no code: what cannot be read cannot be answered, and its connection ends.
#![deny(clippy::wildcard_enum_match_arm)]

use kafka_protocol::ResponseError as Code;
use potok_log::{CreateTopicError, StoreError};

/// Why a request cannot be answered; its connection is closed.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Fault {
    /// Longer than allowed, or negative.
    #[error("a request of {claimed} bytes is not allowed; the limit is {max}")]
    TooLarge {
        /// The length that came.
        claimed: i64,
        /// The limit in bytes.
        max: usize,
    },
    /// The bytes are no request.
    #[error("{0}")]
    Malformed(&'static str),
    /// The codec refused the bytes.
    #[error("the request does not decode: {0}")]
    Undecodable(String),
    /// No such API, or one that is not served.
    #[error("api key {0} is not served")]
    UnknownApi(i16),
    /// A version that is not served.
    #[error("version {version} of {api} is not served")]
    UnknownVersion {
        /// Which API.
        api: String,
        /// The version asked for.
        version: i16,
    },
    /// Our own mistake: the answer does not encode.
    #[error("the answer does not encode: {0}")]
    Unencodable(String),
}

/// The code of a failure of the store.
pub(crate) fn of_store(error: &StoreError) -> Code {
    match error {
        StoreError::Io(_) | StoreError::WritesRefused(_) | StoreError::DiskFull { .. } => {
            Code::KafkaStorageError
        }
        StoreError::Corrupt { .. } => Code::CorruptMessage,
        StoreError::Closed => Code::NotLeaderOrFollower,
    }
}

/// The code of a topic that was not created.
pub(crate) fn of_create_topic(error: &CreateTopicError) -> Code {
    match error {
        CreateTopicError::Exists(_) => Code::TopicAlreadyExists,
        CreateTopicError::Collides { .. } => Code::InvalidTopicException,
        CreateTopicError::Partitions { .. } => Code::InvalidPartitions,
        CreateTopicError::Config(_) => Code::InvalidConfig,
        CreateTopicError::Store(error) => of_store(error),
    }
}
