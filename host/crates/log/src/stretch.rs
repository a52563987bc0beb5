//! Batches on their way out of the log as the bytes they are: in memory, or in a file from which the system can send them
//! without a copy in between. In come places, out go bytes, to a socket or into memory.
//! Invariant: what a stretch names does not change while the stretch is there, whatever becomes of the log's files.

use crate::api::Fetched;
use bytes::{Buf, Bytes};
use potok_types::{Ends, Offset};
use std::fs::File;
use std::io;
use std::os::fd::AsFd;
use std::os::unix::fs::FileExt;
use std::sync::Arc;

/// Where a file is looked at to know whether the system has it in memory: every so many bytes. It takes pages in and lets
/// them go by many at a time, so most of what is missing is seen, and what is not only makes a send wait for the disk.
const LOOK_EVERY: usize = 64 << 10;

/// What a read found, as bytes.
#[derive(Clone, Debug, Default)]
pub struct Located {
    /// Whole batches, one behind the other.
    pub stretches: Vec<Stretch>,
    /// Behind the last of them; what was asked for when there are none.
    pub next: Offset,
    /// The ends at that moment.
    pub ends: Ends,
}

impl Located {
    /// Batches that are in memory, read from `asked` on.
    pub fn of(fetched: Fetched, asked: Offset) -> Located {
        let next = fetched.batches.last().map_or(asked, |last| last.header().next_offset());
        let stretches = fetched.batches.iter().map(|batch| Stretch::Memory(batch.bytes().clone())).collect();
        Located { stretches, next, ends: fetched.ends }
    }
}

/// Bytes, one behind the other.
#[derive(Clone, Debug)]
pub enum Stretch {
    /// In memory.
    Memory(Bytes),
    /// In a file.
    File(FileStretch),
}

impl Stretch {
    /// How many bytes.
    pub fn len(&self) -> usize {
        match self {
            Stretch::Memory(bytes) => bytes.len(),
            Stretch::File(file) => file.len,
        }
    }
    /// Whether there are none.
    pub fn is_empty(&self) -> bool {
        self.len() == 0
    }
    /// Takes so many bytes off the front, of those it has.
    pub fn advance(&mut self, count: usize) {
        match self {
            Stretch::Memory(bytes) => bytes.advance(count),
            Stretch::File(file) => {
                file.at += count as u64;
                file.len -= count;
            }
        }
    }
    /// Its bytes in memory.
    pub fn bytes(&self) -> io::Result<Bytes> {
        match self {
            Stretch::Memory(bytes) => Ok(bytes.clone()),
            Stretch::File(file) => {
                let mut bytes = vec![0; file.len];
                file.file.read_exact_at(&mut bytes, file.at)?;
                Ok(bytes.into())
            }
        }
    }
}

impl From<Bytes> for Stretch {
    fn from(bytes: Bytes) -> Stretch {
        Stretch::Memory(bytes)
    }
}

/// Bytes of a file that is only appended to, and stays readable for whoever holds it.
#[derive(Clone, Debug)]
pub struct FileStretch {
    file: Arc<File>,
    at: u64,
    len: usize,
}

#[cfg_attr(not(feature = "rocks"), expect(dead_code, reason = "only a log on disk has files"))]
impl FileStretch {
    pub(crate) fn new(file: Arc<File>, at: u64, len: usize) -> FileStretch {
        FileStretch { file, at, len }
    }
    /// Takes what lies right behind it along. Whether it does.
    pub(crate) fn take_along(&mut self, next: &FileStretch) -> bool {
        let follows = Arc::ptr_eq(&self.file, &next.file) && self.at + self.len as u64 == next.at;
        if follows {
            self.len += next.len;
        }
        follows
    }
    /// Whether the system has it in memory, as far as can be told without reading it.
    #[cfg(target_os = "linux")]
    pub(crate) fn is_in_memory(&self) -> bool {
        use rustix::io::{ReadWriteFlags, preadv2};
        let last = self.len.saturating_sub(1);
        let mut places = (0..last).step_by(LOOK_EVERY).chain([last]);
        places.all(|place| {
            let mut byte = [0];
            let mut to = [io::IoSliceMut::new(&mut byte)];
            let read = preadv2(&*self.file, &mut to, self.at + place as u64, ReadWriteFlags::NOWAIT);
            read == Ok(1)
        })
    }
    /// Elsewhere nothing is sent from files.
    #[cfg(not(target_os = "linux"))]
    pub(crate) fn is_in_memory(&self) -> bool {
        false
    }
}

impl FileStretch {
    /// Sends bytes from its front to a socket that does not wait, as many as that takes; it is for the caller to take them off.
    #[cfg(target_os = "linux")]
    pub fn send_to(&self, socket: impl AsFd) -> io::Result<usize> {
        let mut at = self.at;
        Ok(rustix::fs::sendfile(socket, &*self.file, Some(&mut at), self.len)?)
    }
    /// Elsewhere nothing is sent from files.
    #[cfg(not(target_os = "linux"))]
    pub fn send_to(&self, _socket: impl AsFd) -> io::Result<usize> {
        Err(io::ErrorKind::Unsupported.into())
    }
}
