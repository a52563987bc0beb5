//! The words of the room: deployments as users write them, tasks as users see them.

use potok_plugin::{Grant, InstanceSettings};
use potok_types::{
    Digest, ModuleName, Offset, PartitionIndex, ProcessorName, Timestamp, TopicName, partition_for_key,
};
use serde::{Deserialize, Serialize};

/// The dead-letter topic of processor `p` is `p.dead-letter`.
pub const DEAD_LETTER_SUFFIX: &str = ".dead-letter";
/// The guests' log lines.
pub const LOGS_TOPIC: &str = "_potok.logs";

/// The consumer group under which a processor's positions are kept: visible to every tool that reads groups.
pub fn group_of(processor: &ProcessorName) -> String {
    format!("processor.{processor}")
}

/// The partition of [`LOGS_TOPIC`] that holds a processor's lines: that of its name as the key. `partitions` is not 0.
pub fn logs_partition(processor: &ProcessorName, partitions: u32) -> PartitionIndex {
    partition_for_key(processor.as_str().as_bytes(), partitions)
}

/// What becomes of a record that can never succeed.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum FailurePolicy {
    /// To the topic `<name>.dead-letter`, as it was, with headers that say why.
    #[default]
    DeadLetter,
    /// Counted and passed over.
    Skip,
    /// The task stops there and says so.
    Stop,
}

/// Where a new deployment begins to read.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Default, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum StartAt {
    /// First record there is.
    Earliest,
    /// Only what comes from now on.
    #[default]
    Latest,
    /// This offset in every partition.
    Offset(Offset),
    /// The first record at or after this moment.
    Time(Timestamp),
}

/// Where `reset` moves to.
pub type ResetTo = StartAt;

/// A deployment as its user asks for it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct DeploySpec {
    /// Module by name or by digest (64 hexadecimal digits).
    pub module: String,
    /// Input topics in the order of the module's inputs; several must have the same number of partitions.
    pub inputs: Vec<TopicName>,
    /// Output topics in the order of the module's outputs.
    pub outputs: Vec<TopicName>,
    /// Configuration for the module.
    #[serde(default = "empty_object")]
    pub config: serde_json::Value,
    /// What the module may reach.
    #[serde(default)]
    pub grants: Vec<Grant>,
    /// What becomes of refused records.
    #[serde(default)]
    pub on_failure: FailurePolicy,
    /// Where to begin; only the first deployment of a name looks at it.
    #[serde(default)]
    pub from: StartAt,
    /// Limits of its instances.
    #[serde(default)]
    pub limits: InstanceSettings,
    /// Log lines a second that are kept, of each task. Default 100.
    #[serde(default = "log_lines_default")]
    pub log_lines_per_second: u32,
    /// Take over state that a module of another `state-version` wrote.
    #[serde(default)]
    pub accept_state_version: bool,
}

fn empty_object() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}
fn log_lines_default() -> u32 {
    100
}

/// A deployment as it is kept.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Deployment {
    /// Its name.
    pub name: ProcessorName,
    /// Its number: the key of its state.
    pub number: u32,
    /// What was asked for.
    pub spec: DeploySpec,
    /// The module's name, when it was deployed by name.
    pub module_name: Option<ModuleName>,
    /// The module's digest now.
    pub digest: Digest,
    /// The digest before, to go back to.
    pub previous_digest: Option<Digest>,
    /// Of the module whose state it is.
    pub state_version: u32,
    /// The most stores that any module deployed under this name has had.
    #[serde(default)]
    pub stores: u32,
    /// Raised at each deployment.
    pub generation: u64,
    /// Stopped by its user.
    pub paused: bool,
    /// When it was first deployed.
    pub created_at: Timestamp,
    /// When it was last deployed.
    pub deployed_at: Timestamp,
}

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum TaskState {
    /// Making its instance.
    Starting,
    /// Working or waiting for records.
    Running,
    /// Something is away; it tries again.
    Retrying,
    /// By its user.
    Paused,
    /// At a failure; a restart goes on.
    Stopped,
}

