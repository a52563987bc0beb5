//! Batches on their way out of the log as the bytes they are: in memory, or in a file from which the system can send them
//! without a copy in between. In come places, out go bytes, to a socket or into memory.
//! Invariant: a file's bytes are sent unread only while they have been in the system's memory since this process wrote them, as
//! far as it knows: once any of a file was found missing there, all of it is read and checked from then on.

use crate::api::Fetched;
use bytes::{Buf, Bytes};
use potok_types::{Ends, Offset, RecordBatch, batch_len};
use std::fs::File;
use std::io;
use std::num::NonZeroU64;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};

/// A piece of a file has no more bytes than this, one batch apart: what is read when it turns out to have left memory.
const PIECE_LEN_MAX: u64 = 1 << 20;
/// Sent by one call: little enough that a connection does not keep its thread for long.
const SEND_LEN_MAX: u64 = 256 << 10;

/// What a read found, as bytes.
#[derive(Clone, Debug, Default)]
pub struct Located {
    /// Whole batches, one behind the other.
    pub pieces: Vec<Piece>,
    /// Behind the last of them; what was asked for when there are none.
    pub next: Offset,
    /// The ends at that moment.
    pub ends: Ends,
    /// There is more within the bounds, but not where it is known without waiting.
    pub more: bool,
}

impl Located {
    /// Batches that are in memory, read from `asked` on.
    pub fn of(fetched: Fetched, asked: Offset) -> Located {
        let next = fetched.batches.last().map_or(asked, |last| last.header().next_offset());
        let pieces = fetched.batches.iter().map(|batch| Piece::Memory(batch.bytes().clone())).collect();
        Located { pieces, next, ends: fetched.ends, more: false }
    }
    /// Bytes of all of it.
    pub fn len(&self) -> usize {
        self.pieces.iter().map(Piece::len).sum()
    }
    /// Whether there is nothing.
    pub fn is_empty(&self) -> bool {
        self.pieces.is_empty()
    }
}

/// Bytes, one behind the other.
#[derive(Clone, Debug)]
pub enum Piece {
    /// In memory.
    Memory(Bytes),
    /// In a file.
    File(FilePiece),
}

