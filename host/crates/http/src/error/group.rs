//! The table's part for consumer groups: what the coordinator refuses, its code, and what to do about it. No wildcard arm, as there.
#![deny(clippy::wildcard_enum_match_arm, clippy::match_wildcard_for_single_variants)]

use super::Code;
use super::table::{Row, report, say, store};
use potok_coordinator::{ConsumerError, GroupError, GroupRefusal};

pub(super) fn stop_members() -> Row {
    say(
        Code::GroupInUse,
        "Stop its members first: GET /v1/groups/{group} and `potok group describe` show them. One that died without leaving is dropped when its session times out.",
    )
}

pub(super) fn group(error: &GroupRefusal) -> Row {
    match error {
        GroupRefusal::IllegalName => say(Code::IllegalName, "Use a name of that length."),
        GroupRefusal::OfProcessor(_) => {
            say(Code::GroupInUse, "Move the processor instead: `potok processor reset NAME`.")
        }
        GroupRefusal::Unknown(_) => {
            say(Code::UnknownGroup, "To see which there are: GET /v1/groups, or `potok group list`.")
        }
        GroupRefusal::TooMany(_) => say(Code::Overloaded, "Delete groups that are not needed any more."),
        GroupRefusal::Classic(error) => classic_group(error),
        GroupRefusal::Consumer(error) => consumer_group(error),
        GroupRefusal::Unstable(_) => say(
            Code::GroupInUse,
            "Try again when the transaction has ended; it is aborted when it times out.",
        ),
        GroupRefusal::Store(error) => store(error),
        GroupRefusal::Stopping => say(Code::Stopping, "Try again when the server is back."),
        // said to members, and HTTP has none
        GroupRefusal::MemberTooLarge { .. } => report(),
    }
}

fn classic_group(error: &GroupError) -> Row {
    match error {
        GroupError::NotEmpty => stop_members(),
        // said to members, and HTTP has none
        GroupError::UnknownMember
        | GroupError::MemberIdRequired(_)
        | GroupError::IllegalGeneration
        | GroupError::RebalanceInProgress
        | GroupError::InconsistentProtocol
        | GroupError::InvalidSessionTimeout
        | GroupError::FencedInstance
        | GroupError::Full => report(),
    }
}

fn consumer_group(error: &ConsumerError) -> Row {
    match error {
        ConsumerError::NotEmpty => stop_members(),
        // said to members, and HTTP has none
        ConsumerError::UnknownMember
        | ConsumerError::FencedEpoch
        | ConsumerError::StaleEpoch
        | ConsumerError::UnreleasedInstance
        | ConsumerError::FencedInstance
        | ConsumerError::UnsupportedAssignor
        | ConsumerError::Full
        | ConsumerError::ClassicGroup
        | ConsumerError::IllegalGeneration
        | ConsumerError::Invalid(_)
        | ConsumerError::InvalidRegex => report(),
    }
}