/// The last thing that went wrong in a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct TaskFailure {
    /// When.
    pub at: Timestamp,
    /// `trap`, `deadline`, `memory`, `contract`, `broken`, `retry`, `refused`, `denied`, `lost`, `open`, `log`, `panic`.
    pub kind: String,
    /// A sentence.
    pub reason: String,
    /// Which record, when one is to blame.
    pub record: Option<(TopicName, PartitionIndex, Offset)>,
}

/// One task as users see it. Counters count since the task's host started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct TaskStatus {
    /// Its partition.
    pub partition: PartitionIndex,
    /// What it is doing.
    pub state: TaskState,
    /// For each input: topic, the next offset, and how many records lie before the end.
    pub positions: Vec<(TopicName, Offset, u64)>,
    /// Records taken in.
    pub records_in: u64,
    /// Records put out.
    pub records_out: u64,
    /// Bytes taken in, keys and values.
    pub bytes_in: u64,
    /// Bytes put out.
    pub bytes_out: u64,
    /// Calls of the guest.
    pub batches: u64,
    /// Records refused, by any policy.
    pub refused: u64,
    /// Records dead-lettered.
    pub dead_lettered: u64,
    /// Failures by kind.
    pub failures: std::collections::BTreeMap<String, u64>,
    /// Microseconds inside the guest.
    pub guest_micros: u64,
    /// Microseconds in the host, for this task.
    pub host_micros: u64,
    /// Bytes of the instance's linear memory.
    pub memory_bytes: u64,
    /// Log lines dropped over the rate.
    pub log_lines_dropped: u64,
    /// Largest timestamp seen.
    pub stream_time: Option<Timestamp>,
    /// The last failure.
    pub last_failure: Option<TaskFailure>,
    /// Counters and gauges of the guest's own.
    pub guest_metrics: std::collections::BTreeMap<String, f64>,
}

/// A processor as users see it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ProcessorStatus {
    /// What was deployed.
    pub deployment: Deployment,
    /// Its tasks by partition.
    pub tasks: Vec<TaskStatus>,
}

/// Why a deployment was refused. Nothing was changed.
#[derive(Clone, Debug, thiserror::Error)]
pub enum DeployError {
    /// No module of this name or digest.
    #[error("no module {0:?}")]
    UnknownModule(String),
    /// It is a source or a sink.
    #[error("module {0:?} is no processor: it exports a {1}")]
    NotAProcessor(String, String),
    /// An input topic is not there.
    #[error("there is no input topic {0}")]
    UnknownInput(TopicName),
    /// An output topic is not there.
    #[error("there is no output topic {0}")]
    UnknownOutput(TopicName),
    /// Not as many topics as the module has ports.
    #[error("the module has {have} {what}{} ({names}), the deployment names {given}", if *.have == 1 { "" } else { "s" })]
    Ports {
        /// `input` or `output`.
        what: &'static str,
        /// How many the module has.
        have: usize,
        /// Their names, or `none`.
        names: String,
        /// How many were given.
        given: usize,
    },
    /// Several inputs are joined partition by partition.
    #[error("inputs must have the same number of partitions to be joined: {0}")]
    NotCoPartitioned(String),
    /// The configuration breaks the module's schema.
    #[error("configuration does not fit the module's schema: {0}")]
    Config(String),
    /// The stored state is of another version.
    #[error("stored state is version {stored}, the module's is {new}")]
    StateVersion {
        /// On disk.
        stored: u32,
        /// The module's.
        new: u32,
    },
    /// The limits are out of range, or a grant is malformed.
    #[error("{0}")]
    Invalid(String),
    /// Inputs were changed under a position.
    #[error("processor {0} reads other inputs than these")]
    InputsChanged(ProcessorName),
    /// The log.
    #[error("{0}")]
    Log(String),
}

/// Why something was not done to a processor.
#[derive(Clone, Debug, thiserror::Error)]
pub enum ProcessorError {
    /// There is none.
    #[error("no processor {0}")]
    Unknown(ProcessorName),
    /// Not while its tasks run.
    #[error("processor {0} is running")]
    Running(ProcessorName),
    /// The request is out of range.
    #[error("{0}")]
    Invalid(String),
    /// The log.
    #[error("{0}")]
    Log(String),
}
