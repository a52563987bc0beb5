//! The room's numbers: what an operator tunes ([`Settings`]) and what is fixed, each constant with its reason.

use serde::{Deserialize, Serialize};
use std::collections::BTreeMap;
use std::fmt;
use std::time::Duration;

/// Numbers of the room that a user tunes.
#[derive(Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(default, deny_unknown_fields)]
pub struct Settings {
    /// Threads that run guests, so many for those that use little and as many for those that use much; 0 is one a core. More do not make guests faster, fewer leave cores to the servers.
    pub guest_threads: usize,
    /// Bytes of hot state kept in memory, shared equally by all tasks that have stores. More saves reads of the store.
    pub state_cache_bytes: usize,
    /// How long a task with several inputs waits for the one that has run dry before it goes on without it, in
    /// milliseconds. Longer keeps the order of event time for later records; shorter answers sooner.
    pub join_idle_ms: u64,
    /// First wait before something is tried again, in milliseconds; it doubles each time.
    pub backoff_min_ms: u64,
    /// Longest wait before something is tried again, in milliseconds.
    pub backoff_max_ms: u64,
    /// How often new partitions of the inputs are looked for, in milliseconds.
    pub partitions_check_ms: u64,
    /// Partitions of the topic of the guests' log lines, when it is created.
    pub logs_partitions: u32,
    /// How long the guests' log lines are kept, in milliseconds, when their topic is created.
    pub logs_retention_ms: u64,
    /// Bytes of log lines a partition keeps, when their topic is created.
    pub logs_retention_bytes: u64,
    /// Secrets by name; a deployment must grant one before its module can read it. Never shown.
    #[serde(skip_serializing)]
    pub secrets: BTreeMap<String, String>,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            guest_threads: 0,
            state_cache_bytes: 128 << 20,
            join_idle_ms: 500,
            backoff_min_ms: 100,
            backoff_max_ms: 30_000,
            partitions_check_ms: 1_000,
            logs_partitions: 4,
            logs_retention_ms: 7 * 24 * 3_600_000,
            logs_retention_bytes: 64 << 20,
            secrets: BTreeMap::new(),
        }
    }
}

impl fmt::Debug for Settings {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Settings")
            .field("guest_threads", &self.guest_threads)
            .field("state_cache_bytes", &self.state_cache_bytes)
            .field("join_idle_ms", &self.join_idle_ms)
            .field("backoff_min_ms", &self.backoff_min_ms)
            .field("backoff_max_ms", &self.backoff_max_ms)
            .field("partitions_check_ms", &self.partitions_check_ms)
            .field("logs_partitions", &self.logs_partitions)
            .field("logs_retention_ms", &self.logs_retention_ms)
            .field("logs_retention_bytes", &self.logs_retention_bytes)
            .field("secrets", &self.secrets.keys().collect::<Vec<_>>())
            .finish()
    }
}

impl Settings {
    pub(crate) fn join_idle(&self) -> Duration {
        Duration::from_millis(self.join_idle_ms)
    }
    pub(crate) fn backoff_min(&self) -> Duration {
        Duration::from_millis(self.backoff_min_ms.max(1))
    }
    pub(crate) fn backoff_max(&self) -> Duration {
        Duration::from_millis(self.backoff_max_ms.max(self.backoff_min_ms).max(1))
    }
    pub(crate) fn partitions_check(&self) -> Duration {
        Duration::from_millis(self.partitions_check_ms.max(10))
    }
}

