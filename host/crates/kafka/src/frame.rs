//! Requests out of a socket: frames of a length and as many bytes. In come bytes as they arrive, out go whole frames.
//! A request that is not small gets a buffer of its own, into which the socket is read: what is made of it may keep that, and its bytes
//! are never moved. Each read brings the beginning of the next request, too, so that one call a request is enough.
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
/// A buffer that small requests share: several come with one call.
const SHARED_LEN: usize = SMALL;
/// Requests up to this share a buffer with others; a larger one is not worth to be copied out of it.
const SHARES_LEN_MAX: usize = 4 * 1024;
/// Read beyond the end of a larger request. Little, as it is copied to where the next one gets its buffer.
const BEYOND: usize = 1024;
/// Reserved at once for a request that claims as much: most producers' largest request, so that it is never moved.
const TRUSTED: usize = 1 << 20;
/// The next request is taken for as long as the last one, but for no longer than this, until its length is known.
const GUESS_MAX: usize = 256 * 1024;

/// One request as it came, without its length.
#[derive(Debug)]
pub(crate) struct Frame {
    /// Header and body.
    pub(crate) bytes: BytesMut,
    /// Bytes of memory that live as long as any of them is kept.
    pub(crate) span: usize,
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
    /// Bytes of the memory behind the buffer.
    span: usize,
    /// Bytes of the last request with its length.
    last: usize,
    held: Held,
    room: Room,
    len_max: usize,
}

impl Frames {
    pub(crate) fn new(room: Room, len_max: usize) -> Frames {
        Frames { buffer: BytesMut::new(), span: 0, last: 0, held: Held::default(), room, len_max }
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
        let was_empty = self.buffer.is_empty();
        if was_empty {
            from.readable().await?;
        }
        let wanted = self.make_space()?;
        self.room.widen(&mut self.held, self.buffer.len()).await;
        let mut space = (&mut self.buffer).limit(wanted);
        let read = match was_empty {
            true => from.try_read_buf(&mut space),
            false => from.read_buf(&mut space).await,
        };
        match read {
            // nothing was there after all, and while nothing is, there is no buffer
            Err(error) if was_empty && error.kind() == io::ErrorKind::WouldBlock => {
                self.buffer = BytesMut::new();
                Ok(Step::Progress)
            }
            Err(error) => Err(error.into()),
            Ok(0) if was_empty => Ok(Step::End),
            Ok(0) => Err(Fault::Malformed("the connection ends within a request").into()),
            Ok(_) => Ok(self.cut()?.map_or(Step::Progress, Step::Frame)),
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
        self.last = LENGTH_LEN + len;
        self.buffer.advance(LENGTH_LEN);
        let bytes = self.buffer.split_to(len);
        let span = self.span;
        if self.buffer.is_empty() || span > SHARED_LEN {
            self.buffer = BytesMut::from(self.buffer.as_ref());
            self.span = self.buffer.len();
        }
        Ok(Some(Frame { bytes, span, held: std::mem::take(&mut self.held) }))
    }
    /// Makes space for the next read; answers how many bytes it may bring.
    fn make_space(&mut self) -> Result<usize, Fault> {
        let have = self.buffer.len();
        let whole = self.claimed()?.map(|len| LENGTH_LEN + len);
        if self.buffer.capacity() < whole.unwrap_or(LENGTH_LEN).min(TRUSTED) {
            self.move_to(whole.unwrap_or(self.last.min(GUESS_MAX)), TRUSTED);
        } else if let Some(whole) = whole.filter(|_| self.buffer.capacity() == have) {
            self.move_to(whole, 2 * have);
        }
        let space = self.buffer.capacity() - have;
        Ok(match whole {
            Some(whole) if whole > SHARES_LEN_MAX => space.min(whole - have + BEYOND),
            _ => space,
        })
    }
    /// Goes on in a buffer for a request of `whole` bytes, of at most so many, with what is there of it.
    fn move_to(&mut self, whole: usize, most: usize) {
        self.span = if whole > SHARES_LEN_MAX { (whole + BEYOND).min(most) } else { SHARED_LEN };
        let mut buffer = BytesMut::with_capacity(self.span);
        buffer.extend_from_slice(&self.buffer);
        self.buffer = buffer;
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures::FutureExt;
    use tokio::io::AsyncWriteExt;
    use tokio::net::{TcpListener, TcpStream};

    async fn connected() -> (TcpStream, TcpStream) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let (ours, theirs) =
            tokio::join!(TcpStream::connect(listener.local_addr().unwrap()), listener.accept());
        (ours.unwrap(), theirs.unwrap().0)
    }
    fn request(len: usize) -> Vec<u8> {
        (0..251).cycle().skip(len % 251).take(len).collect()
    }
    async fn next(frames: &mut Frames, from: &mut ReadHalf<'_>) -> Frame {
        loop {
            match frames.step(from).await.unwrap() {
                Step::Frame(frame) => return frame,
                Step::Progress => {}
                Step::End => panic!("there is one more to come"),
            }
        }
    }

    const LENGTHS: [usize; 16] = [
        0,
        1,
        100,
        4_092,
        4_093,
        20_000,
        20_000,
        20_000,
        60,
        33_000,
        140_000,
        140_000,
        5,
        1 << 20,
        3 << 20,
        9,
    ];

    /// Requests of these lengths, in as many writes as are wanted, and then silence.
    async fn come_out_as_they_went_in(writes: Vec<Vec<u8>>) {
        let (mut client, mut server) = connected().await;
        let sending = tokio::spawn(async move {
            for bytes in writes {
                client.write_all(&bytes).await.unwrap();
            }
            client
        });
        let (mut reader, _) = server.split();
        let (mut frames, mut guess) = (Frames::new(Room::new(64 << 20), 64 << 20), 0);
        for len in LENGTHS {
            let frame = next(&mut frames, &mut reader).await;
            assert!(frame.bytes == request(len), "{len} bytes");
            let most = len.max(guess).max(SHARED_LEN) + LENGTH_LEN + BEYOND;
            assert!(frame.span <= most, "{len} bytes keep {}", frame.span);
            guess = len.min(GUESS_MAX);
        }
        // the client is there, and says nothing
        let client = sending.await.unwrap();
        while frames.step(&mut reader).now_or_never().is_some() {}
        assert_eq!(frames.buffer.capacity(), 0, "an idle connection holds no buffer");
        drop(client);
        assert!(matches!(frames.step(&mut reader).await, Ok(Step::End)));
    }
    fn framed(len: usize) -> Vec<u8> {
        [u32::try_from(len).unwrap().to_be_bytes().as_slice(), &request(len)].concat()
    }

    #[tokio::test]
    async fn requests_of_every_length_come_out_as_they_went_in_and_keep_little_more_memory_than_they_have() {
        come_out_as_they_went_in(LENGTHS.map(framed).into()).await;
    }
    #[tokio::test]
    async fn a_small_request_right_behind_a_large_one_does_not_keep_its_memory() {
        come_out_as_they_went_in(vec![LENGTHS.map(framed).concat()]).await;
    }
    #[tokio::test]
    async fn a_length_that_comes_in_pieces_is_waited_for() {
        let pieces = LENGTHS.map(framed).concat();
        come_out_as_they_went_in(pieces.chunks(4_099).map(<[u8]>::to_vec).collect()).await;
    }
}
