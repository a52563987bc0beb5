//! One call on a guest: how long it may take, and what its end means.
//! In goes Wasmtime's future, out comes a result or a [`CallError`] that says whose fault it was. Running time is counted in ticks
//! of the engine's clock, each of which also gives the thread to others; waiting (which only WASI can make a guest do) is
//! bounded by a timer of the same length.

use crate::api::{CallError, PortError};
use crate::capability::Broken;
use crate::engine::Ticks;
use crate::limits::{REASON_LEN_MAX, TICK, cut};
use std::future::poll_fn;
use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::task::Poll;
use std::time::Duration;
use wasmtime::{Trap, UpdateDeadline, WasmBacktrace};

/// Counts the ticks of the calls on one store.
#[derive(Debug, Default)]
pub(crate) struct Pace {
    ticks: Arc<Ticks>,
    ticks_left: AtomicU64,
    /// Set when a call gave its thread away by itself, as against waiting for something.
    yielded: AtomicBool,
}

/// The call's ticks are used up.
#[derive(Debug, thiserror::Error)]
#[error("the call is past its deadline")]
struct DeadlinePassed;

impl Pace {
    /// By these ticks.
    pub(crate) fn by(ticks: Arc<Ticks>) -> Pace {
        Pace { ticks, ..Pace::default() }
    }
    /// Makes the store's calls keep this pace.
    pub(crate) fn set_on<T: 'static>(self: &Arc<Pace>, store: &mut wasmtime::Store<T>) {
        let pace = self.clone();
        store.epoch_deadline_callback(move |_| pace.tick());
    }
    fn tick(&self) -> wasmtime::Result<UpdateDeadline> {
        let left = self.ticks_left.load(Ordering::Relaxed);
        if left == 0 {
            return Err(wasmtime::Error::new(DeadlinePassed));
        }
        self.ticks_left.store(left - 1, Ordering::Relaxed);
        self.yielded.store(true, Ordering::Relaxed);
        Ok(UpdateDeadline::Yield(1))
    }
    /// A call of this length begins.
    pub(crate) fn begin(&self, deadline: Duration) {
        let ticks = deadline.as_nanos().div_ceil(TICK.as_nanos());
        self.ticks_left.store(u64::try_from(ticks).unwrap_or(u64::MAX), Ordering::Relaxed);
        self.yielded.store(false, Ordering::Relaxed);
    }
    /// Drives a call to its end, or to the end of what it may wait.
    pub(crate) async fn drive<T>(
        &self,
        deadline: Duration,
        call: impl Future<Output = wasmtime::Result<T>>,
    ) -> wasmtime::Result<T> {
        let _under_way = self.ticks.run();
        let mut call = pin!(call);
        let mut waiting = None;
        poll_fn(|cx| {
            if let Poll::Ready(result) = call.as_mut().poll(cx) {
                return Poll::Ready(result);
            }
            if self.yielded.swap(false, Ordering::Relaxed) {
                return Poll::Pending;
            }
            let bound = waiting.get_or_insert_with(|| Box::pin(tokio::time::sleep(deadline)));
            bound.as_mut().poll(cx).map(|()| Err(wasmtime::Error::new(DeadlinePassed)))
        })
        .await
    }
}

/// What a call's end without a result means.
pub(crate) struct Fault {
    /// The deadline of the call.
    pub(crate) deadline: Duration,
    /// The memory limit, if the guest was refused memory in this call.
    pub(crate) memory_refused: Option<usize>,
    /// Bytes that the call may return.
    pub(crate) output_bytes_max: usize,
}

/// How Wasmtime's own error begins when a guest hands over more than it may. The type is private; a test holds the text.
const TOO_MUCH: &str = "too much data is being copied";

