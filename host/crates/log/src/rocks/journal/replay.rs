//! What a start makes of the journal: the changes that RocksDB has not in its files are handed on again, and what a crash
//! left half written at the end is cut off. In come a folder and how far RocksDB is, out goes a journal to go on with.
//! Invariant: what is cut off was not synced, or its user said that it may go. An end that is cut off in a file that this
//! start of the machine wrote is one entry, the last; after another start (power was lost) it is everything behind the
//! first entry that is not whole, unless a later one says that there the journal was synced: that is damage, and named.

use super::entry::{Boot, HEAD_LEN, HEADER_LEN, Head, Position, find_head};
use super::segment::{self, Segment, number_of};
use super::{GoesOn, Journal, Segments};
use crate::error::StoreError;
use crate::rocks::Settings;
use crate::rocks::keys::{u32_at, u64_at};
use bytes::Bytes;
use potok_types::RecordBatch;
use std::fs;
use std::io;
use std::path::{Path, PathBuf};
use std::sync::Arc;

/// Bytes looked through at a time for entries behind a broken one.
const SEARCH_LEN: usize = 1 << 20;

/// How far RocksDB has taken in the journal: where the next entry begins, and its number.
///
/// ```text
/// on disk | segment u32 | at u64 | sequence u64 |  all BE
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub(in crate::rocks) struct Applied {
    pub(in crate::rocks) to: Position,
    pub(in crate::rocks) sequence: u64,
}

impl Applied {
    pub(in crate::rocks) const LEN: usize = 20;

    pub(in crate::rocks) fn encode(&self) -> [u8; Applied::LEN] {
        let mut to = [0; Applied::LEN];
        to[..4].copy_from_slice(&self.to.segment.to_be_bytes());
        to[4..12].copy_from_slice(&self.to.at.to_be_bytes());
        to[12..].copy_from_slice(&self.sequence.to_be_bytes());
        to
    }
    pub(in crate::rocks) fn decode(bytes: &[u8]) -> Option<Applied> {
        if bytes.len() != Applied::LEN {
            return None;
        }
        let to = Position { segment: u32_at(bytes, 0)?, at: u64_at(bytes, 4)? };
        Some(Applied { to, sequence: u64_at(bytes, 12)? })
    }
}

