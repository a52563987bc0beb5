//! What a guest has to answer, computed natively, with no bindings in between.

use super::Mode;
use potok_plugin::{Body, Due, Emission, Fresh, Outcome, RefusedRecord, TimerClock, TimerRequest};
use potok_types::{RecordColumns, Timestamp};
use std::collections::HashMap;

/// A key's first record sets a timer this much later, in milliseconds.
const FIRST_SEEN_TIMER_MS: i64 = 60_000;

/// What one call yields.
#[derive(Debug, PartialEq)]
pub struct Answer {
    /// What the guest returns.
    pub outcome: Outcome,
    /// The timers that it sets on the way, in order.
    pub timers: Vec<TimerRequest>,
}

/// The state of a guest, as it should be.
#[derive(Debug, Default)]
pub struct Model {
    counts: HashMap<Vec<u8>, u64>,
}

impl Model {
    /// The answer to one batch; counts are kept.
    pub fn answer(&mut self, mode: Mode, batch: &RecordColumns) -> Answer {
        match mode {
            Mode::Filter => Answer { outcome: filter(batch), timers: vec![] },
            Mode::Count => self.count(batch),
        }
    }
    /// Every key with its count as the store has it, by key.
    pub fn stored(&self) -> Vec<(Vec<u8>, Vec<u8>)> {
        let mut stored: Vec<_> =
            self.counts.iter().map(|(k, n)| (k.clone(), n.to_le_bytes().to_vec())).collect();
        stored.sort();
        stored
    }
    fn count(&mut self, batch: &RecordColumns) -> Answer {
        let mut keys: Vec<&[u8]> = Vec::new();
        let mut indices: HashMap<&[u8], Vec<usize>> = HashMap::new();
        for (index, key) in batch.keys.iter().enumerate() {
            let Some(key) = key else { continue };
            indices.entry(key).or_insert_with(|| {
                keys.push(key);
                vec![]
            });
            indices.entry(key).and_modify(|list| list.push(index));
        }
        let (mut fresh, mut timers) = (Fresh::default(), Vec::new());
        for key in keys {
            let (first, last) = (indices[key][0], indices[key][indices[key].len() - 1]);
            if !self.counts.contains_key(key) {
                timers.push(first_seen_timer(key, batch.timestamp(first)));
            }
            let count = self.counts.entry(key.to_vec()).or_default();
            *count += indices[key].len() as u64;
            push(&mut fresh, batch.timestamp(last), key, &count.to_le_bytes());
        }
        let refused = nulls(batch.keys.iter(), "no key");
        Answer { outcome: outcome(batch.len(), emission(fresh), refused), timers }
    }
}

/// The answer to timers that are due: one fresh record each.
pub fn timers_answer(due: &[Due]) -> Outcome {
    let mut fresh = Fresh::default();
    for timer in due {
        push(&mut fresh, timer.at, &timer.key, &timer.payload);
    }
    outcome(due.len(), emission(fresh), vec![])
}

fn filter(batch: &RecordColumns) -> Outcome {
    let even = |(_, value): &(u32, Option<&[u8]>)| value.is_some_and(|value| value.len() % 2 == 0);
    let kept: Vec<u32> = (0..).zip(batch.values.iter()).filter(even).map(|(index, _)| index).collect();
    let emitted = (!kept.is_empty()).then_some(Emission { output: 0, body: Body::Forward(kept) });
    outcome(batch.len(), emitted, nulls(batch.values.iter(), "no value"))
}

fn nulls<'a>(items: impl Iterator<Item = Option<&'a [u8]>>, reason: &str) -> Vec<RefusedRecord> {
    let refused = |index| RefusedRecord { index, reason: reason.to_owned() };
    (0..).zip(items).filter(|(_, item)| item.is_none()).map(|(index, _)| refused(index)).collect()
}

fn outcome(covered: usize, emitted: Option<Emission>, refused: Vec<RefusedRecord>) -> Outcome {
    let covered = u32::try_from(covered).unwrap_or(u32::MAX);
    Outcome { covered, emitted: emitted.into_iter().collect(), refused, wait: None }
}

fn push(fresh: &mut Fresh, timestamp: Timestamp, key: &[u8], value: &[u8]) {
    fresh.timestamps.extend_from_slice(&timestamp.0.to_le_bytes());
    fresh.keys.push(Some(key));
    fresh.values.push(Some(value));
}

fn emission(fresh: Fresh) -> Option<Emission> {
    (!fresh.timestamps.is_empty()).then_some(Emission { output: 1, body: Body::Fresh(fresh) })
}

fn first_seen_timer(key: &[u8], first: Timestamp) -> TimerRequest {
    TimerRequest {
        clock: TimerClock::Event,
        at: Timestamp(first.0 + FIRST_SEEN_TIMER_MS),
        key: key.to_vec().into(),
        payload: b"first".to_vec().into(),
    }
}
