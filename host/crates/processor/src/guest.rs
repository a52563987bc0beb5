//! The seam between tasks and what they run: a component in the product, native closures in tests.
//! In come records as columns, out go outcomes; everything above this file is the same for both.

use crate::api::Deployment;
use async_trait::async_trait;
use potok_plugin::{CallError, Due, ModuleInfo, Outcome, TaskPort, TaskSetup};
use potok_types::{Digest, RecordColumns};
use std::fmt;
use std::sync::Arc;

/// One running instance of a module.
#[async_trait]
pub(crate) trait Guest: Send {
    /// Once, before the first record.
    async fn open(&mut self, setup: &TaskSetup) -> Result<(), CallError>;
    /// Records of one partition of one input.
    async fn process(
        &mut self,
        input: u32,
        partition: u32,
        records: &RecordColumns,
    ) -> Result<Outcome, CallError>;
    /// Timers that are due.
    async fn on_timers(&mut self, due: &[Due]) -> Result<Outcome, CallError>;
    /// Before it is dropped in good order.
    async fn close(&mut self);
    /// Bytes of its linear memory.
    fn memory_bytes(&self) -> usize;
}

/// Why there is no instance.
#[derive(Clone, Debug, thiserror::Error)]
pub(crate) enum MakeError {
    /// It may work in a while.
    #[error("{0}")]
    Passing(String),
    /// It will not work before something is changed.
    #[error("{0}")]
    Final(String),
}

/// Where modules and their instances come from.
#[async_trait]
pub(crate) trait Guests: Send + Sync + fmt::Debug + 'static {
    /// The module with this digest.
    fn module(&self, digest: Digest) -> Option<ModuleInfo>;
    /// Whether a configuration fits the module's schema; a sentence when it does not.
    fn check_config(&self, digest: Digest, config: &serde_json::Value) -> Result<(), String>;
    /// A fresh instance for a task of `deployment`, not opened yet.
    async fn make(
        &self,
        deployment: &Deployment,
        port: Arc<dyn TaskPort>,
    ) -> Result<Box<dyn Guest>, MakeError>;
}
