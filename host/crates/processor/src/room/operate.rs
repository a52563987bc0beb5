//! Operations on one processor, each run in its turn: deploy, pause, resume, restart, delete.
//! Each stops the tasks first, then writes, then starts tasks again; when writing fails, what ran before runs again.

use super::Processors;
use super::entry::Entry;
use crate::api::{DeployError, DeploySpec, Deployment, ProcessorError, TaskFailure, group_of};
use crate::deployment::{self, Checked, check, start_offset};
use potok_log::{Acks, CommittedOffset, MetaChange, MetaKind, OffsetChange, OffsetCommit, Unit};
use potok_types::{Offset, ProcessorName, TopicPartition};
use std::sync::Arc;
use std::sync::atomic::Ordering;

impl Processors {
    pub(super) async fn deploy_now(
        &self,
        name: ProcessorName,
        spec: DeploySpec,
    ) -> Result<Deployment, DeployError> {
        let checked = check(&*self.inner.log, &*self.inner.guests, &name, &spec)?;
        match self.entry(&name) {
            None => self.deploy_first(name, spec, checked).await,
            Some(entry) => self.deploy_again(&entry, spec, checked).await,
        }
    }
    async fn deploy_first(
        &self,
        name: ProcessorName,
        spec: DeploySpec,
        checked: Checked,
    ) -> Result<Deployment, DeployError> {
        let log = &self.inner.log;
        let number =
            log.next_processor_number().await.map_err(|error| DeployError::Log(error.to_string()))?;
        let now = self.inner.clock.now();
        let mut unit = Unit::default();
        for at in checked.inputs.iter().flat_map(|topic| topic.all_partitions()) {
            let offset = start_offset(&**log, at, spec.from).map_err(DeployError::Log)?;
            unit.offsets.push(self.position(&name, at, offset));
        }
        let description = &checked.module.description;
        let deployment = Deployment {
            number,
            module_name: checked.module_name,
            digest: checked.module.digest,
            previous_digest: None,
            state_version: description.state_version,
            stores: u32::try_from(description.stores.len()).unwrap_or(u32::MAX),
            generation: 1,
            paused: false,
            created_at: now,
            deployed_at: now,
            name,
            spec,
        };
        self.keep(&deployment, unit).await.map_err(DeployError::Log)?;
        let entry = Arc::new(Entry::new(deployment.clone()));
        self.inner.entries.lock().insert(deployment.name.clone(), entry);
        self.start_missing(&deployment.name);
        Ok(deployment)
    }
    async fn deploy_again(
        &self,
        entry: &Arc<Entry>,
        spec: DeploySpec,
        checked: Checked,
    ) -> Result<Deployment, DeployError> {
        let old = entry.deployment();
        if old.spec.inputs != spec.inputs {
            return Err(DeployError::InputsChanged(old.name.clone()));
        }
        let description = &checked.module.description;
        let (stored, new) = (old.state_version, description.state_version);
        if stored != new && !spec.accept_state_version {
            return Err(DeployError::StateVersion { stored, new });
        }
        let digest = checked.module.digest;
        let previous_digest = if old.digest == digest { old.previous_digest } else { Some(old.digest) };
        let deployment = Deployment {
            name: old.name.clone(),
            number: old.number,
            module_name: checked.module_name,
            digest,
            previous_digest,
            state_version: new,
            stores: u32::try_from(description.stores.len()).unwrap_or(u32::MAX).max(old.stores),
            generation: old.generation + 1,
            paused: old.paused,
            created_at: old.created_at,
            deployed_at: self.inner.clock.now(),
            spec,
        };
        // the old generation ends, with nothing in flight, before the new one begins
        entry.stop().await;
        let kept = self.keep(&deployment, Unit::default()).await.map_err(DeployError::Log);
        if kept.is_ok() {
            entry.set_deployment(deployment.clone());
        }
        self.start_missing(&deployment.name);
        kept.map(|()| deployment)
    }
    pub(super) async fn set_paused(&self, name: &ProcessorName, paused: bool) -> Result<(), ProcessorError> {
        let entry = self.known(name)?;
        let old = entry.deployment();
        if old.paused == paused {
            return Ok(());
        }
        entry.stop().await;
        let deployment = Deployment { paused, ..(*old).clone() };
        let kept = self.keep(&deployment, Unit::default()).await.map_err(ProcessorError::Log);
        if kept.is_ok() {
            entry.set_deployment(deployment);
        }
        self.start_missing(name);
        kept
    }
    pub(super) async fn restart_now(&self, name: &ProcessorName) -> Result<(), ProcessorError> {
        let entry = self.known(name)?;
        if entry.deployment().paused {
            return Err(ProcessorError::Invalid(format!("processor {name} is paused: resume it instead")));
        }
        entry.stop().await;
        self.start_missing(name);
        Ok(())
    }
    pub(super) async fn delete_now(&self, name: &ProcessorName) -> Result<(), ProcessorError> {
        let entry = self.known(name)?;
        entry.stop().await;
        let deployment = entry.deployment();
        let mut unit = self.forget_state(&deployment).map_err(ProcessorError::Log)?;
        let group = group_of(name);
        let positions =
            self.inner.log.committed_all(&group).map_err(|error| ProcessorError::Log(error.to_string()))?;
        let remove = |at| OffsetCommit { group: group.clone(), at, change: OffsetChange::Remove };
        unit.offsets.extend(positions.into_iter().map(|(at, _)| remove(at)));
        unit.meta.push(MetaChange { kind: MetaKind::Processor, name: name.to_string(), value: None });
        match self.inner.log.commit(unit, Acks::Synced).await {
            Ok(_) => {
                self.inner.entries.lock().remove(name);
                self.pulse();
                Ok(())
            }
            Err(error) => {
                self.start_missing(name);
                Err(ProcessorError::Log(error.to_string()))
            }
        }
    }

