//! Keys of `producers`: what a partition remembers of an idempotent producer.
//!
//! ```text
//! | topic u32 BE | partition u32 BE | producer id i64 BE |   value: see crate::producers
//! ```
//! Producer ids are never negative, so that their byte order is their order.

use super::{PARTITION_LEN, i64_at, partition_of, partition_prefix};
use potok_types::{ProducerId, TopicPartition};

/// Bytes of a key.
pub(in crate::rocks) const LEN: usize = PARTITION_LEN + size_of::<i64>();
const _: () = assert!(LEN == 16, "the key layout is on disk");

/// The key of a producer in a partition.
pub(in crate::rocks) fn key(at: TopicPartition, id: ProducerId) -> [u8; LEN] {
    let mut key = [0; LEN];
    key[..PARTITION_LEN].copy_from_slice(&partition_prefix(at));
    key[PARTITION_LEN..].copy_from_slice(&id.0.to_be_bytes());
    key
}
/// Partition and producer of a key.
pub(in crate::rocks) fn parse(key: &[u8]) -> Option<(TopicPartition, ProducerId)> {
    if key.len() != LEN {
        return None;
    }
    Some((partition_of(key)?, ProducerId(i64_at(key, PARTITION_LEN)?)))
}

#[cfg(test)]
mod tests {
    use super::super::place;
    use super::*;

    #[test]
    fn producers_of_a_partition_lie_together() {
        assert!(key(place(1, 0), ProducerId(255)) < key(place(1, 0), ProducerId(256)));
        assert!(key(place(1, 0), ProducerId(i64::MAX)) < key(place(1, 1), ProducerId(0)));
        assert_eq!(parse(&key(place(3, 4), ProducerId(5))), Some((place(3, 4), ProducerId(5))));
    }
}
