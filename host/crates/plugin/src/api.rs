//! The words of the plugin boundary as the host's rooms use them; `bindings.rs` has Wasmtime's.

use bytes::Bytes;
use potok_types::{Column, Digest, HeaderColumns, Timestamp};
use serde::{Deserialize, Serialize};
use std::time::Duration;

/// What a module is by its exports.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum WorldKind {
    /// Exports `potok:plugin/processor`.
    Processor,
    /// Exports `potok:plugin/source`.
    Source,
    /// Exports `potok:plugin/sink`.
    Sink,
}

/// An accepted module, as the registry keeps it.
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct ModuleInfo {
    /// SHA-256 of the component's bytes.
    pub digest: Digest,
    /// Bytes of the component.
    pub size: u64,
    /// What it is.
    pub world: WorldKind,
    /// Every interface that it imports, with its version.
    pub imports: Vec<String>,
    /// What it says of itself.
    pub description: Description,
}

/// What a module says of itself (`describe`).
#[derive(Clone, Debug, PartialEq, Serialize, Deserialize)]
pub struct Description {
    /// Its own name.
    pub name: String,
    /// Semantic version.
    pub version: String,
    /// One line.
    pub summary: String,
    /// JSON Schema (2020-12) of its configuration; `{}` takes anything.
    pub config_schema: serde_json::Value,
    /// Its inputs in order.
    pub inputs: Vec<Port>,
    /// Its outputs in order.
    pub outputs: Vec<Port>,
    /// Its stores in order: a store's index is its number on disk.
    pub stores: Vec<StoreSpec>,
    /// Raised when stored state changes its meaning.
    pub state_version: u32,
    /// What it would like to be granted.
    pub wants: Vec<Grant>,
}

/// An input or output of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct Port {
    /// Its name.
    pub name: String,
    /// One line.
    pub summary: String,
}

/// A keyed store of a module.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
pub struct StoreSpec {
    /// Its name.
    pub name: String,
    /// Entries older than this are gone, in milliseconds; none keeps them for ever.
    pub ttl_ms: Option<u64>,
}

/// Something outside the sandbox. A module names what it would like; only a deployment grants.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(rename_all = "kebab-case")]
pub enum Grant {
    /// `host:port`; `*` stands for one label or any port.
    Tcp(String),
    /// `https://host/path-prefix`.
    Http(String),
    /// A directory by name.
    Directory {
        /// The name that the deployment maps to a path.
        name: String,
        /// Whether it may be written to.
        write: bool,
    },
    /// A secret by name.
    Secret(String),
    /// A database by name.
    Database(String),
}

/// Limits of one instance; the numbers of a deployment.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct InstanceSettings {
    /// Linear memory of one instance, in bytes. Default 64 MiB.
    pub memory_bytes_max: usize,
    /// Running time of one call, in milliseconds. Default 1,000.
    pub deadline_ms: u64,
    /// Bytes of all that one call returns. Default 16 MiB.
    pub output_bytes_max: usize,
    /// Above this much memory the instance is replaced between batches, in bytes. Default 48 MiB.
    pub replace_at_bytes: usize,
}

impl Default for InstanceSettings {
    fn default() -> InstanceSettings {
        InstanceSettings {
            memory_bytes_max: 64 << 20,
            deadline_ms: 1_000,
            output_bytes_max: 16 << 20,
            replace_at_bytes: 48 << 20,
        }
    }
}
impl InstanceSettings {
    /// Running time of one call.
    pub fn deadline(&self) -> Duration {
        Duration::from_millis(self.deadline_ms)
    }
}

/// What `open` is told.
#[derive(Clone, Debug)]
pub struct TaskSetup {
    /// The deployment's configuration: a JSON object that satisfies the module's schema.
    pub config: String,
    /// This task's partition.
    pub partition: u32,
    /// How many partitions the inputs have.
    pub partitions: u32,
}

/// What became of a batch, checked: columns are sound, indices in range and rising, outputs exist.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Outcome {
    /// How many records (or timers), from the first, this covers.
    pub covered: u32,
    /// Records for the outputs, in order.
    pub emitted: Vec<Emission>,
    /// Records that can never succeed, rising by index.
    pub refused: Vec<RefusedRecord>,
    /// Why the rest was left, when something is away for now.
    pub wait: Option<String>,
}

/// Records for one output.
#[derive(Clone, Debug, PartialEq)]
pub struct Emission {
    /// Which of the deployment's outputs.
    pub output: u32,
    /// What.
    pub body: Body,
}

/// Records forwarded or made.
#[derive(Clone, Debug, PartialEq)]
#[expect(
    clippy::large_enum_variant,
    reason = "an outcome has a handful of them; a box would be one more allocation each"
)]
pub enum Body {
    /// Records of the input batch by index, rising.
    Forward(Vec<u32>),
    /// New records.
    Fresh(Fresh),
}

/// New records as columns of one length.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct Fresh {
    /// n i64, little-endian, milliseconds.
    pub timestamps: Vec<u8>,
    /// Keys.
    pub keys: Column,
    /// Values.
    pub values: Column,
    /// None when no record has a header.
    pub headers: Option<HeaderColumns>,
    /// Partition of each record; empty: by key.
    pub partitions: Vec<u32>,
}

/// A refused record.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct RefusedRecord {
    /// Its index in the batch.
    pub index: u32,
    /// The guest's reason, cut to `REASON_LEN_MAX`.
    pub reason: String,
}

/// Which clock a timer follows.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum TimerClock {
    /// Largest timestamp that the task has seen.
    Event,
    /// The host's clock.
    Wall,
}

