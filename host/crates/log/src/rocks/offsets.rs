//! Offsets that groups committed. In come changes with a unit, out go offsets by group and partition.
//! Invariant: an offset of a deleted topic is gone with it.
//!
//! ```text
//! on disk | version u8 = 1 | offset u64 | leader epoch i32, -1 none | committed at i64 | metadata, UTF-8 | all BE
//! ```

use super::keys::{i64_at, offset_at, offsets as keys, successor, u32_at};
use super::ops::{FamilyIds, Ops};
use super::store::{Family, Store, corrupt, corrupt_entry, failure};
use super::writer::Writer;
use crate::api::{CommittedOffset, OffsetChange, OffsetCommit};
use crate::error::StoreError;
use potok_types::{LeaderEpoch, Timestamp, TopicNumber, TopicPartition};

const VERSION: u8 = 1;
const HEAD_LEN: usize = 1 + 8 + 4 + 8;
const _: () = assert!(HEAD_LEN == 21, "this layout is on disk");

/// Encodes the offsets that a unit commits.
pub(super) fn encode(ids: FamilyIds, commits: &[OffsetCommit], to: &mut Ops) -> Result<(), StoreError> {
    for commit in commits {
        let key = keys::key(&commit.group, commit.at).ok_or_else(|| name_too_long(commit.group.len()))?;
        match &commit.change {
            OffsetChange::Set(offset) => to.put(ids, Family::Offsets, &key, &encode_value(offset)),
            OffsetChange::Remove => to.delete(ids, Family::Offsets, &key),
        }
    }
    Ok(())
}
fn name_too_long(len: usize) -> StoreError {
    StoreError::Io(format!("a group's name has at most {} bytes, this one {len}", keys::GROUP_LEN_MAX).into())
}
fn encode_value(offset: &CommittedOffset) -> Vec<u8> {
    let mut to = Vec::with_capacity(HEAD_LEN + offset.metadata.len());
    to.push(VERSION);
    to.extend_from_slice(&offset.offset.get().to_be_bytes());
    to.extend_from_slice(&offset.leader_epoch.map_or(-1, |epoch| epoch.0).to_be_bytes());
    to.extend_from_slice(&offset.committed_at.0.to_be_bytes());
    to.extend_from_slice(offset.metadata.as_bytes());
    to
}
pub(super) fn decode_value(value: &[u8]) -> Option<CommittedOffset> {
    let (head, metadata) = value.split_at_checked(HEAD_LEN)?;
    let epoch = u32_at(head, 9)?.cast_signed();
    (head[0] == VERSION).then_some(())?;
    Some(CommittedOffset {
        offset: offset_at(head, 1)?,
        leader_epoch: (epoch != -1).then_some(LeaderEpoch(epoch)),
        metadata: str::from_utf8(metadata).ok()?.to_owned(),
        committed_at: Timestamp(i64_at(head, 13)?),
    })
}

/// The offset of a group in a partition.
pub(super) fn get(
    store: &Store,
    group: &str,
    at: TopicPartition,
) -> Result<Option<CommittedOffset>, StoreError> {
    let Some(key) = keys::key(group, at) else { return Ok(None) };
    let Some(value) = store.get(Family::Offsets, &key)? else { return Ok(None) };
    decode_value(&value).map(Some).ok_or_else(|| corrupt(Family::Offsets, at, "a committed offset"))
}

/// All offsets of a group.
pub(super) fn all(store: &Store, group: &str) -> Result<Vec<(TopicPartition, CommittedOffset)>, StoreError> {
    let Some(start) = keys::prefix(group) else { return Ok(Vec::new()) };
    let mut found = Vec::new();
    store.scan(Family::Offsets, (&start, &successor(&start)), |key, value| {
        let (_, at) = keys::parse(key).ok_or_else(|| corrupt_entry(Family::Offsets, "a key"))?;
        let offset = decode_value(value).ok_or_else(|| corrupt(Family::Offsets, at, "a committed offset"))?;
        found.push((at, offset));
        Ok(true)
    })?;
    Ok(found)
}

/// Names of all groups, sorted. One seek a group, however many offsets it has.
pub(super) fn groups(store: &Store) -> Result<Vec<String>, StoreError> {
    let mut found = Vec::new();
    let mut entries = store.iterate(Family::Offsets, &[], &successor(&[u8::MAX]));
    entries.seek_to_first();
    while let Some(key) = entries.key() {
        let (group, _) = keys::parse(key).ok_or_else(|| corrupt_entry(Family::Offsets, "a key"))?;
        let group = group.to_owned();
        let behind = keys::prefix(&group).map(|prefix| successor(&prefix));
        found.push(group);
        entries.seek(behind.unwrap_or_default());
    }
    entries.status().map_err(|error| failure(Family::Offsets.name(), &error))?;
    found.sort_unstable();
    Ok(found)
}

impl Writer {
    /// Removes every group's offsets in a topic, among the changes that delete it.
    pub(super) fn forget_offsets_of(&mut self, topic: TopicNumber) -> Result<(), StoreError> {
        let (ops, ids) = (&mut self.ops, self.shared.ids);
        self.shared.store.scan(Family::Offsets, (&[], &successor(&[u8::MAX])), |key, _| {
            let (_, at) = keys::parse(key).ok_or_else(|| corrupt_entry(Family::Offsets, "a key"))?;
            if at.topic == topic {
                ops.delete(ids, Family::Offsets, key);
            }
            Ok(true)
        })
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_types::Offset;

    #[test]
    fn a_committed_offset_reads_back() {
        let offset = CommittedOffset {
            offset: Offset::new(1 << 40).unwrap(),
            leader_epoch: Some(LeaderEpoch(3)),
            metadata: "größe".into(),
            committed_at: Timestamp(-1),
        };
        assert_eq!(decode_value(&encode_value(&offset)), Some(offset.clone()));
        let without = CommittedOffset { leader_epoch: None, metadata: String::new(), ..offset };
        assert_eq!(decode_value(&encode_value(&without)), Some(without));
        assert_eq!(decode_value(&[1, 2]), None);
    }
}
