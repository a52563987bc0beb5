//! Asks a component what it is: at upload, with nothing granted, under limits of its own, on a thread of its own.
//! In goes the compiled component, out comes its raw description. On the way Wasmtime checks every export of its world
//! against the WIT, so that a module which is accepted can be called.

use crate::apart::apart;
use crate::api::{
    InstanceSettings, LogLevel, PortError, ScanPage, ScanRange, TaskPort, TimerClock, TimerRequest, WorldKind,
};
use crate::bindings::processor::ProcessorPlugin;
use crate::bindings::sink::SinkPlugin;
use crate::bindings::source::SourcePlugin;
use crate::bindings::{PLUGIN_VERSIONS, about};
use crate::call::Fault;
use crate::engine::Engine;
use crate::error::PushError;
use crate::host::Host;
use crate::instance::store;
use crate::limits::{DESCRIBE_DEADLINE_MS, DESCRIPTION_LEN_MAX};
use potok_types::{Column, Timestamp};
use std::sync::Arc;
use wasmtime::Store;
use wasmtime::component::{Instance, InstancePre};

/// The limits of a description's call: the defaults, with more time and less to return.
fn settings() -> InstanceSettings {
    InstanceSettings {
        deadline_ms: DESCRIBE_DEADLINE_MS,
        output_bytes_max: DESCRIPTION_LEN_MAX,
        ..InstanceSettings::default()
    }
}

/// Starts the component and asks it.
pub(crate) async fn describe(
    engine: Engine,
    pre: InstancePre<Host>,
    world: WorldKind,
) -> Result<about::Description, PushError> {
    let asked = apart(async move { ask(&engine, &pre, world).await }).await;
    asked.unwrap_or_else(|error| Err(PushError::Describe(error.to_string())))
}

async fn ask(
    engine: &Engine,
    pre: &InstancePre<Host>,
    world: WorldKind,
) -> Result<about::Description, PushError> {
    let settings = settings();
    let host = Host::new(Arc::new(Nothing), Arc::new([]), Arc::new([]), settings.memory_bytes_max);
    let (mut store, pace) = store(engine, host, &settings);
    pace.begin(settings.deadline());
    let started = pace.drive(settings.deadline(), pre.instantiate_async(&mut store)).await;
    let instance = started.map_err(|error| failed(&store, &settings, &error))?;
    let describe =
        export(&mut store, &instance, world).map_err(|error| PushError::Shape(format!("{error:#}")))?;
    pace.begin(settings.deadline());
    let answered = pace.drive(settings.deadline(), describe.call_async(&mut store, ())).await;
    Ok(answered.map_err(|error| failed(&store, &settings, &error))?.0)
}

type Describe = wasmtime::component::TypedFunc<(), (about::Description,)>;

/// Checks every export of the world and finds `describe`.
fn export(store: &mut Store<Host>, instance: &Instance, world: WorldKind) -> wasmtime::Result<Describe> {
    let name = match world {
        WorldKind::Processor => ProcessorPlugin::new(&mut *store, instance).map(|_| "processor"),
        WorldKind::Source => SourcePlugin::new(&mut *store, instance).map(|_| "source"),
        WorldKind::Sink => SinkPlugin::new(&mut *store, instance).map(|_| "sink"),
    }?;
    let interface = format!("potok:plugin/{name}@{}", PLUGIN_VERSIONS[0]);
    let missing = || wasmtime::Error::msg(format!("{interface} has no `describe`"));
    let interface = instance.get_export_index(&mut *store, None, &interface).ok_or_else(missing)?;
    let describe =
        instance.get_export_index(&mut *store, Some(&interface), "describe").ok_or_else(missing)?;
    instance.get_typed_func(store, describe)
}

fn failed(store: &Store<Host>, settings: &InstanceSettings, error: &wasmtime::Error) -> PushError {
    let memory_refused = store.data().memory.refused.then_some(settings.memory_bytes_max);
    let (deadline, output_bytes_max) = (settings.deadline(), settings.output_bytes_max);
    PushError::Describe(Fault { deadline, memory_refused, output_bytes_max }.classify(error).to_string())
}

/// A task that reaches nothing: no store can be opened over it, and what a guest says goes to the host's own log, quietly.
struct Nothing;
impl TaskPort for Nothing {
    fn state_get(&self, _: u32, keys: &Column, _: usize) -> Result<Column, PortError> {
        Ok(keys.iter().map(|_| None).collect())
    }
    fn state_put(&self, _: u32, _: Column, _: Column) -> Result<(), PortError> {
        Ok(())
    }
    fn state_scan(&self, _: u32, _: ScanRange, _: u32, _: usize) -> Result<ScanPage, PortError> {
        Ok(ScanPage::default())
    }
    fn set_timer(&self, _: TimerRequest) {}
    fn cancel_timer(&self, _: TimerClock, _: Vec<u8>) {}
    fn now(&self) -> Timestamp {
        Timestamp(0)
    }
    fn stream_time(&self) -> Option<Timestamp> {
        None
    }
    fn log(&self, level: LogLevel, message: String) {
        tracing::debug!(?level, message, "said while describing itself");
    }
    fn count(&self, _: &str, _: u64) {}
    fn gauge(&self, _: &str, _: f64) {}
    fn observe(&self, _: &str, _: f64) {}
    fn secret(&self, _: &str) -> Option<Vec<u8>> {
        None
    }
}
