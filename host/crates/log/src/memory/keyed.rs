//! What units keep beside records: state, timers, offsets of groups, named things. Plain sorted maps.

use crate::api::{
    CommittedOffset, KeyRange, MetaKind, OffsetChange, OffsetCommit, StateChange, StateEntry, StateStore,
    TaskKey, TimerChange, TimerClock, TimerEntry,
};
use bytes::Bytes;
use potok_types::{Column, Timestamp, TopicNumber, TopicPartition};
use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::ops::Bound;

/// All stores.
#[derive(Debug, Default)]
pub(super) struct States(HashMap<StateStore, BTreeMap<Bytes, Bytes>>);

impl States {
    pub(super) fn get(&self, store: StateStore, keys: &Column) -> Column {
        let entries = self.0.get(&store);
        let value = |key: Option<&[u8]>| entries?.get(key?).map(|value| &value[..]);
        keys.iter().map(value).collect()
    }
    pub(super) fn scan(&self, store: StateStore, range: &KeyRange, limit: usize) -> (Vec<StateEntry>, bool) {
        let (start, end) = (range.start.as_ref(), range.end.as_ref());
        let empty = start.zip(end).is_some_and(|(start, end)| start >= end);
        let Some(entries) = self.0.get(&store).filter(|_| !empty) else { return (Vec::new(), false) };
        let bounds =
            (start.map_or(Bound::Unbounded, Bound::Included), end.map_or(Bound::Unbounded, Bound::Excluded));
        let found = entries.range::<Bytes, _>(bounds);
        if range.backwards { page(found.rev(), limit) } else { page(found, limit) }
    }
    pub(super) fn clear(&mut self, store: StateStore) {
        self.0.remove(&store);
    }
    pub(super) fn change(&mut self, change: &StateChange) {
        let entries = self.0.entry(change.store).or_default();
        for (key, value) in change.keys.iter().zip(change.values.iter()) {
            let key = key.unwrap_or_default();
            match value {
                Some(value) => {
                    entries.insert(Bytes::copy_from_slice(key), Bytes::copy_from_slice(value));
                }
                None => {
                    entries.remove(key);
                }
            }
        }
    }
}

fn page<'a>(
    mut found: impl Iterator<Item = (&'a Bytes, &'a Bytes)>,
    limit: usize,
) -> (Vec<StateEntry>, bool) {
    let entry = |(key, value): (&Bytes, &Bytes)| StateEntry { key: key.clone(), value: value.clone() };
    let entries = found.by_ref().take(limit).map(entry).collect();
    (entries, found.next().is_some())
}

/// All timers.
#[derive(Debug, Default)]
pub(super) struct Timers(HashMap<TaskKey, TaskTimers>);

/// Timers of one task, by name and by time.
#[derive(Debug, Default)]
struct TaskTimers {
    named: BTreeMap<(TimerClock, Bytes), (Timestamp, Bytes)>,
    timed: BTreeSet<(TimerClock, Timestamp, Bytes)>,
}

impl TaskTimers {
    fn set(&mut self, timer: TimerEntry) {
        self.cancel(timer.clock, timer.key.clone());
        self.timed.insert((timer.clock, timer.at, timer.key.clone()));
        self.named.insert((timer.clock, timer.key), (timer.at, timer.payload));
    }
    fn cancel(&mut self, clock: TimerClock, key: Bytes) {
        if let Some((at, _)) = self.named.remove(&(clock, key.clone())) {
            self.timed.remove(&(clock, at, key));
        }
    }
    fn of_clock(&self, clock: TimerClock) -> impl Iterator<Item = (Timestamp, &Bytes)> {
        let from = (clock, Timestamp(i64::MIN), Bytes::new());
        let timers = self.timed.range(from..).take_while(move |(of, _, _)| *of == clock);
        timers.map(|(_, at, key)| (*at, key))
    }
    fn entry(&self, clock: TimerClock, at: Timestamp, key: &Bytes) -> TimerEntry {
        let payload = self.named.get(&(clock, key.clone())).map(|(_, payload)| payload.clone());
        TimerEntry { clock, at, key: key.clone(), payload: payload.unwrap_or_default() }
    }
}

impl Timers {
    pub(super) fn due(
        &self,
        task: TaskKey,
        clock: TimerClock,
        now: Timestamp,
        limit: usize,
    ) -> Vec<TimerEntry> {
        let Some(timers) = self.0.get(&task) else { return Vec::new() };
        let due = timers.of_clock(clock).take_while(|(at, _)| *at <= now).take(limit);
        due.map(|(at, key)| timers.entry(clock, at, key)).collect()
    }
    pub(super) fn next(&self, task: TaskKey, clock: TimerClock) -> Option<Timestamp> {
        self.0.get(&task)?.of_clock(clock).next().map(|(at, _)| at)
    }
    pub(super) fn change(&mut self, change: TimerChange) {
        match change {
            TimerChange::Set(task, timer) => self.0.entry(task).or_default().set(timer),
            TimerChange::Cancel(task, clock, key) => {
                if let Some(timers) = self.0.get_mut(&task) {
                    timers.cancel(clock, key);
                }
            }
            TimerChange::Clear(task) => {
                self.0.remove(&task);
            }
        }
    }
}

/// Offsets of all groups. A group without an offset is not in the map.
#[derive(Debug, Default)]
pub(super) struct Groups(BTreeMap<String, BTreeMap<TopicPartition, CommittedOffset>>);

impl Groups {
    pub(super) fn committed(&self, group: &str, at: TopicPartition) -> Option<CommittedOffset> {
        self.0.get(group)?.get(&at).cloned()
    }
    pub(super) fn committed_all(&self, group: &str) -> Vec<(TopicPartition, CommittedOffset)> {
        let offsets = self.0.get(group).into_iter().flatten();
        offsets.map(|(at, committed)| (*at, committed.clone())).collect()
    }
    pub(super) fn names(&self) -> Vec<String> {
        self.0.keys().cloned().collect()
    }
    pub(super) fn change(&mut self, commit: OffsetCommit) {
        match commit.change {
            OffsetChange::Set(offset) => {
                self.0.entry(commit.group).or_default().insert(commit.at, offset);
            }
            OffsetChange::Remove => self.forget(|group, at| *group == commit.group && at == commit.at),
        }
    }
    pub(super) fn forget_topic(&mut self, topic: TopicNumber) {
        self.forget(|_, at| at.topic == topic);
    }
    fn forget(&mut self, gone: impl Fn(&String, TopicPartition) -> bool) {
        self.0.retain(|group, offsets| {
            offsets.retain(|at, _| !gone(group, *at));
            !offsets.is_empty()
        });
    }
}

/// All named things.
#[derive(Debug, Default)]
pub(super) struct Meta(BTreeMap<(u8, String), Bytes>);

impl Meta {
    pub(super) fn get(&self, kind: MetaKind, name: &str) -> Option<Bytes> {
        self.0.get(&(kind as u8, name.to_owned())).cloned()
    }
    pub(super) fn all(&self, kind: MetaKind) -> Vec<(String, Bytes)> {
        let kind = kind as u8;
        let things = self.0.range((kind, String::new())..).take_while(|((of, _), _)| *of == kind);
        things.map(|((_, name), value)| (name.clone(), value.clone())).collect()
    }
    pub(super) fn change(&mut self, kind: MetaKind, name: String, value: Option<Bytes>) {
        match value {
            Some(value) => {
                self.0.insert((kind as u8, name), value);
            }
            None => {
                self.0.remove(&(kind as u8, name));
            }
        }
    }
}
