//! The one engine: how components are compiled and run, and the thread that ticks its epochs.
//! In goes nothing but the settings below, out comes a handle that every instance shares. Deadlines are counted in ticks of
//! [`TICK`]; the thread ends with the last handle. What a call does with its ticks is `call.rs`'s.

use crate::limits::{CALL_STACK_LEN, GUEST_STACK_LEN_MAX, TICK};
use std::hash::{DefaultHasher, Hash, Hasher};
use std::sync::{Arc, Weak};
use wasmtime::{Config, OptLevel};

/// The engine and its ticker.
#[derive(Clone)]
pub(crate) struct Engine {
    inner: wasmtime::Engine,
    /// The ticker holds a weak one: it ends when the last engine is dropped.
    _alive: Arc<()>,
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
        let alive = Arc::new(());
        let (ticked, watch) = (inner.weak(), Arc::downgrade(&alive));
        std::thread::Builder::new().name("guest-ticks".into()).spawn(move || tick(&ticked, &watch))?;
        Ok(Engine { inner, _alive: alive })
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

fn tick(engine: &wasmtime::EngineWeak, alive: &Weak<()>) {
    while alive.strong_count() > 0 {
        std::thread::sleep(TICK);
        match engine.upgrade() {
            Some(engine) => engine.increment_epoch(),
            None => return,
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
    fn code_of_the_same_engine_has_the_same_name() {
        let (one, two) = (Engine::start().unwrap(), Engine::start().unwrap());
        assert_eq!(one.code_name(), two.code_name());
        assert_eq!(one.code_name().len(), 16);
    }
}
