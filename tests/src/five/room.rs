//! The product's own runtime with one guest in it: what `potok_plugin` gives, and an instance that gives way to a fresh
//! one at its mark, as a task's does.

use super::{Answer, MemoryPort, Mode};
use crate::guests::guest_in_five;
use potok_plugin::{
    CallError, Due, Instance, InstanceSettings, ModuleInfo, Outcome, Plugins, Settings, TaskSetup,
};
use potok_types::RecordColumns;
use std::sync::Arc;

/// The guests' outputs: kept records and counts.
const OUTPUTS: u32 = 2;

/// The runtime, in a folder of its own, and one language's guest in its registry.
#[derive(Debug)]
pub struct Room {
    plugins: Plugins,
    module: ModuleInfo,
    _folder: tempfile::TempDir,
}

impl Room {
    /// A runtime that has taken in the guest of `language`.
    ///
    /// # Panics
    /// When there is no such guest, or the runtime refuses it.
    pub async fn with(language: &str) -> Room {
        let folder = tempfile::tempdir().expect("a folder for compiled modules");
        let plugins = Plugins::open(Settings::default(), folder.path()).expect("an empty folder opens");
        let pushed = plugins.push(guest_in_five(language).into()).await;
        let module = pushed.unwrap_or_else(|error| panic!("the {language} guest is refused: {error}"));
        Room { plugins, module, _folder: folder }
    }
    /// What the guest says of itself, and what it imports.
    pub fn module(&self) -> &ModuleInfo {
        &self.module
    }
    /// The guest as a task has it: instantiated, opened, with an empty store.
    pub async fn start(&self, mode: Mode, settings: InstanceSettings) -> Running<'_> {
        let port = Arc::new(MemoryPort::default());
        let instance = self.instance(mode, settings, &port).await.expect("the guest opens");
        let memory_max = instance.memory_bytes();
        Running { room: self, mode, settings, port, instance, replaced: 0, memory_max }
    }
    /// A fresh instance over what `port` holds, opened with the configuration of `mode`.
    async fn instance(
        &self,
        mode: Mode,
        settings: InstanceSettings,
        port: &Arc<MemoryPort>,
    ) -> Result<Instance, CallError> {
        let port = Arc::clone(port);
        let instantiated = self.plugins.instantiate(self.module.digest, port, settings, OUTPUTS, &[]).await;
        let mut instance = instantiated.unwrap_or_else(|error| panic!("no instance: {error}"));
        let setup = TaskSetup { config: mode.config().to_owned(), partition: 0, partitions: 1 };
        instance.open(&setup).await.map(|()| instance)
    }
    /// What `open` answers to a configuration that the guest does not know.
    pub async fn refused_config(&self, config: &str) -> Result<(), CallError> {
        let (port, settings) = (Arc::new(MemoryPort::default()), InstanceSettings::default());
        let instantiated = self.plugins.instantiate(self.module.digest, port, settings, OUTPUTS, &[]).await;
        let mut instance = instantiated.unwrap_or_else(|error| panic!("no instance: {error}"));
        instance.open(&TaskSetup { config: config.to_owned(), partition: 0, partitions: 1 }).await
    }
}

/// A guest at work.
#[derive(Debug)]
pub struct Running<'a> {
    room: &'a Room,
    mode: Mode,
    settings: InstanceSettings,
    port: Arc<MemoryPort>,
    instance: Instance,
    /// How many instances gave way to a fresh one at their mark.
    pub replaced: u32,
    /// The most linear memory that an instance had, in bytes.
    pub memory_max: usize,
}

impl Running<'_> {
    /// One batch through the guest.
    pub async fn process(&mut self, batch: &RecordColumns) -> Result<Answer, CallError> {
        let outcome = self.process_only(batch).await?;
        Ok(Answer { outcome, timers: self.port.take_timers() })
    }
    /// One batch through the guest, with nothing else done, for whoever measures.
    pub async fn process_only(&mut self, batch: &RecordColumns) -> Result<Outcome, CallError> {
        if self.instance.wants_replacement() {
            self.replace().await?;
        }
        let outcome = self.instance.process(0, 0, batch).await;
        self.memory_max = self.memory_max.max(self.instance.memory_bytes());
        outcome
    }
    /// Timers that are due, through the guest.
    pub async fn on_timers(&mut self, due: &[Due]) -> Result<Outcome, CallError> {
        self.instance.on_timers(due).await
    }
    /// Bytes of linear memory of the instance now.
    pub fn memory_bytes(&self) -> usize {
        self.instance.memory_bytes()
    }
    /// What the guest reaches.
    pub fn port(&self) -> &MemoryPort {
        &self.port
    }
    async fn replace(&mut self) -> Result<(), CallError> {
        let fresh = self.room.instance(self.mode, self.settings, &self.port).await?;
        std::mem::replace(&mut self.instance, fresh).close().await;
        self.replaced += 1;
        Ok(())
    }
}
