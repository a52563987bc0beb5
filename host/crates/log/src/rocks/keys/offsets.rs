//! Keys of `offsets`: what a consumer group committed.
//!
//! ```text
//! | bytes of the group's name u16 BE | group | topic u32 BE | partition u32 BE |   value: see crate::rocks::offsets
//! ```
//! The length comes first, so that no group's keys lie among another's.

use super::{partition_of, partition_prefix, u16_at};
use potok_types::TopicPartition;

/// Longest name of a group in bytes: what its length field holds. Kafka's wire has the same limit.
pub(in crate::rocks) const GROUP_LEN_MAX: usize = u16::MAX as usize;
const LENGTH_LEN: usize = size_of::<u16>();
const _: () = assert!(LENGTH_LEN == 2, "the key layout is on disk");

/// All keys of a group begin so; none for a name over [`GROUP_LEN_MAX`], which no group can have.
pub(in crate::rocks) fn prefix(group: &str) -> Option<Vec<u8>> {
    let len = u16::try_from(group.len()).ok()?;
    Some([&len.to_be_bytes(), group.as_bytes()].concat())
}
/// The key of a group's offset in a partition.
pub(in crate::rocks) fn key(group: &str, at: TopicPartition) -> Option<Vec<u8>> {
    let mut key = prefix(group)?;
    key.extend_from_slice(&partition_prefix(at));
    Some(key)
}
/// Group and partition of a key.
pub(in crate::rocks) fn parse(key: &[u8]) -> Option<(&str, TopicPartition)> {
    let len = usize::from(u16_at(key, 0)?);
    let (group, rest) = key[LENGTH_LEN..].split_at_checked(len)?;
    if rest.len() != super::PARTITION_LEN {
        return None;
    }
    Some((str::from_utf8(group).ok()?, partition_of(rest)?))
}

#[cfg(test)]
mod tests {
    use super::super::place;
    use super::*;

    #[test]
    fn groups_do_not_mix_whatever_their_names() {
        for group in ["", "a", "a\u{0}", "größe"] {
            assert_eq!(parse(&key(group, place(1, 2)).unwrap()), Some((group, place(1, 2))));
        }
        assert!(!key("ab", place(1, 0)).unwrap().starts_with(&prefix("a").unwrap()));
        assert_eq!(prefix(&"x".repeat(GROUP_LEN_MAX + 1)), None);
        assert_eq!(parse(&[0, 9, 1]), None);
    }
}
