//! One processor on one partition: read, call the guest, commit what came of it.
//!
//! ```text
//!   input.fill -> order.choose -> call (guest) -> accept: outputs, state, timers, dead letters -> unit -> log.commit
//!        ^                          | fails: bisect, refuse one                                           |
//!        └── position <─────────────┴──────────────── moves only in the commit <─────────────────────────┘
//! ```
//! One commit is in flight at a time. While it is, further calls go on and join the next unit, reading what is not committed
//! yet through the port; when a commit fails, all of that is thrown away and the task begins anew at what the log holds.
//! Invariants: nothing of a unit is visible before it commits; one task a partition; a task ends only with nothing in flight.

mod call;
mod commit;
mod load;
mod timers;
mod unit;
mod wait;

use crate::api::{Deployment, TaskFailure, TaskState};
use crate::backoff::Backoff;
use crate::board::Board;
use crate::budget::Budget;
use crate::dead_letter::Letterhead;
use crate::guest::{Guest, Guests};
use crate::input::Input;
use crate::order::Idle;
use crate::output::Output;
use crate::port::Port;
use crate::runtime::Waits;
use crate::settings::Settings;
use commit::Flight;
use potok_log::{Log, TaskKey};
use potok_plugin::{LogLevel, ModuleInfo};
use potok_types::{Clock, Offset, PartitionIndex, Timestamp, TopicName};
use std::sync::Arc;
use std::task::Poll;
use std::time::Duration;
use timers::Timers;
use tokio::sync::watch;
use tokio_util::sync::CancellationToken;
use unit::UnitBuilder;

/// All that a task is given.
#[derive(Clone, Debug)]
pub(crate) struct TaskContext {
    pub(crate) settings: Arc<Settings>,
    pub(crate) log: Arc<dyn Log>,
    pub(crate) guests: Arc<dyn Guests>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) waits: Arc<dyn Waits>,
    pub(crate) deployment: Arc<Deployment>,
    pub(crate) module: Arc<ModuleInfo>,
    pub(crate) partition: PartitionIndex,
    pub(crate) board: Arc<Board>,
    pub(crate) cache: Arc<Budget>,
    pub(crate) units: Arc<Budget>,
    pub(crate) stop: CancellationToken,
    /// Raised when a task becomes idle or stops.
    pub(crate) pulse: Arc<watch::Sender<u64>>,
}

/// Why a task does not go on.
#[derive(Clone, Debug)]
pub(crate) enum Halt {
    /// It was asked to.
    Asked,
    /// It cannot before something is changed.
    Stopped(Failure),
    /// It begins anew in a while, from what the log holds.
    Redo(Failure),
}

/// What went wrong, before it has a time.
#[derive(Clone, Debug)]
pub(crate) struct Failure {
    pub(crate) kind: &'static str,
    pub(crate) reason: String,
    pub(crate) record: Option<(TopicName, Offset)>,
}

impl Failure {
    pub(crate) fn new(kind: &'static str, reason: impl Into<String>) -> Failure {
        Failure { kind, reason: reason.into(), record: None }
    }
}

/// What a step found.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Next {
    /// There may be more to do at once.
    Again,
    /// Nothing, before something comes in or this time has passed.
    Idle(Option<Duration>),
    /// Something is away: the same again after this time.
    Retry(Duration),
}

/// A running task.
pub(crate) struct Task {
    ctx: TaskContext,
    key: TaskKey,
    group: String,
    letterhead: Letterhead,
    inputs: Vec<Input>,
    idle: Idle,
    outputs: Vec<Output>,
    dead_letters: Option<Output>,
    port: Arc<Port>,
    guest: Option<Box<dyn Guest>>,
    timers: Timers,
    stream_time: Option<Timestamp>,
    unit: UnitBuilder,
    flight: Option<Flight>,
    backoff: Backoff,
    sweep: wait::Sweep,
    /// Records that the next call may hold at most, for an input: up to the one at which the task is to stop.
    cap: Option<(usize, usize)>,
    /// Time in the guest, and waiting for a commit, during this step.
    in_guest: Duration,
    in_commit: Duration,
    /// A unit was committed since this was last looked at.
    progressed: bool,
}

/// Runs a task until it is asked to stop; a task that cannot go on waits for that.
pub(crate) async fn run(ctx: TaskContext) {
    let mut backoff = Backoff::new(&ctx.settings);
    ctx.board.set_state(TaskState::Starting);
    loop {
        ctx.board.restarted();
        let halt = match Task::load(&ctx) {
            Ok(mut task) => task.work(&mut backoff).await,
            Err(halt) => halt,
        };
        ctx.board.no_instance();
        match halt {
            Halt::Asked => break,
            Halt::Stopped(failure) => {
                ctx.record(&failure, 1);
                tracing::error!(processor = %ctx.deployment.name, partition = %ctx.partition, reason = %failure.reason, "a task stopped");
                ctx.board.set_state(TaskState::Stopped);
                ctx.announce(LogLevel::Error, format!("the task stopped: {}", failure.reason)).await;
                ctx.pulse();
                ctx.stop.cancelled().await;
                break;
            }
            Halt::Redo(failure) => {
                ctx.record(&failure, 1);
                ctx.board.set_state(TaskState::Retrying);
                let wait = backoff.take();
                tracing::warn!(processor = %ctx.deployment.name, partition = %ctx.partition, reason = %failure.reason, ?wait, "a task begins anew");
                tokio::select! {
                    () = ctx.stop.cancelled() => break,
                    () = ctx.waits.sleep(wait) => {}
                }
            }
        }
    }
    ctx.board.no_instance();
}