impl Piece {
    /// How many bytes.
    pub fn len(&self) -> usize {
        match self {
            Piece::Memory(bytes) => bytes.len(),
            Piece::File(file) => file.len(),
        }
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Takes so many bytes off the front, of those it has.
    pub fn advance(&mut self, count: usize) {
        match self {
            Piece::Memory(bytes) => bytes.advance(count),
            Piece::File(file) => file.at += count as u64,
        }
    }
    /// Its bytes in memory; waits for the disk.
    pub fn read(&self) -> io::Result<Bytes> {
        match self {
            Piece::Memory(bytes) => Ok(bytes.clone()),
            Piece::File(file) => file.read(),
        }
    }
}

impl From<Bytes> for Piece {
    fn from(bytes: Bytes) -> Piece {
        Piece::Memory(bytes)
    }
}

/// Whole batches in a file that is only appended to, and stays readable for whoever holds it; what is left of them to send.
#[derive(Clone, Debug)]
pub struct FilePiece {
    file: Arc<WrittenFile>,
    start: u64,
    at: u64,
    end: u64,
    /// Where its batches begin.
    bases: Vec<Offset>,
}

impl FilePiece {
    fn len(&self) -> usize {
        usize::try_from(self.end - self.at).unwrap_or(usize::MAX)
    }
    /// Bytes that the next call sends at most.
    fn next_len(&self) -> u64 {
        (self.end - self.at).min(SEND_LEN_MAX)
    }
    /// Whether what is sent next is still in the system's memory. If not, [`Piece::read`] has it, checked.
    pub fn can_be_sent(&self) -> bool {
        self.file.holds(self.at, self.next_len())
    }
    /// Sends bytes from its front to a socket that does not wait, some of those that [`FilePiece::can_be_sent`] was about; it is for
    /// the caller to take them off.
    #[cfg(target_os = "linux")]
    pub fn send_to(&self, socket: impl AsFd) -> io::Result<usize> {
        let (mut at, len) = (self.at, usize::try_from(self.next_len()).unwrap_or(usize::MAX));
        Ok(rustix::fs::sendfile(socket, &self.file.file, Some(&mut at), len)?)
    }
    /// Elsewhere nothing is sent from files.
    #[cfg(not(target_os = "linux"))]
    pub fn send_to(&self, _socket: impl AsFd) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
    /// What is left of it, after all its batches were checked.
    fn read(&self) -> io::Result<Bytes> {
        let damaged = |error: potok_types::BatchError| io::Error::new(io::ErrorKind::InvalidData, error);
        let mut bytes = vec![0; usize::try_from(self.end - self.start).unwrap_or(usize::MAX)];
        self.file.read_exact_at(&mut bytes, self.start)?;
        let bytes = Bytes::from(bytes);
        let mut rest = bytes.clone();
        for base in &self.bases {
            let len = batch_len(&rest).map_err(damaged)?.min(rest.len());
            let batch = RecordBatch::from_stored(rest.split_to(len)).map_err(damaged)?;
            // which the checksum does not cover
            if batch.header().base_offset != *base {
                return Err(io::Error::new(io::ErrorKind::InvalidData, "another batch lies there"));
            }
        }
        if !rest.is_empty() {
            return Err(io::Error::new(io::ErrorKind::InvalidData, "shorter batches lie there"));
        }
        Ok(bytes.slice(usize::try_from(self.at - self.start).unwrap_or(usize::MAX)..))
    }
    /// Takes what lies right behind it along, up to a bound. Whether it does.
    #[cfg_attr(not(feature = "rocks"), expect(dead_code, reason = "only a log on disk has files"))]
    pub(crate) fn take_along(&mut self, next: &FilePiece) -> bool {
        let follows = Arc::ptr_eq(&self.file, &next.file) && self.end == next.start;
        let takes = follows && next.end - self.start <= PIECE_LEN_MAX;
        if takes {
            self.end = next.end;
            self.bases.extend_from_slice(&next.bases);
        }
        takes
    }
}

/// A file of the log, and whether this process wrote all of it and it has been in the system's memory since.
#[derive(Debug)]
pub(crate) struct WrittenFile {
    file: File,
    was_never_away: AtomicBool,
}

#[cfg_attr(not(feature = "rocks"), expect(dead_code, reason = "only a log on disk has files"))]
impl WrittenFile {
    /// A file that this process begins.
    pub(crate) fn begun(file: File) -> WrittenFile {
        WrittenFile { file, was_never_away: AtomicBool::new(true) }
    }
    /// A file that was there.
    pub(crate) fn found(file: File) -> WrittenFile {
        WrittenFile { file, was_never_away: AtomicBool::new(false) }
    }
    pub(crate) fn file(&self) -> &File {
        &self.file
    }
    /// Somebody reads it who does not tell what was missing.
    pub(crate) fn count_as_away(&self) {
        self.was_never_away.store(false, Ordering::Release);
    }
    /// Has the system read these bytes, without waiting for them, unless it has them in memory.
    pub(crate) fn will_be_read(&self, at: u64, len: u64) {
        if let Some(some) = NonZeroU64::new(len)
            && !cached(&self.file, at, len)
        {
            self.count_as_away();
            // a hint: without it they are read one after the other
            let _ = rustix::fs::fadvise(&self.file, at, Some(some), rustix::fs::Advice::WillNeed);
        }
    }
    /// A batch of it to be sent; none where it is to be read.
    pub(crate) fn piece(self: &Arc<WrittenFile>, at: u64, len: u32, base: Offset) -> Option<FilePiece> {
        let end = at.checked_add(len.into())?;
        let may = self.was_never_away.load(Ordering::Relaxed);
        may.then(|| FilePiece { file: self.clone(), start: at, at, end, bases: vec![base] })
    }
}

impl WrittenFile {
    /// Whether the system has these in memory, and always had the file there. Reads nothing.
    pub(crate) fn holds(&self, at: u64, len: u64) -> bool {
        // looked at last: whoever brings missing pages in says so first
        let never_away = || self.was_never_away.load(Ordering::Acquire);
        let holds = never_away() && (len == 0 || cached(&self.file, at, len)) && never_away();
        if !holds {
            self.count_as_away();
        }
        holds
    }
    /// Fills `to`. What is missing in memory comes from the disk, and the file counts as away from then on: what was read along with it
    /// was checked by nobody.
    pub(crate) fn read_exact_at(&self, to: &mut [u8], at: u64) -> io::Result<()> {
        let _was_held = self.holds(at, to.len() as u64);
        self.file.read_exact_at(to, at)
    }
}

/// Whether all pages of these bytes are in the system's memory (cachestat(2), since Linux 6.5). Pages are taken for 4 KiB: where they
/// are larger there are fewer than expected, and the answer is no. Asked several times, as once in 100,000 Linux 6.18 counts a page
/// too few where the thread is to give way while it counts.
#[cfg(target_os = "linux")]
fn cached(file: &File, at: u64, len: u64) -> bool {
    use std::os::fd::AsRawFd;
    /// The same number on every architecture but Alpha.
    const CACHESTAT: libc::c_long = 451;
    const PAGE_LEN: u64 = 4096;
    const ASKED_MAX: usize = 3;
    let range = [at, len];
    let pages = (at + len).div_ceil(PAGE_LEN) - at / PAGE_LEN;
    let mut counts = [0_u64; 5];
    let mut asks = (0..ASKED_MAX).map(|_| {
        #[expect(
            unsafe_code,
            reason = "no library has this call; it reads two numbers, and writes five, that outlive it"
        )]
        let done =
            unsafe { libc::syscall(CACHESTAT, file.as_raw_fd(), range.as_ptr(), counts.as_mut_ptr(), 0_u32) };
        done == 0 && counts[0] == pages
    });
    asks.any(|all| all)
}
/// Elsewhere nothing is sent from files.
#[cfg(not(target_os = "linux"))]
fn cached(_file: &File, _at: u64, _len: u64) -> bool {
    false
}

