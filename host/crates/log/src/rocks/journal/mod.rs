//! The journal: every write of the log, in the order it was made, in files of bounded size. It is the write-ahead log, and
//! it is where the batches lie: they are written once. In come changes with their batches, out go places and bytes.
//! Invariant: an entry is in the journal before RocksDB hears of it, and RocksDB writes no memory to files before what that
//! memory came from is synced; so whatever a crash takes is a suffix of the journal.
//! Which batches are still needed is `live.rs`'s business, which segments may go `reclaim.rs`'s.

mod entry;
mod replay;
mod segment;

pub(super) use entry::{HEAD_LEN, Position};
pub(super) use replay::{Applied, JournalError, Replay, each_entry};
pub(super) use segment::Segment;

use entry::{Boot, HEADER_LEN, Head, Header};
use parking_lot::{Mutex, MutexGuard, RwLock};
use std::collections::BTreeMap;
use std::fs::{self, File};
use std::hash::{BuildHasher, RandomState};
use std::io::{self, IoSlice};
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Segments by their numbers.
pub(super) type Segments = BTreeMap<u32, Arc<Segment>>;

/// The journal, open. One thread writes, others read and sync.
#[derive(Debug)]
pub(super) struct Journal {
    folder: PathBuf,
    segment_bytes: u64,
    boot: Option<Boot>,
    /// All that are there; another map after every change, so that a reader keeps what it began with.
    segments: RwLock<Arc<Segments>>,
    written: Mutex<Written>,
    /// Held by the sync under way, so that none ends before another's part of it. Whether one failed: there is none after it.
    syncing: Mutex<bool>,
    /// Held by whoever needs all segments to stay.
    staying: Mutex<()>,
}

/// Where a start goes on.
struct GoesOn {
    number: u32,
    sequence: u64,
    /// Segments that may not be synced.
    unsynced: Vec<Arc<Segment>>,
    /// What is known to be.
    synced: Position,
}

/// How far it is written.
#[derive(Debug)]
struct Written {
    active: Arc<Segment>,
    sequence: u64,
    /// Ended, and not synced since.
    unsynced: Vec<Arc<Segment>>,
    /// A file was created whose name may not be on disk.
    folder_changed: bool,
    synced: Position,
}

impl Written {
    fn end(&self) -> Position {
        Position { segment: self.active.number, at: self.active.len() }
    }
}

/// Where the next entry will lie.
#[derive(Clone, Copy, Debug)]
pub(super) struct Next {
    pub(super) at: Position,
    pub(super) sequence: u64,
}

impl Next {
    /// Where its first batch will.
    pub(super) fn batches(&self) -> Position {
        Position { at: self.at.at + HEAD_LEN as u64, ..self.at }
    }
}

