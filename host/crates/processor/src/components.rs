//! Components behind the seam: the room `plugin` as the source of modules and instances.

use crate::api::Deployment;
use crate::guest::{Guest, Guests, MakeError};
use crate::room::{OpenError, Processors};
use crate::runtime::GuestThreads;
use crate::settings::Settings;
use async_trait::async_trait;
use potok_log::Log;
use potok_plugin::{
    CallError, Due, Instance, InstantiateError, ModuleInfo, Outcome, Plugins, TaskPort, TaskSetup,
};
use potok_types::{Clock, Digest, RecordColumns};
use std::sync::Arc;

impl Processors {
    /// Opens the room over a log, whose deployments it reads, and the modules that these run. No task runs before
    /// [`Processors::run`].
    pub fn open(
        settings: Settings,
        log: Arc<dyn Log>,
        plugins: Plugins,
        clock: Arc<dyn Clock>,
    ) -> Result<Processors, OpenError> {
        let threads = GuestThreads::start(settings.guest_threads, clock.clone())?;
        Processors::with_guests(settings, log, Arc::new(plugins), clock, threads)
    }
}

#[async_trait]
impl Guests for Plugins {
    fn module(&self, digest: Digest) -> Option<ModuleInfo> {
        Plugins::module(self, digest)
    }
    fn check_config(&self, digest: Digest, config: &serde_json::Value) -> Result<(), String> {
        Plugins::check_config(self, digest, config)
            .map_err(|problems| problems.iter().map(ToString::to_string).collect::<Vec<_>>().join("; "))
    }
    async fn make(
        &self,
        deployment: &Deployment,
        port: Arc<dyn TaskPort>,
    ) -> Result<Box<dyn Guest>, MakeError> {
        let outputs = u32::try_from(deployment.spec.outputs.len()).unwrap_or(u32::MAX);
        let (digest, spec) = (deployment.digest, &deployment.spec);
        let made = self.instantiate(digest, port, spec.limits, outputs, &spec.grants).await;
        Ok(Box::new(made.map_err(make_error)?))
    }
}

/// A busy machine passes; a module that is not there or cannot start stays so until someone changes it.
fn make_error(error: InstantiateError) -> MakeError {
    let text = error.to_string();
    match error {
        InstantiateError::Start(CallError::Deadline { .. } | CallError::Host(_) | CallError::Retry(_)) => {
            MakeError::Passing(text)
        }
        InstantiateError::Unknown(_)
        | InstantiateError::NotAProcessor(_)
        | InstantiateError::Damaged { .. }
        | InstantiateError::Start(_) => MakeError::Final(text),
    }
}

#[async_trait]
impl Guest for Instance {
    async fn open(&mut self, setup: &TaskSetup) -> Result<(), CallError> {
        Instance::open(self, setup).await
    }
    async fn process(
        &mut self,
        input: u32,
        partition: u32,
        records: &RecordColumns,
    ) -> Result<Outcome, CallError> {
        Instance::process(self, input, partition, records).await
    }
    async fn on_timers(&mut self, due: &[Due]) -> Result<Outcome, CallError> {
        Instance::on_timers(self, due).await
    }
    async fn close(&mut self) {
        Instance::close(self).await;
    }
    fn memory_bytes(&self) -> usize {
        Instance::memory_bytes(self)
    }
}
