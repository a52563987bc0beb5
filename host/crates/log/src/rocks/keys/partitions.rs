//! Keys of `partitions`: what a partition knows of itself; all of it is read at the start in one scan.
//!
//! ```text
//! | topic u32 BE | partition u32 BE | 0 |                        its ends and size: crate::rocks::partition
//! | topic u32 BE | partition u32 BE | 1 |                        how far it is compacted: crate::rocks::compaction
//! | topic u32 BE | partition u32 BE | 2 | leader epoch i32 BE |  value: | first offset of that epoch u64 BE |
//! | topic u32 BE | partition u32 BE | 3 | producer id i64 BE |   value: | first offset of its open transaction u64 BE |
//! | topic u32 BE | partition u32 BE | 4 | marker's offset u64 BE | producer id i64 BE |
//!                                            value: | first offset of the aborted transaction u64 BE |
//! ```

use super::{PARTITION_LEN, i64_at, offset_at, partition_of, partition_prefix, u32_at};
use crate::api::AbortedTransaction;
use potok_types::{LeaderEpoch, Offset, ProducerId, TopicPartition};

const SELF: u8 = 0;
const CLEANING: u8 = 1;
const EPOCH: u8 = 2;
const OPEN: u8 = 3;
const ABORTED: u8 = 4;
const KIND_LEN: usize = PARTITION_LEN + 1;
const _: () = assert!(KIND_LEN == 9, "the key layout is on disk");

/// What an entry is about.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rocks) enum Entry {
    /// Ends and size.
    Itself,
    /// How far it is compacted.
    Cleaning,
    /// Where an epoch began.
    Epoch(LeaderEpoch),
    /// Whose transaction is open.
    Open(ProducerId),
    /// Marker and producer of an aborted transaction.
    Aborted(Offset, ProducerId),
}

/// The key of an entry.
pub(in crate::rocks) fn key(at: TopicPartition, entry: Entry) -> Vec<u8> {
    let mut key = Vec::with_capacity(KIND_LEN + 16);
    key.extend_from_slice(&partition_prefix(at));
    match entry {
        Entry::Itself => key.push(SELF),
        Entry::Cleaning => key.push(CLEANING),
        Entry::Epoch(epoch) => {
            key.push(EPOCH);
            key.extend_from_slice(&epoch.0.to_be_bytes());
        }
        Entry::Open(id) => {
            key.push(OPEN);
            key.extend_from_slice(&id.0.to_be_bytes());
        }
        Entry::Aborted(marker, id) => {
            key.push(ABORTED);
            key.extend_from_slice(&marker.get().to_be_bytes());
            key.extend_from_slice(&id.0.to_be_bytes());
        }
    }
    key
}
/// The key of a partition's ends and size, the one that every append writes.
#[inline]
pub(in crate::rocks) fn itself(at: TopicPartition) -> [u8; KIND_LEN] {
    let mut key = [SELF; KIND_LEN];
    key[..PARTITION_LEN].copy_from_slice(&partition_prefix(at));
    key
}
/// Partition and entry of a key.
pub(in crate::rocks) fn parse(key: &[u8]) -> Option<(TopicPartition, Entry)> {
    let at = partition_of(key)?;
    let rest = KIND_LEN;
    let (entry, len) = match *key.get(PARTITION_LEN)? {
        SELF => (Entry::Itself, 0),
        CLEANING => (Entry::Cleaning, 0),
        EPOCH => (Entry::Epoch(LeaderEpoch(u32_at(key, rest)?.cast_signed())), 4),
        OPEN => (Entry::Open(ProducerId(i64_at(key, rest)?)), 8),
        ABORTED => (Entry::Aborted(offset_at(key, rest)?, ProducerId(i64_at(key, rest + 8)?)), 16),
        _ => return None,
    };
    (key.len() == rest + len).then_some((at, entry))
}
/// The key of an aborted transaction.
pub(in crate::rocks) fn aborted(at: TopicPartition, transaction: &AbortedTransaction) -> Vec<u8> {
    key(at, Entry::Aborted(transaction.last_offset, transaction.producer))
}
/// An offset as a value.
pub(in crate::rocks) fn offset_value(offset: Offset) -> [u8; 8] {
    offset.get().to_be_bytes()
}
/// Back from [`offset_value`].
pub(in crate::rocks) fn parse_offset_value(value: &[u8]) -> Option<Offset> {
    if value.len() == 8 { offset_at(value, 0) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::place;
    use super::*;

    #[test]
    fn every_entry_reads_back_and_partitions_do_not_mix() {
        let at = place(2, 3);
        let offset = Offset::new(77).unwrap();
        let all = [
            Entry::Itself,
            Entry::Cleaning,
            Entry::Epoch(LeaderEpoch(5)),
            Entry::Open(ProducerId(6)),
            Entry::Aborted(offset, ProducerId(6)),
        ];
        for entry in all {
            assert_eq!(parse(&key(at, entry)), Some((at, entry)));
            assert!(key(at, entry).as_slice() < itself(place(2, 4)).as_slice());
        }
        assert_eq!(key(at, Entry::Itself), itself(at));
        assert_eq!(parse(&[0; 20]), None);
        assert_eq!(parse_offset_value(&offset_value(offset)), Some(offset));
    }
}
