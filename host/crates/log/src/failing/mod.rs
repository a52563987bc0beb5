//! A log that fails on purpose: any [`Log`] behind seeded faults, for simulations of what stands on it.
//! In come a log, a seed and how often what goes wrong; out go the log's answers, late, or an error in their place.
//! Invariant: the same calls in the same order meet the same faults, so that a seed repeats a run; and a fault is one of
//! three only: nothing was done, all was done but the answer is lost (what a crash between the two looks like), or, for
//! an append of several batches, the first few were done.

mod calls;

use crate::api::Log;
use crate::error::StoreError;
use crate::seeded::Seeded;
use parking_lot::Mutex;
use std::collections::BTreeMap;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{OwnedRwLockWriteGuard, RwLock};

/// How often what goes wrong: once in so many calls on average, 0 for never.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Faults {
    /// Writes that are refused before anything of them is done.
    pub refused_one_in: u32,
    /// Writes that are done, but whose caller is told that they failed.
    pub lost_one_in: u32,
    /// Reads that fail.
    pub reads_one_in: u32,
    /// Writes that come late: by a few turns of the scheduler, and by up to `delay_max`.
    pub delayed_one_in: u32,
    /// Longest delay. On a paused clock it costs no time.
    pub delay_max: Duration,
    /// After a failed write every other is refused until [`FailingLog::revive`], as a durable log does it.
    pub sticky: bool,
}

impl Faults {
    /// Nothing goes wrong.
    pub const NONE: Faults = Faults {
        refused_one_in: 0,
        lost_one_in: 0,
        reads_one_in: 0,
        delayed_one_in: 0,
        delay_max: Duration::ZERO,
        sticky: false,
    };
}

/// How one write fails.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Fault {
    /// Nothing of it is done (of an append of several batches, some of the first may be).
    Refused,
    /// It is done, and its answer is lost.
    Lost,
}

/// A log that fails as its seed says.
#[derive(Debug)]
pub struct FailingLog {
    inner: Arc<dyn Log>,
    seed: u64,
    state: Mutex<State>,
    /// Held alone while answers to appends are held back.
    answers: Arc<RwLock<()>>,
}

#[derive(Debug)]
struct State {
    seeded: Seeded,
    faults: Faults,
    planned: BTreeMap<u64, Fault>,
    writes: u64,
    injected: u64,
    broken: Option<Arc<str>>,
}

/// What is to become of a write.
#[derive(Debug)]
enum Fate {
    Done,
    Refused(StoreError),
    Lost(StoreError),
}

/// Turns of the scheduler that a late write waits at most.
const YIELDS_MAX: usize = 5;

impl FailingLog {
    /// `inner` behind faults.
    pub fn new(inner: Arc<dyn Log>, seed: u64, faults: Faults) -> Arc<FailingLog> {
        let seeded = Seeded::new(seed);
        let state = State { seeded, faults, planned: BTreeMap::new(), writes: 0, injected: 0, broken: None };
        Arc::new(FailingLog { inner, seed, state: Mutex::new(state), answers: Arc::default() })
    }
    /// Lets the write of this number (counted from 0 over all writes) fail, whatever the seed says.
    pub fn fail_write(&self, number: u64, fault: Fault) {
        self.state.lock().planned.insert(number, fault);
    }
    /// From now on these.
    pub fn set_faults(&self, faults: Faults) {
        self.state.lock().faults = faults;
    }
    /// Takes writes again after a sticky failure: the restart.
    pub fn revive(&self) {
        self.state.lock().broken = None;
    }
    /// Appends from now on are done and have no answer before what comes back is dropped, as with a disk that takes its time.
    pub async fn hold_answers(&self) -> OwnedRwLockWriteGuard<()> {
        Arc::clone(&self.answers).write_owned().await
    }
    /// Writes asked for so far; the number that [`FailingLog::fail_write`] would give the next.
    pub fn writes(&self) -> u64 {
        self.state.lock().writes
    }
    /// Faults so far.
    pub fn injected(&self) -> u64 {
        self.state.lock().injected
    }

