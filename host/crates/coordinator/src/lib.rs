//! Consumer groups and transactions, kept in the log: drives the state machines of `potok-groups`.
//! In come requests in their own words, out go answers once what they promise is in the log. Knows no wire types: the Kafka door and
//! HTTP call the same methods, so that their members share groups.

mod answers;
mod coordinator;
mod deadlines;
mod error;
mod group;
mod ids;
mod settings;
mod stored;
#[cfg(test)]
mod tests;
mod topics;
mod transaction;

pub use answers::{
    ClassicDescription, CommitRequest, ConsumerDescription, Description, FetchedOffset, GroupMember,
    GroupSummary, NewOffset, OffsetRefusal, TransactionDescription, TxnCommitRequest,
};
pub use coordinator::{Components, Coordinator, OfProcessor};
pub use error::{GroupRefusal, TransactionRefusal};
pub use settings::Settings;
pub use transaction::WriteGuard;

pub use potok_groups::embedded;
pub use potok_groups::{
    ASSIGNORS, Assignment, ConsumerError, ConsumerMember, GroupError, HeartbeatReply, HeartbeatRequest,
    Identity, JoinReply, JoinRequest, JoinedMember, LeaveRequest, Member, MemberState, Protocol, SyncReply,
    SyncRequest, TopicId, Transaction, TransactionError, TransactionState,
};
