//! RocksDB with its column families: opened once, shared by the writer, the readers and the maintenance.
//! In come families and keys, out go values and this room's errors. Invariant: every family is there, and what a write
//! batch looks like in bytes is what `ops.rs` writes (both are checked when it opens).
//! What the keys and values mean is left to their own files.

use super::settings::Settings;
use crate::error::StoreError;
use potok_types::TopicPartition;
use rocksdb::{
    BlockBasedOptions, BottommostLevelCompaction, Cache, ColumnFamily, ColumnFamilyDescriptor,
    CompactOptions, DB, DBCompressionType, DBPinnableSlice, DBRawIterator, FlushOptions, LogLevel, Options,
    ReadOptions, ReadTier, WaitForCompactOptions, WriteBatch, WriteOptions,
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
    Segments,
}

impl Family {
    pub(super) const ALL: [Family; 11] = [
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
        Family::Segments,
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
            Family::Segments => "segments",
        }
    }
}

/// No memory is written to files by RocksDB on its own account: the writer says when, once the journal is synced up to there
/// (`flush.rs`). This is RocksDB's largest.
const MEMTABLE_LEN: usize = 64 << 30;
/// Memory is taken for entries in pieces of so many bytes.
const ARENA_BLOCK_LEN: usize = 256 << 10;
/// Memtables of a family, the one that is filled among them; three may wait for the disk before the writer does.
const MEMTABLES_MAX: i32 = 4;
/// Bits a key in the bloom filters of families that are read by key: 1 % false positives.
const BLOOM_BITS: f64 = 10.0;
/// RocksDB's own log of events: two files of 10 MiB at most.
const EVENT_LOG_LEN_MAX: usize = 10 << 20;
const EVENT_LOG_FILES_MAX: usize = 2;

/// Writing memory and merging files is waited for so long: 30 seconds, in which a disk of 10 MB/s writes what may wait.
const FLUSH_TIME_MAX_US: u64 = 30_000_000;

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
        let families =
            Family::ALL.map(|family| ColumnFamilyDescriptor::new(family.name(), options_of(family, &cache)));
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
    /// Takes in a write batch, given as its bytes. The journal has it already.
    pub(super) fn apply(&self, changes: &[u8]) -> Result<(), rocksdb::Error> {
        let mut options = WriteOptions::default();
        options.disable_wal(true);
        self.db.write_opt(WriteBatch::from_data(changes), &options)
    }
    /// Begins to write what is in memory to files, all families as one.
    pub(super) fn flush(&self) -> Result<(), StoreError> {
        let families = Family::ALL.map(|family| self.family(family));
        let mut options = FlushOptions::default();
        options.set_wait(false);
        let families: Vec<_> = families.iter().collect();
        self.db.flush_cfs_opt(&families, &options).map_err(|error| failure("a flush", &error))
    }
    /// Merges the files of a family, what is in memory first written to one.
    pub(super) fn compact(&self, family: Family) {
        let mut options = CompactOptions::default();
        options.set_exclusive_manual_compaction(false);
        options.set_bottommost_level_compaction(BottommostLevelCompaction::Force);
        self.db.compact_range_cf_opt(self.family(family), None::<&[u8]>, None::<&[u8]>, &options);
    }
    /// Waits until what was to go to files is there, for a bounded time. Whether it is.
    pub(super) fn is_flushed(&self) -> bool {
        let mut options = WaitForCompactOptions::default();
        options.set_timeout(FLUSH_TIME_MAX_US);
        self.db.wait_for_compact(&options).is_ok()
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
    /// The same over `records`.
    pub(super) fn iterate_records(&self, (start, end): (&[u8], &[u8]), look: Look) -> DBRawIterator<'_> {
        let mut options = ReadOptions::default();
        options.set_iterate_lower_bound(start);
        options.set_iterate_upper_bound(end);
        match look {
            Look::Checked => {}
            Look::Unchecked => {
                options.set_verify_checksums(false);
                options.fill_cache(false);
            }
            Look::InMemory => {
                options.set_read_tier(ReadTier::BlockCache);
                options.set_background_purge_on_iterator_cleanup(true);
            }
        }
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

/// How places are looked up.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(super) enum Look {
    /// Blocks have checksums, which must agree.
    Checked,
    /// They need not: a batch brings its own, and what it says of itself tells a place that is not its own. So one that is damaged does
    /// not take those beside it along.
    Unchecked,
    /// Where that would mean to wait for the disk, there is an error. For threads that may not wait: nor do they clean up afterwards.
    InMemory,
}

fn options(settings: &Settings) -> Result<Options, rocksdb::Error> {
    let mut options = Options::default();
    options.create_if_missing(true);
    options.create_missing_column_families(true);
    // all families go to files together, so that what is there after a crash is one moment of the log
    options.set_atomic_flush(true);
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
    // What is in memory when the store is closed is in the journal, which may not be synced.
    let no_flush = "avoid_flush_during_shutdown=true";
    // Nor does RocksDB, after a failed write, try of its own account to write its memory again.
    let no_resume = "max_bgerror_resume_count=0";
    // Reserving room makes an empty log large.
    let small = "allow_fallocate=false";
    options.get_options_from_string([no_flush, no_resume, small].join(";"))
}

fn options_of(family: Family, cache: &Cache) -> Options {
    let mut table = BlockBasedOptions::default();
    table.set_block_cache(cache);
    table.set_format_version(6);
    let mut options = Options::default();
    options.set_compression_type(DBCompressionType::None);
    options.set_write_buffer_size(MEMTABLE_LEN);
    options.set_arena_block_size(ARENA_BLOCK_LEN);
    options.set_max_write_buffer_number(MEMTABLES_MAX);
    match family {
        Family::State | Family::Timers | Family::Producers | Family::Offsets | Family::Meta => {
            table.set_bloom_filter(BLOOM_BITS, false)
        }
        Family::Records
        | Family::Times
        | Family::Sizes
        | Family::Partitions
        | Family::TimersDue
        | Family::Segments => {}
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
