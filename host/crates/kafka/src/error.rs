//! THE table from our errors to Kafka's codes. In come the typed errors of other rooms, out go codes; each `match` lists every
//! case, so that a new error asks here for its code.
//! A [`Fault`] has no code: what cannot be read cannot be answered, and its connection ends.
#![deny(clippy::wildcard_enum_match_arm)]

use kafka_protocol::ResponseError as Code;
use kafka_protocol::protocol::StrBytes;
use potok_coordinator::{
    ConsumerError, GroupError, GroupRefusal, OffsetRefusal, TransactionError, TransactionRefusal,
};
use potok_log::{
    AlterTopicError, AppendError, ConfigError, CreateTopicError, DeleteRecordsError, DeleteTopicError,
    ReadError, StoreError,
};
use potok_types::BatchError;

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
    /// A producer that wants no answers (`acks=0`) learns of a failure by this.
    #[error("a batch that wants no acknowledgement was refused with code {0}")]
    Unacknowledged(i16),
    /// Other requests take all the memory that there is for them, for long.
    #[error("there was no room for the request beside those of other connections")]
    NoRoom,
    /// What was asked for is more than a client can read.
    #[error("an answer of {len} bytes is not allowed; the limit is {max}: ask for less at a time")]
    AnswerTooLarge {
        /// Its length.
        len: usize,
        /// The limit in bytes.
        max: usize,
    },
    /// Our own mistake: the answer does not encode.
    #[error("the answer does not encode: {0}")]
    Unencodable(String),
}

/// What a request about one thing came to instead: the code, and words for people.
#[derive(Clone, Debug)]
pub(crate) struct Refusal {
    /// For programs.
    pub(crate) code: Code,
    /// For people.
    pub(crate) message: String,
}

impl Refusal {
    pub(crate) fn new(code: Code, message: impl Into<String>) -> Refusal {
        Refusal { code, message: message.into() }
    }
    /// The words as the wire has them.
    pub(crate) fn text(&self) -> Option<StrBytes> {
        Some(StrBytes::from_string(self.message.clone()))
    }
}

impl From<CreateTopicError> for Refusal {
    fn from(error: CreateTopicError) -> Refusal {
        Refusal::new(of_create_topic(&error), error.to_string())
    }
}

impl From<AlterTopicError> for Refusal {
    fn from(error: AlterTopicError) -> Refusal {
        Refusal::new(of_alter_topic(&error), error.to_string())
    }
}

impl From<DeleteTopicError> for Refusal {
    fn from(error: DeleteTopicError) -> Refusal {
        Refusal::new(of_delete_topic(&error), error.to_string())
    }
}

impl From<ConfigError> for Refusal {
    fn from(error: ConfigError) -> Refusal {
        Refusal::new(Code::InvalidConfig, error.to_string())
    }
}

