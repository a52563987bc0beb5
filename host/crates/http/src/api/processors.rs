//! Processors: deployed modules, under `/v1/processors`.

use super::modules::Grant;
use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use utoipa::{IntoParams, ToSchema};

/// A deployment as its user asks for it. Deploying a name again keeps its positions and its state.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct DeployProcessor {
    /// Module by name or by digest (64 hexadecimal digits).
    #[schema(example = "flight-delays")]
    pub module: String,
    /// Input topics in the order of the module's inputs; several must have the same number of partitions.
    pub inputs: Vec<String>,
    /// Output topics in the order of the module's outputs.
    #[serde(default)]
    pub outputs: Vec<String>,
    /// Configuration: an object that satisfies the module's schema.
    #[serde(default = "empty_object")]
    #[schema(value_type = Object)]
    pub config: serde_json::Value,
    /// What the module may reach.
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    pub grants: Vec<Grant>,
    /// What becomes of a record that can never succeed.
    #[serde(default)]
    pub on_failure: FailurePolicy,
    /// Where to begin; only the first deployment of a name looks at it.
    #[serde(default)]
    pub from: StartAt,
    /// Limits of its instances.
    #[serde(default)]
    pub limits: Limits,
    /// Log lines a second that are kept, of each task.
    #[serde(default = "log_lines_default")]
    #[schema(default = 100)]
    pub log_lines_per_second: u32,
    /// Take over state that a module of another state version wrote.
    #[serde(default)]
    pub accept_state_version: bool,
}

fn empty_object() -> serde_json::Value {
    serde_json::Value::Object(serde_json::Map::new())
}
fn log_lines_default() -> u32 {
    100
}

/// What becomes of a record that can never succeed.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// Where a processor begins to read, or is moved to.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum StartAt {
    /// The first record there is.
    Earliest,
    /// Only what comes from now on.
    #[default]
    Latest,
    /// This offset in every partition.
    Offset(u64),
    /// The first record of this moment or later, in milliseconds since 1970-01-01 UTC.
    Time(i64),
}

/// Limits of an instance; what is absent has its default.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(default, deny_unknown_fields)]
pub struct Limits {
    /// Linear memory, in bytes. Default 64 MiB.
    pub memory_bytes_max: u64,
    /// Running time of one call, in milliseconds. Default 1,000.
    pub deadline_ms: u64,
    /// Bytes of all that one call returns. Default 16 MiB.
    pub output_bytes_max: u64,
    /// Above this much memory the instance is replaced between batches, in bytes. Default 48 MiB.
    pub replace_at_bytes: u64,
}

impl Default for Limits {
    fn default() -> Limits {
        Limits {
            memory_bytes_max: 64 << 20,
            deadline_ms: 1_000,
            output_bytes_max: 16 << 20,
            replace_at_bytes: 48 << 20,
        }
    }
}

/// All processors by name.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProcessorList {
    /// The processors.
    pub processors: Vec<Processor>,
}

/// A processor: what was deployed, and how it is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Processor {
    /// Its name.
    pub name: String,
    /// Raised at each deployment.
    pub generation: u64,
    /// Name of its module, when it was deployed by name.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub module: Option<String>,
    /// Digest of the module that it runs.
    pub digest: String,
    /// The digest before, to go back to.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub previous_digest: Option<String>,
    /// Input topics.
    pub inputs: Vec<String>,
    /// Output topics.
    pub outputs: Vec<String>,
    /// Its configuration.
    #[schema(value_type = Object)]
    pub config: serde_json::Value,
    /// What it may reach.
    pub grants: Vec<Grant>,
    /// What becomes of a record that can never succeed.
    pub on_failure: FailurePolicy,
    /// Limits of its instances.
    pub limits: Limits,
    /// Log lines a second that are kept, of each task.
    pub log_lines_per_second: u32,
    /// The consumer group that holds its positions.
    pub group: String,
    /// When it was first deployed, in milliseconds since 1970-01-01 UTC.
    pub created_at: i64,
    /// When it was last deployed.
    pub deployed_at: i64,
    /// How it is doing.
    pub status: ProcessorStatus,
}

