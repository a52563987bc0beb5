//! The port through which a backup is made: the log's room knows how, this room only asks.

use std::path::{Path, PathBuf};

/// Makes a consistent copy of the running log.
#[async_trait::async_trait]
pub trait Checkpoint: Send + Sync + std::fmt::Debug + 'static {
    /// Copies the data into `folder`, which does not exist yet; a server can be started from it. Leaves nothing behind
    /// when it fails.
    async fn checkpoint(&self, folder: &Path) -> Result<(), CheckpointError>;
}

/// Why there is no copy.
#[derive(Clone, Debug, thiserror::Error)]
pub enum CheckpointError {
    /// Something is there already.
    #[error("{} is there already", .0.display())]
    Exists(PathBuf),
    /// The copy failed.
    #[error("backup failed: {0}")]
    Failed(String),
}
