//! What is kept of a group, whichever its protocol, and the group made from it again.

use super::{Group, Kind, Rules};
use crate::classic::{ClassicGroup, Snapshot};
use crate::consumer::{ConsumerGroup, ConsumerSnapshot};
use potok_types::Timestamp;
use serde::{Deserialize, Serialize};

/// A group as it is kept, by its protocol.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum GroupSnapshot {
    /// Of the classic protocol.
    Classic(Snapshot),
    /// Of KIP-848.
    Consumer(ConsumerSnapshot),
}

impl Group {
    /// What to keep; nothing of a group that nobody has joined.
    pub fn snapshot(&self) -> Option<GroupSnapshot> {
        Some(match self.kind.as_ref()? {
            Kind::Classic(group) => GroupSnapshot::Classic(group.snapshot()),
            Kind::Consumer(group) => GroupSnapshot::Consumer(group.snapshot()),
        })
    }
    /// The group again; sessions begin at `now`.
    pub fn restore(rules: Rules, now: Timestamp, kept: GroupSnapshot) -> Group {
        let kind = match kept {
            GroupSnapshot::Classic(kept) => Kind::Classic(ClassicGroup::restore(rules.classic, now, kept)),
            GroupSnapshot::Consumer(kept) => {
                Kind::Consumer(ConsumerGroup::restore(rules.consumer, now, kept))
            }
        };
        Group { rules, kind: Some(kind) }
    }
}