/// Why there is no journal to go on with.
#[derive(Debug, thiserror::Error)]
pub(in crate::rocks) enum JournalError {
    /// A file cannot be read or written.
    #[error("{}: {error}", .path.display())]
    Io { path: PathBuf, error: io::Error },
    /// It is damaged before its end.
    #[error("{}, byte {at}: {reason}", .path.display())]
    Damaged { path: PathBuf, at: u64, reason: &'static str },
    /// The changes could not be handed on.
    #[error(transparent)]
    Apply(#[from] StoreError),
}

/// A replay to be made.
#[derive(Debug)]
pub(in crate::rocks) struct Replay<'a> {
    folder: &'a Path,
    /// The beginning in an empty store.
    applied: Applied,
    segment_bytes: u64,
    /// Keep what lies before damage, and drop what lies behind.
    accept_damage: bool,
    /// The machine's present start.
    boot: Option<Boot>,
}

/// An entry that is whole as far as its head and its changes tell.
#[derive(Debug)]
struct Entry {
    segment: Arc<Segment>,
    at: u64,
    head: Head,
}

impl Entry {
    fn end(&self) -> Position {
        Position { segment: self.segment.number, at: self.at + self.head.entry_len() }
    }
    fn batches(&self) -> io::Result<Bytes> {
        let len = usize::try_from(self.head.batches_len).unwrap_or(usize::MAX);
        self.segment.read(self.at + HEAD_LEN as u64, len)
    }
    fn changes(&self) -> io::Result<Bytes> {
        let before = HEAD_LEN as u64 + u64::from(self.head.batches_len);
        let len = usize::try_from(self.head.changes_len).unwrap_or(usize::MAX);
        self.segment.read(self.at + before, len)
    }
    /// Whether its batches are as they were written, by their own checksums.
    fn is_sound(&self) -> io::Result<bool> {
        let mut rest = self.batches()?;
        while !rest.is_empty() {
            match potok_types::batch_len(&rest) {
                Ok(len) if len <= rest.len() => {
                    if RecordBatch::from_stored(rest.split_to(len)).is_err() {
                        return Ok(false);
                    }
                }
                _ => return Ok(false),
            }
        }
        Ok(true)
    }
}

/// Where the whole entries end, and why.
#[derive(Debug)]
struct Break {
    segment: Arc<Segment>,
    at: u64,
    reason: &'static str,
    kind: Kind,
}

/// What may have come to the place of a break.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
enum Kind {
    /// There are fewer bytes than an entry has, as when its writer was killed.
    Short,
    /// There are other bytes than were written, as when power was lost before they were on disk.
    Other,
    /// There was something that was on disk for sure.
    Lost,
}

/// What one look at a place finds.
enum Look {
    Entry(Entry),
    End,
    Broken(&'static str, Kind),
}

impl<'a> Replay<'a> {
    /// A replay of the journal in `folder` behind what RocksDB has `applied`.
    pub(in crate::rocks) fn new(folder: &'a Path, applied: Applied, settings: &Settings) -> Replay<'a> {
        Replay {
            folder,
            applied,
            segment_bytes: settings.segment_bytes,
            accept_damage: settings.accept_damaged_journal,
            boot: Boot::now(),
        }
    }
    /// Hands the changes of each entry that RocksDB has not in its files to `apply`, in order.
    pub(in crate::rocks) fn run(
        &self,
        mut apply: impl FnMut(&[u8]) -> Result<(), StoreError>,
    ) -> Result<Journal, JournalError> {
        let segments = self.segments()?;
        let (mut entries, mut broken) = self.walk(&segments)?;
        if let Some(found) = &broken {
            self.judge(found, &segments, &entries)?;
        }
        let synced = synced(&entries);
        if let Some(torn) = self.first_unsound(&entries, synced)? {
            let Entry { segment, at, .. } = entries.swap_remove(torn);
            entries.truncate(torn);
            broken = Some(Break { segment, at, reason: "a batch is not whole", kind: Kind::Other });
        }
        for entry in &entries {
            apply(&entry.changes().map_err(failed(&entry.segment.path))?)?;
        }
        let sequence = entries.last().map_or(self.applied.sequence, |last| last.head.sequence + 1);
        self.end(segments, broken, sequence, synced)
    }
    /// The files there are, opened.
    fn segments(&self) -> Result<Segments, JournalError> {
        fs::create_dir_all(self.folder).map_err(failed(self.folder))?;
        let mut segments = Segments::new();
        for entry in fs::read_dir(self.folder).map_err(failed(self.folder))? {
            let path = entry.map_err(failed(self.folder))?.path();
            if let Some(number) = number_of(&path) {
                let segment = Segment::open(path.clone(), number).map_err(failed(&path))?;
                segments.insert(number, Arc::new(segment));
            }
        }
        Ok(segments)
    }
    /// Every entry that RocksDB has not, up to the first that is not whole.
    fn walk(&self, segments: &Segments) -> Result<(Vec<Entry>, Option<Break>), JournalError> {
        let mut entries = Vec::new();
        let Applied { to: from, sequence: mut expected } = self.applied;
        if from.at > 0 && !segments.contains_key(&from.segment) {
            let path = segment::path(self.folder, from.segment);
            self.excuse(&path, 0, "the file is missing")?;
        }
        for segment in segments.range(from.segment..).map(|(_, segment)| segment) {
            // nothing more is in it, and what there was RocksDB has
            if segment.number == from.segment && from.at > 0 && segment.len() == from.at {
                continue;
            }
            let broken = |at, reason, kind| Some(Break { segment: segment.clone(), at, reason, kind });
            let Some(header) = segment.header else {
                let kind =
                    if is_blank(segment).map_err(failed(&segment.path))? { Kind::Short } else { Kind::Lost };
                return Ok((entries, broken(0, "its header is not whole", kind)));
            };
            let is_begun = segment.number == from.segment && from.at > 0;
            if !is_begun && header.first_sequence != expected {
                return Ok((entries, broken(0, "entries before it are missing", Kind::Other)));
            }
            let mut at = if is_begun { from.at } else { HEADER_LEN as u64 };
            loop {
                match look(segment, at, Some(expected)).map_err(failed(&segment.path))? {
                    Look::End => break,
                    Look::Broken(reason, kind) => return Ok((entries, broken(at, reason, kind))),
                    Look::Entry(entry) => {
                        at = entry.end().at;
                        expected = entry.head.sequence + 1;
                        entries.push(entry);
                    }
                }
            }
        }
        Ok((entries, None))
    }
    /// Whether what lies at the break and behind it may be cut off.
    fn judge(&self, found: &Break, segments: &Segments, entries: &[Entry]) -> Result<(), JournalError> {
        let place = Position { segment: found.segment.number, at: found.at };
        let is_last = segments.last_key_value().is_some_and(|(last, _)| *last == place.segment);
        let is_torn = match (found.kind, self.is_this_boots(&found.segment)) {
            (Kind::Lost, _) => false,
            (kind, true) => is_last && kind == Kind::Short,
            (_, false) => synced(entries).max(synced_behind(found, segments)?) <= place,
        };
        if is_torn {
            return Ok(());
        }
        self.excuse(&found.segment.path, found.at, found.reason)
    }
    fn excuse(&self, path: &Path, at: u64, reason: &'static str) -> Result<(), JournalError> {
        if !self.accept_damage {
            return Err(JournalError::Damaged { path: path.into(), at, reason });
        }
        let file = path.display();
        tracing::warn!(%file, byte = at, reason, "the journal is damaged; what lies behind is dropped, as the settings say");
        Ok(())
    }
    /// The first entry whose batches a power failure may have taken, though its head and its changes are there.
    fn first_unsound(&self, entries: &[Entry], synced: Position) -> Result<Option<usize>, JournalError> {
        for (index, entry) in entries.iter().enumerate() {
            if entry.end() > synced
                && !self.is_this_boots(&entry.segment)
                && !entry.is_sound().map_err(failed(&entry.segment.path))?
            {
                return Ok(Some(index));
            }
        }
        Ok(None)
    }
    /// Whether the machine has surely not started anew since it was written.
    fn is_this_boots(&self, segment: &Segment) -> bool {
        self.boot.is_some() && segment.header.is_some_and(|header| header.boot == self.boot)
    }
    /// Cuts off what is broken and begins a segment of this start's own. What is known to be synced is known on.
    fn end(
        &self,
        mut segments: Segments,
        broken: Option<Break>,
        sequence: u64,
        mut synced: Position,
    ) -> Result<Journal, JournalError> {
        let last = segments.last_key_value().map_or(0, |(number, _)| *number);
        let next = last.max(self.applied.to.segment) + 1;
        if let Some(Break { segment, at, reason, .. }) = broken {
            let behind: Vec<_> = segments.range(segment.number + 1..).map(|(number, _)| *number).collect();
            tracing::warn!(file = %segment.path.display(), byte = at, reason, files_behind = behind.len(),
                "what a crash left at the journal's end is cut off; it was not synced");
            // what RocksDB names stays, also where it is damaged: reading it says so
            let is_named = segment.number == self.applied.to.segment;
            let keep = if is_named { at.max(self.applied.to.at) } else { at };
            synced = synced.min(Position { segment: segment.number, at: keep });
            let empty = (keep <= HEADER_LEN as u64).then_some(segment.number);
            // from the end, so that a crash meanwhile leaves no hole
            for number in behind.into_iter().rev().chain(empty) {
                if let Some(gone) = segments.remove(&number) {
                    fs::remove_file(&gone.path).map_err(failed(&gone.path))?;
                }
            }
            segment.cut(keep).map_err(failed(&segment.path))?;
        }
        let unsynced =
            segments.range(self.applied.to.segment..).map(|(_, segment)| segment.clone()).collect();
        let goes_on = GoesOn { number: next, sequence, unsynced, synced };
        Journal::go_on(self.folder, self.segment_bytes, segments, goes_on).map_err(failed(self.folder))
    }
}

fn failed(path: &Path) -> impl Fn(io::Error) -> JournalError {
    move |error| JournalError::Io { path: path.to_owned(), error }
}

/// Whether its header was never on disk: it was being created when its writer was killed or power was lost.
fn is_blank(segment: &Segment) -> io::Result<bool> {
    if segment.len() < HEADER_LEN as u64 {
        return Ok(true);
    }
    Ok(segment.read(0, HEADER_LEN)?.iter().all(|byte| *byte == 0))
}

/// What lies at a place where an entry may begin.
fn look(segment: &Arc<Segment>, at: u64, expected: Option<u64>) -> io::Result<Look> {
    let left = segment.len().saturating_sub(at);
    if left == 0 {
        return Ok(match segment.len() < at {
            true => Look::Broken("the file is shorter than it was", Kind::Lost),
            false => Look::End,
        });
    }
    if left < HEAD_LEN as u64 {
        return Ok(Look::Broken("an entry's head is cut off", Kind::Short));
    }
    let Some(head) = Head::decode(&segment.read(at, HEAD_LEN)?, segment.salt()) else {
        return Ok(Look::Broken("no entry begins here", Kind::Other));
    };
    if left < head.entry_len() {
        return Ok(Look::Broken("an entry is cut off", Kind::Short));
    }
    let entry = Entry { segment: segment.clone(), at, head };
    if !head.fits(&entry.changes()?) {
        return Ok(Look::Broken("an entry's changes are not as they were written", Kind::Other));
    }
    if expected.is_some_and(|expected| head.sequence != expected) {
        return Ok(Look::Broken("an entry has another number than it should", Kind::Other));
    }
    Ok(Look::Entry(entry))
}

/// Up to where these entries say that all was synced.
fn synced(entries: &[Entry]) -> Position {
    entries.iter().map(|entry| entry.head.synced).max().unwrap_or_default()
}

/// The same of whatever whole entries lie behind a break.
fn synced_behind(found: &Break, segments: &Segments) -> Result<Position, JournalError> {
    let mut synced = Position::default();
    for segment in segments.range(found.segment.number..).map(|(_, segment)| segment) {
        let mut at = if segment.number == found.segment.number { found.at + 1 } else { 0 };
        while let Some(entry) = next_entry(segment, at).map_err(failed(&segment.path))? {
            synced = synced.max(entry.head.synced);
            at = entry.end().at;
        }
    }
    Ok(synced)
}
/// The next whole entry at or behind `from`.
fn next_entry(segment: &Arc<Segment>, from: u64) -> io::Result<Option<Entry>> {
    let mut at = from;
    while at < segment.len() {
        let len = usize::try_from(segment.len() - at).unwrap_or(usize::MAX).min(SEARCH_LEN);
        let bytes = segment.read(at, len)?;
        let mut found = find_head(&bytes, 0);
        while let Some(offset) = found {
            if let Look::Entry(entry) = look(segment, at + offset as u64, None)? {
                return Ok(Some(entry));
            }
            found = find_head(&bytes, offset + 1);
        }
        // a head may lie across the end of what was read
        at += if len > HEAD_LEN { (len - HEAD_LEN) as u64 } else { len as u64 };
        if len < SEARCH_LEN {
            break;
        }
    }
    Ok(None)
}

/// Calls `each` with the changes of every entry of a segment, whose entries are all whole; an error where one is not.
pub(in crate::rocks) fn each_entry(
    segment: &Arc<Segment>,
    mut each: impl FnMut(&[u8]) -> Result<(), StoreError>,
) -> Result<(), JournalError> {
    let mut at = HEADER_LEN as u64;
    loop {
        match look(segment, at, None).map_err(failed(&segment.path))? {
            Look::End => return Ok(()),
            Look::Broken(reason, _) => {
                return Err(JournalError::Damaged { path: segment.path.clone(), at, reason });
            }
            Look::Entry(entry) => {
                each(&entry.changes().map_err(failed(&segment.path))?)?;
                at = entry.end().at;
            }
        }
    }
}
