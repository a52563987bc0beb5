//! The threads that guests run on, and how tasks let time pass. They are of their own, so that no guest ever runs on a thread that
//! serves the network; guests yield by epochs, and `lanes.rs` keeps those that use much away from those that use little.

use crate::lanes::{LaneThreads, Lanes};
use futures::future::BoxFuture;
use potok_types::Clock;
use std::fmt;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::Handle;
use tokio::task::JoinHandle;

/// How a task lets time pass; the other half of a clock, and held still by the same tests.
pub(crate) trait Waits: Send + Sync + fmt::Debug + 'static {
    /// Ends when so much time has passed.
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()>;
}

/// The runtime's timer.
#[derive(Debug)]
struct TokioWaits;

impl Waits for TokioWaits {
    fn sleep(&self, wait: Duration) -> BoxFuture<'static, ()> {
        Box::pin(tokio::time::sleep(wait))
    }
}

/// Where tasks are spawned, and how they wait.
#[derive(Debug)]
pub(crate) struct GuestThreads {
    own: Option<(Arc<Lanes>, LaneThreads)>,
    handle: Handle,
    waits: Arc<dyn Waits>,
}

impl GuestThreads {
    /// Threads of their own, so many for each lane; 0 is one a core.
    pub(crate) fn start(threads: usize, clock: Arc<dyn Clock>) -> std::io::Result<GuestThreads> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let own = Lanes::start(if threads == 0 { cores } else { threads }, clock)?;
        Ok(GuestThreads { handle: own.0.quick().clone(), own: Some(own), waits: Arc::new(TokioWaits) })
    }
    /// The runtime that the caller is in: for simulations on one thread and a clock that stands still.
    #[cfg(test)]
    pub(crate) fn current(waits: Arc<dyn Waits>) -> GuestThreads {
        GuestThreads { own: None, handle: Handle::current(), waits }
    }
    pub(crate) fn waits(&self) -> Arc<dyn Waits> {
        self.waits.clone()
    }
    /// Runs what calls no guest for long.
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.handle.spawn(future)
    }
    /// Runs a task: what it uses of the processor decides on which lane.
    pub(crate) fn host(&self, task: impl Future<Output = ()> + Send + 'static) -> JoinHandle<()> {
        match &self.own {
            Some((lanes, _)) => lanes.host(task),
            None => self.handle.spawn(task),
        }
    }
}
