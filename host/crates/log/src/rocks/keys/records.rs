//! Keys of `records`: where a batch lies.
//!
//! ```text
//! | topic u32 BE | partition u32 BE | base offset u64 BE |
//!   value of 21 bytes: | 1 | segment u32 | at u64 | length u32 | last offset less base u32 |  all BE: its place in the journal
//!   any longer value:  the batch itself, as it travels
//! ```
//! Invariant: the base offset of the key is that of the batch; [`crate::rocks::read`] checks it.

use super::super::journal::Position;
use super::{PARTITION_LEN, offset_at, partition_of, partition_prefix, u32_at, u64_at};
use potok_types::{Offset, RecordBatch, TopicPartition};

/// Bytes of a key.
pub(in crate::rocks) const LEN: usize = PARTITION_LEN + size_of::<u64>();
const _: () = assert!(LEN == 16, "the key layout is on disk");
const VERSION: u8 = 1;
/// Bytes of a place; a batch has more.
pub(in crate::rocks) const PLACE_LEN: usize = 1 + 4 + 8 + 4 + 4;
const _: () = assert!(PLACE_LEN == 21, "this layout is on disk");
/// A batch shorter than this lies beside its key: a read of its own would cost more than it saves.
pub(in crate::rocks) const IN_JOURNAL_LEN_MIN: usize = 512;
/// Where a batch says how far behind its base its last offset lies.
const LAST_DELTA_AT: usize = 23;

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

/// Where a batch lies in the journal.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rocks) struct Place {
    pub(in crate::rocks) from: Position,
    pub(in crate::rocks) len: u32,
    last_delta: u32,
}

impl Place {
    /// The place of a batch whose bytes begin at `from`.
    pub(in crate::rocks) fn of(batch: &RecordBatch, from: Position) -> Place {
        let header = batch.header();
        let last_delta = header.last_offset().get() - header.base_offset.get();
        let short = |long: u64| u32::try_from(long).unwrap_or(u32::MAX);
        Place { from, len: short(batch.len() as u64), last_delta: short(last_delta) }
    }
    /// The offset behind the batch with this base; none where the place is damaged.
    pub(in crate::rocks) fn next_offset(&self, base: Offset) -> Option<Offset> {
        Offset::new(base.get().checked_add(u64::from(self.last_delta))?.checked_add(1)?)
    }
    pub(in crate::rocks) fn encode(&self) -> [u8; PLACE_LEN] {
        let mut to = [VERSION; PLACE_LEN];
        to[1..5].copy_from_slice(&self.from.segment.to_be_bytes());
        to[5..13].copy_from_slice(&self.from.at.to_be_bytes());
        to[13..17].copy_from_slice(&self.len.to_be_bytes());
        to[17..].copy_from_slice(&self.last_delta.to_be_bytes());
        to
    }
}

/// A value: a batch, or where it lies.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(in crate::rocks) enum Stored<'a> {
    Here(&'a [u8]),
    InJournal(Place),
}

impl<'a> Stored<'a> {
    /// From a value; none when it is neither.
    pub(in crate::rocks) fn decode(value: &'a [u8]) -> Option<Stored<'a>> {
        if value.len() != PLACE_LEN {
            return (value.len() > PLACE_LEN).then_some(Stored::Here(value));
        }
        let from = Position { segment: u32_at(value, 1)?, at: u64_at(value, 5)? };
        let place = Place { from, len: u32_at(value, 13)?, last_delta: u32_at(value, 17)? };
        (value[0] == VERSION).then_some(Stored::InJournal(place))
    }
    /// Bytes of the batch.
    pub(in crate::rocks) fn batch_len(&self) -> u64 {
        match self {
            Stored::Here(batch) => batch.len() as u64,
            Stored::InJournal(place) => u64::from(place.len),
        }
    }
    /// The last offset of the batch with this base; none where the batch is damaged.
    pub(in crate::rocks) fn last_offset(&self, base: Offset) -> Option<Offset> {
        let delta = match self {
            Stored::Here(batch) => u32_at(batch, LAST_DELTA_AT)?,
            Stored::InJournal(place) => place.last_delta,
        };
        Offset::new(base.get().checked_add(u64::from(delta))?)
    }
}

#[cfg(test)]
mod tests {
    use super::super::place;
    use super::*;
    use potok_types::{BatchBuilder, Compression, LeaderEpoch, Timestamp};

    fn offset(raw: u64) -> Offset {
        Offset::new(raw).unwrap()
    }

    #[test]
    fn byte_order_is_offset_order_and_partitions_do_not_mix() {
        assert!(key(place(1, 1), offset(255)) < key(place(1, 1), offset(256)));
        assert!(key(place(1, 1), Offset::MAX) < key(place(1, 2), Offset::FIRST));
        assert!(key(place(1, u32::MAX), Offset::MAX) < key(place(2, 0), Offset::FIRST));
        assert_eq!(parse(&key(place(7, 9), offset(42))), Some((place(7, 9), offset(42))));
        assert_eq!(parse(&[0; 15]), None);
    }
    #[test]
    fn both_values_read_back_with_their_length_and_last_offset() {
        let mut builder = BatchBuilder::new(Compression::None);
        for _ in 0..3 {
            builder.push(Timestamp(1), None, Some(b"value"), std::iter::empty());
        }
        let batch = builder.build().unwrap().unwrap().place(offset(40), LeaderEpoch(0));
        let from = Position { segment: 7, at: 1 << 33 };
        let value = Place::of(&batch, from).encode();
        let len = batch.len() as u64;
        for stored in [Stored::decode(&value).unwrap(), Stored::decode(batch.bytes()).unwrap()] {
            assert_eq!((stored.batch_len(), stored.last_offset(offset(40))), (len, Some(offset(42))));
        }
        assert!(matches!(Stored::decode(&value), Some(Stored::InJournal(place)) if place.from == from));
        for wrong in [&value[1..], &[9; PLACE_LEN], &[]] {
            assert_eq!(Stored::decode(wrong), None);
        }
    }
}
