//! Stops appends before the disk is full, so that what was taken can be finished and the log can go on once there is room.
//! In come bytes written, out goes a named refusal. Invariant: the disk is looked at every [`CHECK_EVERY_LEN`] bytes,
//! before every group while it is full, and whenever somebody asks how the log is.

use super::settings::Settings;
use crate::error::StoreError;
use parking_lot::Mutex;
use std::path::{Path, PathBuf};

/// Bytes written between two looks at the disk.
const CHECK_EVERY_LEN: usize = 16 << 20;

/// Watches over the disk's free space, for the writer and for those who ask how it goes.
#[derive(Debug)]
pub(super) struct DiskGuard {
    folder: PathBuf,
    free_min: u64,
    seen: Mutex<Seen>,
}

#[derive(Debug, Default)]
struct Seen {
    since_check: usize,
    full: Option<u64>,
}

impl DiskGuard {
    /// Looks at the disk at once.
    pub(super) fn new(settings: &Settings) -> DiskGuard {
        let guard = DiskGuard {
            folder: settings.dir.clone(),
            free_min: settings.disk_free_bytes_min,
            seen: Mutex::default(),
        };
        guard.look(&mut guard.seen.lock());
        guard
    }
    /// Counts bytes on their way to the disk.
    pub(super) fn count(&self, len: usize) {
        let mut seen = self.seen.lock();
        seen.since_check += len;
        if seen.since_check >= CHECK_EVERY_LEN {
            self.look(&mut seen);
        }
    }
    /// An error while the disk is too full for records.
    pub(super) fn check(&self) -> Result<(), StoreError> {
        let mut seen = self.seen.lock();
        if seen.full.is_some() {
            self.look(&mut seen);
        }
        self.verdict(&seen)
    }
    /// The same after a look, so that whoever asks hears what the next write will.
    pub(super) fn check_now(&self) -> Result<(), StoreError> {
        let mut seen = self.seen.lock();
        self.look(&mut seen);
        self.verdict(&seen)
    }
    fn verdict(&self, seen: &Seen) -> Result<(), StoreError> {
        match seen.full {
            None => Ok(()),
            Some(free) => Err(StoreError::DiskFull { free, needed: self.free_min }),
        }
    }
    fn look(&self, seen: &mut Seen) {
        seen.since_check = 0;
        // a disk that cannot be asked is left to say so itself, when it is written
        let Some(free) = free(&self.folder) else { return };
        let full = (free < self.free_min).then_some(free);
        if full.is_some() != seen.full.is_some() {
            tracing::warn!(
                free,
                needed = self.free_min,
                full = full.is_some(),
                "free space of the log's disk"
            );
        }
        seen.full = full;
    }
}

/// Bytes free on the disk of `folder` for this user.
fn free(folder: &Path) -> Option<u64> {
    let disk = rustix::fs::statvfs(folder).ok()?;
    Some(disk.f_bavail.saturating_mul(disk.f_frsize))
}
/// Whether there is so little room that maintenance gives back whatever it can: before records are refused.
pub(super) fn is_tight(settings: &Settings) -> bool {
    free(&settings.dir).is_some_and(|free| free < settings.disk_free_bytes_min.saturating_mul(2))
}
/// Whether `bytes` more can be written for a while. A disk that cannot be asked is taken to have room.
pub(super) fn has_room_for(settings: &Settings, bytes: u64) -> bool {
    free(&settings.dir).is_none_or(|free| free > bytes)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_full_disk_is_named_and_looked_at_again() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            Settings { dir: folder.path().to_owned(), disk_free_bytes_min: u64::MAX, ..Settings::default() };
        let mut guard = DiskGuard::new(&settings);
        assert!(matches!(guard.check(), Err(StoreError::DiskFull { needed: u64::MAX, .. })));
        guard.free_min = 0;
        assert!(guard.check().is_ok());
    }
    #[test]
    fn who_asks_and_who_writes_hear_the_same() {
        let folder = tempfile::tempdir().unwrap();
        let settings =
            Settings { dir: folder.path().to_owned(), disk_free_bytes_min: 0, ..Settings::default() };
        let mut guard = DiskGuard::new(&settings);
        guard.free_min = u64::MAX;
        assert!(guard.check().is_ok(), "it was not looked at since");
        assert!(guard.check_now().is_err() && guard.check().is_err());
        guard.free_min = 0;
        assert!(guard.check_now().is_ok(), "it goes on by itself");
    }
}