impl Journal {
    /// Goes on behind these segments.
    fn go_on(
        folder: &Path,
        segment_bytes: u64,
        mut segments: Segments,
        goes_on: GoesOn,
    ) -> io::Result<Journal> {
        let boot = Boot::now();
        let GoesOn { number, sequence, unsynced, synced } = goes_on;
        let header = Header { number, first_sequence: sequence, boot, salt: salt(number) };
        let active = Arc::new(Segment::create(folder, &header)?);
        segments.insert(number, active.clone());
        let written = Written { active, sequence, unsynced, folder_changed: true, synced };
        Ok(Journal {
            folder: folder.to_owned(),
            segment_bytes,
            boot,
            segments: RwLock::new(Arc::new(segments)),
            written: Mutex::new(written),
            syncing: Mutex::default(),
            staying: Mutex::default(),
        })
    }
    /// Where the next entry will lie; a full segment is ended first.
    pub(super) fn next(&self) -> io::Result<Next> {
        let written = self.written.lock();
        let full = written.active.len() >= self.segment_bytes;
        drop(written);
        if full {
            self.seal()?;
        }
        let written = self.written.lock();
        Ok(Next { at: written.end(), sequence: written.sequence })
    }
    /// Ends the active segment and begins another, unless it is empty.
    pub(super) fn seal(&self) -> io::Result<()> {
        let mut written = self.written.lock();
        if written.active.len() == HEADER_LEN as u64 {
            return Ok(());
        }
        let number =
            written.active.number.checked_add(1).ok_or_else(|| io::Error::other("out of segments"))?;
        let header = Header { number, first_sequence: written.sequence, boot: self.boot, salt: salt(number) };
        let next = Arc::new(Segment::create(&self.folder, &header)?);
        let mut segments = self.segments.write();
        Arc::make_mut(&mut segments).insert(number, next.clone());
        let ended = std::mem::replace(&mut written.active, next);
        written.unsynced.push(ended);
        written.folder_changed = true;
        Ok(())
    }
    /// Appends the entry that [`Journal::next`] told the place of. After an error nothing more may be appended.
    pub(super) fn append(&self, changes: &[u8], batches: &[&[u8]]) -> io::Result<()> {
        let too_large = || io::Error::new(io::ErrorKind::InvalidInput, "a write of more than 4 GiB");
        let batches_len = batches.iter().map(|batch| batch.len()).sum();
        let mut written = self.written.lock();
        let head = Head::new(written.sequence, written.synced, batches_len, changes).ok_or_else(too_large)?;
        let encoded = head.encode(written.active.salt());
        let mut slices = Vec::with_capacity(batches.len() + 2);
        slices.push(IoSlice::new(&encoded));
        slices.extend(batches.iter().map(|batch| IoSlice::new(batch)));
        slices.push(IoSlice::new(changes));
        written.active.append(&mut slices, head.entry_len())?;
        written.sequence += 1;
        Ok(())
    }
    /// Waits until everything appended so far is on disk. After an error there is nothing but errors: the system may have
    /// dropped what it could not write, and would report success.
    pub(super) fn sync(&self) -> io::Result<()> {
        let mut failed = self.syncing.lock();
        if *failed {
            return Err(io::Error::other("an earlier sync failed"));
        }
        let (segments, end, folder_changed) = {
            let mut written = self.written.lock();
            let end = written.end();
            if end == written.synced {
                return Ok(());
            }
            let mut segments = std::mem::take(&mut written.unsynced);
            segments.push(written.active.clone());
            (segments, end, std::mem::take(&mut written.folder_changed))
        };
        let files = segments.iter().try_for_each(|segment| segment.sync());
        let outcome = files.and_then(|()| match folder_changed {
            true => File::open(&self.folder)?.sync_all(),
            false => Ok(()),
        });
        *failed = outcome.is_err();
        outcome?;
        self.written.lock().synced = end;
        Ok(())
    }
    /// How far it is written.
    pub(super) fn end(&self) -> Position {
        self.written.lock().end()
    }
    /// The segments there are now, the active one among them.
    pub(super) fn segments(&self) -> Arc<Segments> {
        self.segments.read().clone()
    }
    /// Keeps every segment from being taken away.
    pub(super) fn keep_all(&self) -> MutexGuard<'_, ()> {
        self.staying.lock()
    }
    /// Takes segments away that nobody needs. Those who read them go on.
    pub(super) fn remove(&self, numbers: &[u32]) -> io::Result<()> {
        let _nobody_needs_them = self.staying.lock();
        for number in numbers {
            let removed = Arc::make_mut(&mut self.segments.write()).remove(number);
            if let Some(segment) = removed {
                fs::remove_file(&segment.path)?;
            }
        }
        Ok(())
    }
    /// A copy of everything up to now in another folder. Ended segments are linked where the file system allows.
    pub(super) fn copy_to(&self, folder: &Path) -> io::Result<()> {
        fs::create_dir_all(folder)?;
        let (segments, end) = {
            let written = self.written.lock();
            (self.segments(), written.end())
        };
        for segment in segments.values().filter(|segment| segment.number <= end.segment) {
            let to = segment::path(folder, segment.number);
            // also where it is linked: somebody will read it there
            segment.count_as_away();
            if segment.number < end.segment && fs::hard_link(&segment.path, &to).is_ok() {
                continue;
            }
            let len = if segment.number < end.segment { segment.len() } else { end.at };
            let mut from = io::Read::take(File::open(&segment.path)?, len);
            let mut file = File::create(&to)?;
            io::copy(&mut from, &mut file)?;
            file.sync_all()?;
        }
        File::open(folder)?.sync_all()
    }
}

/// A segment's salt, from the keys that the standard library draws from the machine for every hasher.
fn salt(number: u32) -> u32 {
    let drawn = RandomState::new().hash_one(number).to_be_bytes();
    u32::from_be_bytes([drawn[0], drawn[1], drawn[2], drawn[3]])
}

#[cfg(test)]
mod tests;
