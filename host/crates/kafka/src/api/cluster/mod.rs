//! Questions that a cluster of many nodes would have much to say to. Here one node answers them: what holds of it is told, what
//! would need a second node is refused.

pub(crate) mod alter_partition_reassignments;
pub(crate) mod alter_replica_log_dirs;
pub(crate) mod describe_cluster;
pub(crate) mod describe_log_dirs;
pub(crate) mod describe_quorum;
pub(crate) mod describe_topic_partitions;
pub(crate) mod elect_leaders;
pub(crate) mod list_partition_reassignments;
pub(crate) mod update_features;

use crate::api::topics;
use crate::broker::Broker;
use kafka_protocol::ResponseError as Code;
use kafka_protocol::protocol::StrBytes;

/// Whether there is such a partition.
fn exists(broker: &Broker, topic: &str, partition: i32) -> Result<(), Code> {
    topics::partition(&*topics::named(broker, topic)?, partition).map(|_| ())
}

/// Words of ours for people.
fn words(text: &'static str) -> Option<StrBytes> {
    Some(StrBytes::from_static_str(text))
}
