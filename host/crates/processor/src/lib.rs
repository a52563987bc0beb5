//! Fetch, call the plugin, commit the unit: deployments of modules as tasks, one a partition.
//! In come deployments and records, out go units: outputs, state, timers, dead letters and the position, all in one commit.

mod api;

pub use api::{
    Deployment, DeployError, DeploySpec, FailurePolicy, ProcessorError, ProcessorStatus, ResetTo, StartAt, TaskFailure,
    TaskState, TaskStatus, DEAD_LETTER_SUFFIX, LOGS_TOPIC, group_of,
};
