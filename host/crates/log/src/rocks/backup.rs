//! A consistent copy of a running log in another folder, from which a log starts. In comes a folder that does not exist yet
//! or is empty, out goes a log's folder. Invariant: the copy is one moment of the log; everything acknowledged before the
//! call is in it. Files that never change are linked where the file system allows, so it costs little.

use super::open::{DB_FOLDER, write_format};
use super::shared::Shared;
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

/// Makes a backup. Blocks while memory is written to files.
pub(super) fn checkpoint(shared: &Shared, folder: &Path) -> Result<(), CheckpointError> {
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

fn copy(shared: &Shared, folder: &Path) -> Result<(), CheckpointError> {
    let checkpoint =
        Checkpoint::new(shared.store.db()).map_err(|error| CheckpointError::Store(error.to_string()))?;
    checkpoint
        .create_checkpoint(folder.join(DB_FOLDER))
        .map_err(|error| CheckpointError::Store(error.to_string()))
}
