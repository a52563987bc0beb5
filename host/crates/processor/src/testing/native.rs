//! Guests as closures.

use crate::api::Deployment;
use crate::guest::{Guest, Guests, MakeError};
use async_trait::async_trait;
use parking_lot::Mutex;
use potok_plugin::{
    Body, CallError, Description, Due, Emission, Fresh, ModuleInfo, Outcome, Port, StoreSpec, TaskPort,
    TaskSetup, WorldKind,
};
use potok_types::{Digest, RecordColumns};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

type Process = dyn Fn(&dyn TaskPort, u32, &RecordColumns) -> Result<Outcome, CallError> + Send + Sync;
type OnTimers = dyn Fn(&dyn TaskPort, &[Due]) -> Result<Outcome, CallError> + Send + Sync;
type Open = dyn Fn(&dyn TaskPort) -> Result<(), CallError> + Send + Sync;

/// How often a module's instances were made and called.
#[derive(Debug, Default)]
pub(crate) struct Calls {
    pub(crate) made: AtomicU64,
    pub(crate) process: AtomicU64,
    pub(crate) timers: AtomicU64,
}

/// A module of closures.
#[derive(Clone)]
pub(crate) struct Native {
    process: Arc<Process>,
    on_timers: Arc<OnTimers>,
    open: Arc<Open>,
    stores: Vec<StoreSpec>,
    state_version: u32,
    pub(crate) calls: Arc<Calls>,
}

impl Native {
    /// One that does this with records, has one store, and takes every timer.
    pub(crate) fn new(
        process: impl Fn(&dyn TaskPort, u32, &RecordColumns) -> Result<Outcome, CallError> + Send + Sync + 'static,
    ) -> Native {
        Native {
            process: Arc::new(process),
            on_timers: Arc::new(|_, due| Ok(covered(due.len()))),
            open: Arc::new(|_| Ok(())),
            stores: vec![StoreSpec { name: "store".into(), ttl_ms: None }],
            state_version: 1,
            calls: Arc::default(),
        }
    }
    pub(crate) fn timers(
        mut self,
        on_timers: impl Fn(&dyn TaskPort, &[Due]) -> Result<Outcome, CallError> + Send + Sync + 'static,
    ) -> Native {
        self.on_timers = Arc::new(on_timers);
        self
    }
    pub(crate) fn open(
        mut self,
        open: impl Fn(&dyn TaskPort) -> Result<(), CallError> + Send + Sync + 'static,
    ) -> Native {
        self.open = Arc::new(open);
        self
    }
    pub(crate) fn ttl_ms(mut self, ttl_ms: u64) -> Native {
        self.stores[0].ttl_ms = Some(ttl_ms);
        self
    }
    pub(crate) fn state_version(mut self, version: u32) -> Native {
        self.state_version = version;
        self
    }
}

/// The native modules there are.
#[derive(Default)]
pub(crate) struct NativeGuests {
    modules: Mutex<BTreeMap<Digest, (ModuleInfo, Native)>>,
}

impl std::fmt::Debug for NativeGuests {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_tuple("NativeGuests").field(&self.modules.lock().len()).finish()
    }
}

impl NativeGuests {
    /// Adds a module; its digest counts up.
    pub(crate) fn add(&self, native: Native, inputs: usize, outputs: usize) -> Digest {
        let mut modules = self.modules.lock();
        let digest = Digest([u8::try_from(modules.len() + 1).unwrap(); 32]);
        let port = |what: &str, i| Port { name: format!("{what}{i}"), summary: String::new() };
        let description = Description {
            name: "native".into(),
            version: "1.0.0".into(),
            summary: String::new(),
            config_schema: serde_json::json!({}),
            inputs: (0..inputs).map(|i| port("in", i)).collect(),
            outputs: (0..outputs).map(|i| port("out", i)).collect(),
            stores: native.stores.clone(),
            state_version: native.state_version,
            wants: Vec::new(),
        };
        let info =
            ModuleInfo { digest, size: 0, world: WorldKind::Processor, imports: Vec::new(), description };
        modules.insert(digest, (info, native));
        digest
    }
}

#[async_trait]
impl Guests for NativeGuests {
    fn module(&self, digest: Digest) -> Option<ModuleInfo> {
        self.modules.lock().get(&digest).map(|(info, _)| info.clone())
    }
    fn check_config(&self, _: Digest, config: &serde_json::Value) -> Result<(), String> {
        if config.get("bad").is_some() { Err("`bad` is not allowed".into()) } else { Ok(()) }
    }
    async fn make(
        &self,
        deployment: &Deployment,
        port: Arc<dyn TaskPort>,
    ) -> Result<Box<dyn Guest>, MakeError> {
        let native = self.modules.lock().get(&deployment.digest).map(|(_, native)| native.clone());
        let native = native.ok_or_else(|| MakeError::Final("no such module".into()))?;
        native.calls.made.fetch_add(1, Ordering::SeqCst);
        Ok(Box::new(Instance { native, port }))
    }
}

struct Instance {
    native: Native,
    port: Arc<dyn TaskPort>,
}

#[async_trait]
impl Guest for Instance {
    async fn open(&mut self, _: &TaskSetup) -> Result<(), CallError> {
        (self.native.open)(&*self.port)
    }
    async fn process(&mut self, input: u32, _: u32, records: &RecordColumns) -> Result<Outcome, CallError> {
        self.native.calls.process.fetch_add(1, Ordering::SeqCst);
        (self.native.process)(&*self.port, input, records)
    }
    async fn on_timers(&mut self, due: &[Due]) -> Result<Outcome, CallError> {
        self.native.calls.timers.fetch_add(1, Ordering::SeqCst);
        (self.native.on_timers)(&*self.port, due)
    }
    async fn close(&mut self) {}
    fn memory_bytes(&self) -> usize {
        1 << 20
    }
}

/// An outcome that covers so many and does nothing else.
pub(crate) fn covered(count: usize) -> Outcome {
    Outcome { covered: u32::try_from(count).unwrap(), ..Outcome::default() }
}

/// New records for output 0: timestamp, key, value; a key `-` is none.
pub(crate) fn fresh<'a>(records: impl IntoIterator<Item = (i64, &'a str, String)>) -> Vec<Emission> {
    let mut fresh = Fresh::default();
    for (at, key, value) in records {
        fresh.timestamps.extend_from_slice(&at.to_le_bytes());
        fresh.keys.push((key != "-").then_some(key.as_bytes()));
        fresh.values.push(Some(value.as_bytes()));
    }
    if fresh.timestamps.is_empty() {
        Vec::new()
    } else {
        vec![Emission { output: 0, body: Body::Fresh(fresh) }]
    }
}
