//! What a task does when there is nothing to do: it sleeps on its inputs, its commit, its next timer. And the sweep of
//! state that has outlived its time, a page at a time.

use super::load::store_halt;
use super::{Failure, Halt, Task};
use crate::api::TaskState;
use crate::settings::{SWEEP_ENTRIES_MAX, SWEEP_STEP};
use crate::state::StateFault;
use bytes::Bytes;
use futures::future::{OptionFuture, select_all};
use potok_log::{CommitError, KeyRange, StateStore, UnitResult};
use std::time::Duration;

/// Shortest and longest pause between two sweeps of all stores; between them a tenth of the shortest time to live.
const SWEEP_PAUSE_MIN: Duration = Duration::from_secs(1);
const SWEEP_PAUSE_MAX: Duration = Duration::from_secs(3_600);

/// Where the sweep of expired state is.
#[derive(Debug)]
pub(super) struct Sweep {
    /// None: no store grows old.
    pause: Option<Duration>,
    /// By the monotonic clock.
    next_at: Duration,
    store: u32,
    from: Option<Bytes>,
}

impl Sweep {
    pub(super) fn new(ttl_min: Option<Duration>, now: Duration) -> Sweep {
        let pause = ttl_min.map(|ttl| (ttl / 10).clamp(SWEEP_PAUSE_MIN, SWEEP_PAUSE_MAX));
        Sweep { pause, next_at: now + pause.unwrap_or_default(), store: 0, from: None }
    }
    fn wait(&self, now: Duration) -> Option<Duration> {
        self.pause.map(|_| self.next_at.saturating_sub(now))
    }
}

/// Why a sleeping task woke.
enum Woke {
    /// The unit in flight arrived.
    Landed(Result<UnitResult, CommitError>),
    /// An input's topic is gone.
    Closed(usize),
    /// There may be something to do.
    Again,
}

impl Task {
    /// Deletes a page of expired entries when it is time; says whether any was deleted. Where much is found the next page is due
    /// at once: what outlives its time must not pile up.
    pub(super) fn sweep_expired(&mut self) -> Result<bool, Halt> {
        let Some(pause) = self.sweep.pause else { return Ok(false) };
        let now = self.ctx.clock.monotonic();
        if now < self.sweep.next_at {
            return Ok(false);
        }
        let Some(store) = self.port.next_with_ttl(self.sweep.store) else {
            (self.sweep.store, self.sweep.from, self.sweep.next_at) = (0, None, now + pause);
            return Ok(false);
        };
        let range = KeyRange { start: self.sweep.from.take(), end: None, backwards: false };
        let at = StateStore { task: self.key, store };
        let (entries, more) = self.ctx.log.state_scan(at, &range, SWEEP_ENTRIES_MAX).map_err(store_halt)?;
        self.sweep.store = store;
        match entries.last() {
            Some(last) if more => self.sweep.from = Some(after(&last.key)),
            _ => self.sweep.store = store + 1,
        }
        let expired = self.port.expire(store, &entries, self.ctx.clock.now(), self.unit.number);
        let gone = expired.map_err(|fault| {
            let (StateFault::Host(reason) | StateFault::Guest(reason)) = fault;
            Halt::Stopped(Failure::new("log", reason))
        })?;
        let step = if 2 * gone > entries.len() { Duration::ZERO } else { SWEEP_STEP };
        self.sweep.next_at = now + step;
        if gone > 0 {
            // as a call does, so that a unit takes only so many of them
            self.unit.joined(entries.iter().map(|entry| entry.key.len()).sum());
        }
        Ok(gone > 0)
    }
    /// Sleeps until something comes in or `wait` has passed.
    pub(super) async fn wait_idle(&mut self, wait: Option<Duration>) -> Result<(), Halt> {
        let idle = wait.is_none() && self.flight.is_none();
        if self.ctx.board.set_idle(idle) && idle {
            self.ctx.pulse();
        }
        if idle {
            self.inputs.iter_mut().for_each(crate::input::Input::rest);
        }
        let now = self.ctx.clock.now();
        let timer = self
            .timers
            .next_wall()
            .map(|at| Duration::from_millis(u64::try_from(at.0.saturating_sub(now.0)).unwrap_or(0).max(1)));
        let sweep = self.sweep.wait(self.ctx.clock.monotonic());
        let shortest = [wait, timer, sweep].into_iter().flatten().min();
        match self.sleep(shortest).await {
            Woke::Landed(result) => self.landed(result),
            Woke::Closed(input) => {
                let name = self.inputs[input].topic.name.to_string();
                Err(self.input_halt(crate::input::InputError::Deleted(name)))
            }
            Woke::Again => Ok(()),
        }
    }
    async fn sleep(&mut self, wait: Option<Duration>) -> Woke {
        let sleep = OptionFuture::from(wait.map(|wait| self.ctx.waits.sleep(wait)));
        let changes = select_all(self.inputs.iter_mut().map(|input| Box::pin(input.watch.changed())));
        let flight = OptionFuture::from(self.flight.as_mut().map(super::commit::Flight::future));
        tokio::select! {
            biased;
            Some(result) = flight => Woke::Landed(result),
            () = self.ctx.stop.cancelled() => Woke::Again,
            (changed, input, _) = changes => if changed.is_ok() { Woke::Again } else { Woke::Closed(input) },
            Some(()) = sleep => Woke::Again,
        }
    }
    /// Sleeps before a retry; what was accepted so far is committed meanwhile.
    pub(super) async fn wait_retry(&mut self, wait: Duration) -> Result<(), Halt> {
        self.ctx.board.set_state(TaskState::Retrying);
        self.flush().await?;
        tokio::select! {
            () = self.ctx.stop.cancelled() => {}
            () = self.ctx.waits.sleep(wait) => {}
        }
        Ok(())
    }
}

/// The smallest key above this one.
fn after(key: &[u8]) -> Bytes {
    let mut next = Vec::with_capacity(key.len() + 1);
    next.extend_from_slice(key);
    next.push(0);
    next.into()
}
