//! Durable timers of a task: which are due, and the calls for them.
//! A lower bound on each clock's next timer is kept in memory, so that the log is only asked when one is really due. What is
//! not committed yet is not in the log, so everything is flushed before it is asked; that costs one commit's latency a call
//! for timers, not a record.

use super::call::{Verdict, check_covered, encode_halt, write_letter};
use super::load::store_halt;
use super::{Failure, Halt, Next, Task};
use crate::api::FailurePolicy;
use crate::bisect::Bisect;
use crate::dead_letter::{Blame, Letter};
use crate::port::due_of;
use crate::settings::{CALL_TIMERS_MAX, TIMER_CALLS_IN_A_ROW_MAX};
use potok_log::{TaskKey, TimerChange, TimerClock, TimerEntry};
use potok_plugin::{Body, CallError, LogLevel, Outcome};
use potok_types::Timestamp;

/// Timers that are due on one clock, and when the first one after them is.
#[derive(Debug)]
pub(super) struct DueTimers {
    entries: Vec<TimerEntry>,
    after: Option<Timestamp>,
}

/// When timers may be due.
#[derive(Debug)]
pub(super) struct Timers {
    task: TaskKey,
    event: Bound,
    wall: Bound,
    bisect: Bisect,
    in_a_row: u32,
}

/// A lower bound on a clock's next timer.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Bound {
    Unknown,
    /// None is set.
    Never,
    At(Timestamp),
}

impl Bound {
    fn may_be_due(self, now: Timestamp) -> bool {
        match self {
            Bound::Unknown => true,
            Bound::Never => false,
            Bound::At(at) => at <= now,
        }
    }
    fn of(at: Option<Timestamp>) -> Bound {
        at.map_or(Bound::Never, Bound::At)
    }
    fn lower(&mut self, to: Timestamp) {
        *self = match *self {
            Bound::Unknown => Bound::Unknown,
            Bound::Never => Bound::At(to),
            Bound::At(at) => Bound::At(at.min(to)),
        };
    }
}

impl Timers {
    pub(super) fn new(task: TaskKey) -> Timers {
        let (event, wall) = (Bound::Unknown, Bound::Unknown);
        Timers { task, event, wall, bisect: Bisect::new(CALL_TIMERS_MAX), in_a_row: 0 }
    }
    /// A call set or cancelled some.
    pub(super) fn changed(&mut self, changes: &[TimerChange]) {
        for change in changes {
            if let TimerChange::Set(_, timer) = change {
                self.bound_mut(timer.clock).lower(timer.at);
            }
        }
    }
    fn bound_mut(&mut self, clock: TimerClock) -> &mut Bound {
        match clock {
            TimerClock::Event => &mut self.event,
            TimerClock::Wall => &mut self.wall,
        }
    }
    /// When the wall clock's next timer may be due.
    pub(super) fn next_wall(&self) -> Option<Timestamp> {
        match self.wall {
            Bound::At(at) => Some(at),
            Bound::Unknown | Bound::Never => None,
        }
    }
    /// It is the records' turn; says whether timers were passed over for it.
    pub(super) fn let_records_go(&mut self) -> bool {
        std::mem::take(&mut self.in_a_row) >= TIMER_CALLS_IN_A_ROW_MAX
    }
}

