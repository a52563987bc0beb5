//! What the partitions remember of idempotent producers: on disk in full, in memory those that wrote lately.
//! In come batches with a producer, out go verdicts and the states to keep. Invariant: what is in memory is what the store
//! holds, plus the changes of the group under way.
//! The rules of sequences and epochs are `crate::producers`'s.

use super::keys::{partition_prefix, producers as keys, successor};
use super::store::{Family, Store, corrupt};
use super::writer::Writer;
use crate::api::ActiveProducer;
use crate::error::StoreError;
use crate::producers::ProducerState;
use potok_types::{ProducerId, Timestamp, TopicNumber, TopicPartition};
use std::collections::{HashMap, HashSet};
use std::time::Duration;

/// Producers of partitions kept in memory, about 250 bytes each; more are read again when they write.
const IN_MEMORY_MAX: usize = 20_000;

type Key = (TopicPartition, ProducerId);

/// Producers in memory.
#[derive(Debug, Default)]
pub(super) struct Producers {
    known: HashMap<Key, ProducerState>,
    /// Changed by the group under way.
    changed: HashSet<Key>,
}

impl Producers {
    /// What is known of a producer, read from the store when it is not at hand.
    pub(super) fn get(&mut self, store: &Store, key: Key) -> Result<Option<&ProducerState>, StoreError> {
        // two look-ups, because a borrow that is returned early holds for the whole function
        if !self.known.contains_key(&key)
            && let Some(value) = store.get(Family::Producers, &keys::key(key.0, key.1))?
        {
            let state = ProducerState::decode(&value)
                .ok_or_else(|| corrupt(Family::Producers, key.0, "a producer"))?;
            self.known.insert(key, state);
        }
        Ok(self.known.get(&key))
    }
    /// Takes a state out, to be changed and put back.
    pub(super) fn take(&mut self, key: Key) -> Option<ProducerState> {
        self.known.remove(&key)
    }
    /// Puts a changed state in.
    pub(super) fn put(&mut self, key: Key, state: ProducerState) {
        self.changed.insert(key);
        self.known.insert(key, state);
    }
    /// Forgets what the store no longer holds.
    pub(super) fn forget_topic(&mut self, topic: TopicNumber) {
        self.known.retain(|(at, _), _| at.topic != topic);
    }
    fn shrink(&mut self) {
        if self.known.len() > IN_MEMORY_MAX {
            self.known.clear();
        }
    }
}

impl Writer {
    /// The changed producers among the changes of the group.
    pub(super) fn keep_producers(&mut self) {
        if self.producers.changed.is_empty() {
            return;
        }
        for key in self.producers.changed.drain() {
            if let Some(state) = self.producers.known.get(&key) {
                self.ops.put(self.shared.ids, Family::Producers, &keys::key(key.0, key.1), &state.encode());
            }
        }
        self.producers.shrink();
    }
    /// Forgets producers that wrote nothing since `silence` and have no transaction open. Answers how many.
    pub(super) fn forget_silent_producers(
        &mut self,
        candidates: &[Key],
        silence: Duration,
    ) -> Result<usize, StoreError> {
        let limit = self.shared.clock.now().minus(silence);
        let mut gone = Vec::new();
        for key in candidates {
            if self.producers.get(&self.shared.store, *key)?.is_some_and(|state| is_silent(state, limit)) {
                self.ops.delete(self.shared.ids, Family::Producers, &keys::key(key.0, key.1));
                gone.push(*key);
            }
        }
        self.write()?;
        gone.iter().for_each(|key| drop(self.producers.known.remove(key)));
        Ok(gone.len())
    }
}

/// The first `limit` producers of a partition, by id.
pub(super) fn remembered(
    store: &Store,
    at: TopicPartition,
    limit: usize,
) -> Result<Vec<ActiveProducer>, StoreError> {
    let prefix = partition_prefix(at);
    let mut found = Vec::new();
    store.scan(Family::Producers, (&prefix, &successor(&prefix)), |key, value| {
        let wrong = || corrupt(Family::Producers, at, "a producer");
        let (_, id) = keys::parse(key).ok_or_else(wrong)?;
        found.push(ProducerState::decode(value).ok_or_else(wrong)?.shown(id));
        Ok(found.len() < limit)
    })?;
    Ok(found)
}

/// Whether a producer may be forgotten.
pub(super) fn is_silent(state: &ProducerState, limit: Timestamp) -> bool {
    state.touched_at() < limit && state.open_since().is_none()
}
