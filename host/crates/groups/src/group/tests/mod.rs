//! Groups through their steps: what is to be kept comes as another state, and until it is taken nothing has happened.

mod convert;
mod room;
mod walk;

use super::*;
use crate::classic::{JoinRequest, LeaveRequest, Protocol, SyncRequest, Ticket};
use crate::consumer::{Assignment, HeartbeatRequest, TopicId, Topics};
use crate::embedded;
use std::collections::BTreeSet;
use std::time::Duration;

/// One topic `t` with id 1… and four partitions.
struct World;

const T: TopicId = [1; 16];

impl Topics for World {
    fn topic(&self, name: &str) -> Option<(TopicId, u32)> {
        (name == "t").then_some((T, 4))
    }
    fn name(&self, id: TopicId) -> Option<String> {
        (id == T).then(|| "t".to_owned())
    }
    fn matching(&self, _: &str) -> Option<BTreeSet<String>> {
        Some(["t".to_owned()].into())
    }
    fn version(&self) -> u64 {
        1
    }
}

fn rules() -> Rules {
    let classic = GroupSettings { initial_rebalance_delay: Duration::ZERO, ..GroupSettings::default() };
    Rules { classic, ..Rules::default() }
}

/// What a classic consumer of `t` says of itself when it joins.
fn range(owned: &[u32]) -> Protocol {
    let owned = if owned.is_empty() { vec![] } else { vec![("t".to_owned(), owned.to_vec())] };
    Protocol { name: "range".to_owned(), metadata: embedded::subscription(&["t".to_owned()], &owned) }
}
/// What a leader gives a member of `t`.
fn given(partitions: &[u32]) -> bytes::Bytes {
    embedded::assignment(&[("t".to_owned(), partitions.to_vec())])
}
