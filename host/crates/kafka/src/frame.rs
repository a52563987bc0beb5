//! Requests out of a socket: frames of a length and as many bytes. In come bytes as they arrive, out go whole frames.
//! Memory grows with what came: up to [`TRUSTED`] bytes are reserved for what a length claims (they cost nothing until they
//! are written), beyond that the buffer doubles as it fills. An idle connection holds no buffer at all.

use crate::error::Fault;
use crate::room::{Held, Room, SMALL};
use bytes::{Buf, BufMut, BytesMut};
use std::io;
use tokio::io::AsyncReadExt;
use tokio::net::tcp::ReadHalf;

/// Bytes of the length in front of a request.
const LENGTH_LEN: usize = 4;
/// Read at a time while the length of the next request is not known: several small requests come with one call.
const READ_LEN: usize = SMALL;
/// Reserved at once for a request that claims as much: most producers' largest request, so that it is never moved.
const TRUSTED: usize = 1 << 20;

/// One request as it came, without its length.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Header and body.
    pub(crate) bytes: BytesMut,
    /// Room for them.
    pub(crate) held: Held,
}

/// What one step of reading came to.
#[derive(Debug)]
pub(crate) enum Step {
    /// A whole request.
    Frame(Frame),
    /// Some bytes.
    Progress,
    /// The client sends no more.
    End,
}

/// Why reading ended.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ReadFailure {
    /// The connection failed.
    #[error(transparent)]
    Io(#[from] io::Error),
    /// What came is no request.
    #[error(transparent)]
    Fault(#[from] Fault),
}

/// Cuts the bytes of one connection into frames.
#[derive(Debug)]
pub(crate) struct Frames {
    buffer: BytesMut,
    held: Held,
    room: Room,
    len_max: usize,
}

impl Frames {
    pub(crate) fn new(room: Room, len_max: usize) -> Frames {
        Frames { buffer: BytesMut::new(), held: Held::default(), room, len_max }
    }
    /// Whether nothing of the next request has come yet.
    pub(crate) fn is_between(&self) -> bool {
        self.buffer.is_empty()
    }
    /// One read at most. May be dropped at any moment without losing a byte.
    pub(crate) async fn step(&mut self, from: &mut ReadHalf<'_>) -> Result<Step, ReadFailure> {
        if let Some(frame) = self.cut()? {
            return Ok(Step::Frame(frame));
        }
        if self.buffer.is_empty() {
            from.readable().await?;
        }
        let wanted = self.make_space()?;
        self.room.widen(&mut self.held, self.buffer.len()).await;
        let read = from.read_buf(&mut (&mut self.buffer).limit(wanted)).await?;
        match (read, self.buffer.is_empty()) {
            (0, true) => Ok(Step::End),
            (0, false) => Err(Fault::Malformed("the connection ends within a request").into()),
            _ => Ok(self.cut()?.map_or(Step::Progress, Step::Frame)),
        }
    }
    /// The length of the next request, once it has come.
    fn claimed(&self) -> Result<Option<usize>, Fault> {
        let Some(length) = self.buffer.first_chunk::<LENGTH_LEN>() else { return Ok(None) };
        let claimed = i32::from_be_bytes(*length);
        match usize::try_from(claimed) {
            Ok(len) if len <= self.len_max => Ok(Some(len)),
            _ => Err(Fault::TooLarge { claimed: claimed.into(), max: self.len_max }),
        }
    }
    /// The next request, when it is there whole.
    fn cut(&mut self) -> Result<Option<Frame>, Fault> {
        let Some(len) = self.claimed()? else { return Ok(None) };
        if self.buffer.len() < LENGTH_LEN + len {
            return Ok(None);
        }
        self.buffer.advance(LENGTH_LEN);
        let bytes = self.buffer.split_to(len);
        if self.buffer.is_empty() {
            self.buffer = BytesMut::new();
        }
        Ok(Some(Frame { bytes, held: std::mem::take(&mut self.held) }))
    }
    /// Makes space for the next read; answers how many bytes it may bring.
    fn make_space(&mut self) -> Result<usize, Fault> {
        let have = self.buffer.len();
        let missing = match self.claimed()? {
            Some(len) => LENGTH_LEN + len - have,
            None => READ_LEN,
        };
        // a large request gets memory of its own, which what is made of it may keep
        if have + missing > READ_LEN && self.buffer.capacity() < (have + missing).min(TRUSTED) {
            let mut own = BytesMut::with_capacity((have + missing).min(TRUSTED));
            own.extend_from_slice(&self.buffer);
            self.buffer = own;
        }
        if self.buffer.capacity() == have {
            self.buffer.reserve(missing.min(have.max(READ_LEN)));
        }
        Ok(missing.max(if have + missing > READ_LEN { 0 } else { READ_LEN - have }))
    }
}
