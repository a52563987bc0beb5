//! Consumer groups, one file a request: wire words become those of the coordinator, and back.

pub(crate) mod consumer_group_describe;
pub(crate) mod consumer_group_heartbeat;
pub(crate) mod delete_groups;
pub(crate) mod describe_groups;
pub(crate) mod find_coordinator;
pub(crate) mod heartbeat;
pub(crate) mod join_group;
pub(crate) mod leave_group;
pub(crate) mod list_groups;
pub(crate) mod offset_commit;
pub(crate) mod offset_delete;
pub(crate) mod offset_fetch;
pub(in crate::api) mod offsets;
pub(crate) mod sync_group;

use crate::broker::Broker;
use crate::call::Call;
use kafka_protocol::protocol::StrBytes;
use potok_types::{PartitionIndex, TopicPartition};
use std::time::Duration;

/// What an unauthorized broker lets everybody do with a group, as bits of Kafka's `AclOperation`: READ 3, DELETE 6, DESCRIBE 8,
/// DESCRIBE_CONFIGS 10, ALTER_CONFIGS 11.
const GROUP_OPERATIONS: i32 = 1 << 3 | 1 << 6 | 1 << 8 | 1 << 10 | 1 << 11;

/// The operations to be told, when they were asked for.
fn authorized_operations(asked: bool) -> i32 {
    if asked { GROUP_OPERATIONS } else { i32::MIN }
}

/// A partition by its wire names; none when there is no such.
pub(in crate::api) fn partition(broker: &Broker, topic: &str, index: i32) -> Option<TopicPartition> {
    let topic = super::topics::named(broker, topic).ok()?;
    topic.partition(PartitionIndex(u32::try_from(index).ok()?))
}
/// A text that may be missing.
pub(in crate::api) fn text(text: Option<&StrBytes>) -> Option<String> {
    text.map(ToString::to_string)
}
/// Milliseconds; negative ones are none.
pub(in crate::api) fn millis(ms: i32) -> Option<Duration> {
    u64::try_from(ms).ok().map(Duration::from_millis)
}
/// Where a client is, as Kafka shows it.
fn host(call: &Call) -> String {
    format!("/{}", call.client.peer.ip().to_canonical())
}
