//! The compiler, kept from disturbing whoever is at work: it runs on threads of its own that give way to all others and are gone
//! when it is done. In go judged bytes, out comes a component; how long it may take is bounded by what `judge.rs` let through.

use wasmtime::Engine;
use wasmtime::component::Component;

/// How much less than other threads the compiler's get of a processor, on the kernel's scale from 0 to 19.
const NICENESS: i32 = 10;

/// Compiles on all cores at the lowest priority that still gets on. Blocks its thread.
pub(crate) fn compile(engine: &Engine, component: &[u8]) -> wasmtime::Result<Component> {
    let pool = rayon::ThreadPoolBuilder::new()
        .thread_name(|i| format!("compiler-{i}"))
        .start_handler(give_way)
        .build()?;
    pool.install(|| Component::new(engine, component))
}

/// On Linux niceness is a thread's own. Where it cannot be changed, the compiler competes as any thread does.
fn give_way(_: usize) {
    if let Err(error) = rustix::process::nice(NICENESS) {
        tracing::debug!(%error, "the compiler keeps its priority");
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_callers_priority_is_left_alone() {
        let engine = crate::engine::Engine::start().unwrap();
        let component = wat::parse_str("(component (core module (func)))").unwrap();
        let before = rustix::process::nice(0).unwrap();
        compile(engine.wasmtime(), &component).unwrap();
        assert_eq!(rustix::process::nice(0).unwrap(), before);
    }
}
