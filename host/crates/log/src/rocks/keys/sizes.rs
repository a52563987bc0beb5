//! Keys of `sizes`: how many bytes of batches lie in each stretch of a partition.
//!
//! ```text
//! | topic u32 BE | partition u32 BE | first base offset u64 BE |   value: | bytes u64 BE |
//! ```
//! A stretch is closed at [`STRETCH_LEN`] bytes; the newest one, still open, is counted in the partition's own entry.
//! So retention by size reads no batch but those of one stretch.

use super::{PARTITION_LEN, offset_at, partition_of, records, u64_at};
use potok_types::{Offset, TopicPartition};

/// A stretch is closed once it holds so many bytes: small enough to read through in a millisecond, large enough that a
/// terabyte has a million entries of 24 bytes.
pub(in crate::rocks) const STRETCH_LEN: u64 = 1 << 20;
/// Bytes of a key.
pub(in crate::rocks) const LEN: usize = PARTITION_LEN + size_of::<u64>();
const _: () = assert!(LEN == 16, "the key layout is on disk");

/// The key of the stretch that begins at `base`: the same bytes as that batch's.
pub(in crate::rocks) fn key(at: TopicPartition, base: Offset) -> [u8; LEN] {
    records::key(at, base)
}
/// Where a stretch begins.
pub(in crate::rocks) fn parse(key: &[u8]) -> Option<(TopicPartition, Offset)> {
    if key.len() != LEN {
        return None;
    }
    Some((partition_of(key)?, offset_at(key, PARTITION_LEN)?))
}
/// Bytes of a stretch, from its value.
pub(in crate::rocks) fn parse_value(value: &[u8]) -> Option<u64> {
    if value.len() == 8 { u64_at(value, 0) } else { None }
}

#[cfg(test)]
mod tests {
    use super::super::place;
    use super::*;

    #[test]
    fn a_stretch_is_found_by_any_offset_in_it() {
        let (first, second) = (Offset::new(100).unwrap(), Offset::new(200).unwrap());
        let inside = key(place(1, 0), Offset::new(150).unwrap());
        assert!(key(place(1, 0), first) < inside && inside < key(place(1, 0), second));
        assert_eq!(parse(&inside).map(|(at, _)| at), Some(place(1, 0)));
        assert_eq!(parse_value(&7u64.to_be_bytes()), Some(7));
        assert_eq!(parse_value(&[1]), None);
    }
}
