//! The harness: a task of one processor, driven by a test.
//! In: records and moves of the clock. Out: everything that the processor did. Invariant: as in the host, a call's changes are kept with
//! its outcome or not at all, a failed call is run again by halves, and records that wait come again in order.

use super::bench::Bench;
use super::record::{self, Sent, TestRecord};
use crate::host::native;
use crate::logging::Level;
use crate::outcome::{Body, Emission, Outcome};
use crate::processor::{BatchProcessor, Task};
use crate::record::Batch;
use crate::runner::{CallFailure, Runner};
use crate::time::Timestamp;
use crate::timer::Timer;
use serde::de::DeserializeOwned;
use std::cell::RefCell;
use std::collections::{BTreeMap, HashMap};
use std::rc::Rc;
use std::time::Duration;

/// A processor that sets a timer due at once, again and again, would never end.
const TIMER_ROUNDS_MAX: usize = 1000;

/// What a harness is opened with, when a configuration alone does not do.
#[derive(Clone, Debug)]
pub struct Setup {
    config: String,
    task: Task,
    now: Timestamp,
    secrets: HashMap<String, Vec<u8>>,
}

impl Setup {
    /// A setup with this configuration: JSON text, or a `serde_json::Value`.
    pub fn new(config: impl ToString) -> Setup {
        let task = Task { partition: 0, partitions: 1 };
        Setup { config: config.to_string(), task, now: Timestamp(0), secrets: HashMap::new() }
    }
    /// Partition `partition` of `partitions`; else 0 of 1.
    pub fn partition(mut self, partition: u32, partitions: u32) -> Setup {
        self.task = Task { partition, partitions };
        self
    }
    /// What the host's clock shows; else 1970.
    pub fn now(mut self, now: Timestamp) -> Setup {
        self.now = now;
        self
    }
    /// Grants a secret.
    pub fn secret(mut self, name: &str, secret: impl AsRef<[u8]>) -> Setup {
        self.secrets.insert(name.to_owned(), secret.as_ref().to_vec());
        self
    }
    /// Opens the processor; the reason when it does not open.
    pub fn open<P: BatchProcessor>(self) -> Result<Harness<P>, String> {
        let mut bench = Bench::new(&P::describe());
        bench.now = self.now;
        bench.secrets = self.secrets.clone();
        let bench = Rc::new(RefCell::new(bench));
        let runner = open(&bench, &self)?;
        Ok(Harness {
            bench,
            runner,
            setup: self,
            offsets: BTreeMap::new(),
            queue: Vec::new(),
            sent: Vec::new(),
            refused: Vec::new(),
            waiting: None,
        })
    }
}

fn open<P: BatchProcessor>(bench: &Rc<RefCell<Bench>>, setup: &Setup) -> Result<Runner<P>, String> {
    let opened = native::on(bench, || Runner::open(&setup.config, setup.task));
    if opened.is_ok() {
        bench.borrow_mut().commit()
    } else {
        bench.borrow_mut().discard()
    }
    opened
}

/// One task of a processor, in memory.
#[derive(Debug)]
pub struct Harness<P> {
    bench: Rc<RefCell<Bench>>,
    runner: Runner<P>,
    setup: Setup,
    /// The next offset of each input.
    offsets: BTreeMap<usize, u64>,
    /// Records that wait, in order.
    queue: Vec<(u64, TestRecord)>,
    sent: Vec<Sent>,
    refused: Vec<RefusedRecord>,
    waiting: Option<String>,
}

/// A record (or timer) that a processor refused.
#[derive(Clone, Debug, PartialEq)]
pub struct RefusedRecord {
    /// The record; `None` when it was a timer.
    pub record: Option<TestRecord>,
    /// The timer; `None` when it was a record.
    pub timer: Option<Timer>,
    /// Why.
    pub reason: String,
}

