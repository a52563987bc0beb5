//! One file of the journal. In come places, out go the bytes that lie there.
//! Invariant: bytes below a segment's length never change; its file stays readable for whoever holds it, also once it is
//! taken away.

use super::entry::{HEADER_LEN, Header};
use crate::piece::{FilePiece, WrittenFile};
use bytes::{Bytes, BytesMut};
use potok_types::Offset;
use std::fs::{File, OpenOptions};
use std::io::{self, IoSlice, Write};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

/// How the files are called: `0000000007.log`.
const ENDING: &str = "log";
const DIGITS: usize = 10;

/// A segment, open.
#[derive(Debug)]
pub(in crate::rocks) struct Segment {
    pub(super) number: u32,
    pub(super) path: PathBuf,
    /// What it says of itself; none when that is damaged.
    pub(super) header: Option<Header>,
    file: Arc<WrittenFile>,
    len: AtomicU64,
}

impl Segment {
    /// A new one that holds its header.
    pub(super) fn create(folder: &Path, header: &Header) -> io::Result<Segment> {
        let path = path(folder, header.number);
        let file = OpenOptions::new().read(true).write(true).create_new(true).open(&path)?;
        (&file).write_all(&header.encode())?;
        let len = AtomicU64::new(HEADER_LEN as u64);
        let file = Arc::new(WrittenFile::begun(file));
        Ok(Segment { number: header.number, path, header: Some(*header), file, len })
    }
    /// One that is there. It is read from then on, and not written but for [`Segment::cut`].
    pub(super) fn open(path: PathBuf, number: u32) -> io::Result<Segment> {
        let file = OpenOptions::new().read(true).write(true).open(&path)?;
        let len = AtomicU64::new(file.metadata()?.len());
        let file = Arc::new(WrittenFile::found(file));
        let mut segment = Segment { number, path, header: None, file, len };
        if segment.len() >= HEADER_LEN as u64 {
            let header = Header::decode(&segment.read(0, HEADER_LEN)?);
            segment.header = header.filter(|header| header.number == number);
        }
        Ok(segment)
    }
    /// Its number: those of later segments are larger.
    pub(in crate::rocks) fn number(&self) -> u32 {
        self.number
    }
    /// Bytes of it.
    pub(in crate::rocks) fn len(&self) -> u64 {
        self.len.load(Ordering::Acquire)
    }
    /// What its entries' checksums begin with.
    pub(super) fn salt(&self) -> u32 {
        self.header.map_or(0, |header| header.salt)
    }
    /// Writes at the end, all or an error. Only the journal's one writer calls it.
    pub(super) fn append(&self, slices: &mut [IoSlice<'_>], len: u64) -> io::Result<()> {
        write_all(self.file.file(), slices)?;
        self.len.fetch_add(len, Ordering::Release);
        Ok(())
    }
    /// `len` bytes from `at` on; an error when there are fewer.
    pub(in crate::rocks) fn read(&self, at: u64, len: usize) -> io::Result<Bytes> {
        // a length that lies takes no memory
        if !self.has(at, len) {
            let there = self.len();
            let what =
                format!("{} has {there} bytes; {len} from {at} on were asked for", self.path.display());
            return Err(io::Error::new(io::ErrorKind::UnexpectedEof, what));
        }
        let mut bytes = BytesMut::zeroed(len);
        self.read_into(at, &mut bytes)?;
        Ok(bytes.freeze())
    }
    /// Whether there are `len` bytes from `at` on.
    pub(in crate::rocks) fn has(&self, at: u64, len: usize) -> bool {
        at.checked_add(len as u64).is_some_and(|end| end <= self.len())
    }
    /// The bytes from `at` on, as many as `to` takes.
    pub(in crate::rocks) fn read_into(&self, at: u64, to: &mut [u8]) -> io::Result<()> {
        self.file.read_exact_at(to, at)
    }
    /// The batch of `len` bytes at `at`, to be sent from the file; none where it is not there, or is to be read.
    pub(in crate::rocks) fn piece(&self, at: u64, len: u32, base: Offset) -> Option<FilePiece> {
        if self.has(at, usize::try_from(len).ok()?) { self.file.piece(at, len, base) } else { None }
    }
    /// Has the system read `len` bytes from `at` on, without waiting for them, unless it has them in memory.
    pub(in crate::rocks) fn will_be_read(&self, at: u64, len: u64) {
        self.file.will_be_read(at, len);
    }
    /// Somebody copies it who does not come through here.
    pub(super) fn count_as_away(&self) {
        self.file.count_as_away();
    }
    /// Waits until everything in it is on disk.
    pub(super) fn sync(&self) -> io::Result<()> {
        self.file.file().sync_data()
    }
    /// Takes away what lies behind `len`.
    pub(super) fn cut(&self, len: u64) -> io::Result<()> {
        self.file.file().set_len(len)?;
        self.len.store(len, Ordering::Release);
        Ok(())
    }
}

fn write_all(mut file: &File, mut slices: &mut [IoSlice<'_>]) -> io::Result<()> {
    IoSlice::advance_slices(&mut slices, 0);
    while !slices.is_empty() {
        match file.write_vectored(slices) {
            Ok(0) => return Err(io::ErrorKind::WriteZero.into()),
            Ok(written) => IoSlice::advance_slices(&mut slices, written),
            Err(error) if error.kind() == io::ErrorKind::Interrupted => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Where a segment lies.
pub(super) fn path(folder: &Path, number: u32) -> PathBuf {
    folder.join(format!("{number:0DIGITS$}.{ENDING}"))
}
/// The number of a segment's file; none for other files.
pub(super) fn number_of(path: &Path) -> Option<u32> {
    let (name, ending) = path.file_name()?.to_str()?.split_once('.')?;
    if ending != ENDING || name.len() != DIGITS { None } else { name.parse().ok() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_is_appended_is_read_and_no_more_than_that() {
        let folder = tempfile::tempdir().unwrap();
        let header = Header { number: 7, first_sequence: 1, boot: None, salt: 9 };
        let segment = Segment::create(folder.path(), &header).unwrap();
        assert_eq!(number_of(&segment.path), Some(7));
        assert_eq!(Segment::open(segment.path.clone(), 7).unwrap().header, Some(header));
        segment.append(&mut [IoSlice::new(b"ab"), IoSlice::new(b""), IoSlice::new(b"cde")], 5).unwrap();
        assert_eq!(&segment.read(52, 5).unwrap()[..], b"abcde");
        assert_eq!(&segment.read(54, 2).unwrap()[..], b"cd");
        for (at, len) in [(52, 6), (52, usize::MAX), (u64::MAX, 1)] {
            assert_eq!(segment.read(at, len).unwrap_err().kind(), io::ErrorKind::UnexpectedEof);
        }
        assert!(Segment::create(folder.path(), &header).is_err(), "no segment is written over another");
        std::fs::remove_file(&segment.path).unwrap();
        assert_eq!(&segment.read(52, 5).unwrap()[..], b"abcde", "who holds it reads it");
    }
    #[test]
    fn other_files_have_no_number() {
        for name in ["7.log", "0000000007.txt", "000000000x.log", "0000000007", "99999999999.log"] {
            assert_eq!(number_of(Path::new(name)), None, "{name}");
        }
    }
}
