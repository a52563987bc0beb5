//! When what RocksDB has in memory goes to files. In come writes as they are made, out go flushes.
//! Invariant: before memory is written to files, the journal is synced up to what is in it: files that hold what the journal
//! may still lose would disagree with it after a power failure. The writer sees to that, as between its sync and its flush
//! nobody else writes. Most of the sync's work is done before, on the syncing thread.

use super::answer::Answer;
use super::sync;
use super::writer::Writer;
use crate::error::StoreError;

/// What an entry takes in memory beside its bytes: its node, its lengths, its sequence.
const ENTRY_OVERHEAD_LEN: usize = 48;

/// What was written since the last flush.
#[derive(Debug, Default)]
pub(super) struct Unflushed {
    memory: usize,
    journal: u64,
    /// The syncing thread was asked to sync ahead.
    synced_ahead: bool,
}

impl Unflushed {
    /// Counts a write: its changes, and its bytes in the journal.
    pub(super) fn count(&mut self, changes_len: usize, changes: usize, len: usize) {
        self.memory += changes_len + changes * ENTRY_OVERHEAD_LEN;
        self.journal += len as u64;
    }
}

impl Writer {
    /// Whether so much is in memory, or in the journal alone, as the settings allow.
    pub(super) fn is_flush_due(&self) -> bool {
        self.has_passed(1)
    }
    /// Flushes when it is due.
    pub(super) fn flush_if_due(&mut self) {
        if self.has_passed(1) {
            // a failure is kept by the refusal, which the next write meets
            let _ = self.flush();
        }
    }
    /// Has the journal synced ahead, half way to the next flush.
    pub(super) fn sync_ahead(&mut self) {
        if !self.unflushed.synced_ahead && self.has_passed(2) {
            self.unflushed.synced_ahead = true;
            self.shared.syncs.push(&mut vec![Answer::Other(Box::new(|_| ()))]);
        }
    }
    fn has_passed(&self, part: usize) -> bool {
        let settings = &self.shared.settings;
        self.unflushed.memory >= settings.memtable_bytes / part
            || self.unflushed.journal >= settings.replay_bytes_max / part as u64
    }
    /// Syncs the journal and begins to write what is in memory to files; [`super::store::Store::is_flushed`] waits for
    /// the end of it.
    pub(super) fn flush(&mut self) -> Result<(), StoreError> {
        self.unflushed = Unflushed::default();
        sync::sync(&self.shared.journal, &self.shared.refusal)?;
        self.shared.store.flush().inspect_err(|error| {
            self.shared.refusal.refuse(&format!("writing memory to files failed: {error}"));
        })
    }
}
