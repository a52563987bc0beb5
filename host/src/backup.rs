//! A copy of a running host's data folder: the log at one moment, and every module that it names.
//! In comes the name of a new folder, out goes a folder that `potok serve --data` starts from. Invariant: what fails leaves nothing.
//! Modules are files that never change once they are there, named by their digest, so they are linked where that is possible.

use crate::app::{log_folder, modules_folder};
use potok_http::{Checkpoint, CheckpointError};
use potok_log::RocksLog;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::{fmt, fs};

/// Makes backups of one host.
#[derive(Clone)]
pub(crate) struct Backups {
    log: Arc<RocksLog>,
    modules: PathBuf,
}

impl fmt::Debug for Backups {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Backups").field("modules", &self.modules).finish_non_exhaustive()
    }
}

impl Backups {
    pub(crate) fn new(log: Arc<RocksLog>, modules: PathBuf) -> Backups {
        Backups { log, modules }
    }
    fn copy(&self, folder: &Path) -> Result<(), String> {
        let modules = modules_folder(folder);
        fs::create_dir_all(folder)
            .map_err(|error| format!("{} cannot be made: {error}", folder.display()))?;
        // Before and after: a module that is deleted or pushed meanwhile may be one that the copied log names.
        copy_files(&self.modules, &modules).map_err(|error| error.to_string())?;
        self.log.checkpoint(&log_folder(folder)).map_err(|error| error.to_string())?;
        copy_files(&self.modules, &modules).map_err(|error| error.to_string())
    }
}

#[async_trait::async_trait]
impl Checkpoint for Backups {
    async fn checkpoint(&self, folder: &Path) -> Result<(), CheckpointError> {
        let (backups, folder) = (self.clone(), folder.to_owned());
        let work = move || {
            if folder.exists() {
                return Err(CheckpointError::Exists(folder));
            }
            backups.copy(&folder).map_err(|reason| {
                if let Err(error) = fs::remove_dir_all(&folder) {
                    tracing::warn!(folder = %folder.display(), %error, "an unfinished backup could not be removed");
                }
                CheckpointError::Failed(reason)
            })
        };
        tokio::task::spawn_blocking(work)
            .await
            .unwrap_or_else(|error| Err(CheckpointError::Failed(error.to_string())))
    }
}

/// Copies a folder with its folders; what is there already stays. A file that disappears meanwhile is passed over.
fn copy_files(from: &Path, to: &Path) -> io::Result<()> {
    fs::create_dir_all(to)?;
    for entry in fs::read_dir(from)? {
        let (entry, name) = entry.map(|entry| (entry.path(), entry.file_name()))?;
        let target = to.join(name);
        if entry.is_dir() {
            copy_files(&entry, &target)?;
        } else if !target.exists() && fs::hard_link(&entry, &target).is_err() {
            match fs::copy(&entry, &target) {
                Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
                _ => {}
            }
        }
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_folder_is_copied_with_its_folders_and_again_without_harm() {
        let folder = tempfile::tempdir().unwrap();
        let (from, to) = (folder.path().join("from"), folder.path().join("to"));
        fs::create_dir_all(from.join("ab")).unwrap();
        fs::write(from.join("ab/module"), "bytes").unwrap();
        copy_files(&from, &to).unwrap();
        fs::write(from.join("late"), "more").unwrap();
        copy_files(&from, &to).unwrap();
        assert_eq!(fs::read_to_string(to.join("ab/module")).unwrap(), "bytes");
        assert_eq!(fs::read_to_string(to.join("late")).unwrap(), "more");
    }
}
