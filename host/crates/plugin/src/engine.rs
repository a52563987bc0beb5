//! The one engine: how components are compiled and run, and the thread that ticks its epochs.
//! In goes nothing but the settings below, out comes a handle that every instance shares. Deadlines are counted in ticks of
//! [`TICK`]; while no call is under way the thread rests, and it ends with the last handle. What a call does with its ticks is
//! `call.rs`'s.

use crate::limits::{CALL_STACK_LEN, GUEST_STACK_LEN_MAX, TICK};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, OnceLock, Weak};
use std::thread::{self, Thread};
use wasmtime::{Config, OptLevel};

/// Ticks without a call after which the thread rests: a second, so that waking it costs a busy guest's calls nothing.
const IDLE_TICKS_MAX: u32 = 100;

/// The engine and its ticker.
#[derive(Clone)]
pub(crate) struct Engine {
    inner: wasmtime::Engine,
    /// The ticker holds a weak one: it ends when the last engine is dropped.
    alive: Arc<Alive>,
}

struct Alive(Arc<Ticks>);

impl Drop for Alive {
    fn drop(&mut self) {
        self.0.wake();
    }
}

/// The ticking thread's view of calls, and theirs of it.
#[derive(Debug, Default)]
pub(crate) struct Ticks {
    calls: AtomicUsize,
    rests: AtomicBool,
    thread: OnceLock<Thread>,
}

/// A call under way.
#[derive(Debug)]
pub(crate) struct UnderWay<'a>(&'a Ticks);

impl Drop for UnderWay<'_> {
    fn drop(&mut self) {
        self.0.calls.fetch_sub(1, Ordering::Relaxed);
    }
}

impl Ticks {
    /// There are ticks for as long as this is held.
    pub(crate) fn run(&self) -> UnderWay<'_> {
        // in one order with `rest`: either the thread sees the call, or the call sees that it rests
        self.calls.fetch_add(1, Ordering::SeqCst);
        if self.rests.load(Ordering::SeqCst) {
            self.wake();
        }
        UnderWay(self)
    }
    fn wake(&self) {
        self.thread.get().into_iter().for_each(Thread::unpark);
    }
    fn is_idle(&self) -> bool {
        self.calls.load(Ordering::SeqCst) == 0
    }
    /// Waits for a call, or for the end. Whoever wakes the thread may be done by now: it goes on all the same, as more may come.
    fn rest(&self, alive: &Weak<Alive>) {
        self.rests.store(true, Ordering::SeqCst);
        if self.is_idle() && alive.strong_count() > 0 {
            thread::park();
        }
        self.rests.store(false, Ordering::SeqCst);
    }
}

impl std::fmt::Debug for Engine {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Engine")
    }
}

impl Engine {
    /// Starts the engine and its ticker.
    pub(crate) fn start() -> wasmtime::Result<Engine> {
        let inner = wasmtime::Engine::new(&config())?;
        let ticks = Arc::new(Ticks::default());
        let alive = Arc::new(Alive(ticks.clone()));
        let (ticked, watch) = (inner.weak(), Arc::downgrade(&alive));
        let thread = thread::Builder::new().name("guest-ticks".into());
        let thread = thread.spawn(move || tick(&ticked, &ticks, &watch))?;
        // set once
        let _ = alive.0.thread.set(thread.thread().clone());
        Ok(Engine { inner, alive })
    }
    /// For those who need ticks.
    pub(crate) fn ticks(&self) -> Arc<Ticks> {
        self.alive.0.clone()
    }
    /// Wasmtime's handle.
    pub(crate) fn wasmtime(&self) -> &wasmtime::Engine {
        &self.inner
    }
    /// Names Wasmtime's version, the processor's features and every flag that compiled code depends on: code compiled under
    /// another name is not loaded.
    pub(crate) fn code_name(&self) -> String {
        let mut hasher = DefaultHasher::new();
        self.inner.precompile_compatibility_hash().hash(&mut hasher);
        format!("{:016x}", hasher.finish())
    }
}

fn tick(engine: &wasmtime::EngineWeak, ticks: &Ticks, alive: &Weak<Alive>) {
    let mut idle = 0;
    while alive.strong_count() > 0 {
        thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
        }
        idle = if ticks.is_idle() { idle + 1 } else { 0 };
        if idle == IDLE_TICKS_MAX {
            ticks.rest(alive);
            idle = 0;
        }
    }
}

/// Memory is reserved at 4 GiB of addresses an instance and made real page by page: bounds checks vanish from compiled code and
/// an idle instance holds only the pages that it touched (about 40 KiB in all for a guest in Rust). Instances are made on demand,
/// in 70 µs from start to first answer: a pool would have to know its largest component beforehand, and holds memory while idle.
fn config() -> Config {
    let mut config = Config::new();
    config
        .wasm_component_model(true)
        .concurrency_support(false)
        .epoch_interruption(true)
        .cranelift_opt_level(OptLevel::Speed)
        .parallel_compilation(true)
        .memory_init_cow(true)
        .max_wasm_stack(GUEST_STACK_LEN_MAX)
        .async_stack_size(CALL_STACK_LEN)
        .native_unwind_info(false)
        .generate_address_map(true);
    config
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_ticking_thread_rests_when_no_call_is_under_way_and_goes_on_with_the_next() {
        let engine = Engine::start().unwrap();
        let ticks = engine.ticks();
        let becomes = |rests| {
            let mut polls = (0..2_000).inspect(|_| thread::sleep(TICK));
            assert!(polls.any(|_| ticks.rests.load(Ordering::SeqCst) == rests), "rests: {rests}");
        };
        becomes(true);
        let under_way = ticks.run();
        becomes(false);
        drop(under_way);
        becomes(true);
        drop(engine);
        becomes(false);
    }
    #[test]
    fn code_of_the_same_engine_has_the_same_name() {
        let (one, two) = (Engine::start().unwrap(), Engine::start().unwrap());
        assert_eq!(one.code_name(), two.code_name());
        assert_eq!(one.code_name().len(), 16);
    }
}
