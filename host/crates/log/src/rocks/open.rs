//! Opens a folder as a log, or says what is wrong with it. In comes a folder, out go the parts that all threads share.
//!
//! ```text
//! <dir>/FORMAT     "potok log format 2": the layout of everything beside it
//! <dir>/db/        RocksDB
//! <dir>/journal/   the journal
//! ```
//! Invariant: a folder of a newer layout is not touched; a folder has one owner, held by RocksDB's `LOCK`.

use super::cache::TailCache;
use super::disk::DiskGuard;
use super::flush::Unflushed;
use super::group::Group;
use super::health::Refusal;
use super::journal::{Applied, Journal, JournalError, Replay};
use super::keys::meta::{APPLIED, Counter, counter as counter_key};
use super::live::Live;
use super::meta::counter;
use super::ops::{FamilyIds, Ops, count_of};
use super::queue::Queue;
use super::recover;
use super::settings::Settings;
use super::shared::Shared;
use super::store::{Family, Store, failure};
use super::sync::SyncQueue;
use crate::error::StoreError;
use parking_lot::{Mutex, RwLock};
use potok_types::{Clock, LeaderEpoch};
use std::fs;
use std::io::{self, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// The layout that this program writes.
const FORMAT: u32 = 2;
const FORMAT_FILE: &str = "FORMAT";
const FORMAT_PREFIX: &str = "potok log format ";
/// RocksDB's folder.
pub(super) const DB_FOLDER: &str = "db";
/// The journal's folder.
pub(super) const JOURNAL_FOLDER: &str = "journal";

/// Why a folder was not opened.
#[derive(Debug, thiserror::Error)]
pub enum OpenError {
    /// Another process, or another log of this one, has it.
    #[error("{} is in use{}: it is locked by {}", .dir.display(), owner(*.pid), .lock.display())]
    InUse {
        /// The folder.
        dir: PathBuf,
        /// The file that is locked.
        lock: PathBuf,
        /// Who locked it, where the system tells.
        pid: Option<u32>,
    },
    /// It cannot be read or written.
    #[error("{} cannot be used: {reason}", .path.display())]
    Unreadable {
        /// The file or folder.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// A newer version of this program wrote it.
    #[error("{} was written by a newer version: {found}; this one knows format {FORMAT}", .dir.display())]
    Newer {
        /// The folder.
        dir: PathBuf,
        /// What gives it away.
        found: String,
    },
    /// An older version of this program wrote it.
    #[error("{} was written by an older version: format {found}; this one reads format {FORMAT}", .dir.display())]
    Older {
        /// The folder.
        dir: PathBuf,
        /// Its format.
        found: u32,
    },
    /// What lies in it contradicts itself.
    #[error("{} is damaged: {reason}", .path.display())]
    Damaged {
        /// The file or folder.
        path: PathBuf,
        /// What is wrong.
        reason: String,
    },
}

fn owner(pid: Option<u32>) -> String {
    pid.map_or_else(String::new, |pid| format!(" by process {pid}"))
}

/// Opens the folder of `settings`, creating what is not there.
pub(super) fn open(
    settings: Settings,
    clock: Arc<dyn Clock>,
) -> Result<(Shared, Live, Unflushed), OpenError> {
    let dir = settings.dir.clone();
    check_format(&dir)?;
    let db = dir.join(DB_FOLDER);
    check_families(&dir, &db)?;
    let store = Store::open(&db, &settings).map_err(|error| explain(&dir, &db, &error))?;
    let damaged = |error: StoreError| OpenError::Damaged { path: db.clone(), reason: error.to_string() };
    let ids = FamilyIds::of(&store).ok_or_else(|| OpenError::Unreadable {
        path: db.clone(),
        reason: "this RocksDB writes its batches in another layout than the one this program was built for"
            .into(),
    })?;
    let (journal, unflushed) = replay(&dir.join(JOURNAL_FOLDER), &store, &settings)?;
    // that the two folders are there is to outlive a power failure too
    let synced = fs::File::open(&dir).and_then(|dir| dir.sync_all());
    synced.map_err(|error| OpenError::Unreadable { path: dir.clone(), reason: error.to_string() })?;
    let live = Live::load(&store).map_err(damaged)?;
    let catalog = recover::catalog(&store, settings.retention_ms).map_err(damaged)?;
    let epoch = next_epoch(&journal, &store, ids).map_err(damaged)?;
    let shared = Shared {
        journal,
        cache: TailCache::new(settings.cache_bytes_max),
        queue: Queue::new(settings.queue_bytes_max, settings.queue_waiters_max),
        store,
        ids,
        clock,
        catalog: RwLock::new(catalog),
        refusal: Refusal::default(),
        disk: DiskGuard::new(&settings),
        syncs: SyncQueue::default(),
        epoch,
        producer_ids: Mutex::new(0..0),
        maintenance: tokio::sync::Mutex::default(),
        settings,
    };
    Ok((shared, live, unflushed))
}

/// Takes in what the journal has and RocksDB's files have not. Answers how much that was, too.
fn replay(folder: &Path, store: &Store, settings: &Settings) -> Result<(Journal, Unflushed), OpenError> {
    let damaged = |path: &Path, reason: String| OpenError::Damaged { path: path.into(), reason };
    let applied =
        match store.get(Family::Meta, &APPLIED).map_err(|error| damaged(folder, error.to_string()))? {
            None => Applied::default(),
            Some(value) => Applied::decode(&value)
                .ok_or_else(|| damaged(folder, "how far the store is does not decode".into()))?,
        };
    let mut unflushed = Unflushed::default();
    let apply = |changes: &[u8]| {
        unflushed.count(changes.len(), count_of(changes), 0);
        store.apply(changes).map_err(|error| failure("the store", &error))
    };
    let journal = Replay::new(folder, applied, settings).run(apply).map_err(|error| match error {
        JournalError::Io { path, error } => OpenError::Unreadable { path, reason: error.to_string() },
        JournalError::Damaged { path, at, reason } => damaged(
            &path,
            format!(
                "at byte {at}: {reason}. Restore a backup; or start once with log.accept_damaged_journal = true, \
                 which keeps what lies before the damage and drops what lies behind"
            ),
        ),
        JournalError::Apply(error) => damaged(folder, error.to_string()),
    })?;
    let segments = journal.segments();
    let len: u64 = segments.range(applied.to.segment..).map(|(_, segment)| segment.len()).sum();
    unflushed.count(0, 0, usize::try_from(len.saturating_sub(applied.to.at)).unwrap_or(usize::MAX));
    Ok((journal, unflushed))
}

/// Creates the folder and its format file, or compares what is there.
fn check_format(dir: &Path) -> Result<(), OpenError> {
    let unreadable = |path: &Path, error: io::Error| OpenError::Unreadable {
        path: path.into(),
        reason: error.to_string(),
    };
    fs::create_dir_all(dir).map_err(|error| unreadable(dir, error))?;
    let path = dir.join(FORMAT_FILE);
    let text = match fs::read_to_string(&path) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            if dir.join(DB_FOLDER).join("CURRENT").exists() {
                let reason = format!(
                    "{FORMAT_FILE} is missing beside a database; put back \"{FORMAT_PREFIX}<number>\""
                );
                return Err(OpenError::Damaged { path: dir.into(), reason });
            }
            return write_format(dir).map_err(|error| unreadable(&path, error));
        }
        Err(error) => return Err(unreadable(&path, error)),
    };
    match text.trim().strip_prefix(FORMAT_PREFIX).and_then(|number| number.parse::<u32>().ok()) {
        Some(FORMAT) => Ok(()),
        Some(found) if found > FORMAT => {
            Err(OpenError::Newer { dir: dir.into(), found: format!("format {found}") })
        }
        Some(found) => Err(OpenError::Older { dir: dir.into(), found }),
        _ => {
            Err(OpenError::Damaged { path, reason: format!("it should say {FORMAT_PREFIX:?} and a number") })
        }
    }
}

