//! The room's door and its tasks. [`Coordinator::open`] restores every group and transaction from the log; [`Coordinator::run`]
//! ends sessions, rebalances and transactions whose time is up, and forgets what nobody needs.
//! Invariant: what a reply says is in the log before the reply is given; a change whose write failed has not happened.

use crate::deadlines::{Deadlines, Subject};
use crate::error::GroupRefusal;
use crate::group::Groups;
use crate::settings::{ENDING_MAX, SWEEP_EVERY, Settings};
use crate::topics::TopicView;
use crate::transaction::Transactions;
use potok_log::{Log, StoreError};
use potok_types::{Clock, Timestamp};
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::task::{JoinError, JoinSet};
use tokio_util::sync::CancellationToken;

/// Says of a group's name whether a processor keeps its position there.
pub type OfProcessor = Arc<dyn Fn(&str) -> bool + Send + Sync>;

/// What the room needs of others.
pub struct Components {
    /// Where all is kept.
    pub log: Arc<dyn Log>,
    /// Time.
    pub clock: Arc<dyn Clock>,
    /// Whose groups are not for clients.
    pub of_processor: OfProcessor,
}

impl fmt::Debug for Components {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Components").field("log", &self.log).finish_non_exhaustive()
    }
}

/// Consumer groups and transactions. Cheap to clone.
///
/// A call that changes something must be run to its end, also when nobody wants its answer any more: dropped in the middle, it leaves
/// what is in memory behind what is in the log. Whoever is dropped with its client spawns the call. Waiting ends by a token instead.
#[derive(Clone, Debug)]
pub struct Coordinator {
    pub(crate) inner: Arc<Inner>,
}

#[derive(Debug)]
pub(crate) struct Inner {
    pub(crate) settings: Settings,
    pub(crate) components: Components,
    pub(crate) time: Time,
    pub(crate) topics: TopicView,
    pub(crate) deadlines: Deadlines,
    pub(crate) groups: Groups,
    pub(crate) transactions: Transactions,
}

/// Time that never jumps: the wall clock as it was at the start, and what has passed since. A wall clock that is set must not end
/// every session.
#[derive(Debug)]
pub(crate) struct Time {
    clock: Arc<dyn Clock>,
    started_at: Timestamp,
    started: Duration,
}

impl Time {
    fn new(clock: Arc<dyn Clock>) -> Time {
        Time { started_at: clock.now(), started: clock.monotonic(), clock }
    }
    pub(crate) fn now(&self) -> Timestamp {
        self.started_at.plus(self.clock.monotonic().saturating_sub(self.started))
    }
}

impl Coordinator {
    /// Restores all groups and transactions. Sessions begin anew: nobody is expelled for the time that the host was away.
    pub fn open(settings: Settings, components: Components) -> Result<Coordinator, StoreError> {
        let time = Time::new(Arc::clone(&components.clock));
        let inner = Inner {
            topics: TopicView::new(Arc::clone(&components.log), Arc::clone(&components.clock)),
            time,
            settings,
            components,
            deadlines: Deadlines::default(),
            groups: Groups::default(),
            transactions: Transactions::default(),
        };
        inner.restore_groups()?;
        inner.restore_transactions()?;
        Ok(Coordinator { inner: Arc::new(inner) })
    }

    /// The numbers it was opened with.
    pub fn settings(&self) -> &Settings {
        &self.inner.settings
    }

    /// Ends what is over and forgets what nobody needs, until `stop`.
    pub async fn run(&self, stop: CancellationToken) {
        // a task of its own: a long sweep holds no session's end up
        let sweeping = tokio::spawn(sweep_until(Arc::clone(&self.inner), stop.clone()));
        let mut ending = JoinSet::new();
        loop {
            tokio::select! {
                biased;
                () = stop.cancelled() => break,
                Some(ended) = ending.join_next() => told_of(ended),
                () = self.inner.until_due(), if ending.len() < ENDING_MAX => self.inner.end_due(&mut ending),
            }
        }
        // what was begun is ended
        while let Some(ended) = ending.join_next().await {
            told_of(ended);
        }
        if let Err(error) = sweeping.await {
            tracing::error!(%error, "groups: the task that forgets what nobody needs came to grief");
        }
    }
}

fn told_of(ended: Result<(), JoinError>) {
    if let Err(error) = ended {
        tracing::error!(%error, "groups: the end of something whose time is up came to grief");
    }
}

async fn sweep_until(inner: Arc<Inner>, stop: CancellationToken) {
    let mut times = tokio::time::interval(SWEEP_EVERY);
    times.set_missed_tick_behavior(tokio::time::MissedTickBehavior::Delay);
    times.tick().await; // the first is at once
    loop {
        tokio::select! {
            () = stop.cancelled() => return,
            _ = times.tick() => inner.sweep(&stop).await,
        }
    }
}

impl Inner {
    pub(crate) fn log(&self) -> &Arc<dyn Log> {
        &self.components.log
    }

    async fn until_due(&self) {
        loop {
            let wait = self.deadlines.next().map(|at| {
                Duration::from_millis(u64::try_from(at.0.saturating_sub(self.time.now().0)).unwrap_or(0))
            });
            match wait {
                Some(Duration::ZERO) => return,
                Some(wait) => tokio::select! {
                    () = tokio::time::sleep(wait) => {}
                    () = self.deadlines.changed() => {}
                },
                None => self.deadlines.changed().await,
            }
        }
    }

    /// Begins to end what is over, each on a task of its own: somebody may be at one of them, and the others do not wait for that.
    pub(crate) fn end_due(self: &Arc<Inner>, ending: &mut JoinSet<()>) {
        while ending.len() < ENDING_MAX
            && let Some((at, subject)) = self.deadlines.due(self.time.now())
        {
            let inner = Arc::clone(self);
            ending.spawn(async move {
                match subject {
                    Subject::Group(name) => inner.tick_group(&name, at).await,
                    Subject::Transaction(id) => inner.tick_transaction(&id, at).await,
                }
            });
        }
    }

    /// Forgets offsets and ids that nobody has used for long. A stop is looked at between two of them: a step once begun is ended.
    pub(crate) async fn sweep(&self, stop: &CancellationToken) {
        if let Err(error) = self.sweep_groups(stop).await {
            tracing::warn!(%error, "groups: offsets that nobody needs were not forgotten");
        }
        if let Err(error) = self.sweep_transactions(stop).await {
            tracing::warn!(%error, "transactions: ids that nobody uses were not forgotten");
        }
    }

    /// A group's name that clients may use.
    pub(crate) fn check_group_name(&self, name: &str) -> Result<(), GroupRefusal> {
        if name.is_empty() || name.len() > crate::settings::NAME_LEN_MAX {
            return Err(GroupRefusal::IllegalName);
        }
        Ok(())
    }
    /// And may change.
    pub(crate) fn check_own_group(&self, name: &str) -> Result<(), GroupRefusal> {
        self.check_group_name(name)?;
        if (self.components.of_processor)(name) {
            return Err(GroupRefusal::OfProcessor(name.to_owned()));
        }
        Ok(())
    }
}
