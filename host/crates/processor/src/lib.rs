//! Fetch, call the plugin, commit the unit: deployments of modules as tasks, one a partition.
//! In come deployments and records, out go units: outputs, state, timers, dead letters and the position, all in one commit.

mod api;
mod backoff;
mod bisect;
mod board;
mod budget;
mod components;
mod dead_letter;
mod deployment;
mod guest;
mod input;
mod lanes;
mod lines;
mod order;
mod output;
mod port;
mod room;
mod runtime;
mod settings;
mod state;
mod task;
#[cfg(test)]
mod testing;
#[cfg(test)]
mod tests;

pub use api::{
    DEAD_LETTER_SUFFIX, DeployError, DeploySpec, Deployment, FailurePolicy, LOGS_TOPIC, ProcessorError,
    ProcessorStatus, ResetTo, StartAt, TaskFailure, TaskState, TaskStatus, group_of, logs_partition,
};
pub use lines::LogLine;
pub use room::{DrainError, OpenError, Processors};
pub use settings::Settings;

/// The user's bytes of a value of keyed state as the log keeps it: for tools that read a store without its task.
pub fn state_value(stored: &[u8]) -> Result<&[u8], String> {
    state::value::decode(stored).map(|(_, value)| value)
}