impl<P: BatchProcessor> Harness<P> {
    /// A task with this configuration: JSON text, or a `serde_json::Value`. Panics when the processor does not open.
    #[track_caller]
    pub fn new(config: impl ToString) -> Harness<P> {
        Setup::new(config).open().unwrap_or_else(|reason| panic!("the processor does not open: {reason}"))
    }
    /// Sends one record, in a batch of its own, and fires the timers that are then due.
    pub fn send(&mut self, record: impl Into<TestRecord>) -> &mut Harness<P> {
        self.send_all([record])
    }
    /// Sends records; those of one input that follow each other are one batch. Fires the timers that are then due.
    pub fn send_all<R: Into<TestRecord>>(&mut self, records: impl IntoIterator<Item = R>) -> &mut Harness<P> {
        let now = self.bench.borrow().now;
        for record in records {
            let mut record = record.into();
            record.timestamp.get_or_insert(now);
            let next = self.offsets.entry(record.input).or_default();
            self.queue.push((*next, record));
            *next += 1;
        }
        if self.waiting.is_none() {
            self.run();
        }
        self
    }
    /// What the host does when a wait is over: the waiting records come again.
    pub fn retry(&mut self) -> &mut Harness<P> {
        self.waiting = None;
        self.fire();
        self.run();
        self
    }
    /// Moves the host's clock on, and fires the timers that are then due.
    pub fn advance(&mut self, time: Duration) -> &mut Harness<P> {
        let now = self.bench.borrow().now.after(time);
        self.bench.borrow_mut().now = now;
        self.fire();
        self
    }
    /// Moves stream time on, as a record of that time would, and fires the timers that are then due.
    pub fn advance_stream_time(&mut self, to: Timestamp) -> &mut Harness<P> {
        let stream_time = self.bench.borrow().stream_time.max(Some(to));
        self.bench.borrow_mut().stream_time = stream_time;
        self.fire();
        self
    }
    /// Throws the instance away and opens a new one over the same state, as the host does after a trap or a restart.
    #[track_caller]
    pub fn restart(&mut self) -> &mut Harness<P> {
        self.runner = open(&self.bench, &self.setup)
            .unwrap_or_else(|reason| panic!("the processor does not open again: {reason}"));
        self
    }
    /// Closes the instance in good order.
    pub fn close(mut self) {
        native::on(&self.bench, || self.runner.close());
    }
    /// Everything sent so far and not taken, in order within an output.
    pub fn sent(&self) -> &[Sent] {
        &self.sent
    }
    /// Takes what was sent.
    pub fn take(&mut self) -> Vec<Sent> {
        std::mem::take(&mut self.sent)
    }
    /// Everything refused so far.
    pub fn refused(&self) -> &[RefusedRecord] {
        &self.refused
    }
    /// Why records wait, when they do.
    pub fn waiting(&self) -> Option<&str> {
        self.waiting.as_deref()
    }
    /// All entries of a store. Panics when the description has no such store.
    #[track_caller]
    pub fn state(&self, store: &str) -> BTreeMap<Vec<u8>, Vec<u8>> {
        let bench = self.bench.borrow();
        let Some(number) = bench.store(store) else { panic!("`describe` names no store {store:?}") };
        bench.entries(number)
    }
    /// One value of a store that keeps JSON.
    #[track_caller]
    pub fn state_json<T: DeserializeOwned>(&self, store: &str, key: impl AsRef<[u8]>) -> Option<T> {
        let value = self.state(store).remove(key.as_ref())?;
        Some(
            serde_json::from_slice(&value)
                .unwrap_or_else(|e| panic!("the stored value is not the JSON expected: {e}")),
        )
    }
    /// Timers that are set, by clock and key.
    pub fn timers(&self) -> Vec<Timer> {
        self.bench.borrow().timers.values().cloned().collect()
    }
    /// Lines logged so far.
    pub fn logs(&self) -> Vec<(Level, String)> {
        self.bench.borrow().logs.clone()
    }
    /// What a counter has counted.
    pub fn counter(&self, name: &str) -> u64 {
        self.bench.borrow().counters.get(name).copied().unwrap_or_default()
    }
    /// What a gauge shows.
    pub fn gauge(&self, name: &str) -> Option<f64> {
        self.bench.borrow().gauges.get(name).copied()
    }
    /// What a histogram was given.
    pub fn observations(&self, name: &str) -> Vec<f64> {
        self.bench.borrow().observations.get(name).cloned().unwrap_or_default()
    }
    /// How often state was read, written or scanned in the host so far: a batch should need few calls.
    pub fn state_calls(&self) -> u64 {
        self.bench.borrow().state_calls
    }

