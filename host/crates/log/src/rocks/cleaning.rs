//! How far a compacted partition is compacted, and since when its tombstones wait. In come passes of compaction, out go the
//! shares and offsets by which the next one is decided. Pure.
//!
//! ```text
//! on disk | version u8 = 1 | cleaned to u64 | bytes before it u64 | passes u8 | passes... |
//! a pass  | cleaned to u64 | at i64 |                                                          all BE, oldest first
//! ```
//! Invariant: offsets and times of the passes rise; a tombstone belongs to the first pass that was cleaned past it.

use super::keys::{i64_at, offset_at, u64_at};
use potok_types::{Offset, Timestamp};

const VERSION: u8 = 1;
const HEAD_LEN: usize = 1 + 8 + 8 + 1;
const PASS_LEN: usize = 8 + 8;
const _: () = assert!(HEAD_LEN == 18 && PASS_LEN == 16, "this layout is on disk");
/// Passes remembered. When there are more, the oldest is forgotten and its tombstones wait as long as the next pass's:
/// longer than they must, never shorter.
const PASSES_MAX: usize = 16;

/// How far a partition is compacted.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(super) struct Cleaning {
    /// Everything before it has been through a pass.
    pub(super) cleaned_to: Offset,
    /// Bytes of the batches before it, after the last pass.
    clean_bytes: u64,
    /// Passes that left tombstones: up to which offset, and when.
    passes: Vec<(Offset, Timestamp)>,
}

impl Cleaning {
    /// Share of the partition's bytes that no pass has seen.
    pub(super) fn dirty_ratio(&self, bytes: u64) -> f64 {
        #[expect(clippy::cast_precision_loss, reason = "a share needs no more than 52 bits")]
        let share = |part: u64| part as f64 / bytes.max(1) as f64;
        share(bytes.saturating_sub(self.clean_bytes))
    }
    /// Tombstones before this offset were met at or before `limit`. None when no tombstone is due.
    pub(super) fn horizon(&self, limit: Timestamp) -> Option<Offset> {
        self.passes.iter().rev().find(|(_, at)| *at <= limit).map(|(offset, _)| *offset)
    }
    /// After a pass that cleaned up to `cleaned_to`, dropped the tombstones before `horizon`, and left some at `left_at`.
    pub(super) fn after(
        mut self,
        cleaned_to: Offset,
        clean_bytes: u64,
        horizon: Option<Offset>,
        left_at: Option<Timestamp>,
    ) -> Cleaning {
        self.passes.retain(|(offset, _)| horizon.is_none_or(|horizon| *offset > horizon));
        match left_at {
            // what is left was met before, or now
            Some(at) if self.passes.last().is_none_or(|(offset, _)| *offset < cleaned_to) => {
                self.passes.push((cleaned_to, at));
            }
            Some(_) => {}
            None => self.passes.clear(),
        }
        if self.passes.len() > PASSES_MAX {
            self.passes.remove(0);
        }
        Cleaning { cleaned_to, clean_bytes, ..self }
    }
    /// `gone` bytes left the front of the partition. Whether that changes anything.
    pub(super) fn trim(&mut self, gone: u64) -> bool {
        let before = self.clean_bytes;
        self.clean_bytes = before.saturating_sub(gone);
        self.clean_bytes != before
    }
    /// The bytes on disk, drawn at the head of this file.
    pub(super) fn encode(&self) -> Vec<u8> {
        let mut to = vec![VERSION];
        to.extend_from_slice(&self.cleaned_to.get().to_be_bytes());
        to.extend_from_slice(&self.clean_bytes.to_be_bytes());
        to.push(u8::try_from(self.passes.len()).unwrap_or(u8::MAX));
        for (offset, at) in &self.passes {
            to.extend_from_slice(&offset.get().to_be_bytes());
            to.extend_from_slice(&at.0.to_be_bytes());
        }
        to
    }
    /// From the bytes on disk.
    pub(super) fn decode(bytes: &[u8]) -> Option<Cleaning> {
        let (head, rest) = bytes.split_at_checked(HEAD_LEN)?;
        let (passes, cut) = rest.as_chunks::<PASS_LEN>();
        if head[0] != VERSION || !cut.is_empty() || passes.len() != usize::from(head[HEAD_LEN - 1]) {
            return None;
        }
        let pass = |bytes: &[u8; PASS_LEN]| Some((offset_at(bytes, 0)?, Timestamp(i64_at(bytes, 8)?)));
        Some(Cleaning {
            cleaned_to: offset_at(head, 1)?,
            clean_bytes: u64_at(head, 9)?,
            passes: passes.iter().map(pass).collect::<Option<_>>()?,
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn offset(raw: u64) -> Offset {
        Offset::new(raw).unwrap()
    }

    #[test]
    fn tombstones_wait_from_the_first_pass_that_met_them() {
        let first = Cleaning::default().after(offset(10), 100, None, Some(Timestamp(1000)));
        let second = first.after(offset(20), 150, None, Some(Timestamp(2000)));
        assert_eq!(second.horizon(Timestamp(999)), None);
        assert_eq!(second.horizon(Timestamp(1500)), Some(offset(10)));
        let third = second.after(offset(20), 140, Some(offset(10)), Some(Timestamp(3000)));
        assert_eq!(third.horizon(Timestamp(1500)), None);
        assert_eq!(third.horizon(Timestamp(2000)), Some(offset(20)));
        assert_eq!(third.after(offset(20), 130, Some(offset(20)), None).horizon(Timestamp(9999)), None);
    }
    #[test]
    fn it_reads_back_and_the_share_is_of_what_is_new() {
        let cleaning = Cleaning::default().after(offset(10), 100, None, Some(Timestamp(-1)));
        assert_eq!(Cleaning::decode(&cleaning.encode()), Some(cleaning.clone()));
        assert_eq!(Cleaning::decode(&cleaning.encode()[1..]), None);
        assert!((cleaning.dirty_ratio(400) - 0.75).abs() < 1e-9);
        assert!(cleaning.dirty_ratio(50) < 1e-9);
    }
    #[test]
    fn many_passes_stay_few_and_never_shorten_a_wait() {
        let mut cleaning = Cleaning::default();
        for pass in 1..100u32 {
            cleaning = cleaning.after(offset(u64::from(pass)), 1, None, Some(Timestamp(i64::from(pass))));
        }
        assert_eq!(cleaning.passes.len(), PASSES_MAX);
        assert_eq!(cleaning.horizon(Timestamp(83)), None);
        assert_eq!(cleaning.horizon(Timestamp(84)), Some(offset(84)));
    }
}