/// How a processor is doing.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct ProcessorStatus {
    /// The worst of its tasks' states.
    pub state: ProcessorState,
    /// Records between its positions and the ends.
    pub lag: u64,
    /// Records taken in a second, over the last seconds.
    pub records_in_per_second: f64,
    /// Records put out a second, over the last seconds.
    pub records_out_per_second: f64,
    /// Its tasks by partition.
    pub tasks: Vec<Task>,
}

/// State of a processor as a whole.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(rename_all = "kebab-case")]
pub enum ProcessorState {
    /// By its user.
    Paused,
    /// A task stands at a failure; a restart goes on.
    Stopped,
    /// Something that a task needs is away; it tries again.
    Retrying,
    /// A task makes its instance.
    Starting,
    /// All tasks work or wait for records.
    Running,
}

/// What a task is doing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
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

/// One task: a processor on one partition. Counters count since the host started.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize, ToSchema)]
pub struct Task {
    /// Its partition.
    pub partition: u32,
    /// What it is doing.
    pub state: TaskState,
    /// Where it stands in each input.
    pub positions: Vec<InputPosition>,
    /// Records between its positions and the ends.
    pub lag: u64,
    /// Records taken in.
    pub records_in: u64,
    /// Records put out.
    pub records_out: u64,
    /// Bytes taken in, keys and values.
    pub bytes_in: u64,
    /// Bytes put out.
    pub bytes_out: u64,
    /// Records taken in a second, over the last seconds.
    pub records_in_per_second: f64,
    /// Records put out a second, over the last seconds.
    pub records_out_per_second: f64,
    /// Calls of the guest.
    pub batches: u64,
    /// Records refused, by any policy.
    pub refused: u64,
    /// Records that went to the dead-letter topic.
    pub dead_lettered: u64,
    /// Failures by kind.
    pub failures: BTreeMap<String, u64>,
    /// Microseconds in the guest.
    pub guest_micros: u64,
    /// Microseconds in the host, for this task.
    pub host_micros: u64,
    /// Bytes of the instance's memory.
    pub memory_bytes: u64,
    /// Log lines dropped because there were too many a second.
    pub log_lines_dropped: u64,
    /// Largest timestamp seen, in milliseconds since 1970-01-01 UTC.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub stream_time: Option<i64>,
    /// The last failure.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub last_failure: Option<TaskFailure>,
    /// Counters and gauges of the guest's own.
    pub guest_metrics: BTreeMap<String, f64>,
}

/// Where a task stands in one input.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct InputPosition {
    /// The input topic.
    pub topic: String,
    /// The next offset that it reads.
    pub offset: u64,
    /// Records between that and the end.
    pub lag: u64,
}

/// Something that went wrong in a task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct TaskFailure {
    /// When, in milliseconds since 1970-01-01 UTC.
    pub at: i64,
    /// `trap`, `deadline`, `memory`, `contract`, `broken`, `retry`, `refused`, `open` or `log`.
    pub kind: String,
    /// A sentence.
    pub reason: String,
    /// The record that is to blame, when one is.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub record: Option<FailedRecord>,
}

/// A record by its place.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct FailedRecord {
    /// Its topic.
    pub topic: String,
    /// Its partition.
    pub partition: u32,
    /// Its offset.
    pub offset: u64,
}

/// Where a paused processor is moved to.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
#[serde(deny_unknown_fields)]
pub struct ResetProcessor {
    /// Where to.
    pub to: StartAt,
    /// Keep keyed state and timers. They are cleared when this is absent or false.
    #[serde(default)]
    pub keep_state: bool,
}

/// Query of a processor's log.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize, IntoParams)]
#[serde(deny_unknown_fields)]
#[into_params(parameter_in = Query)]
pub struct LogsQuery {
    /// Go on with what comes, until the client leaves.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub follow: Option<bool>,
    /// Only the last so many lines of what is there; all of them when absent.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub tail: Option<u64>,
}

/// A line of a processor's log: the guest's own words, or the host's about its task.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize, ToSchema)]
pub struct LogLine {
    /// When, in milliseconds since 1970-01-01 UTC.
    pub time: i64,
    /// `trace`, `debug`, `info`, `warn` or `error`.
    pub level: String,
    /// `guest` or `host`.
    pub from: String,
    /// The partition of the task.
    pub partition: u32,
    /// Digest of the module that ran.
    pub module: String,
    /// The line.
    pub message: String,
}