    /// Starts tasks for partitions that have none, when the processor is to run. Also shows why it does not.
    pub(super) fn start_missing(&self, name: &ProcessorName) {
        let Some(entry) = self.entry(name) else { return };
        let deployment = entry.deployment();
        let log = &*self.inner.log;
        if deployment.paused {
            entry.show_paused(log);
            self.pulse();
            return;
        }
        if !self.inner.running.load(Ordering::SeqCst) {
            return;
        }
        match self.inner.guests.module(deployment.digest) {
            Some(module) => entry.start_missing(&self.inner, &Arc::new(module)),
            None => {
                let at = self.inner.clock.now();
                let reason =
                    format!("module {} is not there: push it again, then restart", deployment.digest);
                entry.show_stopped(log, &TaskFailure { at, kind: "open".to_owned(), reason, record: None });
                self.pulse();
            }
        }
    }
    pub(super) fn known(&self, name: &ProcessorName) -> Result<Arc<Entry>, ProcessorError> {
        self.entry(name).ok_or_else(|| ProcessorError::Unknown(name.clone()))
    }
    pub(super) fn position(&self, name: &ProcessorName, at: TopicPartition, offset: Offset) -> OffsetCommit {
        let committed_at = self.inner.clock.now();
        let metadata = String::new();
        let change =
            OffsetChange::Set(CommittedOffset { offset, leader_epoch: None, metadata, committed_at });
        OffsetCommit { group: group_of(name), at, change }
    }
    /// Keeps a deployment with whatever else changes with it; durable when it returns.
    async fn keep(&self, deployment: &Deployment, mut unit: Unit) -> Result<(), String> {
        let value = Some(deployment::encode(deployment)?);
        unit.meta.push(MetaChange { kind: MetaKind::Processor, name: deployment.name.to_string(), value });
        self.inner.log.commit(unit, Acks::Synced).await.map(drop).map_err(|error| error.to_string())
    }
    fn pulse(&self) {
        self.inner.pulse.send_modify(|pulse| *pulse = pulse.wrapping_add(1));
    }
}
