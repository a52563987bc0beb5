//! Between the words of the wire and those of the processor room. The wire's stay as they are when the room's change.

use crate::api;
use crate::app::App;
use crate::error::Refusal;
use potok_plugin::{Grant, InstanceSettings};
use potok_processor::{
    DeploySpec, FailurePolicy, ProcessorStatus, StartAt, TaskFailure, TaskState, TaskStatus, group_of,
};
use potok_types::{NameError, Offset, ProcessorName, Timestamp, TopicName};

/// What was asked for, in the room's words.
pub(super) fn spec(asked: api::DeployProcessor) -> Result<DeploySpec, Refusal> {
    if !asked.config.is_object() {
        return Err(Refusal::Body("`config` is to be a JSON object".to_owned()));
    }
    Ok(DeploySpec {
        module: asked.module,
        inputs: topics(&asked.inputs)?,
        outputs: topics(&asked.outputs)?,
        config: asked.config,
        grants: asked.grants.into_iter().map(grant).collect(),
        on_failure: match asked.on_failure {
            api::FailurePolicy::DeadLetter => FailurePolicy::DeadLetter,
            api::FailurePolicy::Skip => FailurePolicy::Skip,
            api::FailurePolicy::Stop => FailurePolicy::Stop,
        },
        from: start(asked.from)?,
        limits: limits(asked.limits)?,
        log_lines_per_second: asked.log_lines_per_second,
        accept_state_version: asked.accept_state_version,
    })
}

fn topics(names: &[String]) -> Result<Vec<TopicName>, NameError> {
    names.iter().map(|name| name.parse()).collect()
}

fn limits(asked: api::Limits) -> Result<InstanceSettings, Refusal> {
    let size = |bytes: u64| {
        usize::try_from(bytes)
            .map_err(|_| Refusal::Body(format!("{bytes} bytes are more than this machine has")))
    };
    Ok(InstanceSettings {
        memory_bytes_max: size(asked.memory_bytes_max)?,
        deadline_ms: asked.deadline_ms,
        output_bytes_max: size(asked.output_bytes_max)?,
        replace_at_bytes: size(asked.replace_at_bytes)?,
    })
}

/// Where to begin, in the room's words.
pub(super) fn start(asked: api::StartAt) -> Result<StartAt, Refusal> {
    Ok(match asked {
        api::StartAt::Earliest => StartAt::Earliest,
        api::StartAt::Latest => StartAt::Latest,
        api::StartAt::Offset(raw) => {
            StartAt::Offset(Offset::new(raw).ok_or_else(|| Refusal::Body(format!("{raw} is no offset")))?)
        }
        api::StartAt::Time(millis) => StartAt::Time(Timestamp(millis)),
    })
}

fn grant(grant: api::Grant) -> Grant {
    match grant {
        api::Grant::Tcp(to) => Grant::Tcp(to),
        api::Grant::Http(to) => Grant::Http(to),
        api::Grant::Directory { name, write } => Grant::Directory { name, write },
        api::Grant::Secret(name) => Grant::Secret(name),
        api::Grant::Database(name) => Grant::Database(name),
    }
}

/// A grant in the wire's words.
pub(crate) fn shown_grant(grant: Grant) -> api::Grant {
    match grant {
        Grant::Tcp(to) => api::Grant::Tcp(to),
        Grant::Http(to) => api::Grant::Http(to),
        Grant::Directory { name, write } => api::Grant::Directory { name, write },
        Grant::Secret(name) => api::Grant::Secret(name),
        Grant::Database(name) => api::Grant::Database(name),
    }
}