/// Writes the format file so that it is there whole or not at all.
pub(super) fn write_format(dir: &Path) -> io::Result<()> {
    let half = dir.join("FORMAT.new");
    let mut file = fs::File::create(&half)?;
    writeln!(file, "{FORMAT_PREFIX}{FORMAT}")?;
    file.sync_all()?;
    fs::rename(&half, dir.join(FORMAT_FILE))?;
    fs::File::open(dir)?.sync_all()
}

/// A family that this program does not know was made by a newer one.
fn check_families(dir: &Path, db: &Path) -> Result<(), OpenError> {
    if !db.join("CURRENT").exists() {
        return Ok(());
    }
    let families = Store::families_in(db).map_err(|error| explain(dir, db, &error))?;
    let known = |name: &String| name == "default" || Family::ALL.iter().any(|family| family.name() == name);
    match families.into_iter().find(|name| !known(name)) {
        Some(name) => Err(OpenError::Newer { dir: dir.into(), found: format!("column family {name:?}") }),
        None => Ok(()),
    }
}

/// One more at each start; it is on disk no later than the first batch that carries it.
fn next_epoch(journal: &Journal, store: &Store, ids: FamilyIds) -> Result<LeaderEpoch, StoreError> {
    let epoch = counter(store, Counter::Epoch)?;
    let mut ops = Ops::default();
    ops.put(ids, Family::Meta, &counter_key(Counter::Epoch), &(epoch + 1).to_be_bytes());
    Group::new(journal)?.write(ids, &mut ops, journal, store)?;
    Ok(LeaderEpoch(i32::try_from(epoch).unwrap_or(i32::MAX)))
}

/// RocksDB's error on opening, by what its user can do.
fn explain(dir: &Path, db: &Path, error: &rocksdb::Error) -> OpenError {
    let reason = error.to_string();
    let lock = db.join("LOCK");
    if reason.contains("lock") && reason.contains("LOCK") {
        let pid = holder(&lock);
        return OpenError::InUse { dir: dir.into(), lock, pid };
    }
    match error.kind() {
        rocksdb::ErrorKind::Corruption => {
            let reason = format!("{reason}. Restore a backup");
            OpenError::Damaged { path: db.into(), reason }
        }
        _ => OpenError::Unreadable { path: db.into(), reason },
    }
}

/// The process that holds a lock on this file, as Linux lists it.
fn holder(lock: &Path) -> Option<u32> {
    let inode = rustix::fs::stat(lock).ok()?.st_ino;
    let locks = fs::read_to_string("/proc/locks").ok()?;
    // 1: POSIX  ADVISORY  WRITE 1234 08:01:5678 0 EOF
    let fields = locks.lines().map(|line| line.split_whitespace().collect::<Vec<_>>());
    let held = fields.filter(|fields| {
        fields.get(5).is_some_and(|file| file.rsplit(':').next() == Some(&inode.to_string()))
    });
    held.filter_map(|fields| fields.get(4)?.parse().ok()).find(|pid| *pid > 0)
}