impl TaskContext {
    /// Puts a failure on the board.
    pub(crate) fn record(&self, failure: &Failure, times: u64) {
        let record = failure.record.clone().map(|(topic, offset)| (topic, self.partition, offset));
        let (at, kind) = (self.clock.now(), failure.kind.to_owned());
        tracing::debug!(processor = %self.deployment.name, partition = %self.partition, kind, reason = %failure.reason);
        self.board.failed(TaskFailure { at, kind, reason: failure.reason.clone(), record }, times);
    }
    /// Tells whoever waits for this task.
    pub(crate) fn pulse(&self) {
        self.pulse.send_modify(|pulse| *pulse = pulse.wrapping_add(1));
    }
}

impl Task {
    /// Works until it cannot. Whatever the reason, nothing is in flight afterwards.
    async fn work(&mut self, backoff: &mut Backoff) -> Halt {
        let halt = loop {
            if self.ctx.stop.is_cancelled() {
                break Halt::Asked;
            }
            match self.turn(backoff).await {
                Ok(()) => give_turn().await,
                Err(halt) => break halt,
            }
        };
        let halt = match halt {
            Halt::Redo(failure) => {
                // what was built on the failed commit goes; one that is still in flight is awaited
                self.land().await.err().unwrap_or(Halt::Redo(failure))
            }
            halt => self.flush().await.err().unwrap_or(halt),
        };
        if let Some(mut guest) = self.guest.take() {
            guest.close().await;
            self.port.discard();
        }
        self.ctx.keep_lines(&self.port.take_lines()).await;
        halt
    }
    /// One step and the waiting after it.
    async fn turn(&mut self, backoff: &mut Backoff) -> Result<(), Halt> {
        let began = self.ctx.clock.monotonic();
        (self.in_guest, self.in_commit) = (Duration::ZERO, Duration::ZERO);
        let next = self.step().await?;
        let worked = self.ctx.clock.monotonic().saturating_sub(began);
        let worked = worked.saturating_sub(self.in_guest + self.in_commit);
        self.ctx.board.worked(worked, self.port.lines_dropped());
        if std::mem::take(&mut self.progressed) {
            backoff.reset();
        }
        match next {
            Next::Again => Ok(()),
            Next::Idle(wait) => self.wait_idle(wait).await,
            Next::Retry(wait) => self.wait_retry(wait).await,
        }
    }
    async fn step(&mut self) -> Result<Next, Halt> {
        self.reap().await?;
        if self.unit.is_full() {
            self.land().await?;
        }
        if self.unit.is_ripe(self.ctx.clock.monotonic()) {
            self.launch().await?;
        }
        self.ensure_guest().await?;
        if let Some(due) = self.due_timers().await? {
            return self.call_timers(&due).await;
        }
        let more_timers = self.timers.let_records_go();
        // before the records: a task that always has some would never come to it
        let swept = self.sweep_expired()?;
        let wait = match self.next_run()? {
            crate::order::Choice::Run { input, range } => return self.call_records(input, range).await,
            crate::order::Choice::Wait(wait) => Some(wait),
            crate::order::Choice::Nothing => None,
        };
        if swept || more_timers {
            return Ok(Next::Again);
        }
        if self.launch().await? {
            return Ok(Next::Again);
        }
        Ok(Next::Idle(wait))
    }
    /// Fills the inputs and chooses what goes next.
    fn next_run(&mut self) -> Result<crate::order::Choice, Halt> {
        for i in 0..self.inputs.len() {
            let filled = self.inputs[i].fill(&*self.ctx.log);
            filled.map_err(|error| self.input_halt(error))?;
            if let Some((from, to)) = self.inputs[i].take_lost() {
                let topic = self.inputs[i].topic.name.clone();
                let reason = format!("offsets {from} to {to} of {topic} were deleted before they were read");
                self.tell(LogLevel::Warn, reason.clone());
                self.ctx
                    .record(&Failure { kind: "lost", reason, record: Some((topic, from)) }, to.since(from));
            }
        }
        Ok(self.idle.choose(&self.inputs, self.ctx.clock.monotonic()))
    }
    /// A line of the host in the processor's log.
    fn tell(&self, level: LogLevel, message: String) {
        self.port.host_line(self.ctx.clock.now(), level, message);
    }
    fn set_running(&self) {
        if self.ctx.board.state() != TaskState::Running {
            self.ctx.board.set_state(TaskState::Running);
        }
    }
}

/// Lets others on this thread go first. Unlike Tokio's own it wakes at once, so that the wait for the next turn is not taken for rest.
async fn give_turn() {
    let mut given = false;
    std::future::poll_fn(|cx| {
        if std::mem::replace(&mut given, true) {
            return Poll::Ready(());
        }
        cx.waker().wake_by_ref();
        Poll::Pending
    })
    .await;
}
