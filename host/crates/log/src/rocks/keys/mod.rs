//! Keys of every column family: one file a family, each with its drawing, its frozen size and its tests.
//! Numbers are big-endian, so that byte order equals their order and one forward scan is one read.
//! Invariant: these bytes keep their meaning for ever; a new layout takes a new column family.
//! What a folder of another layout is called is `open.rs`'s business.

pub(super) mod meta;
pub(super) mod offsets;
pub(super) mod partitions;
pub(super) mod producers;
#[cfg(test)]
mod properties;
pub(super) mod records;
pub(super) mod sizes;
pub(super) mod state;
pub(super) mod timers;
pub(super) mod times;

use potok_types::{Offset, PartitionIndex, Timestamp, TopicNumber, TopicPartition};

/// Bytes of topic and partition, with which most keys begin.
pub(super) const PARTITION_LEN: usize = size_of::<u32>() + size_of::<u32>();
const _: () = assert!(PARTITION_LEN == 8, "the key layout is on disk");

/// `| topic u32 | partition u32 |`
#[inline]
pub(super) fn partition_prefix(at: TopicPartition) -> [u8; PARTITION_LEN] {
    let mut key = [0; PARTITION_LEN];
    key[..4].copy_from_slice(&at.topic.0.to_be_bytes());
    key[4..].copy_from_slice(&at.partition.0.to_be_bytes());
    key
}

/// The partition that a key begins with.
pub(super) fn partition_of(key: &[u8]) -> Option<TopicPartition> {
    Some(TopicPartition { topic: TopicNumber(u32_at(key, 0)?), partition: PartitionIndex(u32_at(key, 4)?) })
}

/// First key of a topic, and the first one behind it, in every family that begins with the topic.
pub(super) fn topic_range(topic: TopicNumber) -> (Vec<u8>, Vec<u8>) {
    let start = topic.0.to_be_bytes().to_vec();
    let end = successor(&start);
    (start, end)
}

/// The first key behind all that begin with `prefix`. Behind a prefix of nothing but 0xff there is no end; such a prefix
/// answers keys of 64 bytes 0xff, behind which no family here has any.
pub(super) fn successor(prefix: &[u8]) -> Vec<u8> {
    let mut end = prefix.to_vec();
    while let Some(last) = end.pop() {
        if last != u8::MAX {
            end.push(last + 1);
            return end;
        }
    }
    vec![u8::MAX; 64]
}

/// A timestamp whose byte order is its order, before 1970 included: the sign bit is turned over.
#[inline]
pub(super) fn ordered(time: Timestamp) -> [u8; 8] {
    (time.0.cast_unsigned() ^ (1 << 63)).to_be_bytes()
}
/// Back from [`ordered`].
pub(super) fn from_ordered(raw: u64) -> Timestamp {
    Timestamp((raw ^ (1 << 63)).cast_signed())
}

pub(super) fn u16_at(bytes: &[u8], at: usize) -> Option<u16> {
    bytes.get(at..)?.first_chunk().map(|bytes| u16::from_be_bytes(*bytes))
}
pub(super) fn u32_at(bytes: &[u8], at: usize) -> Option<u32> {
    bytes.get(at..)?.first_chunk().map(|bytes| u32::from_be_bytes(*bytes))
}
pub(super) fn u64_at(bytes: &[u8], at: usize) -> Option<u64> {
    bytes.get(at..)?.first_chunk().map(|bytes| u64::from_be_bytes(*bytes))
}
pub(super) fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    u64_at(bytes, at).map(u64::cast_signed)
}
pub(super) fn offset_at(bytes: &[u8], at: usize) -> Option<Offset> {
    u64_at(bytes, at).and_then(Offset::new)
}

#[cfg(test)]
pub(super) fn place(topic: u32, partition: u32) -> TopicPartition {
    TopicPartition { topic: TopicNumber(topic), partition: PartitionIndex(partition) }
}

#[cfg(test)]
mod tests {
    use super::*;
    use proptest::prelude::*;

    #[test]
    fn a_successor_lies_behind_all_that_begin_so() {
        assert_eq!(successor(&[1, 2]), vec![1, 3]);
        assert_eq!(successor(&[1, 255]), vec![2]);
        assert!(successor(&[255, 255]).as_slice() > [255; 40].as_slice());
    }
    proptest! {
        #[test]
        fn times_order_as_their_bytes(a: i64, b: i64) {
            prop_assert_eq!(a.cmp(&b), ordered(Timestamp(a)).cmp(&ordered(Timestamp(b))));
            prop_assert_eq!(from_ordered(u64::from_be_bytes(ordered(Timestamp(a)))), Timestamp(a));
        }
        #[test]
        fn partitions_order_as_their_bytes(a: (u32, u32), b: (u32, u32)) {
            let (at, bt) = (place(a.0, a.1), place(b.0, b.1));
            prop_assert_eq!(at.cmp(&bt), partition_prefix(at).cmp(&partition_prefix(bt)));
            prop_assert_eq!(partition_of(&partition_prefix(at)), Some(at));
        }
    }
}
