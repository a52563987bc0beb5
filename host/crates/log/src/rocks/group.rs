//! One write of the log: into the journal, then into RocksDB's memory. In come changes and batches, out go the batches'
//! places among the changes. Invariant: RocksDB hears of nothing that the journal does not have, and each write says how
//! far that is, so what is in its files after a crash is one moment of the log, and the journal tells the rest.

use super::journal::{Applied, HEAD_LEN, Journal, Next, Position};
use super::keys::{meta, records};
use super::ops::{FamilyIds, Ops};
use super::store::{Family, Store, failure};
use crate::error::StoreError;
use potok_types::{RecordBatch, TopicPartition};

/// Where a group will lie, and its batches so far.
#[derive(Debug)]
pub(super) struct Group<'a> {
    next: Next,
    batches: Vec<&'a [u8]>,
    batches_len: u64,
}

impl<'a> Group<'a> {
    /// An empty one.
    pub(super) fn new(journal: &Journal) -> Result<Group<'a>, StoreError> {
        let next = journal.next().map_err(io_failure)?;
        Ok(Group { next, batches: Vec::new(), batches_len: 0 })
    }
    /// Puts a batch in, under its key. Answers the segment that it is in, when it is not beside its key.
    pub(super) fn put(
        &mut self,
        ids: FamilyIds,
        ops: &mut Ops,
        at: TopicPartition,
        batch: &'a RecordBatch,
    ) -> Option<u32> {
        let key = records::key(at, batch.header().base_offset);
        if batch.len() < records::IN_JOURNAL_LEN_MIN {
            ops.put(ids, Family::Records, &key, batch.bytes());
            return None;
        }
        let Position { segment, at } = self.next.batches();
        let from = Position { segment, at: at + self.batches_len };
        ops.put(ids, Family::Records, &key, &records::Place::of(batch, from).encode());
        self.batches.push(batch.bytes());
        self.batches_len += batch.len() as u64;
        Some(segment)
    }
    /// Writes it with all `ops`. Answers its bytes.
    pub(super) fn write(
        self,
        ids: FamilyIds,
        ops: &mut Ops,
        journal: &Journal,
        store: &Store,
    ) -> Result<usize, StoreError> {
        ops.put(ids, Family::Meta, &meta::APPLIED, &[0; Applied::LEN]);
        let len = HEAD_LEN as u64 + self.batches_len + ops.len() as u64;
        let Position { segment, at } = self.next.at;
        let to = Position { segment, at: at + len };
        ops.set_last_value(&Applied { to, sequence: self.next.sequence + 1 }.encode());
        journal.append(ops.finished(), &self.batches).map_err(io_failure)?;
        store.apply(ops.finished()).map_err(|error| failure("the store", &error))?;
        Ok(usize::try_from(len).unwrap_or(usize::MAX))
    }
}

/// What the system says of the journal.
pub(super) fn io_failure(error: std::io::Error) -> StoreError {
    StoreError::Io(format!("the journal: {error}").into())
}
