//! The compiler, kept from disturbing whoever is at work: it runs on threads of its own that give way to all others and are gone
//! when it is done. In go judged bytes, out comes a component; how long it may take is bounded by what `judge.rs` let through.

use crate::apart::give_way;
use wasmtime::Engine;
use wasmtime::component::Component;

/// Compiles on all cores at the lowest priority that still gets on. Blocks its thread.
pub(crate) fn compile(engine: &Engine, component: &[u8]) -> wasmtime::Result<Component> {
    let pool = rayon::ThreadPoolBuilder::new()
        .thread_name(|i| format!("compiler-{i}"))
        .start_handler(|_| give_way())
        .build()?;
    pool.install(|| Component::new(engine, component))
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
