//! What one task's guest reaches: its state, its timers, its clock, its log, its metrics, its secrets.
//! In come calls from inside a guest call, out go buffered changes that the task accepts or discards when the call has
//! ended. Invariant: whatever a call did is gone after [`Port::discard`], save its log lines and metrics.
//! Names and lengths were checked by the room `plugin`; the sums over a whole call are checked here.

use crate::board::Board;
use crate::lines::{Lines, LogLine};
use crate::settings::{CALL_TIMER_BYTES_MAX, CALL_TIMER_CHANGES_MAX};
use crate::state::{Ask, KeyedState, StateFault};
use bytes::Bytes;
use parking_lot::Mutex;
use potok_log::{Log, StateChange, StateEntry, TaskKey, TimerChange, TimerEntry};
use potok_plugin::{LogLevel, PortError, ScanPage, ScanRange, TaskPort, TimerClock, TimerRequest};
use potok_types::{Column, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;

/// A task's port; shared with its instance.
#[derive(Debug)]
pub(crate) struct Port {
    log: Arc<dyn Log>,
    task: TaskKey,
    board: Arc<Board>,
    /// Granted ones only.
    secrets: BTreeMap<String, String>,
    inner: Mutex<Inner>,
}

#[derive(Debug)]
struct Inner {
    state: KeyedState,
    timers: Vec<TimerChange>,
    timer_bytes: usize,
    now: Timestamp,
    stream_time: Option<Timestamp>,
    lines: Lines,
    /// The first thing that went wrong in the running call.
    fault: Option<StateFault>,
}

impl Port {
    pub(crate) fn new(
        log: Arc<dyn Log>,
        task: TaskKey,
        board: Arc<Board>,
        secrets: BTreeMap<String, String>,
        state: KeyedState,
        lines: Lines,
    ) -> Port {
        let (now, stream_time) = (Timestamp::default(), None);
        let inner = Inner { state, timers: Vec::new(), timer_bytes: 0, now, stream_time, lines, fault: None };
        Port { log, task, board, secrets, inner: Mutex::new(inner) }
    }
    /// A call begins: its clock stands still from here on.
    pub(crate) fn begin(&self, now: Timestamp, stream_time: Option<Timestamp>) {
        let mut inner = self.inner.lock();
        (inner.now, inner.stream_time, inner.fault) = (now, stream_time, None);
        inner.lines.refill(now);
    }
    /// What went wrong on the host's side, or beyond a limit, during the call.
    pub(crate) fn take_fault(&self) -> Option<StateFault> {
        self.inner.lock().fault.take()
    }
    /// The call's changes go into `unit`; answers its timers and the bytes of state that it wrote.
    pub(crate) fn accept(&self, unit: u64) -> (Vec<TimerChange>, usize) {
        let mut inner = self.inner.lock();
        let (now, bytes) = (inner.now, inner.state.call_bytes());
        inner.state.accept(now, unit);
        let bytes = bytes + std::mem::take(&mut inner.timer_bytes);
        (std::mem::take(&mut inner.timers), bytes)
    }
    /// Nothing of the call is kept.
    pub(crate) fn discard(&self) {
        let mut inner = self.inner.lock();
        inner.state.discard();
        inner.timers.clear();
        inner.timer_bytes = 0;
    }
    /// The state of the unit that was built.
    pub(crate) fn seal(&self) -> Vec<StateChange> {
        self.inner.lock().state.seal()
    }
    /// Everything up to `unit` is in the log.
    pub(crate) fn committed(&self, unit: u64) {
        self.inner.lock().state.committed(unit);
    }
    pub(crate) fn has_lines(&self) -> bool {
        !self.inner.lock().lines.is_empty()
    }
    pub(crate) fn take_lines(&self) -> Vec<LogLine> {
        self.inner.lock().lines.take()
    }
    pub(crate) fn lines_dropped(&self) -> u64 {
        self.inner.lock().lines.dropped()
    }
    /// A line of the host about this task.
    pub(crate) fn host_line(&self, now: Timestamp, level: LogLevel, message: String) {
        self.inner.lock().lines.host(now, level, message);
    }
    pub(crate) fn ttl_min(&self) -> Option<Duration> {
        self.inner.lock().state.ttl_min()
    }
    pub(crate) fn next_with_ttl(&self, from: u32) -> Option<u32> {
        self.inner.lock().state.next_with_ttl(from)
    }
    pub(crate) fn expire(
        &self,
        store: u32,
        entries: &[StateEntry],
        now: Timestamp,
        unit: u64,
    ) -> Result<usize, StateFault> {
        self.inner.lock().state.expire(store, entries, now, unit)
    }
}

impl Inner {
    /// Remembers the first fault of a call and turns it into what the guest's side needs to hear.
    fn fault(&mut self, fault: StateFault) -> PortError {
        let (StateFault::Host(reason) | StateFault::Guest(reason)) = &fault;
        let error = PortError(reason.clone());
        self.fault.get_or_insert(fault);
        error
    }
    fn timer(&mut self, change: TimerChange, bytes: usize) {
        self.timer_bytes += bytes;
        if self.timers.len() >= CALL_TIMER_CHANGES_MAX || self.timer_bytes > CALL_TIMER_BYTES_MAX {
            let text = format!(
                "one call changed more than {CALL_TIMER_CHANGES_MAX} timers or {CALL_TIMER_BYTES_MAX} bytes of them"
            );
            self.fault.get_or_insert(StateFault::Guest(text));
            return;
        }
        self.timers.push(change);
    }
}

impl TaskPort for Port {
    fn state_get(&self, store: u32, keys: &Column, bytes_max: usize) -> Result<Column, PortError> {
        let mut inner = self.inner.lock();
        let now = inner.now;
        let got = inner.state.get(&*self.log, store, keys, bytes_max, now);
        got.map_err(|fault| inner.fault(fault))
    }
    fn state_put(&self, store: u32, keys: Column, values: Column) -> Result<(), PortError> {
        let mut inner = self.inner.lock();
        let put = inner.state.put(store, keys, values);
        put.map_err(|fault| inner.fault(fault))
    }
    fn state_scan(
        &self,
        store: u32,
        range: ScanRange,
        limit: u32,
        bytes_max: usize,
    ) -> Result<ScanPage, PortError> {
        let mut inner = self.inner.lock();
        let now = inner.now;
        let page = inner.state.scan(&*self.log, store, &Ask { range, limit, bytes_max }, now);
        page.map_err(|fault| inner.fault(fault))
    }
    fn set_timer(&self, timer: TimerRequest) {
        let bytes = timer.key.len() + timer.payload.len();
        self.inner.lock().timer(TimerChange::Set(self.task, entry_of(timer)), bytes);
    }
    fn cancel_timer(&self, clock: TimerClock, key: Vec<u8>) {
        let bytes = key.len();
        let change = TimerChange::Cancel(self.task, clock_of(clock), Bytes::from(key));
        self.inner.lock().timer(change, bytes);
    }
    fn now(&self) -> Timestamp {
        self.inner.lock().now
    }
    fn stream_time(&self) -> Option<Timestamp> {
        self.inner.lock().stream_time
    }
    fn log(&self, level: LogLevel, message: String) {
        let mut inner = self.inner.lock();
        let now = inner.now;
        inner.lines.guest(now, level, message);
    }
    #[expect(clippy::cast_precision_loss, reason = "a metric above 2^53 may lose its last digits")]
    fn count(&self, name: &str, by: u64) {
        self.board.metric(name, |value| value + by as f64);
    }
    fn gauge(&self, name: &str, value: f64) {
        self.board.metric(name, |_| value);
    }
    fn observe(&self, name: &str, value: f64) {
        self.board.metric(&format!("{name}_count"), |count| count + 1.0);
        self.board.metric(&format!("{name}_sum"), |sum| sum + value);
        self.board.metric(&format!("{name}_max"), |max| max.max(value));
    }
    fn secret(&self, name: &str) -> Option<Vec<u8>> {
        let secret = self.secrets.get(name).map(|secret| secret.clone().into_bytes());
        if secret.is_none() {
            self.denied(format!("secret {name:?} is granted, but the host has none of this name"));
        }
        secret
    }
    fn denied(&self, reason: String) {
        let mut inner = self.inner.lock();
        let now = inner.now;
        inner.lines.host(now, LogLevel::Warn, reason.clone());
        drop(inner);
        let failure = crate::api::TaskFailure { at: now, kind: "denied".into(), reason, record: None };
        self.board.failed(failure, 1);
    }
}

/// The log's word for a clock.
pub(crate) fn clock_of(clock: TimerClock) -> potok_log::TimerClock {
    match clock {
        TimerClock::Event => potok_log::TimerClock::Event,
        TimerClock::Wall => potok_log::TimerClock::Wall,
    }
}

fn entry_of(timer: TimerRequest) -> TimerEntry {
    TimerEntry { clock: clock_of(timer.clock), at: timer.at, key: timer.key, payload: timer.payload }
}

/// A stored timer as the guest gets it.
pub(crate) fn due_of(timer: &TimerEntry) -> potok_plugin::Due {
    let clock = match timer.clock {
        potok_log::TimerClock::Event => TimerClock::Event,
        potok_log::TimerClock::Wall => TimerClock::Wall,
    };
    TimerRequest { clock, at: timer.at, key: timer.key.clone(), payload: timer.payload.clone() }
}