    /// Decides about the next write, and lets it wait when it is to come late.
    async fn fate(&self) -> Fate {
        let (fate, yields, delay) = self.state.lock().write(self.seed);
        for _ in 0..yields {
            tokio::task::yield_now().await;
        }
        if !delay.is_zero() {
            tokio::time::sleep(delay).await;
        }
        fate
    }
    async fn write<T, E: From<StoreError>>(&self, call: impl Future<Output = Result<T, E>>) -> Result<T, E> {
        match self.fate().await {
            Fate::Done => call.await,
            Fate::Refused(error) => Err(error.into()),
            Fate::Lost(error) => call.await.and(Err(error.into())),
        }
    }
    fn may_read(&self) -> Result<(), StoreError> {
        let mut state = self.state.lock();
        let one_in = state.faults.reads_one_in;
        if !state.seeded.one_in(one_in) {
            return Ok(());
        }
        state.injected += 1;
        Err(StoreError::Io(format!("a read fails on purpose (seed {})", self.seed).into()))
    }
}

impl State {
    fn write(&mut self, seed: u64) -> (Fate, usize, Duration) {
        let number = self.writes;
        self.writes += 1;
        let faults = self.faults;
        // every write draws as often, so that one fault more or less does not change all that follow
        let refused = self.seeded.one_in(faults.refused_one_in);
        let lost = self.seeded.one_in(faults.lost_one_in);
        let delayed = self.seeded.one_in(faults.delayed_one_in);
        let yields = 1 + self.seeded.below(YIELDS_MAX);
        let delay_ms = usize::try_from(faults.delay_max.as_millis()).unwrap_or(usize::MAX);
        let delay = Duration::from_millis(self.seeded.below(delay_ms.saturating_add(1)) as u64);
        let (yields, delay) = if delayed { (yields, delay) } else { (0, Duration::ZERO) };
        if let Some(first) = &self.broken {
            return (Fate::Refused(StoreError::WritesRefused(first.clone())), yields, delay);
        }
        let drawn = if refused { Some(Fault::Refused) } else { lost.then_some(Fault::Lost) };
        let fate = match self.planned.remove(&number).or(drawn) {
            None => Fate::Done,
            Some(fault) => self.fail(fault, number, seed),
        };
        (fate, yields, delay)
    }
    fn fail(&mut self, fault: Fault, number: u64, seed: u64) -> Fate {
        self.injected += 1;
        let reason: Arc<str> = format!("write {number} is {fault:?} on purpose (seed {seed})").into();
        if self.faults.sticky {
            self.broken = Some(reason.clone());
        }
        match fault {
            Fault::Refused => Fate::Refused(StoreError::Io(reason)),
            Fault::Lost => Fate::Lost(StoreError::Io(reason)),
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::api::{Acks, Append, Health, MetaChange, MetaKind, NewTopic, Unit};
    use crate::contract::{Harness, START};
    use crate::memory::MemoryLog;
    use async_trait::async_trait;
    use bytes::Bytes;
    use potok_types::{BatchBuilder, Compression, ManualClock, NewBatch, PartitionIndex};

    /// With no faults a failing log keeps the whole contract.
    struct Faultless {
        clock: Arc<ManualClock>,
        log: Arc<MemoryLog>,
    }

    #[async_trait]
    impl Harness for Faultless {
        async fn open(&self) -> Arc<dyn Log> {
            FailingLog::new(self.log.clone(), 1, Faults::NONE)
        }
        async fn reopen(&self, _: Arc<dyn Log>) -> Option<Arc<dyn Log>> {
            None
        }
        async fn maintain(&self) {
            self.log.maintain().unwrap();
        }
        fn clock(&self) -> Arc<ManualClock> {
            self.clock.clone()
        }
    }
    fn faultless() -> Faultless {
        let clock = ManualClock::at(START);
        Faultless { log: MemoryLog::new(clock.clone()), clock }
    }
    crate::log_contract!(faultless());

    fn memory() -> Arc<MemoryLog> {
        MemoryLog::new(ManualClock::at(START))
    }
    fn unit(name: &str) -> Unit {
        let meta = vec![MetaChange { kind: MetaKind::Module, name: name.into(), value: Some(Bytes::new()) }];
        Unit { meta, ..Unit::default() }
    }
    fn batch() -> NewBatch {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(START, None, Some(b"v"), std::iter::empty());
        builder.build().unwrap().unwrap()
    }
    async fn committed(log: &FailingLog, name: &str) -> (bool, bool) {
        let said = log.commit(unit(name), Acks::Written).await.is_ok();
        (said, log.inner.meta_get(MetaKind::Module, name).unwrap().is_some())
    }

    #[tokio::test]
    async fn a_refused_write_leaves_nothing_and_a_lost_one_is_there() {
        let log = FailingLog::new(memory(), 1, Faults::NONE);
        log.fail_write(1, Fault::Refused);
        log.fail_write(2, Fault::Lost);
        assert_eq!(committed(&log, "a").await, (true, true));
        assert_eq!(committed(&log, "b").await, (false, false));
        assert_eq!(committed(&log, "c").await, (false, true));
        assert_eq!(committed(&log, "d").await, (true, true));
        assert_eq!((log.writes(), log.injected()), (4, 2));
    }
    #[tokio::test]
    async fn a_sticky_failure_refuses_every_write_until_it_is_revived() {
        let log = FailingLog::new(memory(), 1, Faults { sticky: true, ..Faults::NONE });
        log.fail_write(0, Fault::Lost);
        assert_eq!(committed(&log, "a").await, (false, true));
        assert_eq!(committed(&log, "b").await, (false, false));
        let new = NewTopic { name: "t".parse().unwrap(), partitions: 1, config: Vec::new() };
        let to = log.inner.create_topic(new).await.unwrap().partition(PartitionIndex(0)).unwrap();
        for _ in 0..5 {
            let answers =
                log.append((0..4).map(|_| Append { to, batch: batch() }).collect(), Acks::Written).await;
            assert!(answers.iter().all(Result::is_err), "a broken log appends");
        }
        assert_eq!(log.ends(to).unwrap().log_end.get(), 0);
        assert_eq!(log.health(), Health::WritesRefused("write 0 is Lost on purpose (seed 1)".into()));
        log.revive();
        assert_eq!(log.health(), Health::Good);
        assert_eq!(committed(&log, "c").await, (true, true));
    }
    #[tokio::test]
    async fn an_append_that_fails_has_done_its_first_batches_at_most() {
        for seed in 0..20 {
            let log = FailingLog::new(memory(), seed, Faults::NONE);
            let new = NewTopic { name: "t".parse().unwrap(), partitions: 1, config: Vec::new() };
            let to = log.create_topic(new).await.unwrap().partition(PartitionIndex(0)).unwrap();
            log.fail_write(1, Fault::Refused);
            let answers =
                log.append((0..4).map(|_| Append { to, batch: batch() }).collect(), Acks::Written).await;
            let done = answers.iter().take_while(|answer| answer.is_ok()).count();
            assert!(done < 4 && answers[done..].iter().all(Result::is_err), "seed {seed}: {answers:?}");
            assert_eq!(log.ends(to).unwrap().log_end.get(), done as u64);
        }
    }
    #[tokio::test]
    async fn a_seed_repeats_a_run_and_another_does_not() {
        let faults = Faults {
            refused_one_in: 4,
            lost_one_in: 4,
            reads_one_in: 3,
            delayed_one_in: 3,
            delay_max: Duration::ZERO,
            sticky: false,
        };
        let run = async |seed| {
            let log = FailingLog::new(memory(), seed, faults);
            let mut seen = Vec::new();
            for i in 0..60 {
                let write = committed(&log, &i.to_string()).await;
                seen.push((write, log.meta_get(MetaKind::Module, "0").is_ok()));
            }
            assert!(log.injected() > 5, "seed {seed} injects next to nothing");
            seen
        };
        assert_eq!(run(3).await, run(3).await);
        assert_ne!(run(3).await, run(4).await);
    }
}