    fn run(&mut self) {
        while self.waiting.is_none() && !self.queue.is_empty() {
            let input = self.queue[0].1.input;
            let len = self.queue.iter().take_while(|(_, record)| record.input == input).count();
            self.run_batch(len);
            self.fire();
        }
    }
    /// Runs the first `len` waiting records as one batch, or less of them.
    fn run_batch(&mut self, len: usize) {
        let batch = record::batch(self.setup.task.partition, &self.queue[..len]);
        let result = native::on(&self.bench, || self.runner.process(&batch));
        match result {
            Ok(outcome) => {
                let covered = self
                    .settle(Some(&batch), len, outcome, |index, queue| (Some(queue[index].1.clone()), None));
                self.queue.drain(..covered);
                let newest = batch.iter().take(covered).map(|record| record.timestamp()).max();
                let mut bench = self.bench.borrow_mut();
                bench.stream_time = bench.stream_time.max(newest);
            }
            Err(failure) => {
                self.bench.borrow_mut().discard();
                match failure {
                    CallFailure::Retry(reason) => self.waiting = Some(reason),
                    CallFailure::Broken(reason) if len == 1 => {
                        let (_, record) = self.queue.remove(0);
                        self.refused.push(RefusedRecord { record: Some(record), timer: None, reason });
                    }
                    CallFailure::Broken(_) => self.run_batch(len / 2),
                }
            }
        }
    }
    fn fire(&mut self) {
        for _ in 0..TIMER_ROUNDS_MAX {
            let due = if self.waiting.is_none() { self.bench.borrow_mut().take_due() } else { Vec::new() };
            if due.is_empty() {
                return;
            }
            self.fire_due(&due);
        }
        panic!("timers are due without end: a timer that is set again must move on");
    }
    fn fire_due(&mut self, due: &[Timer]) {
        let result = native::on(&self.bench, || self.runner.on_timers(due));
        let left = match result {
            Ok(outcome) => self.settle(None, due.len(), outcome, |index, _| (None, Some(due[index].clone()))),
            Err(failure) => {
                self.bench.borrow_mut().discard();
                match failure {
                    CallFailure::Retry(reason) => {
                        self.waiting = Some(reason);
                        0
                    }
                    CallFailure::Broken(reason) if due.len() == 1 => {
                        self.refused.push(RefusedRecord {
                            record: None,
                            timer: Some(due[0].clone()),
                            reason,
                        });
                        1
                    }
                    CallFailure::Broken(_) => {
                        let (first, second) = due.split_at(due.len() / 2);
                        self.fire_due(first);
                        self.fire_due(second);
                        due.len()
                    }
                }
            }
        };
        let mut bench = self.bench.borrow_mut();
        for timer in &due[left..] {
            bench.timers.entry((timer.clock, timer.key.clone())).or_insert_with(|| timer.clone());
        }
    }
    /// Keeps a call's changes; how many items it covers.
    fn settle(
        &mut self,
        batch: Option<&Batch>,
        items: usize,
        outcome: Outcome,
        refused: impl Fn(usize, &[(u64, TestRecord)]) -> (Option<TestRecord>, Option<Timer>),
    ) -> usize {
        let covered = outcome.covered as usize;
        assert!(covered <= items, "the outcome covers {covered} of {items}");
        assert!(
            covered > 0 || outcome.wait.is_some(),
            "the outcome covers nothing and does not wait: it would come again for ever"
        );
        let indices: Vec<u32> = outcome.refused.iter().map(|refused| refused.index).collect();
        check_indices("refused", &indices, covered);
        self.bench.borrow_mut().commit();
        for Emission { output, body } in outcome.emitted {
            self.collect(batch, covered, output as usize, &body);
        }
        for one in outcome.refused {
            let (record, timer) = refused(one.index as usize, &self.queue);
            self.refused.push(RefusedRecord { record, timer, reason: one.reason });
        }
        self.waiting = outcome.wait;
        covered
    }
    fn collect(&mut self, batch: Option<&Batch>, covered: usize, output: usize, body: &Body) {
        match (body, batch) {
            (Body::Fresh(fresh), _) => {
                self.sent.extend((0..fresh.len()).map(|index| Sent::fresh(output, fresh, index)))
            }
            (Body::Forward(indices), Some(batch)) => {
                let indices: Vec<u32> =
                    indices.as_chunks::<4>().0.iter().map(|index| u32::from_le_bytes(*index)).collect();
                check_indices("forwarded", &indices, covered);
                self.sent
                    .extend(indices.iter().map(|index| Sent::forwarded(output, batch.get(*index as usize))));
            }
            (Body::Forward(_), None) => panic!("a timer has no record to forward"),
        }
    }
}

fn check_indices(what: &str, indices: &[u32], covered: usize) {
    assert!(indices.is_sorted_by(|a, b| a < b), "{what} indices must rise: {indices:?}");
    assert!(
        indices.last().is_none_or(|last| (*last as usize) < covered),
        "{what} indices must lie below {covered}: {indices:?}"
    );
}
