//! What users see of a task: numbers that the task writes after each call and commit, and anyone reads at any time.
//! Numbers of records count what was committed, so they agree with the topics; calls and failures count as they happen.

use crate::api::{TaskFailure, TaskState, TaskStatus};
use crate::lines::cut;
use crate::settings::{GUEST_METRICS_MAX, REASON_LEN_MAX};
use parking_lot::Mutex;
use potok_log::Log;
use potok_types::{Offset, PartitionIndex, Timestamp, TopicName, TopicPartition};
use std::collections::BTreeMap;
use std::time::Duration;

/// What a unit did, added to the board when it is committed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(crate) struct Tally {
    pub(crate) records_in: u64,
    pub(crate) records_out: u64,
    pub(crate) bytes_in: u64,
    pub(crate) bytes_out: u64,
    pub(crate) refused: u64,
    pub(crate) dead_lettered: u64,
}

/// One task's board. Lives as long as the processor, so that its counters outlive a restart of the task.
#[derive(Debug)]
pub(crate) struct Board {
    partition: PartitionIndex,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: TaskState,
    /// Nothing to do and nothing in flight, as of the position.
    idle: bool,
    positions: Vec<Position>,
    tally: Tally,
    calls: u64,
    failures: BTreeMap<String, u64>,
    guest_time: Duration,
    host_time: Duration,
    memory_bytes: u64,
    lines_dropped_before: u64,
    lines_dropped: u64,
    stream_time: Option<Timestamp>,
    last_failure: Option<TaskFailure>,
    guest_metrics: BTreeMap<String, f64>,
}

/// Where a task stands in one input.
#[derive(Clone, Debug)]
pub(crate) struct Position {
    pub(crate) topic: TopicName,
    pub(crate) at: TopicPartition,
    pub(crate) next: Offset,
}

impl Board {
    pub(crate) fn new(partition: PartitionIndex, state: TaskState) -> Board {
        let inner = Inner {
            state,
            idle: false,
            positions: Vec::new(),
            tally: Tally::default(),
            calls: 0,
            failures: BTreeMap::new(),
            guest_time: Duration::ZERO,
            host_time: Duration::ZERO,
            memory_bytes: 0,
            lines_dropped_before: 0,
            lines_dropped: 0,
            stream_time: None,
            last_failure: None,
            guest_metrics: BTreeMap::new(),
        };
        Board { partition, inner: Mutex::new(inner) }
    }
    pub(crate) fn set_state(&self, state: TaskState) {
        let mut inner = self.inner.lock();
        inner.state = state;
        if state != TaskState::Running {
            inner.idle = false;
        }
    }
    pub(crate) fn state(&self) -> TaskState {
        self.inner.lock().state
    }
    /// The task found nothing to do, or found something. True when that is news.
    pub(crate) fn set_idle(&self, idle: bool) -> bool {
        std::mem::replace(&mut self.inner.lock().idle, idle) != idle
    }
    pub(crate) fn set_positions(&self, positions: Vec<Position>, stream_time: Option<Timestamp>) {
        let mut inner = self.inner.lock();
        inner.positions = positions;
        inner.stream_time = stream_time;
    }
    /// A unit is in the log.
    pub(crate) fn committed(&self, tally: Tally, moved: &[(usize, Offset)], stream_time: Option<Timestamp>) {
        let mut inner = self.inner.lock();
        let sum = &mut inner.tally;
        sum.records_in += tally.records_in;
        sum.records_out += tally.records_out;
        sum.bytes_in += tally.bytes_in;
        sum.bytes_out += tally.bytes_out;
        sum.refused += tally.refused;
        sum.dead_lettered += tally.dead_lettered;
        for (input, next) in moved {
            if let Some(position) = inner.positions.get_mut(*input) {
                position.next = *next;
            }
        }
        inner.stream_time = stream_time;
    }
    /// A call of the guest ended, well or not.
    pub(crate) fn called(&self, in_guest: Duration, memory_bytes: usize) {
        let mut inner = self.inner.lock();
        inner.calls += 1;
        inner.guest_time += in_guest;
        inner.memory_bytes = memory_bytes as u64;
    }
    /// The host worked for the task, guest not counted.
    pub(crate) fn worked(&self, in_host: Duration, lines_dropped: u64) {
        let mut inner = self.inner.lock();
        inner.host_time += in_host;
        inner.lines_dropped = lines_dropped;
    }
    /// A new instance of the task counts its lines from 0 again.
    pub(crate) fn restarted(&self) {
        let mut inner = self.inner.lock();
        inner.lines_dropped_before += std::mem::take(&mut inner.lines_dropped);
    }
    pub(crate) fn no_instance(&self) {
        self.inner.lock().memory_bytes = 0;
    }
    pub(crate) fn failed(&self, mut failure: TaskFailure, times: u64) {
        cut(&mut failure.reason, REASON_LEN_MAX);
        let mut inner = self.inner.lock();
        *inner.failures.entry(failure.kind.clone()).or_default() += times;
        inner.last_failure = Some(failure);
    }
    /// Changes a metric of the guest's own; a new name over the limit is dropped.
    pub(crate) fn metric(&self, name: &str, change: impl FnOnce(f64) -> f64) {
        let metrics = &mut self.inner.lock().guest_metrics;
        if let Some(value) = metrics.get_mut(name) {
            *value = change(*value);
        } else if metrics.len() < GUEST_METRICS_MAX {
            metrics.insert(name.to_owned(), change(0.0));
        }
    }
    /// Whether the task has nothing to do and stands at the end of all its inputs.
    pub(crate) fn is_drained(&self, log: &dyn Log) -> bool {
        let inner = self.inner.lock();
        inner.state == TaskState::Running
            && inner.idle
            && inner.positions.iter().all(|p| log.ends(p.at).is_ok_and(|ends| p.next >= ends.last_stable))
    }
    pub(crate) fn last_failure(&self) -> Option<TaskFailure> {
        self.inner.lock().last_failure.clone()
    }
    /// All of it for users.
    pub(crate) fn status(&self, log: &dyn Log) -> TaskStatus {
        let inner = self.inner.lock();
        let lag = |p: &Position| log.ends(p.at).map_or(0, |ends| ends.high_watermark.since(p.next));
        TaskStatus {
            partition: self.partition,
            state: inner.state,
            positions: inner.positions.iter().map(|p| (p.topic.clone(), p.next, lag(p))).collect(),
            records_in: inner.tally.records_in,
            records_out: inner.tally.records_out,
            bytes_in: inner.tally.bytes_in,
            bytes_out: inner.tally.bytes_out,
            batches: inner.calls,
            refused: inner.tally.refused,
            dead_lettered: inner.tally.dead_lettered,
            failures: inner.failures.clone(),
            guest_micros: micros(inner.guest_time),
            host_micros: micros(inner.host_time),
            memory_bytes: inner.memory_bytes,
            log_lines_dropped: inner.lines_dropped_before + inner.lines_dropped,
            stream_time: inner.stream_time,
            last_failure: inner.last_failure.clone(),
            guest_metrics: inner.guest_metrics.clone(),
        }
    }
}

fn micros(time: Duration) -> u64 {
    u64::try_from(time.as_micros()).unwrap_or(u64::MAX)
}
