//! Positions in a partition, and the numbers that travel beside them on the wire.
//!
//! ```text
//!   log_start            last_stable        high_watermark        log_end
//!      |  readable by all    |  uncommitted      |  not yet written   |
//!   ---[=====================|===================]--------------------[
//! ```
//! On one node a record is readable once it is written, so `high_watermark == log_end`; `last_stable` lies before it
//! while a transaction is open (KIP-98).

use serde::{Deserialize, Serialize};

/// Position of a record in one partition: counted from 0, rising, never reused.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct Offset(u64); // invariant: <= i64::MAX, so every Offset has a wire form

impl Offset {
    /// The first offset of every partition.
    pub const FIRST: Offset = Offset(0);
    /// The largest offset that has a wire form.
    pub const MAX: Offset = Offset(i64::MAX.cast_unsigned());

    /// An offset from a count; numbers above `i64::MAX` have no wire form and are refused.
    #[inline]
    pub const fn new(raw: u64) -> Option<Offset> {
        if raw <= i64::MAX.cast_unsigned() { Some(Offset(raw)) } else { None }
    }
    /// From the signed form of Kafka's protocol; negative numbers are no offsets.
    pub fn from_wire(raw: i64) -> Option<Offset> {
        u64::try_from(raw).ok().map(Offset)
    }
    /// The signed form of Kafka's protocol.
    pub const fn to_wire(self) -> i64 {
        self.0.cast_signed()
    }
    /// The plain number.
    #[inline]
    pub const fn get(self) -> u64 {
        self.0
    }
    /// The offset that follows `count` records written from here.
    #[inline]
    pub fn after(self, count: u32) -> Offset {
        let next = self.0 + u64::from(count);
        assert!(i64::try_from(next).is_ok(), "partition is out of offsets");
        Offset(next)
    }
    /// How many offsets lie from `earlier` to this one; 0 when `earlier` is not earlier.
    #[inline]
    pub const fn since(self, earlier: Offset) -> u64 {
        self.0.saturating_sub(earlier.0)
    }
}

impl std::fmt::Display for Offset {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        self.0.fmt(f)
    }
}

/// The ends of a partition, drawn at the head of this file.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default)]
pub struct Ends {
    /// First offset that can be read.
    pub log_start: Offset,
    /// First offset that `read_committed` readers must not see.
    pub last_stable: Offset,
    /// First offset that no reader may see.
    pub high_watermark: Offset,
    /// Offset that the next record gets.
    pub log_end: Offset,
}

/// Leadership term of a partition (KIP-101); a single node raises it at each start.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Default, Serialize, Deserialize)]
#[serde(transparent)]
pub struct LeaderEpoch(pub i32);

/// Names a producer in idempotent and transactional batches (KIP-98). Never negative.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProducerId(pub i64);

/// Incarnation of a producer id; the older one is fenced.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash, Serialize, Deserialize)]
#[serde(transparent)]
pub struct ProducerEpoch(pub i16);

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn wire_form_round_trips_and_refuses_negatives() {
        assert_eq!(Offset::from_wire(-1), None);
        assert_eq!(Offset::from_wire(i64::MAX).map(Offset::to_wire), Some(i64::MAX));
        assert_eq!(Offset::new(u64::MAX), None);
    }
    #[test]
    #[should_panic(expected = "out of offsets")]
    fn the_last_offset_has_no_successor() {
        let _ = Offset::MAX.after(1);
    }
}
