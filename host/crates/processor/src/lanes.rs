//! Two lanes of guest threads, and which of them a task runs on: a task that uses little of the processor is served at once, one
//! that uses much shares what is left with the others of its kind.
//!
//! ```text
//!   quick lane  one thread a core            <── credit is full again ──┐
//!   busy lane   one thread a core, niced     ── credit is used up ──────┘
//! ```
//! In goes a task's future; it is polled on the lane that its credit gives it and moves between polls, also in the middle of a guest's
//! call (which gives its thread away at every tick of the engine). CPU time is charged, and rest is credited; waiting for a
//! thread is neither, so that tasks which hold each other up do not look rested. The operating system lets the quick lane, the servers' and the log's threads go before the busy lane, and
//! gives the busy lane all that they leave.
//! Invariant: a task is on one lane at a time, and is never dropped on the way.

use futures::future::BoxFuture;
use futures::task::AtomicWaker;
use potok_types::Clock;
use std::future::poll_fn;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::task::{Context, Poll, Wake, Waker};
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
use tokio::task::JoinHandle;
use tokio_util::task::AbortOnDropHandle;

/// CPU time that a task may use at once before it is counted as busy: one tick of the engine, so that a guest that spins is found
/// out at its first; a call with a batch of a thousand records takes a tenth of that.
const CREDIT_MAX: Duration = Duration::from_millis(10);
/// A task earns a fifth of the time that it rests: one that uses less than a sixth of a core is never busy.
const REST_FOR_CREDIT: u32 = 5;
/// Niceness of the busy lane: under load it gets a tenth of what the servers' and the log's threads get, and all that is idle.
const BUSY_NICE: i32 = 10;
/// How long a busy thread runs at a time: the longest that Linux takes. Whoever wakes with a shorter slice, which is every other thread,
/// goes before it at once instead of waiting for its end (EEVDF).
const BUSY_SLICE: Duration = Duration::from_millis(100);

/// Both lanes, for those who run tasks on them.
#[derive(Debug)]
pub(crate) struct Lanes {
    quick: Handle,
    busy: Handle,
    clock: Arc<dyn Clock>,
}

/// The threads of both lanes; they end with it.
#[derive(Debug)]
pub(crate) struct LaneThreads([Option<Runtime>; 2]);

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Lane {
    Quick,
    Busy,
}

impl Lanes {
    /// So many threads for each lane.
    pub(crate) fn start(threads: usize, clock: Arc<dyn Clock>) -> std::io::Result<(Arc<Lanes>, LaneThreads)> {
        let builder = |name: &str| {
            let mut builder = Builder::new_multi_thread();
            builder.worker_threads(threads).thread_name(name).enable_time();
            builder
        };
        let quick = builder("potok-guest").build()?;
        let busy = builder("potok-busy").on_thread_start(give_way).build()?;
        let lanes = Lanes { quick: quick.handle().clone(), busy: busy.handle().clone(), clock };
        Ok((Arc::new(lanes), LaneThreads([Some(quick), Some(busy)])))
    }
    /// The quick lane, for what is no guest's.
    pub(crate) fn quick(&self) -> &Handle {
        &self.quick
    }
    /// Runs a task to its end, on whichever lane it deserves.
    pub(crate) fn host(self: &Arc<Lanes>, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        self.quick.spawn(self.clone().drive(Box::pin(task)))
    }
    async fn drive(self: Arc<Lanes>, mut task: BoxFuture<'static, ()>) {
        let mut credit = Credit::new();
        loop {
            let lane = match credit.lane {
                Lane::Quick => &self.quick,
                Lane::Busy => &self.busy,
            };
            match AbortOnDropHandle::new(lane.spawn(leg(task, credit, self.clock.clone()))).await {
                Ok(Some(moved)) => (task, credit) = moved,
                // ended, or the threads are shut down
                Ok(None) | Err(_) => return,
            }
        }
    }
}

/// Polls a task until it ends, or until it belongs on the other lane.
async fn leg(
    mut task: BoxFuture<'static, ()>,
    mut credit: Credit,
    clock: Arc<dyn Clock>,
) -> Option<(BoxFuture<'static, ()>, Credit)> {
    let lane = credit.lane;
    let alarm = Arc::new(Alarm { clock, lane: AtomicWaker::new(), rang_at: AtomicU64::new(NOT_YET) });
    let waker = Waker::from(alarm.clone());
    let mut polled_at = alarm.clock.monotonic();
    let moves = poll_fn(|cx| {
        credit.rest(alarm.set(cx.waker()).saturating_sub(polled_at));
        if credit.lane != lane {
            return Poll::Ready(true);
        }
        let began = thread_time();
        let polled = task.as_mut().poll(&mut Context::from_waker(&waker));
        credit.spend(thread_time().saturating_sub(began));
        polled_at = alarm.clock.monotonic();
        match polled {
            Poll::Ready(()) => Poll::Ready(false),
            Poll::Pending if credit.lane != lane => Poll::Ready(true),
            Poll::Pending => Poll::Pending,
        }
    });
    moves.await.then_some((task, credit))
}

/// Wakes a task on its lane, and remembers when: until then it rested, from then on it waits for a thread.
struct Alarm {
    clock: Arc<dyn Clock>,
    lane: AtomicWaker,
    /// Monotonic nanoseconds of the first ring since it was set.
    rang_at: AtomicU64,
}
const NOT_YET: u64 = 0;

impl Alarm {
    /// Waits for the next ring; says when the last one was, zero if there was none.
    fn set(&self, lane: &Waker) -> Duration {
        self.lane.register(lane);
        Duration::from_nanos(self.rang_at.swap(NOT_YET, Ordering::AcqRel))
    }
}
impl Wake for Alarm {
    fn wake(self: Arc<Alarm>) {
        let now = u64::try_from(self.clock.monotonic().as_nanos()).unwrap_or(u64::MAX).max(NOT_YET + 1);
        // a later ring finds the task awake already
        let _ = self.rang_at.compare_exchange(NOT_YET, now, Ordering::AcqRel, Ordering::Relaxed);
        self.lane.wake();
    }
}

