//! What one instance's store holds: the task's port, what it may still use in this call, and WASI's stubs once they are asked for.
//! The capabilities take their views from here; `instance.rs` starts each call with [`Host::begin_call`].

use crate::api::{Grant, StoreSpec, TaskPort};
use crate::capability::{MetricNames, StateUse, TimerUse};
use crate::limits::{CORE_INSTANCES_MAX, MEMORIES_MAX, TABLE_ELEMENTS_MAX, TABLES_MAX, WASI_RESOURCES_MAX};
use crate::wasi;
use std::sync::Arc;
use wasmtime::ResourceLimiter;
use wasmtime::component::ResourceTable;
use wasmtime_wasi::{WasiCtx, WasiCtxView, WasiView};

/// The data of a store.
pub(crate) struct Host {
    pub(crate) port: Arc<dyn TaskPort>,
    /// The module's stores; none while it describes itself.
    pub(crate) stores: Arc<[StoreSpec]>,
    pub(crate) grants: Arc<[Grant]>,
    pub(crate) state: StateUse,
    pub(crate) timers: TimerUse,
    pub(crate) metrics: MetricNames,
    pub(crate) memory: MemoryUse,
    /// Made when the guest first asks: most guests never do.
    wasi: Option<WasiCtx>,
    resources: ResourceTable,
}

impl Host {
    pub(crate) fn new(
        port: Arc<dyn TaskPort>,
        stores: Arc<[StoreSpec]>,
        grants: Arc<[Grant]>,
        memory_bytes_max: usize,
    ) -> Host {
        let mut resources = ResourceTable::new();
        resources.set_max_capacity(WASI_RESOURCES_MAX);
        Host {
            port,
            stores,
            grants,
            state: StateUse::default(),
            timers: TimerUse::default(),
            metrics: MetricNames::default(),
            memory: MemoryUse { limit: memory_bytes_max, bytes: 0, table_elements: 0, refused: false },
            wasi: None,
            resources,
        }
    }
    /// What a call may use is counted from here.
    pub(crate) fn begin_call(&mut self) {
        self.state.begin_call();
        self.timers.begin_call();
        self.memory.refused = false;
    }
}

impl WasiView for Host {
    fn ctx(&mut self) -> WasiCtxView<'_> {
        let port = &self.port;
        WasiCtxView { ctx: self.wasi.get_or_insert_with(|| wasi::nothing(port)), table: &mut self.resources }
    }
}

/// Counts the linear memory and the tables of an instance and keeps them below its limits.
#[derive(Debug)]
pub(crate) struct MemoryUse {
    limit: usize,
    /// Of all linear memories together.
    pub(crate) bytes: usize,
    table_elements: usize,
    /// Whether this call asked for more than it may have. A trap that follows is put down to it.
    pub(crate) refused: bool,
}

impl ResourceLimiter for MemoryUse {
    fn memory_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let bytes = self.bytes.saturating_add(desired.saturating_sub(current));
        let granted = bytes <= self.limit;
        if granted {
            self.bytes = bytes;
        } else {
            self.refused = true;
        }
        Ok(granted)
    }
    fn table_growing(&mut self, current: usize, desired: usize, _: Option<usize>) -> wasmtime::Result<bool> {
        let elements = self.table_elements.saturating_add(desired.saturating_sub(current));
        let granted = elements <= TABLE_ELEMENTS_MAX;
        if granted {
            self.table_elements = elements;
        } else {
            self.refused = true;
        }
        Ok(granted)
    }
    fn instances(&self) -> usize {
        CORE_INSTANCES_MAX
    }
    fn tables(&self) -> usize {
        TABLES_MAX
    }
    fn memories(&self) -> usize {
        MEMORIES_MAX
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn memories_of_one_instance_share_its_limit() {
        let mut memory = MemoryUse { limit: 100, bytes: 0, table_elements: 0, refused: false };
        assert!(memory.memory_growing(0, 60, None).unwrap());
        assert!(!memory.memory_growing(0, 50, None).unwrap());
        assert!(memory.refused);
        assert!(memory.memory_growing(60, 100, None).unwrap());
        assert_eq!(memory.bytes, 100);
    }
    #[test]
    fn tables_are_bounded_in_elements() {
        let mut memory = MemoryUse { limit: 100, bytes: 0, table_elements: 0, refused: false };
        assert!(memory.table_growing(0, TABLE_ELEMENTS_MAX, None).unwrap());
        assert!(!memory.table_growing(0, 1, None).unwrap());
    }
}
