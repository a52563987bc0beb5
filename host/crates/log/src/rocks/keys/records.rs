//! Keys of `records`: where a batch lies.
//!
//! ```text
//! | topic u32 BE | partition u32 BE | base offset u64 BE |   value: the record batch, as it travels
//! ```
//! Invariant: the base offset of the key is that of the batch; [`crate::rocks::read`] checks it.

use super::{PARTITION_LEN, offset_at, partition_of, partition_prefix};
use potok_types::{Offset, TopicPartition};

/// Bytes of a key.
pub(in crate::rocks) const LEN: usize = PARTITION_LEN + size_of::<u64>();
const _: () = assert!(LEN == 16, "the key layout is on disk");

/// The key of the batch with this base offset.
#[inline]
pub(in crate::rocks) fn key(at: TopicPartition, base: Offset) -> [u8; LEN] {
    let mut key = [0; LEN];
    key[..PARTITION_LEN].copy_from_slice(&partition_prefix(at));
    key[PARTITION_LEN..].copy_from_slice(&base.get().to_be_bytes());
    key
}
/// Partition and base offset of a key.
pub(in crate::rocks) fn parse(key: &[u8]) -> Option<(TopicPartition, Offset)> {
    if key.len() != LEN {
        return None;
    }
    Some((partition_of(key)?, offset_at(key, PARTITION_LEN)?))
}

#[cfg(test)]
mod tests {
    use super::super::place;
    use super::*;

    #[test]
    fn byte_order_is_offset_order_and_partitions_do_not_mix() {
        let offset = |raw| Offset::new(raw).unwrap();
        assert!(key(place(1, 1), offset(255)) < key(place(1, 1), offset(256)));
        assert!(key(place(1, 1), Offset::MAX) < key(place(1, 2), Offset::FIRST));
        assert!(key(place(1, u32::MAX), Offset::MAX) < key(place(2, 0), Offset::FIRST));
        assert_eq!(parse(&key(place(7, 9), offset(42))), Some((place(7, 9), offset(42))));
        assert_eq!(parse(&[0; 15]), None);
    }
}
