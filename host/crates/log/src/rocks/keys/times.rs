//! Keys of `times`: finds an offset by its timestamp with one seek.
//!
//! ```text
//! | topic u32 BE | partition u32 BE | largest timestamp so far i64, ordered | base offset u64 BE |   value: empty
//! ```
//! A batch has an entry only when it raises the partition's largest timestamp: the first batch with a timestamp at or
//! after T is then the first entry at or after T. Invariant: timestamps and offsets rise together.

use super::{PARTITION_LEN, from_ordered, offset_at, ordered, partition_prefix, u64_at};
use potok_types::{Offset, Timestamp, TopicPartition};

/// Bytes of a key.
pub(in crate::rocks) const LEN: usize = PARTITION_LEN + size_of::<i64>() + size_of::<u64>();
const _: () = assert!(LEN == 24, "the key layout is on disk");

/// The key of the batch at `base` that raised the largest timestamp to `time`.
pub(in crate::rocks) fn key(at: TopicPartition, time: Timestamp, base: Offset) -> [u8; LEN] {
    let mut key = [0; LEN];
    key[..PARTITION_LEN].copy_from_slice(&partition_prefix(at));
    key[8..16].copy_from_slice(&ordered(time));
    key[16..].copy_from_slice(&base.get().to_be_bytes());
    key
}
/// Largest timestamp and base offset of a key.
pub(in crate::rocks) fn parse(key: &[u8]) -> Option<(Timestamp, Offset)> {
    if key.len() != LEN {
        return None;
    }
    Some((from_ordered(u64_at(key, 8)?), offset_at(key, 16)?))
}

#[cfg(test)]
mod tests {
    use super::super::place;
    use super::*;

    #[test]
    fn times_before_1970_come_first() {
        let at = place(1, 0);
        assert!(key(at, Timestamp(-5), Offset::MAX) < key(at, Timestamp(3), Offset::FIRST));
        assert!(
            key(at, Timestamp(i64::MAX), Offset::MAX) < key(place(1, 1), Timestamp(i64::MIN), Offset::FIRST)
        );
        assert_eq!(parse(&key(at, Timestamp(-5), Offset::FIRST)), Some((Timestamp(-5), Offset::FIRST)));
    }
}
