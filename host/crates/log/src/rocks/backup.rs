//! A consistent copy of a running log in another folder, from which a log starts. In comes a folder that does not exist yet
//! or is empty, out goes a log's folder. Invariant: the copy is one moment of the log; everything acknowledged before the
//! call is in it. Files that never change are linked where the file system allows, so it costs little.

use super::open::{DB_FOLDER, JOURNAL_FOLDER, write_format};
use super::shared::Shared;
use super::sync::sync;
use rocksdb::checkpoint::Checkpoint;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};

/// Why a backup was not made. What was begun is removed.
#[derive(Debug, thiserror::Error)]
pub enum CheckpointError {
    /// There is something in the folder already.
    #[error("{} is not empty: a backup takes a folder of its own", .0.display())]
    NotEmpty(PathBuf),
    /// The folder cannot be written.
    #[error("{} cannot be written: {reason}", .path.display())]
    Folder {
        /// Where.
        path: PathBuf,
        /// What the system says.
        reason: String,
    },
    /// RocksDB failed.
    #[error("the store could not be copied: {0}")]
    Store(String),
}

/// RocksDB's word for leaving in memory what is there.
const FLUSH_NOTHING: u64 = u64::MAX;

/// Makes a backup. Blocks while files are copied.
pub(super) fn checkpoint(shared: &Shared, folder: &Path) -> Result<(), CheckpointError> {
    let _staying = shared.journal.keep_all();
    let failed =
        |error: io::Error| CheckpointError::Folder { path: folder.into(), reason: error.to_string() };
    fs::create_dir_all(folder).map_err(failed)?;
    if fs::read_dir(folder).map_err(failed)?.next().is_some() {
        return Err(CheckpointError::NotEmpty(folder.into()));
    }
    let made = copy(shared, folder).and_then(|()| write_format(folder).map_err(failed));
    if made.is_err()
        && let Err(error) = fs::remove_dir_all(folder)
    {
        tracing::warn!(folder = %folder.display(), %error, "an unfinished backup could not be removed");
    }
    made
}

/// First what RocksDB has in files, as it is; then the journal, which has everything since.
fn copy(shared: &Shared, folder: &Path) -> Result<(), CheckpointError> {
    let failed = |error: rocksdb::Error| CheckpointError::Store(error.to_string());
    let checkpoint = Checkpoint::new(shared.store.db()).map_err(failed)?;
    checkpoint.create_checkpoint_with_log_size(folder.join(DB_FOLDER), FLUSH_NOTHING).map_err(failed)?;
    // segments are linked as they are: what the copy holds is on disk when it is there
    sync(&shared.journal, &shared.refusal).map_err(|error| CheckpointError::Store(error.to_string()))?;
    let to = folder.join(JOURNAL_FOLDER);
    let unwritten =
        |error: io::Error| CheckpointError::Folder { path: to.clone(), reason: error.to_string() };
    shared.journal.copy_to(&to).map_err(unwritten)
}