impl From<StoreError> for Refusal {
    fn from(error: StoreError) -> Refusal {
        Refusal::new(of_store(&error), error.to_string())
    }
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

/// The code of a topic that was not altered.
pub(crate) fn of_alter_topic(error: &AlterTopicError) -> Code {
    match error {
        AlterTopicError::Unknown(_) => Code::UnknownTopicOrPartition,
        AlterTopicError::Partitions { .. } => Code::InvalidPartitions,
        AlterTopicError::Config(_) => Code::InvalidConfig,
        AlterTopicError::Store(error) => of_store(error),
    }
}

/// The code of a topic that was not deleted.
pub(crate) fn of_delete_topic(error: &DeleteTopicError) -> Code {
    match error {
        DeleteTopicError::Unknown(_) => Code::UnknownTopicOrPartition,
        DeleteTopicError::Store(error) => of_store(error),
    }
}

/// The code of records that were not deleted.
pub(crate) fn of_delete_records(error: &DeleteRecordsError) -> Code {
    match error {
        DeleteRecordsError::UnknownPartition(_) => Code::UnknownTopicOrPartition,
        DeleteRecordsError::OutOfRange { .. } => Code::OffsetOutOfRange,
        DeleteRecordsError::Store(error) => of_store(error),
    }
}

/// The code of a read that gave nothing.
pub(crate) fn of_read(error: &ReadError) -> Code {
    match error {
        ReadError::UnknownPartition(_) => Code::UnknownTopicOrPartition,
        ReadError::OutOfRange { .. } => Code::OffsetOutOfRange,
        ReadError::Store(error) => of_store(error),
    }
}

/// The code of a batch that was not appended.
pub(crate) fn of_append(error: &AppendError) -> Code {
    match error {
        AppendError::UnknownPartition(_) => Code::UnknownTopicOrPartition,
        AppendError::TooLarge { .. } => Code::MessageTooLarge,
        AppendError::Invalid(error) => of_batch(error),
        AppendError::KeyMissing { .. } => Code::InvalidRecord,
        AppendError::OutOfOrder { .. } => Code::OutOfOrderSequenceNumber,
        AppendError::Fenced { .. } => Code::InvalidProducerEpoch,
        AppendError::Overloaded => Code::RequestTimedOut,
        AppendError::Store(error) => of_store(error),
    }
}

/// The code of bytes that are no batch: what the way here may have damaged can be sent again, what is wrong stays wrong.
pub(crate) fn of_batch(error: &BatchError) -> Code {
    match error {
        BatchError::Cut { .. } | BatchError::Length { .. } | BatchError::Crc { .. } => Code::CorruptMessage,
        BatchError::TooLarge { .. } => Code::MessageTooLarge,
        BatchError::Magic(_) | BatchError::Counts(_) | BatchError::Record { .. } | BatchError::Codec(_) => {
            Code::InvalidRecord
        }
    }
}

/// The code of a failure of the store behind a group or a transaction: clients look for the coordinator again, and try again.
fn of_coordinator_store(error: &StoreError) -> Code {
    match error {
        StoreError::Io(_)
        | StoreError::WritesRefused(_)
        | StoreError::DiskFull { .. }
        | StoreError::Closed => Code::CoordinatorNotAvailable,
        StoreError::Corrupt { .. } => Code::UnknownServerError,
    }
}

/// The code of a request to a group that was refused.
pub(crate) fn of_group(refusal: &GroupRefusal) -> Code {
    match refusal {
        GroupRefusal::IllegalName => Code::InvalidGroupId,
        GroupRefusal::OfProcessor(_) => Code::GroupAuthorizationFailed,
        GroupRefusal::Unknown(_) => Code::GroupIdNotFound,
        GroupRefusal::TooMany(_) => Code::GroupMaxSizeReached,
        GroupRefusal::MemberTooLarge { .. } => Code::InvalidRequest,
        GroupRefusal::Classic(error) => of_classic(error),
        GroupRefusal::Consumer(error) => of_consumer(error),
        GroupRefusal::Unstable(_) => Code::UnstableOffsetCommit,
        GroupRefusal::Store(error) => of_coordinator_store(error),
        GroupRefusal::Stopping => Code::CoordinatorNotAvailable,
    }
}

/// The code of the classic protocol's refusals.
pub(crate) fn of_classic(error: &GroupError) -> Code {
    match error {
        GroupError::UnknownMember => Code::UnknownMemberId,
        GroupError::MemberIdRequired(_) => Code::MemberIdRequired,
        GroupError::IllegalGeneration => Code::IllegalGeneration,
        GroupError::RebalanceInProgress => Code::RebalanceInProgress,
        GroupError::InconsistentProtocol => Code::InconsistentGroupProtocol,
        GroupError::InvalidSessionTimeout => Code::InvalidSessionTimeout,
        GroupError::FencedInstance => Code::FencedInstanceId,
        GroupError::Full => Code::GroupMaxSizeReached,
        GroupError::NotEmpty => Code::NonEmptyGroup,
    }
}

/// The code of KIP-848's refusals.
fn of_consumer(error: &ConsumerError) -> Code {
    match error {
        ConsumerError::UnknownMember => Code::UnknownMemberId,
        ConsumerError::FencedEpoch => Code::FencedMemberEpoch,
        ConsumerError::StaleEpoch => Code::StaleMemberEpoch,
        ConsumerError::UnreleasedInstance => Code::UnreleasedInstanceId,
        ConsumerError::FencedInstance => Code::FencedInstanceId,
        ConsumerError::UnsupportedAssignor => Code::UnsupportedAssignor,
        ConsumerError::Full => Code::GroupMaxSizeReached,
        ConsumerError::Invalid(_) => Code::InvalidRequest,
        ConsumerError::InvalidRegex => Code::InvalidRegularExpression,
        ConsumerError::IllegalGeneration => Code::IllegalGeneration,
        ConsumerError::NotEmpty => Code::NonEmptyGroup,
        // to a member of KIP-848 such a group is no group
        ConsumerError::ClassicGroup => Code::GroupIdNotFound,
    }
}

/// The code of one offset that was not committed.
pub(crate) fn of_offset(refusal: &OffsetRefusal) -> Code {
    match refusal {
        OffsetRefusal::UnknownPartition => Code::UnknownTopicOrPartition,
        OffsetRefusal::MetadataTooLong => Code::OffsetMetadataTooLarge,
    }
}

/// The code of a request about a transaction that was refused.
pub(crate) fn of_transaction(refusal: &TransactionRefusal) -> Code {
    match refusal {
        TransactionRefusal::IllegalName => Code::InvalidRequest,
        TransactionRefusal::TooMany(_) => Code::PolicyViolation,
        TransactionRefusal::TooLarge(_) => Code::TransactionAbortable,
        TransactionRefusal::Unknown(_) => Code::TransactionalIdNotFound,
        TransactionRefusal::InvalidRegex => Code::InvalidRegularExpression,
        TransactionRefusal::Transaction(error) => of_transaction_rule(*error),
        TransactionRefusal::Group(refusal) => of_group(refusal),
        TransactionRefusal::Store(error) => of_coordinator_store(error),
    }
}

/// The code of a transaction's own rules.
pub(crate) fn of_transaction_rule(error: TransactionError) -> Code {
    match error {
        TransactionError::InvalidMapping => Code::InvalidProducerIdMapping,
        TransactionError::Fenced => Code::ProducerFenced,
        TransactionError::InvalidState => Code::InvalidTxnState,
        TransactionError::InvalidTimeout => Code::InvalidTransactionTimeout,
        TransactionError::UnknownPartition => Code::TransactionAbortable,
    }
}
