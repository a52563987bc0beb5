//! The room's door: modules are pushed, listed, removed, and made into instances.
//! An upload passes `judge` (its outside), the compiler (its inside), `describe` (its word) and `description` (whether that is sound)
//! before a byte of it is kept. Compiling and file work run on the blocking threads, a module's own code on a thread apart, one upload
//! at a time; a module that is in use stays ready in memory, the least recently used gives way past `modules_ready_max`.

use crate::api::{Grant, InstanceSettings, ModuleInfo, TaskPort, WorldKind};
use crate::bindings::processor::{ProcessorPlugin, ProcessorPluginPre};
use crate::call::Fault;
use crate::capability;
use crate::compile::compile;
use crate::describe::describe;
use crate::description;
use crate::disk::{Disk, digest_of};
use crate::engine::Engine;
use crate::error::{ConfigProblem, InstantiateError, OpenError, PushError, RemoveError};
use crate::host::Host;
use crate::instance::{Instance, store};
use crate::judge::{judge, judge_len};
use crate::limits::{DESCRIBE_DEADLINE_MS, MODULES_READY_MAX, PUSHES_WAITING_MAX};
use bytes::Bytes;
use parking_lot::{Mutex, RwLock};
use potok_types::Digest;
use serde::{Deserialize, Serialize};
use std::collections::HashMap;
use std::path::Path;
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::{Semaphore, oneshot};
use wasmtime::component::{Component, Linker};

/// What a user may tune of this room.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Modules held ready to be instantiated. More saves loading code from the disk (a few milliseconds) where more modules than
    /// this are in use; each costs its metadata in memory. Default 64.
    pub modules_ready_max: usize,
}
impl Default for Settings {
    fn default() -> Settings {
        Settings { modules_ready_max: MODULES_READY_MAX }
    }
}

/// The registry of modules; a cheap handle.
#[derive(Clone)]
pub struct Plugins(Arc<Shared>);

struct Shared {
    engine: Engine,
    linker: Linker<Host>,
    code_name: String,
    disk: Disk,
    settings: Settings,
    modules: RwLock<HashMap<Digest, Arc<ModuleInfo>>>,
    /// The most recently used first.
    ready: Mutex<Vec<(Digest, ProcessorPluginPre<Host>)>>,
    /// One upload is judged at a time, one module loaded at a time: both take the processor's cores for a moment.
    judging: tokio::sync::Mutex<()>,
    loading: tokio::sync::Mutex<()>,
    pushes: Arc<Semaphore>,
}

impl std::fmt::Debug for Plugins {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Plugins").field("modules", &self.0.modules.read().len()).finish_non_exhaustive()
    }
}

/// Who asked for an upload to be taken in.
type Asked = oneshot::Sender<Result<ModuleInfo, PushError>>;

/// An upload that passed every check and waits to be kept.
struct Accepted {
    info: ModuleInfo,
    code: Vec<u8>,
}