/// A processor in the wire's words.
pub(super) fn processor(app: &App, status: ProcessorStatus) -> api::Processor {
    let ProcessorStatus { deployment, tasks } = status;
    let spec = deployment.spec;
    let tasks: Vec<api::Task> = tasks.into_iter().map(|one| task(app, &deployment.name, one)).collect();
    let names = |topics: &[TopicName]| topics.iter().map(TopicName::to_string).collect();
    api::Processor {
        group: group_of(&deployment.name),
        name: deployment.name.to_string(),
        generation: deployment.generation,
        module: deployment.module_name.map(|name| name.to_string()),
        digest: deployment.digest.to_string(),
        previous_digest: deployment.previous_digest.map(|digest| digest.to_string()),
        inputs: names(&spec.inputs),
        outputs: names(&spec.outputs),
        config: spec.config,
        grants: spec.grants.into_iter().map(shown_grant).collect(),
        on_failure: match spec.on_failure {
            FailurePolicy::DeadLetter => api::FailurePolicy::DeadLetter,
            FailurePolicy::Skip => api::FailurePolicy::Skip,
            FailurePolicy::Stop => api::FailurePolicy::Stop,
        },
        limits: api::Limits {
            memory_bytes_max: spec.limits.memory_bytes_max as u64,
            deadline_ms: spec.limits.deadline_ms,
            output_bytes_max: spec.limits.output_bytes_max as u64,
            replace_at_bytes: spec.limits.replace_at_bytes as u64,
        },
        log_lines_per_second: spec.log_lines_per_second,
        created_at: deployment.created_at.0,
        deployed_at: deployment.deployed_at.0,
        status: api::ProcessorStatus {
            state: overall(deployment.paused, &tasks),
            lag: tasks.iter().map(|task| task.lag).sum(),
            records_in_per_second: tasks.iter().map(|task| task.records_in_per_second).sum(),
            records_out_per_second: tasks.iter().map(|task| task.records_out_per_second).sum(),
            tasks,
        },
    }
}

/// The worst of the tasks' states.
fn overall(paused: bool, tasks: &[api::Task]) -> api::ProcessorState {
    let any = |state| tasks.iter().any(|task| task.state == state);
    if paused {
        api::ProcessorState::Paused
    } else if any(api::TaskState::Stopped) {
        api::ProcessorState::Stopped
    } else if any(api::TaskState::Retrying) {
        api::ProcessorState::Retrying
    } else if tasks.is_empty() || any(api::TaskState::Starting) || any(api::TaskState::Paused) {
        api::ProcessorState::Starting
    } else {
        api::ProcessorState::Running
    }
}

fn task(app: &App, name: &ProcessorName, task: TaskStatus) -> api::Task {
    let rate = app.rates.of(name, task.partition);
    let position = |(topic, offset, lag): (TopicName, Offset, u64)| api::InputPosition {
        topic: topic.to_string(),
        offset: offset.get(),
        lag,
    };
    api::Task {
        partition: task.partition.0,
        state: match task.state {
            TaskState::Starting => api::TaskState::Starting,
            TaskState::Running => api::TaskState::Running,
            TaskState::Retrying => api::TaskState::Retrying,
            TaskState::Paused => api::TaskState::Paused,
            TaskState::Stopped => api::TaskState::Stopped,
        },
        lag: task.positions.iter().map(|(_, _, lag)| lag).sum(),
        positions: task.positions.into_iter().map(position).collect(),
        records_in: task.records_in,
        records_out: task.records_out,
        bytes_in: task.bytes_in,
        bytes_out: task.bytes_out,
        records_in_per_second: rate.records_in,
        records_out_per_second: rate.records_out,
        batches: task.batches,
        refused: task.refused,
        dead_lettered: task.dead_lettered,
        failures: task.failures,
        guest_micros: task.guest_micros,
        host_micros: task.host_micros,
        memory_bytes: task.memory_bytes,
        log_lines_dropped: task.log_lines_dropped,
        stream_time: task.stream_time.map(|time| time.0),
        last_failure: task.last_failure.map(failure),
        guest_metrics: task.guest_metrics,
    }
}

fn failure(failure: TaskFailure) -> api::TaskFailure {
    api::TaskFailure {
        at: failure.at.0,
        kind: failure.kind,
        reason: failure.reason,
        record: failure.record.map(|(topic, partition, offset)| api::FailedRecord {
            topic: topic.to_string(),
            partition: partition.0,
            offset: offset.get(),
        }),
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_wires_defaults_are_the_rooms() {
        let asked: api::DeployProcessor = serde_json::from_str(r#"{"module":"m","inputs":["a"]}"#).unwrap();
        let room: DeploySpec = serde_json::from_str(r#"{"module":"m","inputs":["a"],"outputs":[]}"#).unwrap();
        assert_eq!(spec(asked).unwrap(), room);
    }
    #[test]
    fn a_bad_topic_name_is_named() {
        let asked = serde_json::from_str(r#"{"module":"m","inputs":["a b"]}"#).unwrap();
        assert!(matches!(spec(asked), Err(Refusal::Name(_))));
    }
}
