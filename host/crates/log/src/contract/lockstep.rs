//! One promise over all others: drawn at random, the same calls get the same answers as from the log in memory, across
//! starts too. Whatever both do wrong alike is left to the other promises; whatever one does otherwise is found here.

use super::*;
use crate::MemoryLog;
use crate::api::{
    CommittedOffset, KeyRange, MetaChange, MetaKind, OffsetChange, OffsetCommit, TimerChange, TimerClock,
    TimerEntry,
};
use crate::seeded::Seeded;
use crate::transactions::Marker;
use std::collections::HashMap;
use std::fmt::Debug;

const STEPS: usize = 600;
const SEEDS: u64 = 3;
/// Steps between two starts, on average.
const START_ONE_IN: u32 = 150;
const PARTITIONS: usize = 4;

pub async fn whatever_is_asked_it_answers_as_the_log_in_memory(harness: &impl Harness) {
    let mut tested = harness.open().await;
    for seed in 0..SEEDS {
        let memory = MemoryLog::new(harness.clock());
        let mut pair = Pair::new(tested, memory, seed).await;
        for step in 0..STEPS {
            pair.step = step;
            pair.take_step(harness).await;
        }
        pair.compare_everything();
        tested = pair.tested;
    }
}

/// The tested log and the one it is to agree with.
struct Pair {
    tested: Arc<dyn Log>,
    memory: Arc<MemoryLog>,
    /// Each partition's place in both.
    places: Vec<(TopicPartition, TopicPartition)>,
    /// The next sequence of each producer in each partition, as a client counts.
    sequences: HashMap<(i64, usize), i32>,
    seeded: Seeded,
    seed: u64,
    step: usize,
}

/// A step's wishes, free of partitions' numbers, so that they can be asked of both logs.
#[derive(Clone)]
enum Wish {
    Plain { values: usize, timestamp: i64 },
    Sequenced { producer: i64, epoch: i16, sequence: i32, values: usize, transactional: bool },
    Marker { producer: i64, epoch: i16, marker: Marker },
}

impl Pair {
    async fn new(tested: Arc<dyn Log>, memory: Arc<MemoryLog>, seed: u64) -> Pair {
        let as_log: Arc<dyn Log> = memory.clone();
        let mut places = Vec::new();
        for (name, config) in [("a", &[("retention.bytes", "2000")][..]), ("b", &[("retention.ms", "50000")])]
        {
            let name = format!("{name}{seed}");
            let (left, right) =
                (topic(&tested, &name, 2, config).await, topic(&as_log, &name, 2, config).await);
            places.extend((0..2).map(|index| (at(&left, index), at(&right, index))));
        }
        let (sequences, seeded) = (HashMap::new(), Seeded::new(seed));
        Pair { tested, memory, places, sequences, seeded, seed, step: 0 }
    }
    /// Asks both, and compares what they say. Errors are compared by their words, but for partitions' numbers.
    fn same<T: PartialEq + Debug, E: std::fmt::Display>(
        &self,
        what: &str,
        left: Result<T, E>,
        right: Result<T, E>,
    ) {
        let words = |error: E| error.to_string().split('#').next().unwrap_or_default().to_owned();
        let (left, right) = (left.map_err(words), right.map_err(words));
        assert_eq!(
            left, right,
            "{what} differs from the log in memory: seed {} step {}",
            self.seed, self.step
        );
    }
    async fn take_step(&mut self, harness: &impl Harness) {
        if self.seeded.one_in(START_ONE_IN) {
            // given away whole: a log on disk ends only when nobody holds it
            let tested = std::mem::replace(&mut self.tested, self.memory.clone());
            self.tested = match harness.reopen(tested).await {
                Some(log) => log,
                None => harness.open().await,
            };
        }
        match self.seeded.below(12) {
            0..=2 => self.append().await,
            3..=4 => self.commit().await,
            5..=6 => self.read(),
            7 => self.search(),
            8 => self.read_keyed(),
            9 => self.read_offsets(),
            10 => self.delete_records().await,
            // a pass of maintenance reaches the disk, so there are few
            _ if self.seeded.one_in(4) => {
                harness.clock().advance(Duration::from_millis(self.seeded.below(60_000) as u64));
                harness.maintain().await;
                self.memory.maintain().unwrap();
            }
            _ => self.read(),
        }
    }