impl Drop for LaneThreads {
    fn drop(&mut self) {
        // the last handle may be dropped on a thread of this or another runtime, where waiting is not allowed
        self.0.iter_mut().filter_map(Option::take).for_each(Runtime::shutdown_background);
    }
}

/// What a task may still use of the quick lane. Used up, it is busy until all of it is earned again.
#[derive(Clone, Copy, Debug)]
struct Credit {
    left: Duration,
    lane: Lane,
}

impl Credit {
    fn new() -> Credit {
        Credit { left: CREDIT_MAX, lane: Lane::Quick }
    }
    fn rest(&mut self, rested: Duration) {
        self.left = (self.left + rested / REST_FOR_CREDIT).min(CREDIT_MAX);
        if self.left == CREDIT_MAX {
            self.lane = Lane::Quick;
        }
    }
    fn spend(&mut self, used: Duration) {
        self.left = self.left.saturating_sub(used);
        if self.left.is_zero() {
            self.lane = Lane::Busy;
        }
    }
}

/// CPU time of this thread: what the machine's clock cannot tell, as a thread may be waiting for a core.
fn thread_time() -> Duration {
    let time = rustix::time::clock_gettime(rustix::time::ClockId::ThreadCPUTime);
    Duration::new(u64::try_from(time.tv_sec).unwrap_or(0), u32::try_from(time.tv_nsec).unwrap_or(0))
}

/// Makes this thread give way to the others of the process. Elsewhere the lanes are alike.
fn give_way() {
    #[cfg(target_os = "linux")]
    if let Err(error) = schedule(BUSY_NICE, BUSY_SLICE)
        // a sandbox may know only the older call
        .or_else(|_| rustix::process::setpriority_process(None, BUSY_NICE))
    {
        tracing::warn!(%error, "the threads of busy guests cannot be niced: they compete with the servers");
    }
}

/// Sets niceness and slice of this thread (sched_setattr(2)); before Linux 6.12 the slice says nothing.
#[cfg(target_os = "linux")]
fn schedule(nice: i32, slice: Duration) -> std::io::Result<()> {
    let size = u32::try_from(size_of::<libc::sched_attr>()).unwrap_or_default();
    let attributes = libc::sched_attr {
        size,
        sched_policy: 0,
        sched_flags: u64::from(libc::SCHED_FLAG_KEEP_POLICY.cast_unsigned()),
        sched_nice: nice,
        sched_priority: 0,
        sched_runtime: u64::try_from(slice.as_nanos()).unwrap_or(u64::MAX),
        sched_deadline: 0,
        sched_period: 0,
    };
    #[expect(
        unsafe_code,
        reason = "no library has this call; it reads `size` bytes of a struct that outlives it, and changes this thread alone"
    )]
    let done = unsafe { libc::syscall(libc::SYS_sched_setattr, 0, &raw const attributes, 0) };
    if done == 0 { Ok(()) } else { Err(std::io::Error::last_os_error()) }
}

#[cfg(test)]
mod tests {
    use super::*;

    const MS: Duration = Duration::from_millis(1);

    #[test]
    fn a_task_that_uses_up_its_credit_is_busy_until_all_of_it_is_earned_again() {
        let mut credit = Credit::new();
        credit.spend(9 * MS);
        assert_eq!(credit.lane, Lane::Quick);
        credit.spend(3 * MS);
        assert_eq!(credit.lane, Lane::Busy);
        credit.rest(49 * MS);
        assert_eq!(credit.lane, Lane::Busy);
        credit.rest(MS);
        assert_eq!(credit.lane, Lane::Quick);
    }
    #[test]
    fn a_task_that_stays_below_what_it_earns_is_never_busy() {
        let mut credit = Credit::new();
        for _ in 0..1_000 {
            credit.rest(5 * MS);
            credit.spend(MS);
            assert_eq!(credit.lane, Lane::Quick);
        }
    }
    #[test]
    fn a_task_that_spins_leaves_the_quick_lane_and_still_comes_to_its_end() {
        let (lanes, _threads) = Lanes::start(1, potok_types::SystemClock::shared()).unwrap();
        let spin = async {
            let mut names = Vec::new();
            for _ in 0..40 {
                let began = thread_time();
                while thread_time().saturating_sub(began) < MS {}
                names.push(std::thread::current().name().unwrap_or_default().to_owned());
                tokio::task::yield_now().await;
            }
            names
        };
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        lanes.host(async move { tell.send(spin.await).unwrap() });
        let names = told.recv().unwrap();
        assert_eq!(names.first().map(String::as_str), Some("potok-guest"));
        assert_eq!(names.last().map(String::as_str), Some("potok-busy"));
    }
    #[test]
    fn a_task_that_rests_comes_back_to_the_quick_lane() {
        let (lanes, _threads) = Lanes::start(1, potok_types::SystemClock::shared()).unwrap();
        let (tell, told) = std::sync::mpsc::sync_channel(1);
        lanes.host(async move {
            let began = thread_time();
            while thread_time().saturating_sub(began) < 2 * CREDIT_MAX {}
            tokio::task::yield_now().await;
            let spinning = std::thread::current().name().map(str::to_owned);
            while std::thread::current().name() == Some("potok-busy") {
                tokio::time::sleep(CREDIT_MAX).await;
            }
            tell.send(spinning).unwrap();
        });
        assert_eq!(told.recv().unwrap().as_deref(), Some("potok-busy"));
    }
}
