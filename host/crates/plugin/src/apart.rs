//! A thread of its own for what a module does at upload: it must not run where the network is served, and it gives way to all others.
//! In goes a future, out comes what it ends with; how long it may take is bounded by the future itself (`call.rs`).

use std::io;
use tokio::runtime::Handle;
use tokio::sync::oneshot;

/// How much less than other threads such a one gets of a processor, on the kernel's scale from 0 to 19.
const NICENESS: i32 = 10;

/// Runs `work` to its end on a new thread, also when nobody waits for it any more.
pub(crate) async fn apart<T: Send + 'static>(
    work: impl Future<Output = T> + Send + 'static,
) -> io::Result<T> {
    let (tell, told) = oneshot::channel();
    let runtime = Handle::current();
    std::thread::Builder::new().name("describe".into()).spawn(move || {
        give_way();
        // whoever asked may be gone
        let _ = tell.send(runtime.block_on(work));
    })?;
    told.await.map_err(|_| io::Error::other("it ended without an answer"))
}

/// Makes the calling thread give way. On Linux niceness is a thread's own. Where it cannot be changed, it competes as any thread does.
pub(crate) fn give_way() {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "a thread keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[tokio::test]
    async fn work_is_done_on_a_thread_that_gives_way_and_the_callers_is_left_alone() {
        let nice = || rustix::process::nice(0).unwrap();
        let before = nice();
        let work = async move {
            tokio::task::yield_now().await;
            (std::thread::current().name().map(str::to_owned), nice())
        };
        assert_eq!(apart(work).await.unwrap(), (Some("describe".to_owned()), (before + NICENESS).min(19)));
        assert_eq!(nice(), before);
    }
    #[tokio::test]
    async fn work_that_panics_is_an_error() {
        let panics = async { panic!("on purpose") };
        assert!(apart::<()>(panics).await.is_err());
    }
}
