//! Why a request is refused. Facts are fields; the doors have a table each, from these to their codes.

use potok_groups::{ConsumerError, GroupError, TransactionError};
use potok_log::{CommitError, StoreError};

/// Why a request to a group is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum GroupRefusal {
    /// Empty, or longer than a string of Kafka's protocol.
    #[error("a group's name has 1 to 32767 bytes")]
    IllegalName,
    /// A processor keeps its position there, and nobody else may.
    #[error("group {0:?} holds the positions of a processor")]
    OfProcessor(String),
    /// There is none.
    #[error("there is no group {0:?}")]
    Unknown(String),
    /// The host's limit of groups.
    #[error("there are {0} groups, and no room for another")]
    TooMany(usize),
    /// What the member says of itself is too large.
    #[error("what a member says of itself has {len} bytes or topics, and {limit} at most are taken")]
    MemberTooLarge {
        /// How much there is.
        len: usize,
        /// The limit.
        limit: usize,
    },
    /// By the classic protocol's rules.
    #[error(transparent)]
    Classic(#[from] GroupError),
    /// By the rules of KIP-848.
    #[error(transparent)]
    Consumer(#[from] ConsumerError),
    /// An offset of the group is pending in an open transaction.
    #[error("an open transaction has offsets of group {0:?} pending")]
    Unstable(String),
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// Whoever waited has gone, or the host stops.
    #[error("nobody waits any more: the client has gone or the server stops")]
    Stopping,
}

/// Why a request about a transaction is refused.
#[derive(Clone, Debug, thiserror::Error)]
pub enum TransactionRefusal {
    /// Empty, or longer than a string of Kafka's protocol.
    #[error("a transactional id has 1 to 32767 bytes")]
    IllegalName,
    /// The host's limit of transactional ids.
    #[error("there are {0} transactional ids, and no room for another")]
    TooMany(usize),
    /// The transaction's limit of partitions and offsets.
    #[error("a transaction has {0} partitions and offsets at most")]
    TooLarge(usize),
    /// Nobody has used this transactional id.
    #[error("there is no transactional id {0:?}")]
    Unknown(String),
    /// The pattern of names is no regular expression.
    #[error("the pattern is no regular expression")]
    InvalidRegex,
    /// By the transaction's rules.
    #[error(transparent)]
    Transaction(#[from] TransactionError),
    /// By the rules of the group whose offsets it commits.
    #[error(transparent)]
    Group(#[from] GroupRefusal),
    /// The log.
    #[error(transparent)]
    Store(#[from] StoreError),
}

/// A unit that appends nothing and sets no offsets can fail by the store alone; what else it might answer is said as such.
pub(crate) fn store_failure(error: CommitError) -> StoreError {
    match error {
        CommitError::Store(error) => error,
        CommitError::Append { .. } | CommitError::UnknownPartition(_) => {
            StoreError::Io(error.to_string().into())
        }
    }
}