#[cfg(test)]
#[cfg(target_os = "linux")]
mod tests {
    use super::*;
    use potok_types::{BatchBuilder, Compression, LeaderEpoch, Timestamp};

    fn offset(raw: u64) -> Offset {
        Offset::new(raw).unwrap()
    }
    fn batch(base: u64) -> Bytes {
        let mut builder = BatchBuilder::new(Compression::None);
        builder.push(Timestamp(1), None, Some(&[7; 20_000]), std::iter::empty());
        let batch = builder.build().unwrap().unwrap();
        batch.place(offset(base), LeaderEpoch(0)).bytes().clone()
    }
    /// A file of two batches, and a piece of each.
    fn two(folder: &std::path::Path) -> (Arc<WrittenFile>, FilePiece, FilePiece, Bytes) {
        let bytes: Bytes = [batch(0), batch(1)].concat().into();
        let path = folder.join("file");
        std::fs::write(&path, &bytes).unwrap();
        let file = Arc::new(WrittenFile::begun(File::options().read(true).write(true).open(path).unwrap()));
        let len = u32::try_from(bytes.len() / 2).unwrap();
        let (one, two) =
            (file.piece(0, len, offset(0)).unwrap(), file.piece(len.into(), len, offset(1)).unwrap());
        (file, one, two, bytes)
    }

    #[test]
    fn pieces_that_follow_are_one_and_what_is_left_of_them_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let (_, mut one, two, bytes) = two(folder.path());
        assert!(!two.clone().take_along(&one), "they lie the other way round");
        assert!(one.take_along(&two));
        let mut piece = Piece::File(one);
        assert_eq!((piece.len(), piece.read().unwrap()), (bytes.len(), bytes.clone()));
        piece.advance(30_000);
        assert_eq!((piece.len(), piece.read().unwrap()), (bytes.len() - 30_000, bytes.slice(30_000..)));
    }
    #[test]
    fn what_is_read_in_place_of_being_sent_is_checked() {
        let folder = tempfile::tempdir().unwrap();
        let (file, mut one, two, bytes) = two(folder.path());
        assert!(one.take_along(&two));
        let mut piece = Piece::File(one);
        piece.advance(10);
        let second = bytes.len() / 2;
        // its value, and the offset that it begins at
        for place in [bytes.len() - 100, second + 7] {
            file.file().write_all_at(&[8], place as u64).unwrap();
            assert_eq!(piece.read().unwrap_err().kind(), io::ErrorKind::InvalidData);
            file.file().write_all_at(&bytes[place..=place], place as u64).unwrap();
            assert_eq!(piece.read().unwrap(), bytes.slice(10..));
        }
    }
    #[test]
    fn a_file_of_which_anything_was_missing_in_memory_is_sent_no_more() {
        let folder = tempfile::tempdir().unwrap();
        let (file, one, two, _) = two(folder.path());
        if !cached(file.file(), 0, 100) {
            // the system does not tell: then nothing is sent
            assert!(!one.can_be_sent());
            return;
        }
        assert!(one.can_be_sent() && two.can_be_sent());
        file.file().sync_all().unwrap();
        rustix::fs::fadvise(file.file(), 0, None, rustix::fs::Advice::DontNeed).unwrap();
        if cached(file.file(), 0, 100) {
            // a file system that is memory itself lets nothing go
            return;
        }
        let mut byte = [0];
        file.read_exact_at(&mut byte, 30_000).unwrap();
        assert!(!one.can_be_sent() && !two.can_be_sent(), "the system read along with it");
        assert!(file.piece(0, 1, offset(0)).is_none());
    }
    #[test]
    fn a_file_that_was_there_before_is_read() {
        let folder = tempfile::tempdir().unwrap();
        let path = folder.path().join("file");
        std::fs::write(&path, "bytes").unwrap();
        assert!(Arc::new(WrittenFile::found(File::open(path).unwrap())).piece(0, 1, offset(0)).is_none());
    }
}
