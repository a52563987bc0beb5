//! Consumer groups as pure state machines: in come requests and the time, out go replies and what to keep.
//! Nothing here reads a clock, waits, or knows the wire or the log: the caller brings `now`, keeps what it is told to keep,
//! and hands each reply to whoever holds its ticket.

mod classic;
mod consumer;
pub mod embedded;
mod group;
mod transaction;

pub use classic::{
    Blob, CONSUMERS, ClassicGroup, Effect, GroupError, GroupSettings, GroupState, JoinReply, JoinRequest,
    JoinedMember, LeaveRequest, Member, MemberSnapshot, Protocol, Snapshot, SyncReply, SyncRequest, Ticket,
};
pub use consumer::{
    ASSIGNORS, Assignment, ClassicMember, ConsumerError, ConsumerGroup, ConsumerMember,
    ConsumerMemberSnapshot, ConsumerSettings, ConsumerSnapshot, HeartbeatReply, HeartbeatRequest,
    MemberState, TopicId, Topics,
};
pub use group::{Group, GroupSnapshot, Kind, Rules, Step};
pub use transaction::{
    Ending, Identity, Initialised, PendingOffset, Transaction, TransactionError, TransactionState,
};
