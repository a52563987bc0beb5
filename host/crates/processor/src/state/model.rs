//! Drawn operations on keyed state against a plain map: whatever is put, deleted, accepted, discarded, sealed, committed and
//! evicted in between, reads and scans answer as the map does.

use super::{Ask, KeyedState};
use crate::budget::Budget;
use crate::testing::{START, VirtualTime, virtually};
use potok_log::{Acks, Log, MemoryLog, Seeded, StateChange, TaskKey, Unit};
use potok_plugin::{ScanRange, StoreSpec};
use potok_types::{Column, PartitionIndex};
use std::collections::BTreeMap;
use std::sync::Arc;

type Map = BTreeMap<Vec<u8>, Vec<u8>>;

struct Run {
    seeded: Seeded,
    log: Arc<MemoryLog>,
    state: KeyedState,
    /// With the running call's writes, and without.
    call: Map,
    head: Map,
    unit: u64,
    flying: Option<(u64, Vec<StateChange>)>,
}

#[test]
fn drawn_operations_get_the_answers_of_a_plain_map() {
    for seed in 0..150 {
        virtually(async move {
            let log = MemoryLog::new(VirtualTime::current());
            let task = TaskKey { processor: 1, partition: PartitionIndex(0) };
            let specs = [StoreSpec { name: "s".into(), ttl_ms: None }];
            let budget = Budget::new(if seed % 2 == 0 { 0 } else { 2_000 });
            let state = KeyedState::new(task, &specs, &budget);
            let (call, head) = (Map::new(), Map::new());
            let mut run = Run { seeded: Seeded::new(seed), log, state, call, head, unit: 1, flying: None };
            for step in 0..300 {
                run.step(seed, step).await;
            }
        });
    }
}

impl Run {
    fn key(&mut self) -> Vec<u8> {
        let len = 1 + self.seeded.below(2);
        (0..len).map(|_| b"abc"[self.seeded.below(3)]).collect()
    }
    async fn step(&mut self, seed: u64, step: u32) {
        match self.seeded.below(10) {
            0..=2 => self.put(),
            3..=4 => self.get(seed, step),
            5..=6 => self.scan(seed, step),
            7 => {
                self.state.accept(START, self.unit);
                self.head = self.call.clone();
            }
            8 => {
                self.state.discard();
                self.call = self.head.clone();
            }
            _ => self.commit().await,
        }
    }
    fn put(&mut self) {
        let (mut keys, mut values) = (Column::default(), Column::default());
        for _ in 0..=self.seeded.below(4) {
            let key = self.key();
            let value = (!self.seeded.one_in(3)).then(|| self.seeded.number().to_be_bytes().to_vec());
            keys.push(Some(&key));
            values.push(value.as_deref());
            match value {
                Some(value) => self.call.insert(key, value),
                None => self.call.remove(&key),
            };
        }
        self.state.put(0, keys, values).unwrap();
    }
    fn get(&mut self, seed: u64, step: u32) {
        let keys: Vec<_> = (0..5).map(|_| self.key()).collect();
        let column: Column = keys.iter().map(|key| Some(key.as_slice())).collect();
        let got = self.state.get(&*self.log, 0, &column, 1 << 20, START).unwrap();
        let expected: Vec<_> = keys.iter().map(|key| self.call.get(key).map(Vec::as_slice)).collect();
        assert_eq!(got.iter().collect::<Vec<_>>(), expected, "seed {seed} step {step}");
    }
    fn scan(&mut self, seed: u64, step: u32) {
        let bound = |run: &mut Run| (!run.seeded.one_in(3)).then(|| run.key());
        let (start, end, backwards) = (bound(self), bound(self), self.seeded.one_in(2));
        let limit = 1 + self.seeded.below(6);
        let range = ScanRange { start: start.clone(), end: end.clone(), backwards };
        let ask = Ask { range, limit: u32::try_from(limit).unwrap(), bytes_max: 1 << 20 };
        let page = self.state.scan(&*self.log, 0, &ask, START).unwrap();
        let inside =
            |key: &Vec<u8>| start.as_ref().is_none_or(|s| key >= s) && end.as_ref().is_none_or(|e| key < e);
        let mut expected: Vec<_> = self.call.iter().filter(|(key, _)| inside(key)).collect();
        if backwards {
            expected.reverse();
        }
        let more = expected.len() > limit;
        expected.truncate(limit);
        let got: Vec<_> = page.keys.iter().flatten().zip(page.values.iter().flatten()).collect();
        let expected: Vec<_> = expected.into_iter().map(|(k, v)| (k.as_slice(), v.as_slice())).collect();
        assert_eq!(got, expected, "seed {seed} step {step}");
        // `more` may be said of entries that turn out to be deleted, never the other way round
        assert!(page.more || !more, "seed {seed} step {step}");
    }
    /// The unit in flight arrives, or the one that was built takes off; the running call stays as it is.
    async fn commit(&mut self) {
        if let Some((unit, state)) = self.flying.take() {
            self.log.commit(Unit { state, ..Unit::default() }, Acks::Written).await.unwrap();
            self.state.committed(unit);
        } else {
            self.flying = Some((self.unit, self.state.seal()));
            self.unit += 1;
        }
    }
}
