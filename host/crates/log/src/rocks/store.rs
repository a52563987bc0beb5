//! RocksDB with its column families: opened once, shared by the writer, the readers and the maintenance.
//! In come families and keys, out go values and this room's errors. Invariant: every family is there, and what a write
//! batch looks like in bytes is what `ops.rs` writes (both are checked when it opens).
//! What the keys and values mean is left to their own files.

use super::settings::Settings;
use crate::error::StoreError;
use potok_types::TopicPartition;
use rocksdb::{
    BlockBasedOptions, Cache, ColumnFamily, ColumnFamilyDescriptor, DB, DBCompressionType, DBPinnableSlice,
    DBRawIterator, DBRecoveryMode, LogLevel, Options, ReadOptions,
};
use std::path::Path;

/// The column families. Their order is that of their creation, and no matter on disk: they go by their names.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Family {
    Records,
    Times,
    Sizes,
    Partitions,
    Producers,
    Offsets,
    State,
    Timers,
    TimersDue,
    Meta,
}

impl Family {
    pub(super) const ALL: [Family; 10] = [
        Family::Records,
        Family::Times,
        Family::Sizes,
        Family::Partitions,
        Family::Producers,
        Family::Offsets,
        Family::State,
        Family::Timers,
        Family::TimersDue,
        Family::Meta,
    ];
    /// Its name on disk.
    pub(super) fn name(self) -> &'static str {
        match self {
            Family::Records => "records",
            Family::Times => "times",
            Family::Sizes => "sizes",
            Family::Partitions => "partitions",
            Family::Producers => "producers",
            Family::Offsets => "offsets",
            Family::State => "state",
            Family::Timers => "timers",
            Family::TimersDue => "timers_due",
            Family::Meta => "meta",
        }
    }
}

/// Values smaller than this stay beside their keys: a blob of their own would cost more than it saves.
const BLOB_LEN_MIN: u64 = 512;
/// One file of batches; removed records give disk back by the file.
const BLOB_FILE_LEN: u64 = 256 << 20;
/// Memory for what is gathered of the small families before it goes to a file.
const SMALL_MEMTABLE_LEN: usize = 16 << 20;
/// Memory for what is gathered of state. A put looks for its place among all that is there, and beyond what the processor
/// caches each look is a wait for memory: with a million keys, puts cost half of what they do with 64 MiB.
const STATE_MEMTABLE_LEN: usize = 16 << 20;
/// Bits a key in the bloom filters of families that are read by key: 1 % false positives.
const BLOOM_BITS: f64 = 10.0;
/// The index of a large read is read ahead this far.
const READ_AHEAD_LEN: usize = 256 << 10;
/// RocksDB's own log of events: two files of 10 MiB at most.
const EVENT_LOG_LEN_MAX: usize = 10 << 20;
const EVENT_LOG_FILES_MAX: usize = 2;

/// The open database.
pub(super) struct Store {
    db: DB,
}

impl std::fmt::Debug for Store {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(f, "Store({})", self.db.path().display())
    }
}

impl Store {
    /// Opens or creates the database in `folder`.
    pub(super) fn open(folder: &Path, settings: &Settings) -> Result<Store, rocksdb::Error> {
        let cache = Cache::new_lru_cache(settings.block_cache_bytes);
        let families = Family::ALL
            .map(|family| ColumnFamilyDescriptor::new(family.name(), options_of(family, settings, &cache)));
        DB::open_cf_descriptors(&options(settings)?, folder, families).map(|db| Store { db })
    }
    /// Names of the families in `folder`; an error when there is no database.
    pub(super) fn families_in(folder: &Path) -> Result<Vec<String>, rocksdb::Error> {
        DB::list_cf(&Options::default(), folder)
    }
    /// The database itself, for what has no word here.
    pub(super) fn db(&self) -> &DB {
        &self.db
    }
    /// A family's handle.
    #[expect(clippy::expect_used, reason = "every family is opened with the database")]
    pub(super) fn family(&self, family: Family) -> &ColumnFamily {
        self.db.cf_handle(family.name()).expect("every family is open")
    }
    /// A value, without a copy.
    pub(super) fn get(&self, family: Family, key: &[u8]) -> Result<Option<DBPinnableSlice<'_>>, StoreError> {
        self.db.get_pinned_cf(self.family(family), key).map_err(|error| failure(family.name(), &error))
    }
    /// An iterator over `[start, end)` of a family.
    pub(super) fn iterate(&self, family: Family, start: &[u8], end: &[u8]) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(start);
        options.set_iterate_upper_bound(end);
        self.db.raw_iterator_cf_opt(self.family(family), options)
    }
    /// The same over record batches. Checksums of blobs are left out unless `verify`: every batch brings its own, and the
    /// reader checks that; a second pass over the same bytes costs a tenth of a scan.
    pub(super) fn iterate_records(&self, start: &[u8], end: &[u8], verify: bool) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(start);
        options.set_iterate_upper_bound(end);
        options.set_verify_checksums(verify);
        options.set_readahead_size(READ_AHEAD_LEN);
        self.db.raw_iterator_cf_opt(self.family(Family::Records), options)
    }
    /// Calls `each` with every entry of `[start, end)` until it says `false`.
    pub(super) fn scan(
        &self,
        family: Family,
        (start, end): (&[u8], &[u8]),
        mut each: impl FnMut(&[u8], &[u8]) -> Result<bool, StoreError>,
    ) -> Result<(), StoreError> {
        let mut entries = self.iterate(family, start, end);
        entries.seek_to_first();
        while let Some((key, value)) = entries.item() {
            if !each(key, value)? {
                return Ok(());
            }
            entries.next();
        }
        entries.status().map_err(|error| failure(family.name(), &error))
    }
}

