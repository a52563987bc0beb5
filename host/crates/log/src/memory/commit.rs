//! Deciding and applying: an append or a unit is first decided upon as a whole and changes nothing; then it is applied
//! and cannot fail any more.

use super::partition::ProducerChange;
use super::{EPOCH, Inner};
use crate::admission::admit;
use crate::api::{Acks, Append, Appended, MetaChange, OffsetChange, Unit, UnitResult};
use crate::error::{AppendError, CommitError, UnknownPartition};
use crate::producers::{self, ProducerState, Verdict};
use potok_types::{Offset, ProducerId, RecordBatch, Timestamp, TopicPartition};
use std::collections::HashMap;

/// What earlier appends of the same unit will have changed.
#[derive(Debug, Default)]
struct Staged {
    ends: HashMap<TopicPartition, Offset>,
    producers: HashMap<(TopicPartition, ProducerId), ProducerState>,
}

/// An append that passed every check.
#[derive(Debug)]
struct Decided {
    at: TopicPartition,
    /// None when it is there already.
    batch: Option<(RecordBatch, Option<ProducerChange>)>,
    answer: Appended,
}

impl Inner {
    pub(super) fn append(
        &mut self,
        append: Append,
        now: Timestamp,
        acks: Acks,
    ) -> Result<Appended, AppendError> {
        let decided = self.decide(append, &mut Staged::default(), now)?;
        Ok(self.apply(decided, acks))
    }

    pub(super) fn commit(
        &mut self,
        unit: Unit,
        now: Timestamp,
        acks: Acks,
    ) -> Result<UnitResult, CommitError> {
        let mut staged = Staged::default();
        let mut decided = Vec::with_capacity(unit.appends.len());
        for (index, append) in unit.appends.into_iter().enumerate() {
            let one = self.decide(append, &mut staged, now);
            decided.push(one.map_err(|error| CommitError::Append { index, error })?);
        }
        for commit in &unit.offsets {
            if matches!(commit.change, OffsetChange::Set(_)) && self.topics.of_partition(commit.at).is_none()
            {
                return Err(UnknownPartition(commit.at).into());
            }
        }
        unit.state_clears.into_iter().for_each(|store| self.states.clear(store));
        unit.state.iter().for_each(|change| self.states.change(change));
        unit.timers.into_iter().for_each(|change| self.timers.change(change));
        unit.offsets.into_iter().for_each(|commit| self.groups.change(commit));
        unit.meta
            .into_iter()
            .for_each(|MetaChange { kind, name, value }| self.meta.change(kind, name, value));
        let appended = decided.into_iter().map(|one| self.apply(one, acks)).collect();
        Ok(UnitResult { appended })
    }

    fn decide(&self, append: Append, staged: &mut Staged, now: Timestamp) -> Result<Decided, AppendError> {
        let Append { to: at, mut batch } = append;
        let unknown = UnknownPartition(at);
        let topic = self.topics.of_partition(at).ok_or(unknown)?;
        let partition = self.partitions.get(&at).ok_or(unknown)?;
        let log_start = partition.ends().log_start;
        let admitted = admit(topic, &mut batch, now)?;
        if let Some((id, epoch)) = batch.header().producer {
            let known = staged.producers.get(&(at, id)).or_else(|| partition.producer(id));
            if let Verdict::Duplicate(sent) = producers::check(known, id, batch.header(), epoch)? {
                let (base_offset, append_time) = (Some(sent.base_offset), sent.append_time);
                let answer = Appended { base_offset, append_time, log_start, duplicate: true };
                return Ok(Decided { at, batch: None, answer });
            }
        }
        let base_offset = staged.ends.get(&at).copied().unwrap_or(partition.ends().log_end);
        let batch = batch.place(base_offset, EPOCH);
        staged.ends.insert(at, batch.header().next_offset());
        let producer = batch.header().producer.map(|(id, epoch)| {
            let known = staged.producers.get(&(at, id)).or_else(|| partition.producer(id)).cloned();
            let (state, step) =
                ProducerState::advance(known, (id, epoch), batch.header(), admitted.marker, now);
            staged.producers.insert((at, id), state.clone());
            (id, state, step)
        });
        let append_time = admitted.append_time;
        let answer = Appended { base_offset: Some(base_offset), append_time, log_start, duplicate: false };
        Ok(Decided { at, batch: Some((batch, producer)), answer })
    }

    fn apply(&mut self, decided: Decided, acks: Acks) -> Appended {
        if let Some((batch, producer)) = decided.batch
            && let Some(partition) = self.partitions.get_mut(&decided.at)
        {
            partition.push(batch, producer);
        }
        let base_offset = decided.answer.base_offset.filter(|_| acks != Acks::None);
        Appended { base_offset, ..decided.answer }
    }
}
