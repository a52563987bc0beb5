//! The threads that guests run on: a runtime of their own, one worker a core, so that no guest ever runs on a thread that
//! serves the network. Guests yield by epochs, so a slow one shares its thread.

use futures::future::BoxFuture;
use std::fmt;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;
use tokio::runtime::{Builder, Handle, Runtime};
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
    own: Option<Runtime>,
    handle: Handle,
    waits: Arc<dyn Waits>,
}

impl GuestThreads {
    /// Threads of their own; 0 is one a core.
    pub(crate) fn start(threads: usize) -> std::io::Result<GuestThreads> {
        let cores = std::thread::available_parallelism().map_or(1, usize::from);
        let threads = if threads == 0 { cores } else { threads };
        let runtime = Builder::new_multi_thread()
            .worker_threads(threads)
            .thread_name("potok-guest")
            .enable_time()
            .build()?;
        Ok(GuestThreads { handle: runtime.handle().clone(), own: Some(runtime), waits: Arc::new(TokioWaits) })
    }
    /// The runtime that the caller is in: for simulations on one thread and a clock that stands still.
    #[cfg(test)]
    pub(crate) fn current(waits: Arc<dyn Waits>) -> GuestThreads {
        GuestThreads { own: None, handle: Handle::current(), waits }
    }
    pub(crate) fn waits(&self) -> Arc<dyn Waits> {
        self.waits.clone()
    }
    pub(crate) fn spawn<T: Send + 'static>(
        &self,
        future: impl Future<Output = T> + Send + 'static,
    ) -> JoinHandle<T> {
        self.handle.spawn(future)
    }
}

impl Drop for GuestThreads {
    fn drop(&mut self) {
        if let Some(runtime) = self.own.take() {
            // the last handle may be dropped on a thread of this or another runtime, where waiting is not allowed
            runtime.shutdown_background();
        }
    }
}
