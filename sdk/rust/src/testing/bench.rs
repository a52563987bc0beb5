//! The host in memory: stores, timers, clocks, lines, numbers, secrets of one task.
//! In: the seam's calls. Out: its answers. Invariant: what a call writes is seen by that call, and by others only after `commit`.

use crate::column::Column;
use crate::describe::Description;
use crate::host::{Page, Range};
use crate::logging::Level;
use crate::time::Timestamp;
use crate::timer::{Clock, Timer};
use std::collections::{BTreeMap, HashMap};
use std::ops::Bound;
use std::time::Duration;

#[derive(Debug, Default)]
pub(crate) struct Bench {
    stores: Vec<Store>,
    pub(super) timers: BTreeMap<(Clock, Vec<u8>), Timer>,
    pub(crate) now: Timestamp,
    pub(crate) stream_time: Option<Timestamp>,
    pub(crate) logs: Vec<(Level, String)>,
    pub(crate) counters: HashMap<String, u64>,
    pub(crate) gauges: HashMap<String, f64>,
    pub(crate) observations: HashMap<String, Vec<f64>>,
    pub(crate) secrets: HashMap<String, Vec<u8>>,
    /// Calls of `get-many`, `put-many` and `scan`: what a test of batching counts.
    pub(super) state_calls: u64,
}

#[derive(Debug, Default)]
struct Store {
    name: String,
    ttl: Option<Duration>,
    /// Value and when it was written.
    entries: BTreeMap<Vec<u8>, (Vec<u8>, Timestamp)>,
    /// What the call at work wrote; `None` deletes.
    pending: BTreeMap<Vec<u8>, Option<Vec<u8>>>,
}

impl Bench {
    pub(super) fn new(description: &Description) -> Bench {
        let store = |(name, ttl): &(String, Option<Duration>)| Store {
            name: name.clone(),
            ttl: *ttl,
            ..Store::default()
        };
        Bench { stores: description.stores.iter().map(store).collect(), ..Bench::default() }
    }
    pub(crate) fn store(&self, name: &str) -> Option<usize> {
        self.stores.iter().position(|store| store.name == name)
    }
    pub(crate) fn get_many(&mut self, store: usize, keys: &Column) -> Column {
        self.state_calls += 1;
        let store = &self.stores[store];
        keys.iter().map(|key| store.get(key.unwrap_or_default(), self.now)).collect()
    }
    pub(crate) fn put_many(&mut self, store: usize, keys: &Column, values: &Column) {
        self.state_calls += 1;
        assert_eq!(keys.len(), values.len(), "as many values as keys");
        for (key, value) in keys.iter().zip(values.iter()) {
            let key = key.unwrap_or_default().to_vec();
            self.stores[store].pending.insert(key, value.map(<[u8]>::to_vec));
        }
    }
    pub(crate) fn scan(&mut self, store: usize, range: &Range, limit: u32) -> Page {
        self.state_calls += 1;
        let start = range.start.clone().map_or(Bound::Unbounded, Bound::Included);
        let end = range.end.clone().map_or(Bound::Unbounded, Bound::Excluded);
        if matches!((&range.start, &range.end), (Some(start), Some(end)) if start >= end) {
            return Page::default();
        }
        // no more than a page of each side can be in the page
        let limit = limit as usize;
        let store = &self.stores[store];
        let untouched = |(key, (_, at)): &(&Vec<u8>, &(Vec<u8>, Timestamp))| {
            store.lives(*at, self.now) && !store.pending.contains_key(*key)
        };
        let stored = store.entries.range((start.clone(), end.clone())).filter(untouched);
        let stored = stored.map(|(key, (value, _))| (key, value));
        let written =
            store.pending.range((start, end)).filter_map(|(key, value)| Some((key, value.as_ref()?)));
        let mut wanted: Vec<_> = if range.backwards {
            stored.rev().take(limit + 1).chain(written.rev().take(limit + 1)).collect()
        } else {
            stored.take(limit + 1).chain(written.take(limit + 1)).collect()
        };
        wanted.sort();
        if range.backwards {
            wanted.reverse();
        }
        let more = wanted.len() > limit;
        wanted.truncate(limit);
        Page {
            keys: wanted.iter().map(|(key, _)| Some(key.as_slice())).collect(),
            values: wanted.iter().map(|(_, value)| Some(value.as_slice())).collect(),
            more,
        }
    }
    /// All entries of a store, as the call at work sees them.
    pub(super) fn entries(&self, store: usize) -> BTreeMap<Vec<u8>, Vec<u8>> {
        self.stores[store].view(self.now)
    }
    pub(crate) fn set_timer(&mut self, timer: Timer) {
        self.timers.insert((timer.clock, timer.key.clone()), timer);
    }
    pub(crate) fn cancel_timer(&mut self, clock: Clock, key: &[u8]) {
        self.timers.remove(&(clock, key.to_vec()));
    }
    /// Takes the timers that are due, in order of time.
    pub(super) fn take_due(&mut self) -> Vec<Timer> {
        let (now, stream_time) = (self.now, self.stream_time);
        let due = |timer: &Timer| match timer.clock {
            Clock::Wall => timer.at <= now,
            Clock::Event => stream_time.is_some_and(|time| timer.at <= time),
        };
        let mut taken: Vec<Timer> = self.timers.values().filter(|timer| due(timer)).cloned().collect();
        self.timers.retain(|_, timer| !due(timer));
        taken.sort_by_key(|timer| timer.at);
        taken
    }
    pub(super) fn commit(&mut self) {
        let now = self.now;
        for store in &mut self.stores {
            for (key, value) in std::mem::take(&mut store.pending) {
                match value {
                    Some(value) => store.entries.insert(key, (value, now)),
                    None => store.entries.remove(&key),
                };
            }
        }
    }
    pub(super) fn discard(&mut self) {
        self.stores.iter_mut().for_each(|store| store.pending.clear());
    }
}

impl Store {
    fn get(&self, key: &[u8], now: Timestamp) -> Option<&[u8]> {
        match self.pending.get(key) {
            Some(written) => written.as_deref(),
            None => self
                .entries
                .get(key)
                .filter(|(_, at)| self.lives(*at, now))
                .map(|(value, _)| value.as_slice()),
        }
    }
    fn lives(&self, written_at: Timestamp, now: Timestamp) -> bool {
        self.ttl.is_none_or(|ttl| now < written_at.after(ttl))
    }
    fn view(&self, now: Timestamp) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let stored = self.entries.iter().filter(|(_, (_, at))| self.lives(*at, now));
        let mut view: BTreeMap<_, _> = stored.map(|(key, (value, _))| (key.clone(), value.clone())).collect();
        for (key, value) in &self.pending {
            match value {
                Some(value) => view.insert(key.clone(), value.clone()),
                None => view.remove(key),
            };
        }
        view
    }
}
