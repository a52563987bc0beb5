//! Moving a processor to another place in its inputs, and forgetting what it knows.

use super::Processors;
use crate::api::{Deployment, ProcessorError, ResetTo, group_of};
use crate::deployment::start_offset;
use potok_log::{Acks, StateStore, TaskKey, TimerChange, Unit};
use potok_types::{PartitionIndex, ProcessorName};

impl Processors {
    pub(super) async fn reset_now(
        &self,
        name: &ProcessorName,
        to: ResetTo,
        keep_state: bool,
    ) -> Result<(), ProcessorError> {
        let entry = self.known(name)?;
        let deployment = entry.deployment();
        if !deployment.paused {
            return Err(ProcessorError::Running(name.clone()));
        }
        let log = &self.inner.log;
        let mut unit = Unit::default();
        if !keep_state {
            unit = self.forget_state(&deployment).map_err(ProcessorError::Log)?;
        }
        for input in &deployment.spec.inputs {
            let none = || ProcessorError::Invalid(format!("input topic {input} does not exist any more"));
            for at in log.topic(input).ok_or_else(none)?.all_partitions() {
                let offset = start_offset(&**log, at, to).map_err(ProcessorError::Log)?;
                unit.offsets.push(self.position(name, at, offset));
            }
        }
        log.commit(unit, Acks::Synced).await.map_err(|error| ProcessorError::Log(error.to_string()))?;
        entry.show_paused(&**log);
        Ok(())
    }
    /// The unit that clears all state and timers of a processor.
    pub(super) fn forget_state(&self, deployment: &Deployment) -> Result<Unit, String> {
        let mut unit = Unit::default();
        for partition in 0..self.partitions_ever(deployment)? {
            let task = TaskKey { processor: deployment.number, partition: PartitionIndex(partition) };
            unit.state_clears.extend((0..deployment.stores).map(|store| StateStore { task, store }));
            unit.timers.push(TimerChange::Clear(task));
        }
        Ok(unit)
    }
    /// One more than the highest partition that a task of this processor can have worked on: those of its inputs, and those
    /// of inputs that are gone by now, where it left a position.
    fn partitions_ever(&self, deployment: &Deployment) -> Result<u32, String> {
        let log = &self.inner.log;
        let positions = log.committed_all(&group_of(&deployment.name)).map_err(|error| error.to_string())?;
        let left = positions.iter().map(|(at, _)| at.partition.0 + 1).max().unwrap_or(0);
        let now = deployment
            .spec
            .inputs
            .iter()
            .filter_map(|input| log.topic(input))
            .map(|topic| topic.partitions)
            .max();
        Ok(left.max(now.unwrap_or(0)))
    }
}