impl Fault {
    pub(crate) fn classify(&self, error: &wasmtime::Error) -> CallError {
        if let Some(PortError(reason)) = error.downcast_ref() {
            return CallError::Host(reason.clone());
        }
        if error.is::<DeadlinePassed>() {
            return CallError::Deadline {
                deadline_ms: u64::try_from(self.deadline.as_millis()).unwrap_or(u64::MAX),
            };
        }
        if let Some(Broken(reason)) = error.downcast_ref() {
            return CallError::Contract(reason.clone());
        }
        let cause = error.root_cause().to_string();
        if cause.starts_with(TOO_MUCH) {
            return CallError::Contract(format!(
                "it handed over more than {} bytes at once",
                self.output_bytes_max
            ));
        }
        if let Some(limit) = self.memory_refused {
            return CallError::Memory { limit };
        }
        if let Some(exit) = error.downcast_ref::<wasmtime_wasi::I32Exit>() {
            return CallError::Trap(format!("it exited with code {}", exit.0));
        }
        match error.downcast_ref::<Trap>() {
            Some(trap) => CallError::Trap(cut(format!("{trap}{}", frames(error)), REASON_LEN_MAX)),
            // Neither a trap nor ours: what the guest returned could not be read (a pointer or length outside of its memory,
            // a string that is no UTF-8, a variant's case that is not there).
            None => CallError::Contract(cut(cause, REASON_LEN_MAX)),
        }
    }
}

/// Frames shown of a trap: the innermost say what went wrong.
const FRAMES_MAX: usize = 8;

fn frames(error: &wasmtime::Error) -> String {
    let Some(trace) = error.downcast_ref::<WasmBacktrace>() else { return String::new() };
    let name = |frame: &wasmtime::FrameInfo| {
        let index = frame.func_index();
        frame.func_name().map_or_else(|| format!("function {index}"), |name| rustc_name(name).to_owned())
    };
    let names: Vec<String> = trace.frames().iter().take(FRAMES_MAX).map(name).collect();
    if names.is_empty() { String::new() } else { format!(" in {}", names.join(" < ")) }
}
/// A name without the hash that Rust's compiler puts behind it.
fn rustc_name(name: &str) -> &str {
    name.rsplit_once("::h").filter(|(_, hash)| hash.len() == 16).map_or(name, |(name, _)| name)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn fault(memory_refused: Option<usize>) -> Fault {
        Fault { deadline: Duration::from_secs(1), memory_refused, output_bytes_max: 9 }
    }
    #[test]
    fn each_end_has_its_name() {
        let kind = |error: wasmtime::Error| fault(None).classify(&error).kind();
        assert_eq!(kind(wasmtime::Error::new(DeadlinePassed)), "deadline");
        assert_eq!(kind(wasmtime::Error::new(PortError("disk".into()))), "host");
        assert_eq!(kind(wasmtime::Error::new(Broken("lie".into()))), "contract");
        assert_eq!(kind(wasmtime::Error::new(Trap::StackOverflow)), "trap");
        assert_eq!(kind(wasmtime::Error::msg("list out of bounds")), "contract");
        let refused = fault(Some(7)).classify(&wasmtime::Error::new(Trap::UnreachableCodeReached));
        assert!(matches!(refused, CallError::Memory { limit: 7 }));
    }
    #[test]
    fn ticks_run_out() {
        let pace = Pace::default();
        pace.begin(Duration::from_millis(15));
        assert!(pace.tick().is_ok() && pace.tick().is_ok());
        assert!(pace.tick().err().is_some_and(|error| error.is::<DeadlinePassed>()));
    }
    #[tokio::test]
    async fn waiting_is_bounded_and_yielding_is_not_waiting() {
        let pace = Pace::default();
        pace.begin(Duration::from_millis(50));
        let never = pace.drive::<()>(Duration::from_millis(1), std::future::pending()).await;
        assert!(never.unwrap_err().is::<DeadlinePassed>());
        let yields = async {
            pace.yielded.store(true, Ordering::Relaxed);
            tokio::task::yield_now().await;
            Ok(7)
        };
        assert_eq!(pace.drive(Duration::ZERO, yields).await.unwrap(), 7);
    }
}
