//! Runs a component safely: engine, limits, capabilities, module registry.
//! In come a component's bytes and calls on it, out go outcomes or typed faults. The only crate that names Wasmtime;
//! it knows nothing of the log: whatever a guest reaches lies behind [`TaskPort`].

mod api;

pub use api::{
    CallError, Description, Due, Emission, Fresh, Grant, InstanceSettings, LogLevel, ModuleInfo, Outcome, Port,
    PortError, RefusedRecord, ScanPage, ScanRange, StoreSpec, TaskPort, TaskSetup, TimerClock, TimerRequest, WorldKind, Body,
};
