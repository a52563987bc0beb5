//! Wasmtime's view of `wit/potok.wit`: only `bindgen!`, once for each world, the types shared.
//! Batches are lowered from borrowed columns, so that a batch is copied once: from the host's memory into the guest's.

/// Versions of `potok:plugin` that this host serves, the newest first.
pub(crate) const PLUGIN_VERSIONS: &[&str] = &["0.1.0"];

#[allow(
    unreachable_pub,
    dead_code,
    unused_variables,
    clippy::pedantic,
    clippy::all,
    reason = "generated code"
)]
#[allow(missing_debug_implementations, reason = "generated code")]
pub(crate) mod processor {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "potok:plugin/processor-plugin",
        ownership: Borrowing { duplicate_if_necessary: true },
        imports: { default: trappable },
        exports: { default: async },
    });
}

pub(crate) use processor::potok::plugin::{
    about, logging, metrics, records, secrets, state, text, time, timers,
};

#[allow(
    unreachable_pub,
    dead_code,
    unused_variables,
    clippy::pedantic,
    clippy::all,
    reason = "generated code"
)]
#[allow(missing_debug_implementations, reason = "generated code")]
pub(crate) mod source {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "potok:plugin/source-plugin",
        imports: { default: trappable },
        exports: { default: async },
    });
}

#[allow(
    unreachable_pub,
    dead_code,
    unused_variables,
    clippy::pedantic,
    clippy::all,
    reason = "generated code"
)]
#[allow(missing_debug_implementations, reason = "generated code")]
pub(crate) mod sink {
    wasmtime::component::bindgen!({
        path: "../../../wit",
        world: "potok:plugin/sink-plugin",
        imports: { default: trappable },
        exports: { default: async },
    });
}
