//! Units: outputs, state, timers, positions and named things, committed as one. In come units on their callers' threads,
//! which check and encode all that needs no offset; out go changes of the group under way.
//! Invariant: all of a unit is in the group or nothing of it, so a unit that is refused leaves no trace.

use super::append::Entry;
use super::ops::Ops;
use super::partition::Partition;
use super::shared::Shared;
use super::writer::Writer;
use super::{meta, offsets, state};
use crate::api::{OffsetChange, TimerChange, Unit, UnitResult};
use crate::error::{AppendError, CommitError, UnknownPartition};
use crate::producers::{ProducerState, Verdict, check};
use potok_types::{BatchHeader, LeaderEpoch, Offset, ProducerId, TopicPartition};
use std::collections::HashMap;
use std::sync::Arc;

/// A unit with everything done that its caller's thread can do.
#[derive(Debug)]
pub(super) struct ReadyUnit {
    appends: Vec<Entry>,
    /// State, positions and named things.
    ops: Ops,
    timers: Vec<TimerChange>,
    /// Partitions of its positions.
    positions: Vec<Arc<Partition>>,
}

impl ReadyUnit {
    /// Checks and encodes a unit.
    pub(super) fn prepare(shared: &Shared, unit: Unit) -> Result<ReadyUnit, CommitError> {
        let mut appends = Vec::with_capacity(unit.appends.len());
        let now = shared.clock.now();
        for (index, append) in unit.appends.into_iter().enumerate() {
            let entry =
                Entry::admit(shared, append, now).map_err(|error| CommitError::Append { index, error })?;
            appends.push(entry);
        }
        // an offset that is removed may well be of a topic that is no more
        let sets = unit.offsets.iter().filter(|commit| matches!(commit.change, OffsetChange::Set(_)));
        let positions =
            sets.map(|commit| shared.partition(commit.at)).collect::<Result<Vec<_>, UnknownPartition>>()?;
        let mut ops = Ops::default();
        state::encode(shared.ids, &unit.state_clears, &unit.state, &mut ops);
        offsets::encode(shared.ids, &unit.offsets, &mut ops)?;
        meta::encode(shared.ids, &unit.meta, &mut ops);
        Ok(ReadyUnit { appends, ops, timers: unit.timers, positions })
    }
    /// Bytes that it holds while it waits.
    pub(super) fn len(&self) -> usize {
        let timer = |change: &TimerChange| match change {
            TimerChange::Set(_, entry) => entry.key.len() + entry.payload.len(),
            TimerChange::Cancel(_, _, key) => key.len(),
            TimerChange::Clear(_) => 0,
        };
        let appends: usize = self.appends.iter().map(|entry| Entry::len(&entry.batch)).sum();
        let timers: usize = self.timers.iter().map(timer).sum();
        appends + timers + self.ops.len()
    }
    /// The answer as far as it is known before its offsets are.
    pub(super) fn accepted(&self) -> UnitResult {
        UnitResult { appended: self.appends.iter().map(Entry::accepted).collect() }
    }
}

impl Writer {
    /// Takes a unit into the group, or says why not.
    pub(super) fn commit(&mut self, unit: ReadyUnit) -> Result<UnitResult, CommitError> {
        self.shared.refusal.check()?;
        self.shared.disk.check()?;
        let gone = |partition: &&Arc<Partition>| partition.is_deleted();
        if let Some(partition) = unit.positions.iter().find(gone) {
            return Err(UnknownPartition(partition.at).into());
        }
        self.check_appends(&unit.appends)?;
        let mark = self.ops.mark();
        if let Err(error) = self.change_timers(unit.timers) {
            // the store could not be read: what came before goes its way, and with it what these timers left in memory
            self.ops.rollback(mark);
            self.finish();
            return Err(error.into());
        }
        self.ops.join(&unit.ops);
        let mut appended = Vec::with_capacity(unit.appends.len());
        for (index, entry) in unit.appends.into_iter().enumerate() {
            appended.push(self.append(entry).map_err(|error| CommitError::Append { index, error })?);
        }
        Ok(UnitResult { appended })
    }
    /// Whether every append of a unit would be taken, one behind the other. Changes nothing.
    fn check_appends(&mut self, appends: &[Entry]) -> Result<(), CommitError> {
        let mut ahead: HashMap<(TopicPartition, ProducerId), ProducerState> = HashMap::new();
        for (index, entry) in appends.iter().enumerate() {
            self.check_append(entry, &mut ahead).map_err(|error| CommitError::Append { index, error })?;
        }
        Ok(())
    }
    fn check_append(
        &mut self,
        entry: &Entry,
        ahead: &mut HashMap<(TopicPartition, ProducerId), ProducerState>,
    ) -> Result<(), AppendError> {
        if entry.partition.is_deleted() {
            return Err(UnknownPartition(entry.partition.at).into());
        }
        let Some((key, epoch)) = entry.producer() else { return Ok(()) };
        let known = match ahead.remove(&key) {
            Some(state) => Some(state),
            None => self.producers.get(&self.shared.store, key)?.cloned(),
        };
        let header = entry.batch.header();
        if check(known.as_ref(), key.1, header, epoch)? == Verdict::Append {
            // its offset does not matter to what may follow it
            let header = BatchHeader { base_offset: Offset::FIRST, leader_epoch: LeaderEpoch(0), ..*header };
            let now = self.shared.clock.now();
            let (next, _) =
                ProducerState::advance(known, (key.1, epoch), &header, entry.admitted.marker, now);
            ahead.insert(key, next);
        } else if let Some(known) = known {
            ahead.insert(key, known);
        }
        Ok(())
    }
}