fn options(settings: &Settings) -> Result<Options, rocksdb::Error> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // A record cut off at the very end is what a crash leaves. Damage before it is not: stopping there in silence
    // (point-in-time) would drop acknowledged records that lie behind it, so that is done only when its user says so.
    options.set_wal_recovery_mode(match settings.accept_damaged_wal {
        true => DBRecoveryMode::PointInTime,
        false => DBRecoveryMode::TolerateCorruptedTailRecords,
    });
    options.set_max_total_wal_size(settings.wal_bytes_max);
    options.set_max_open_files(settings.open_files_max.try_into().unwrap_or(i32::MAX));
    options.set_max_background_jobs(2);
    // one thread writes
    options.set_allow_concurrent_memtable_write(false);
    options.set_enable_write_thread_adaptive_yield(false);
    // the kernel reads ahead where reads go on, as a scan's do
    options.set_advise_random_on_open(false);
    options.set_bytes_per_sync(1 << 20);
    options.set_skip_stats_update_on_db_open(true);
    options.set_log_level(LogLevel::Warn);
    options.set_max_log_file_size(EVENT_LOG_LEN_MAX);
    options.set_keep_log_file_num(EVENT_LOG_FILES_MAX);
    options.set_stats_dump_period_sec(0);
    options.set_stats_persist_period_sec(0);
    // What follows has no word in the binding.
    // Each write-ahead log names the one before it and where that one ended: a machine that loses power may lose the end of
    // one and keep the beginning of the next, which was not asked to be synced either; replaying both would leave a hole.
    let chained = "track_and_verify_wals=true";
    // What a kill left in the write-ahead log is taken into memory and not to files at once: the start is shorter, and
    // needs no room on a full disk.
    let quick = "avoid_flush_during_recovery=true";
    // Reserving room for a whole memtable would make an empty log 140 MiB large, and makes syncs no faster here.
    let small = "allow_fallocate=false";
    options.get_options_from_string([chained, quick, small].join(";"))
}

fn options_of(family: Family, settings: &Settings, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_format_version(6);
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(SMALL_MEMTABLE_LEN.min(settings.memtable_bytes));
    match family {
        Family::Records => {
            options.set_write_buffer_size(settings.memtable_bytes);
            // three of them may wait for the disk before the writer does
            options.set_max_write_buffer_number(4);
            options.set_enable_blob_files(true);
            options.set_min_blob_size(BLOB_LEN_MIN);
            options.set_blob_file_size(BLOB_FILE_LEN);
            options.set_blob_compression_type(DBCompressionType::None);
        }
        Family::State => {
            table.set_bloom_filter(BLOOM_BITS, false);
            options.set_write_buffer_size(STATE_MEMTABLE_LEN.min(settings.memtable_bytes));
            options.set_max_write_buffer_number(4);
        }
        Family::Timers | Family::Producers | Family::Offsets | Family::Meta => {
            table.set_bloom_filter(BLOOM_BITS, false)
        }
        Family::Times | Family::Sizes | Family::Partitions | Family::TimersDue => {}
    }
    options.set_block_based_table_factory(&table);
    options
}

/// RocksDB's error as this room's: damage is told apart from the rest.
pub(super) fn failure(at: &str, error: &rocksdb::Error) -> StoreError {
    match error.kind() {
        rocksdb::ErrorKind::Corruption => {
            StoreError::Corrupt { at: at.to_owned(), reason: error.to_string() }
        }
        _ => StoreError::Io(error.to_string().into()),
    }
}
/// A value of a family that does not decode.
pub(super) fn corrupt(family: Family, at: TopicPartition, what: &str) -> StoreError {
    StoreError::Corrupt {
        at: format!("{} of {at}", family.name()),
        reason: format!("{what} does not decode"),
    }
}
/// A value of a family without partitions that does not decode.
pub(super) fn corrupt_entry(family: Family, what: &str) -> StoreError {
    StoreError::Corrupt { at: family.name().to_owned(), reason: format!("{what} does not decode") }
}