    fn wish(&mut self, place: usize) -> Wish {
        let values = 1 + self.seeded.below(3);
        if self.seeded.one_in(2) {
            let timestamp = START.0 + i64::try_from(self.seeded.below(60_000) + 50 * self.step).unwrap();
            return Wish::Plain { values, timestamp };
        }
        let producer = i64::try_from(self.seeded.below(3)).unwrap();
        let epoch = if self.seeded.one_in(25) { 1 } else { 0 };
        if self.seeded.one_in(4) {
            let marker = if self.seeded.one_in(2) { Marker::Abort } else { Marker::Commit };
            return Wish::Marker { producer, epoch, marker };
        }
        let next = self.sequences.entry((producer, place)).or_default();
        let sequence = match self.seeded.below(8) {
            0 => (*next - 1).max(0),
            1 => *next + 1,
            _ => *next,
        };
        if sequence == *next {
            *next += i32::try_from(values).unwrap();
        }
        let transactional = producer != 2;
        Wish::Sequenced { producer, epoch, sequence, values, transactional }
    }
    fn make(&self, wish: &Wish) -> NewBatch {
        let named: Vec<String> = (0..4).map(|i| format!("{}/{i}", self.step)).collect();
        let names: Vec<&str> = named.iter().map(String::as_str).collect();
        match *wish {
            Wish::Plain { values, timestamp } => {
                let record =
                    |i| (timestamp + 7 * i64::try_from(i % 2).unwrap(), Some(names[i]), Some(names[i]));
                let codec = if values == 2 { Compression::Zstd } else { Compression::None };
                batch_of(BatchBuilder::new(codec), &(0..values).map(record).collect::<Vec<_>>())
            }
            Wish::Sequenced { producer, epoch, sequence, values, transactional } => {
                sequenced(producer, epoch, sequence, &names[..values], transactional)
            }
            Wish::Marker { producer, epoch, marker } => {
                marker.batch(ProducerId(producer), ProducerEpoch(epoch), 0, START).unwrap()
            }
        }
    }
    /// The same appends for both logs.
    fn appends(&mut self, most: usize) -> (Vec<Append>, Vec<Append>) {
        let wishes: Vec<(usize, Wish)> = (0..self.seeded.below(most + 1))
            .map(|_| {
                let place = self.seeded.below(PARTITIONS);
                (place, self.wish(place))
            })
            .collect();
        let side = |place: fn(&(TopicPartition, TopicPartition)) -> TopicPartition| {
            let append =
                |(at, wish): &(usize, Wish)| Append { to: place(&self.places[*at]), batch: self.make(wish) };
            wishes.iter().map(append).collect()
        };
        (side(|places| places.0), side(|places| places.1))
    }
    async fn append(&mut self) {
        let (left, right) = self.appends(4);
        let acks = if self.seeded.one_in(10) { Acks::Synced } else { Acks::Written };
        let (left, right) = (self.tested.append(left, acks).await, self.memory.append(right, acks).await);
        assert_eq!(left.len(), right.len());
        for (left, right) in left.into_iter().zip(right) {
            self.same("append", left, right);
        }
    }
    async fn commit(&mut self) {
        let (left, right) = self.appends(2);
        let place = self.places[self.seeded.below(PARTITIONS)];
        let changes = self.changes(place.0);
        let mut same = self.clone_for(&changes, place.1);
        let mut unit = changes;
        (unit.appends, same.appends) = (left, right);
        let (left, right) =
            (self.tested.commit(unit, Acks::Written).await, self.memory.commit(same, Acks::Written).await);
        self.same("commit", left, right);
    }
    /// Drawn changes of all that a unit keeps beside records.
    fn changes(&mut self, at: TopicPartition) -> Unit {
        let key = |seeded: &mut Seeded| ["", "a", "ab", "b", "\u{7f}"][seeded.below(5)].to_owned();
        let value = format!("{}", self.step);
        let seed = u32::try_from(self.seed).unwrap();
        let stores = [store(seed, 0, 0), store(seed, 0, 1), store(seed, 1, 0)];
        let clock = [TimerClock::Event, TimerClock::Wall][self.seeded.below(2)];
        let mut unit = Unit::default();
        for _ in 0..self.seeded.below(3) {
            let set = (!self.seeded.one_in(3)).then_some(value.as_str());
            unit.state.push(puts(stores[self.seeded.below(3)], &[(&key(&mut self.seeded), set)]));
        }
        if self.seeded.one_in(15) {
            unit.state_clears.push(stores[self.seeded.below(3)]);
        }
        for _ in 0..self.seeded.below(3) {
            let (task, key) = (task(seed, 0), bytes(&key(&mut self.seeded)));
            let due = Timestamp(i64::try_from(self.seeded.below(40)).unwrap() - 20);
            unit.timers.push(match self.seeded.below(8) {
                0 => TimerChange::Clear(task),
                1..3 => TimerChange::Cancel(task, clock, key),
                _ => TimerChange::Set(task, TimerEntry { clock, at: due, key, payload: bytes(&value) }),
            });
        }
        let (group, name) = (format!("g{}", self.seeded.below(3)), key(&mut self.seeded));
        let next = CommittedOffset {
            offset: offset(7),
            leader_epoch: None,
            metadata: value.clone(),
            committed_at: START,
        };
        let change = if self.seeded.one_in(3) { OffsetChange::Remove } else { OffsetChange::Set(next) };
        unit.offsets.push(OffsetCommit { group: format!("{}-{group}", self.seed), at, change });
        let set = (!self.seeded.one_in(3)).then(|| bytes(&value));
        unit.meta.push(MetaChange {
            kind: MetaKind::Connector,
            name: format!("{}/{name}", self.seed),
            value: set,
        });
        unit
    }
    /// The same changes for a partition of the other log. Appends cannot be cloned and come on their own.
    fn clone_for(&self, unit: &Unit, at: TopicPartition) -> Unit {
        let offsets = unit.offsets.iter().map(|commit| OffsetCommit { at, ..commit.clone() }).collect();
        let (state, state_clears) = (unit.state.clone(), unit.state_clears.clone());
        let (timers, meta) = (unit.timers.clone(), unit.meta.clone());
        Unit { appends: Vec::new(), state, state_clears, timers, offsets, meta }
    }