impl Plugins {
    /// Opens the registry over a folder, which is made when it is not there; its modules are there again.
    pub fn open(settings: Settings, folder: &Path) -> Result<Plugins, OpenError> {
        let unusable = |source| OpenError::Folder { folder: folder.display().to_string(), source };
        let broken = |error: wasmtime::Error| OpenError::Engine(format!("{error:#}"));
        let disk = Disk::open(folder).map_err(unusable)?;
        let modules = disk.modules().map_err(unusable)?;
        let engine = Engine::start().map_err(broken)?;
        let mut linker = Linker::new(engine.wasmtime());
        capability::add_to_linker(&mut linker).map_err(broken)?;
        Ok(Plugins(Arc::new(Shared {
            code_name: engine.code_name(),
            engine,
            linker,
            disk,
            settings,
            modules: RwLock::new(modules.into_iter().map(|info| (info.digest, Arc::new(info))).collect()),
            ready: Mutex::new(Vec::new()),
            judging: tokio::sync::Mutex::new(()),
            loading: tokio::sync::Mutex::new(()),
            pushes: Arc::new(Semaphore::new(PUSHES_WAITING_MAX + 1)),
        })))
    }
    /// Takes an upload in: judged, compiled, described, kept. The same bytes twice are one module. When its caller goes away it is not
    /// kept, but holds its place until it is through: neither the compiler nor a guest stops for that.
    pub async fn push(&self, component: Bytes) -> Result<ModuleInfo, PushError> {
        judge_len(component.len())?;
        let place = Arc::clone(&self.0.pushes).try_acquire_owned();
        let place = place.map_err(|_| PushError::Busy(PUSHES_WAITING_MAX))?;
        let (plugins, (tell, told)) = (self.clone(), oneshot::channel());
        tokio::spawn(async move {
            let taken = plugins.take_in(component, &tell).await;
            drop(place);
            // whoever asked may be gone
            let _ = tell.send(taken);
        });
        told.await.map_err(|error| gave_up(&error))?
    }
    async fn take_in(&self, component: Bytes, asked: &Asked) -> Result<ModuleInfo, PushError> {
        let (digest, component) = blocking(move || (digest_of(&component), component)).await?;
        let _turn = self.0.judging.lock().await;
        let shared = self.0.clone();
        if let Some(known) = self.module(digest) {
            return blocking(move || shared.disk.mend(digest, &component))
                .await?
                .map(|()| known)
                .map_err(not_kept);
        }
        let Accepted { info, code } = self.accept(digest, component.clone()).await?;
        if asked.is_closed() {
            // said to nobody
            return Err(PushError::Disk("its caller went away".into()));
        }
        blocking(move || shared.keep(info, &component, &code)).await?
    }
    async fn accept(&self, digest: Digest, component: Bytes) -> Result<Accepted, PushError> {
        let size = component.len() as u64;
        let shared = self.0.clone();
        let (judged, compiled) = blocking(move || {
            let judged = judge(&component)?;
            let compiled = compile(shared.engine.wasmtime(), &component)
                .map_err(|error| PushError::Malformed(format!("{error:#}")))?;
            Ok::<_, PushError>((judged, compiled))
        })
        .await??;
        let shape = |error: wasmtime::Error| PushError::Shape(format!("{error:#}"));
        let pre = self.0.linker.instantiate_pre(&compiled).map_err(shape)?;
        let description = description::check(describe(self.0.engine.clone(), pre, judged.world).await?)
            .map_err(PushError::Description)?;
        let code = blocking(move || compiled.serialize()).await?;
        let code = code.map_err(|error| PushError::Malformed(format!("{error:#}")))?;
        let info = ModuleInfo { digest, size, world: judged.world, imports: judged.imports, description };
        Ok(Accepted { info, code })
    }
    /// What is known of a module.
    pub fn module(&self, digest: Digest) -> Option<ModuleInfo> {
        self.0.info(digest).map(|info| ModuleInfo::clone(&info))
    }
    /// All modules, by name and digest.
    pub fn modules(&self) -> Vec<ModuleInfo> {
        let mut modules: Vec<_> =
            self.0.modules.read().values().map(|info| ModuleInfo::clone(info)).collect();
        modules.sort_by(|a, b| (&a.description.name, a.digest).cmp(&(&b.description.name, b.digest)));
        modules
    }
    /// The bytes of a module as they were pushed; none when there is no such module. Damage is an error.
    pub async fn component_bytes(&self, digest: Digest) -> Result<Option<Bytes>, std::io::Error> {
        if self.0.info(digest).is_none() {
            return Ok(None);
        }
        let shared = self.0.clone();
        let read = tokio::task::spawn_blocking(move || shared.disk.component(digest)).await;
        read.map_err(std::io::Error::other)?.map(|bytes| Some(bytes.into()))
    }
    /// Forgets a module. Instances that run of it run on; whether one is deployed is the caller's to ask.
    pub async fn remove(&self, digest: Digest) -> Result<(), RemoveError> {
        let _turn = self.0.judging.lock().await;
        if self.0.info(digest).is_none() {
            return Err(RemoveError::Unknown(digest));
        }
        let shared = self.0.clone();
        let removed = tokio::task::spawn_blocking(move || shared.disk.remove(digest)).await;
        let removed = removed.map_err(std::io::Error::other).and_then(|result| result);
        self.0.modules.write().remove(&digest);
        self.0.ready.lock().retain(|(other, _)| *other != digest);
        removed.map_err(|source| RemoveError::Disk { digest, source })
    }
    /// Checks a configuration against the module's schema; a module that is not there has no problem to report.
    pub fn check_config(&self, digest: Digest, config: &serde_json::Value) -> Result<(), Vec<ConfigProblem>> {
        let Some(info) = self.0.info(digest) else { return Ok(()) };
        description::check_config(&info.description.config_schema, config)
    }
    /// Makes an instance of a processor for one task. `outputs` is how many the deployment has.
    pub async fn instantiate(
        &self,
        digest: Digest,
        port: Arc<dyn TaskPort>,
        settings: InstanceSettings,
        outputs: u32,
        grants: &[Grant],
    ) -> Result<Instance, InstantiateError> {
        let info = self.0.info(digest).ok_or(InstantiateError::Unknown(digest))?;
        if info.world != WorldKind::Processor {
            return Err(InstantiateError::NotAProcessor(digest));
        }
        let pre = self.ready(digest).await?;
        let host = Host::new(
            port,
            info.description.stores.as_slice().into(),
            grants.into(),
            settings.memory_bytes_max,
        );
        let (mut store, pace) = store(&self.0.engine, host, &settings);
        // An interpreter's start takes longer than a batch may.
        let deadline = settings.deadline().max(Duration::from_millis(DESCRIBE_DEADLINE_MS));
        pace.begin(deadline);
        let started = pace.drive(deadline, pre.instantiate_async(&mut store)).await;
        let plugin: ProcessorPlugin = started.map_err(|error| {
            let memory_refused = store.data().memory.refused.then_some(settings.memory_bytes_max);
            let fault = Fault { deadline, memory_refused, output_bytes_max: settings.output_bytes_max };
            InstantiateError::Start(fault.classify(&error))
        })?;
        Ok(Instance::new(store, plugin, pace, settings, outputs))
    }
    /// The module, linked; from memory, or loaded from the disk, or compiled anew.
    async fn ready(&self, digest: Digest) -> Result<ProcessorPluginPre<Host>, InstantiateError> {
        if let Some(pre) = self.0.cached(digest) {
            return Ok(pre);
        }
        let _turn = self.0.loading.lock().await;
        if let Some(pre) = self.0.cached(digest) {
            return Ok(pre);
        }
        let shared = self.0.clone();
        let damaged = |reason| InstantiateError::Damaged { digest, reason };
        let loaded = tokio::task::spawn_blocking(move || shared.load(digest)).await;
        let pre = loaded.map_err(|panic| damaged(panic.to_string()))?.map_err(damaged)?;
        self.0.cache(digest, pre.clone());
        Ok(pre)
    }
}