/// Records of one guest call: at 1,000 the cost of the call itself is below 1 ns a record; more only helps the decoder and
/// the state's batched reads, and 4,096 keeps what a trap makes the host repeat small.
pub(crate) const CALL_RECORDS_MAX: usize = 4_096;
/// Bytes of one guest call: 1 MiB of columns stays in a core's second-level cache and far below an instance's memory.
pub(crate) const CALL_BYTES_MAX: usize = 1 << 20;
/// Bytes of columns that an idle input keeps for the next call: a thousand idle tasks must not hold a thousand calls' memory.
pub(crate) const IDLE_COLUMNS_BYTES_MAX: usize = 16 << 10;
/// Bytes of one read of the log: as much as one call takes, so that no batch is held for long.
pub(crate) const READ_BYTES_MAX: usize = CALL_BYTES_MAX;
/// Bytes that one compressed batch may unpack to: as much as the log admits (a hundred times its size, at most this), so that
/// what was taken in can be read.
pub(crate) const UNPACKED_BYTES_MAX: usize = 1 << 30;
/// Timers of one guest call.
pub(crate) const CALL_TIMERS_MAX: usize = 1_000;
/// Calls for timers in a row while records wait: a timer that sets itself again in the past may not starve them.
pub(crate) const TIMER_CALLS_IN_A_ROW_MAX: u32 = 16;
/// Guest calls that may join one unit while the unit before it is on its way to disk.
pub(crate) const UNIT_CALLS_MAX: u32 = 16;
/// Bytes of outputs and state of a unit at which no further call joins it: large enough that a commit's fixed cost
/// disappears, small enough that eight tasks together fit into the log's queue.
pub(crate) const UNIT_BYTES_MAX: usize = 4 << 20;
/// Bytes of all units together that are being built or are on their way, as near as one call's output: where a thousand tasks have
/// a backlog, each makes smaller ones.
pub(crate) const UNITS_BYTES_MAX: usize = 256 << 20;
/// However many tasks there are, a unit may grow to this.
pub(crate) const UNIT_BYTES_MIN: usize = 128 << 10;
/// While there is a backlog a unit gathers so many calls, or bytes, or so much time, before it is committed: what is written
/// for a unit rather than for a record (positions, keys that many of its records change) is then written less often.
pub(crate) const UNIT_CALLS_RIPE: u32 = 8;
pub(crate) const UNIT_BYTES_RIPE: usize = 1 << 20;
pub(crate) const UNIT_RIPE_AFTER: Duration = Duration::from_millis(5);
/// Log lines of the host a second that are kept, of each task: a stream of refused records says the same in each of them, and the
/// topic of the lines is everybody's.
pub(crate) const HOST_LINES_PER_SECOND: u32 = 100;
/// Log lines that wait for a unit; beyond it lines are counted as dropped.
pub(crate) const LINES_WAITING_MAX: usize = 1_000;
/// Bytes of one log line; longer ones are cut.
pub(crate) const LINE_LEN_MAX: usize = 4_096;
/// Bytes of a reason kept in a header, a status or a log line.
pub(crate) const REASON_LEN_MAX: usize = 1_024;
/// Names of metrics of a guest's own, each task.
pub(crate) const GUEST_METRICS_MAX: usize = 100;
/// Bytes of state that one call may change; what a call buffers is the host's memory.
pub(crate) const CALL_STATE_BYTES_MAX: usize = 64 << 20;
/// Timers that one call may set or cancel.
pub(crate) const CALL_TIMER_CHANGES_MAX: usize = 65_536;
/// Bytes of timers (keys and payloads) that one call may set.
pub(crate) const CALL_TIMER_BYTES_MAX: usize = 16 << 20;
/// Keys that are read from the store at once: bounds what a single read of large values brings into memory.
pub(crate) const STATE_READ_KEYS_MAX: usize = 512;
/// Entries that one step of the sweep of expired state looks at: as many as a call has records, so that a task whose every record
/// is a new key gets rid of them as fast as it makes them; one to two milliseconds.
pub(crate) const SWEEP_ENTRIES_MAX: usize = CALL_RECORDS_MAX;
/// Pause between two steps of a sweep that find little: 80,000 entries a second, for some hundredths of the task's time.
pub(crate) const SWEEP_STEP: Duration = Duration::from_millis(50);
/// Bytes that the reads of one call may add to its task's hot state before what was not used lately makes room.
pub(crate) const READ_GROWTH_MAX: usize = 4 << 20;
/// Room for a dead letter's headers above the record's own size.
pub(crate) const DEAD_LETTER_OVERHEAD_LEN: usize = 16 << 10;
