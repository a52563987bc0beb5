//! What a client may do, for those who ask: without an authorizer, everything (KIP-430).

/// Bits of Kafka's `AclOperation`.
const fn bits(operations: &[u32]) -> i32 {
    let (mut bits, mut i) = (0, 0);
    while i < operations.len() {
        bits |= 1 << operations[i];
        i += 1;
    }
    bits
}

/// READ, WRITE, CREATE, DELETE, ALTER, DESCRIBE, DESCRIBE_CONFIGS, ALTER_CONFIGS.
const TOPIC: i32 = bits(&[3, 4, 5, 6, 7, 8, 10, 11]);
/// CREATE, ALTER, DESCRIBE, CLUSTER_ACTION, DESCRIBE_CONFIGS, ALTER_CONFIGS, IDEMPOTENT_WRITE.
const CLUSTER: i32 = bits(&[5, 7, 8, 9, 10, 11, 12]);
/// Nobody asked.
const NOT_ASKED: i32 = i32::MIN;

/// On a topic.
pub(super) fn of_topic(asked: bool) -> i32 {
    if asked { TOPIC } else { NOT_ASKED }
}
/// On the cluster.
pub(super) fn of_cluster(asked: bool) -> i32 {
    if asked { CLUSTER } else { NOT_ASKED }
}