fn not_kept(error: std::io::Error) -> PushError {
    PushError::Disk(error.to_string())
}

/// Work that takes a thread for longer than a moment. A panic in it (the compiler's) is the upload's fault, not the host's end.
async fn blocking<T: Send + 'static>(work: impl FnOnce() -> T + Send + 'static) -> Result<T, PushError> {
    tokio::task::spawn_blocking(work).await.map_err(|error| gave_up(&error))
}
fn gave_up(error: &impl std::fmt::Display) -> PushError {
    PushError::Malformed(format!("the compiler gave up on it ({error})"))
}

impl Shared {
    fn info(&self, digest: Digest) -> Option<Arc<ModuleInfo>> {
        self.modules.read().get(&digest).cloned()
    }
    fn keep(&self, info: ModuleInfo, component: &[u8], code: &[u8]) -> Result<ModuleInfo, PushError> {
        let kept = self.disk.keep(&info, component, &self.code_name, code);
        kept.map_err(not_kept)?;
        self.modules.write().insert(info.digest, Arc::new(info.clone()));
        Ok(info)
    }
    fn cached(&self, digest: Digest) -> Option<ProcessorPluginPre<Host>> {
        let mut ready = self.ready.lock();
        let at = ready.iter().position(|(other, _)| *other == digest)?;
        ready[..=at].rotate_right(1);
        Some(ready[0].1.clone())
    }
    fn cache(&self, digest: Digest, pre: ProcessorPluginPre<Host>) {
        let mut ready = self.ready.lock();
        ready.truncate(self.settings.modules_ready_max.saturating_sub(1));
        ready.insert(0, (digest, pre));
    }
    fn load(&self, digest: Digest) -> Result<ProcessorPluginPre<Host>, String> {
        let component = match self.load_code(digest) {
            Some(component) => component,
            None => self.compile(digest)?,
        };
        let linked = self.linker.instantiate_pre(&component).and_then(ProcessorPluginPre::new);
        linked.map_err(|error| format!("{error:#}"))
    }
    fn load_code(&self, digest: Digest) -> Option<Component> {
        let found = self.disk.code(digest, &self.code_name);
        let path = found
            .inspect_err(|error| tracing::warn!(%error, %digest, "compiled code cannot be read"))
            .ok()??;
        #[expect(
            unsafe_code,
            reason = "the file is this host's own: written by `keep_code` under this engine's name, and its checksum agreed"
        )]
        let loaded = unsafe { Component::deserialize_file(self.engine.wasmtime(), path) };
        loaded.inspect_err(|error| tracing::warn!(%error, %digest, "compiled code does not load")).ok()
    }
    fn compile(&self, digest: Digest) -> Result<Component, String> {
        tracing::info!(%digest, "compiling a module anew");
        let bytes = self.disk.component(digest).map_err(|error| error.to_string())?;
        let engine = self.engine.wasmtime();
        let component = compile(engine, &bytes).map_err(|error| format!("{error:#}"))?;
        let code = component.serialize().map_err(|error| format!("{error:#}"))?;
        if let Err(error) = self.disk.keep_code(digest, &self.code_name, &code) {
            tracing::warn!(%error, %digest, "compiled code is not kept: the next start compiles again");
        }
        Ok(component)
    }
}
