//! Runs a component safely: engine, limits, capabilities, module registry.
//! In come a component's bytes and calls on it, out go outcomes or typed faults. The only crate that names Wasmtime;
//! it knows nothing of the log: whatever a guest reaches lies behind [`TaskPort`].

mod apart;
mod api;
mod bindings;
mod call;
mod capability;
mod compile;
mod componentize;
mod describe;
mod description;
mod disk;
mod engine;
mod error;
mod host;
mod instance;
mod judge;
pub mod limits;
mod outcome;
mod registry;
mod wasi;

pub use api::{
    Body, CallError, Description, Due, Emission, Fresh, Grant, InstanceSettings, LogLevel, ModuleInfo,
    Outcome, Port, PortError, RefusedRecord, ScanPage, ScanRange, StoreSpec, TaskPort, TaskSetup, TimerClock,
    TimerRequest, WorldKind,
};
pub use componentize::{ComponentizeError, componentize};
pub use error::{ConfigProblem, InstantiateError, OpenError, PushError, RemoveError};
pub use instance::Instance;
pub use limits::SUMMARY_LEN_MAX;
pub use registry::{Plugins, Settings};