    fn read(&mut self) {
        let (left, right) = self.places[self.seeded.below(PARTITIONS)];
        let end = usize::try_from(self.memory.ends(right).unwrap().log_end.get()).unwrap();
        let request = ReadRequest {
            at: left,
            offset: offset(self.seeded.below(end + 3) as u64),
            bytes_max: self.seeded.below(3_000),
            committed_only: self.seeded.one_in(2),
        };
        self.compare_read(request, right);
    }
    /// Batches by all of their bytes that do not say in which run they were written.
    fn compare_read(&self, request: ReadRequest, right: TopicPartition) {
        let read = |log: &dyn Log, at| {
            let fetched = log.read(ReadRequest { at, ..request })?;
            let batch =
                |batch: &potok_types::RecordBatch| (batch.header().base_offset, batch.bytes().slice(16..));
            Ok::<_, crate::ReadError>((fetched.batches.iter().map(batch).collect::<Vec<_>>(), fetched.ends))
        };
        self.same("read", read(&*self.tested, request.at), read(&*self.memory, right));
    }
    fn search(&mut self) {
        let (left, right) = self.places[self.seeded.below(PARTITIONS)];
        let time = Timestamp(START.0 + i64::try_from(self.seeded.below(110_000)).unwrap());
        let (from, to) = (offset(self.seeded.below(300) as u64), offset(self.seeded.below(600) as u64));
        self.same("offset_at", self.tested.offset_at(left, time), self.memory.offset_at(right, time));
        self.same(
            "offset_of_max_timestamp",
            self.tested.offset_of_max_timestamp(left),
            self.memory.offset_of_max_timestamp(right),
        );
        self.compare_aborted(left, right, from, to);
    }
    /// Only what a reader can still reach counts: what lies before the start may be forgotten early or late.
    fn compare_aborted(&self, left: TopicPartition, right: TopicPartition, from: Offset, to: Offset) {
        let from = from.max(self.memory.ends(right).unwrap().log_start);
        self.same("aborted", self.tested.aborted(left, from, to), self.memory.aborted(right, from, to));
    }
    fn read_keyed(&mut self) {
        let seed = u32::try_from(self.seed).unwrap();
        let stores = [store(seed, 0, 0), store(seed, 0, 1), store(seed, 1, 0)];
        let of = stores[self.seeded.below(3)];
        let bound =
            |seeded: &mut Seeded| ["", "a", "aa", "b", "z"].get(seeded.below(8)).map(|key| bytes(key));
        let (start, end) = (bound(&mut self.seeded), bound(&mut self.seeded));
        let range = KeyRange { start, end, backwards: self.seeded.one_in(2) };
        let limit = self.seeded.below(5);
        self.same(
            "scan",
            self.tested.state_scan(of, &range, limit),
            self.memory.state_scan(of, &range, limit),
        );
        let keys = column(&[Some("b"), Some(""), Some("ab"), Some("x")]);
        self.same("get", self.tested.state_get(of, &keys), self.memory.state_get(of, &keys));
        let (task, now) = (task(seed, 0), Timestamp(i64::try_from(self.seeded.below(44)).unwrap() - 22));
        for clock in [TimerClock::Event, TimerClock::Wall] {
            let due = |log: &dyn Log| log.timers_due(task, clock, now, limit);
            self.same("timers", due(&*self.tested), due(&*self.memory));
            self.same("next timer", self.tested.timer_next(task, clock), self.memory.timer_next(task, clock));
        }
    }
    fn read_offsets(&mut self) {
        for group in 0..3 {
            let group = format!("{}-g{group}", self.seed);
            for (left, right) in &self.places {
                self.same(
                    "committed",
                    self.tested.committed(&group, *left),
                    self.memory.committed(&group, *right),
                );
            }
        }
        let mine = |log: &dyn Log| {
            let all = log.meta_all(MetaKind::Connector)?;
            let prefix = format!("{}/", self.seed);
            Ok::<_, crate::StoreError>(
                all.into_iter().filter(|(name, _)| name.starts_with(&prefix)).collect::<Vec<_>>(),
            )
        };
        self.same("meta", mine(&*self.tested), mine(&*self.memory));
    }
    async fn delete_records(&mut self) {
        if !self.seeded.one_in(3) {
            return;
        }
        let (left, right) = self.places[self.seeded.below(PARTITIONS)];
        let ends = self.memory.ends(right).unwrap();
        let width = usize::try_from(ends.log_end.since(ends.log_start)).unwrap();
        let before = offset(ends.log_start.get() + self.seeded.below(width + 2) as u64);
        let (left, right) = (
            self.tested.delete_records(left, Some(before)).await,
            self.memory.delete_records(right, Some(before)).await,
        );
        self.same("delete_records", left, right);
    }
    fn compare_everything(&mut self) {
        for (left, right) in self.places.clone() {
            self.same("ends", self.tested.ends(left), self.memory.ends(right));
            self.same("size", self.tested.size(left), self.memory.size(right));
            let start = self.memory.ends(right).unwrap().log_start;
            for committed_only in [false, true] {
                self.compare_read(
                    ReadRequest { at: left, offset: start, bytes_max: PLENTY, committed_only },
                    right,
                );
            }
            self.compare_aborted(left, right, start, Offset::MAX);
        }
        self.read_keyed();
        self.read_offsets();
    }
}