/// A timer to set.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct TimerRequest {
    /// Clock.
    pub clock: TimerClock,
    /// When.
    pub at: Timestamp,
    /// With the clock, its name.
    pub key: Bytes,
    /// Given back when it is due.
    pub payload: Bytes,
}

/// A timer that is due; the same parts.
pub type Due = TimerRequest;

/// Why a call on a guest gave no outcome. Nothing of the call is kept.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CallError {
    /// The guest asked to be called again with the same records, later.
    #[error("guest asks to retry: {0}")]
    Retry(String),
    /// The guest said that the call went wrong.
    #[error("guest failed: {0}")]
    Broken(String),
    /// It trapped; the instance is gone. The text names the trap and the guest's frames.
    #[error("guest trapped: {0}")]
    Trap(String),
    /// It ran past its deadline; the instance is gone.
    #[error("guest ran longer than its deadline of {deadline_ms} ms")]
    Deadline {
        /// The limit.
        deadline_ms: u64,
    },
    /// It asked for more memory than it may have; the instance is gone.
    #[error("guest needed more than its limit of {limit} bytes of memory")]
    Memory {
        /// The limit in bytes.
        limit: usize,
    },
    /// What it returned breaks the contract: a column that lies, an index out of range, an output that is not there,
    /// more bytes than allowed. The instance is gone.
    #[error("guest broke the contract: {0}")]
    Contract(String),
    /// The host's side failed under the guest (a [`PortError`]); the guest is not to blame: call again on a fresh instance. The
    /// instance is gone.
    #[error("the host failed while the guest was asking: {0}")]
    Host(String),
}

impl CallError {
    /// Whether the instance can be used again.
    pub fn instance_survives(&self) -> bool {
        match self {
            CallError::Retry(_) | CallError::Broken(_) => true,
            CallError::Trap(_)
            | CallError::Deadline { .. }
            | CallError::Memory { .. }
            | CallError::Contract(_)
            | CallError::Host(_) => false,
        }
    }
    /// A short stable word for metrics and headers.
    pub fn kind(&self) -> &'static str {
        match self {
            CallError::Retry(_) => "retry",
            CallError::Broken(_) => "broken",
            CallError::Trap(_) => "trap",
            CallError::Deadline { .. } => "deadline",
            CallError::Memory { .. } => "memory",
            CallError::Contract(_) => "contract",
            CallError::Host(_) => "host",
        }
    }
}

/// How loud a log line is.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum LogLevel {
    /// Everything.
    Trace,
    /// For developers.
    Debug,
    /// For operators.
    Info,
    /// Odd.
    Warn,
    /// Wrong.
    Error,
}

/// Half-open range in byte order.
#[derive(Clone, Debug, Default)]
pub struct ScanRange {
    /// First key.
    pub start: Option<Vec<u8>>,
    /// First key no longer in it.
    pub end: Option<Vec<u8>>,
    /// From the end.
    pub backwards: bool,
}

/// A page of a scan.
#[derive(Clone, Debug, Default)]
pub struct ScanPage {
    /// Keys.
    pub keys: Column,
    /// Values, as many.
    pub values: Column,
    /// More lie beyond the last.
    pub more: bool,
}

/// The host's side failed while a guest was asking: the call is abandoned and retried, the guest is not to blame.
#[derive(Clone, Debug, thiserror::Error)]
#[error("{0}")]
pub struct PortError(pub String);

/// What one task lets its guest reach. Called from within a guest's call, so it must be quick; the room `plugin` has
/// checked names, lengths and counts before. State and timers that a call changes are only kept when its outcome commits:
/// the implementation buffers them and the same call reads its own writes.
pub trait TaskPort: Send + Sync + 'static {
    /// One value for each key, null where there is none. Stops after the value with which the values pass `bytes_max`: the
    /// column is then shorter than `keys`, which this room takes as the guest asking for too much.
    fn state_get(&self, store: u32, keys: &Column, bytes_max: usize) -> Result<Column, PortError>;
    /// Puts; a null value deletes. As many values as keys.
    fn state_put(&self, store: u32, keys: Column, values: Column) -> Result<(), PortError>;
    /// A page of at most `limit` entries, and no more once keys and values pass `bytes_max`.
    fn state_scan(
        &self,
        store: u32,
        range: ScanRange,
        limit: u32,
        bytes_max: usize,
    ) -> Result<ScanPage, PortError>;
    /// Sets or moves a timer.
    fn set_timer(&self, timer: TimerRequest);
    /// Cancels one.
    fn cancel_timer(&self, clock: TimerClock, key: Vec<u8>);
    /// The host's clock, standing still during one call.
    fn now(&self) -> Timestamp;
    /// The largest timestamp that the task has seen.
    fn stream_time(&self) -> Option<Timestamp>;
    /// A line of the guest's log; over the rate it is counted, not kept.
    fn log(&self, level: LogLevel, message: String);
    /// Adds to a counter of the guest's own.
    fn count(&self, name: &str, by: u64);
    /// Sets a gauge of the guest's own.
    fn gauge(&self, name: &str, value: f64);
    /// Adds an observation to a histogram of the guest's own.
    fn observe(&self, name: &str, value: f64);
    /// A granted secret; `None` when the host has none of this name.
    fn secret(&self, name: &str) -> Option<Vec<u8>>;
    /// The guest asked for what its deployment does not grant. Told and counted as the host's own word: a guest that talks over its
    /// rate, or uses up its metrics' names, does not hide it.
    fn denied(&self, reason: String) {
        self.log(LogLevel::Warn, reason);
    }
}
