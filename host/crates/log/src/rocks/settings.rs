//! The numbers of the log that its user may tune. In come the settings file's values, out goes nothing but them.
//! Defaults suit a machine of two cores and a few GiB; what each costs as it is turned stands beside it.

use serde::{Deserialize, Serialize};
use std::path::PathBuf;

const MIB: usize = 1 << 20;

/// How the log is kept.
#[derive(Clone, Debug, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields, default)]
pub struct Settings {
    /// Where everything of the log lies.
    pub dir: PathBuf,
    /// Bytes that may wait for the writer, from all callers. More: bursts are taken without waiting, and memory rises by as
    /// much. Less: callers wait earlier.
    pub queue_bytes_max: usize,
    /// Callers that may wait for room in that queue; the next one is refused as `Overloaded` at once. More: long bursts end
    /// in latency instead of refusals.
    pub queue_waiters_max: usize,
    /// Bytes that the writer joins into one write. More: fewer system calls; but a small append waits longer behind large ones,
    /// and what no longer fits in the processor's cache is copied more slowly.
    pub group_bytes_max: usize,
    /// Bytes of the newest batches kept in memory for readers at the tail, over all partitions. More: readers may fall
    /// further behind before they read from disk. It fills only as records come.
    pub cache_bytes_max: usize,
    /// Bytes of one file of the journal. More: fewer files. Less: disk is given back sooner and in smaller parts.
    pub segment_bytes: u64,
    /// Bytes of changes gathered in memory before they go to files; batches are not among them. While files are written, as
    /// much again. More: fewer and larger files, more memory, a longer start after a kill.
    pub memtable_bytes: usize,
    /// Bytes of RocksDB's cache of index and state blocks. More: state that does not fit in memory is read faster.
    pub block_cache_bytes: usize,
    /// Bytes of the journal that a start after a kill may have to look through. More: a longer start. Less: memory is
    /// written to files more often, and the disk is waited for each time.
    pub replay_bytes_max: u64,
    /// Files that RocksDB keeps open. More: fewer opens when much is read; each takes a descriptor and some KiB.
    pub open_files_max: u32,
    /// Milliseconds that records are kept in topics that have no `retention.ms` of their own, also those that are there; 0 is
    /// for ever (`log.retention.ms`).
    pub retention_ms: u64,
    /// Milliseconds between two passes of retention and compaction. More: disk use overshoots its limits longer.
    pub maintenance_interval_ms: u64,
    /// Bytes of removed records that may lie on disk before files are rewritten to give them back. More: less writing, more
    /// disk.
    pub reclaim_bytes_min: u64,
    /// Share of the records' files, in percent, that removed records may take besides. More: less writing, more disk.
    pub reclaim_percent_min: u8,
    /// Distinct keys that one pass of compaction holds in memory (about 40 bytes each); a partition with more takes several.
    pub compaction_keys_max: usize,
    /// Bytes that one compressed batch may unpack to when compaction opens it. A batch beyond it stays as it is.
    pub unpacked_bytes_max: usize,
    /// Milliseconds after which a producer that is silent is forgotten (`producer.id.expiration.ms`). More: memory on disk,
    /// and duplicates are known for longer.
    pub producer_expiry_ms: u64,
    /// Appends are refused while the disk has fewer bytes free than this, so that what was taken can still be finished: it
    /// should be no less than four times `memtable_bytes`. Below twice as much, maintenance gives back all that it can.
    pub disk_free_bytes_min: u64,
    /// Start even if the journal is damaged before its end, and lose what comes behind the damage. Off, such a log refuses to
    /// start and says where it is damaged; what a crash cut off at the very end is no damage.
    pub accept_damaged_journal: bool,
}

impl Default for Settings {
    fn default() -> Settings {
        Settings {
            dir: PathBuf::from("potok-data/log"),
            queue_bytes_max: 64 * MIB,
            queue_waiters_max: 10_000,
            group_bytes_max: MIB,
            cache_bytes_max: 64 * MIB,
            segment_bytes: 256 << 20,
            memtable_bytes: 32 * MIB,
            block_cache_bytes: 32 * MIB,
            replay_bytes_max: 4 << 30,
            open_files_max: 1024,
            retention_ms: 604_800_000,
            maintenance_interval_ms: 30_000,
            reclaim_bytes_min: 64 << 20,
            reclaim_percent_min: 20,
            compaction_keys_max: 1_000_000,
            unpacked_bytes_max: 256 * MIB,
            producer_expiry_ms: 86_400_000,
            disk_free_bytes_min: 512 << 20,
            accept_damaged_journal: false,
        }
    }
}