impl Task {
    /// Timers that are due now, of one clock.
    pub(super) async fn due_timers(&mut self) -> Result<Option<DueTimers>, Halt> {
        if self.timers.in_a_row >= TIMER_CALLS_IN_A_ROW_MAX {
            return Ok(None);
        }
        let now = self.ctx.clock.now();
        for (clock, now) in [(TimerClock::Event, self.stream_time), (TimerClock::Wall, Some(now))] {
            let Some(now) = now else { continue };
            if !self.timers.bound_mut(clock).may_be_due(now) {
                continue;
            }
            self.flush().await?;
            let all = Timestamp(i64::MAX);
            let read = self.ctx.log.timers_due(self.timers.task, clock, all, CALL_TIMERS_MAX + 1);
            let mut entries = read.map_err(store_halt)?;
            let due = entries.partition_point(|timer| timer.at <= now).min(CALL_TIMERS_MAX);
            let after = entries.get(due).map(|timer| timer.at);
            if due == 0 {
                *self.timers.bound_mut(clock) = Bound::of(after);
                continue;
            }
            entries.truncate(due);
            return Ok(Some(DueTimers { entries, after }));
        }
        Ok(None)
    }
    /// Calls the guest with the first of these timers.
    pub(super) async fn call_timers(&mut self, due: &DueTimers) -> Result<Next, Halt> {
        self.timers.in_a_row += 1;
        let len = self.timers.bisect.next_len(due.entries.len());
        match self.fire(&due.entries[..len]).await? {
            Verdict::Later(reason) => Ok(self.later(reason)),
            Verdict::Failed(blame) => {
                if !self.timers.bisect.failed(len) {
                    self.ctx.record(&Failure::new(blame.kind, blame.reason), 1);
                    return Ok(Next::Again);
                }
                self.refuse_timer(&due.entries[0], &blame).await?;
                self.fired(due, 1);
                self.unit.joined(0);
                Ok(Next::Again)
            }
            Verdict::Good(outcome) => self.accept_timers(due, outcome, len).await,
        }
    }
    async fn fire(&mut self, entries: &[TimerEntry]) -> Result<Verdict, Halt> {
        let Some(guest) = &mut self.guest else { return Ok(Verdict::Later("it has no instance".into())) };
        let due: Vec<_> = entries.iter().map(due_of).collect();
        self.port.begin(self.ctx.clock.now(), self.stream_time);
        let began = self.ctx.clock.monotonic();
        let result = guest.on_timers(&due).await;
        let took = self.ctx.clock.monotonic().saturating_sub(began);
        self.in_guest += took;
        self.ctx.board.called(took, guest.memory_bytes());
        let checked = result.and_then(|outcome| self.check_timers(outcome, due.len()));
        self.judge(checked)
    }
    fn check_timers(&self, outcome: Outcome, len: usize) -> Result<Outcome, CallError> {
        check_covered(&outcome, len)?;
        for emission in &outcome.emitted {
            match &emission.body {
                Body::Forward(_) => {
                    return Err(CallError::Contract("timers have no records to forward".into()));
                }
                Body::Fresh(fresh) => {
                    self.output_of(emission)?.check_fresh(fresh).map_err(CallError::Contract)?
                }
            }
        }
        Ok(outcome)
    }
    async fn accept_timers(&mut self, due: &DueTimers, outcome: Outcome, len: usize) -> Result<Next, Halt> {
        let stop = self.ctx.deployment.spec.on_failure == FailurePolicy::Stop;
        if let Some(first) = outcome.refused.first().filter(|_| stop) {
            self.port.discard();
            if first.index == 0 {
                return Err(stopped_at(&due.entries[0], &first.reason, "refused"));
            }
            // those before it are to be done, and nothing behind it: it is found as one that fails
            self.guest = None;
            self.timers.bisect.failed(len);
            return Ok(Next::Again);
        }
        for refused in &outcome.refused {
            let blame = Blame { kind: "refused", reason: refused.reason.clone() };
            self.refuse_timer(&due.entries[refused.index as usize], &blame).await?;
        }
        let covered = outcome.covered as usize;
        // the fired ones go first: the call may have set them again
        self.fired(due, covered);
        let bytes = self.take_changes();
        for emission in &outcome.emitted {
            if let (Some(output), Body::Fresh(fresh)) =
                (self.outputs.get_mut(emission.output as usize), &emission.body)
            {
                output.fresh(fresh).map_err(encode_halt)?;
            }
        }
        self.timers.bisect.succeeded(covered, len);
        self.unit.joined(bytes);
        self.replace_when_large().await;
        self.set_running();
        match outcome.wait.filter(|_| covered < len) {
            Some(reason) => Ok(self.later(reason)),
            None => {
                self.backoff.reset();
                Ok(Next::Again)
            }
        }
    }
    /// The first `count` of these are done.
    fn fired(&mut self, due: &DueTimers, count: usize) {
        let task = self.timers.task;
        let done = due.entries.iter().take(count);
        self.unit.timers.extend(done.map(|timer| TimerChange::Cancel(task, timer.clock, timer.key.clone())));
        if let Some(first) = due.entries.first() {
            let next = due.entries.get(count).map(|timer| timer.at).or(due.after);
            *self.timers.bound_mut(first.clock) = Bound::of(next);
        }
    }
    async fn refuse_timer(&mut self, timer: &TimerEntry, blame: &Blame) -> Result<(), Halt> {
        if self.ctx.deployment.spec.on_failure == FailurePolicy::Stop {
            return Err(stopped_at(timer, &blame.reason, blame.kind));
        }
        let reason = format!("timer {:?} due at {}: {}", timer.key, timer.at.0, blame.reason);
        self.tell(LogLevel::Warn, format!("a timer is {}: {reason}", blame.verdict()));
        self.ctx.record(&Failure::new(blame.kind, reason), 1);
        self.unit.tally.refused += 1;
        if self.ctx.deployment.spec.on_failure == FailurePolicy::DeadLetter {
            let needed = Letter::of_timer(&self.letterhead, blame, timer).len();
            self.ensure_dead_letters(needed).await?;
            let letter = Letter::of_timer(&self.letterhead, blame, timer);
            if let Some(output) = &mut self.dead_letters {
                write_letter(output, &letter, self.ctx.partition.0)?;
            }
            self.unit.tally.dead_lettered += 1;
        }
        Ok(())
    }
}

fn stopped_at(timer: &TimerEntry, reason: &str, kind: &'static str) -> Halt {
    let reason = format!("timer {:?} due at {}: {reason}", timer.key, timer.at.0);
    Halt::Stopped(Failure::new(kind, reason))
}
