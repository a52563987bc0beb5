//! One connection: requests in, answers out in the same order. A task of its own for each.
//!
//! Produce requests overlap: each is checked before the next is looked at, those that came together are handed to the log
//! together, and each waits for its acknowledgement beside the others; one with so many items that it must wait for room
//! lets none overtake it. Any other request starts when all before it are answered, as in Kafka.
//! Invariant: at most [`IN_FLIGHT_MAX`] requests and about [`IN_FLIGHT_BYTES_MAX`] bytes are at work; a client that does
//! not read its answers is read from no further, and in the end cut off. What was started is finished, whatever happens to
//! the connection; what still waits for room for its decoded form was not.

use crate::answer::Answer;
use crate::api::{self, Started};
use crate::broker::Broker;
use crate::call::{Body, Client};
use crate::error::Fault;
use crate::frame::{Frame, Frames, ReadFailure, Step};
use crate::gather::Gather;
use crate::header::Header;
use crate::room::Held;
use futures::future::BoxFuture;
use futures::stream::FuturesOrdered;
use futures::{FutureExt, StreamExt, TryFutureExt};
use kafka_protocol::messages::ApiKey;
use potok_log::{FilePiece, Piece};
use std::collections::VecDeque;
use std::io::{self, IoSlice};
use std::sync::Arc;
use std::time::Duration;
use tokio::io::{AsyncWriteExt, Interest};
use tokio::net::TcpStream;
use tokio::net::tcp::{ReadHalf, WriteHalf};
use tokio::time::timeout;

/// Produce requests at work at the same time: Kafka's clients send 5 without an answer, raw ones some more.
const IN_FLIGHT_MAX: usize = 64;
/// Bytes of requests at work after which no further one is read.
const IN_FLIGHT_BYTES_MAX: usize = 32 << 20;
/// A client that takes an answer more slowly than this is cut off: it holds memory, and files that were taken away.
const TAKEN_PER_SECOND_MIN: u64 = 64 << 10;
/// Pieces handed to the socket at a time, well below the system's own limit (1024).
const PIECES_MAX: usize = 64;

/// What a request comes to: no answer where its client wants none.
type Outcome = Result<Option<Answer>, Fault>;
/// A request at work: its bytes, and what it comes to.
type Work = BoxFuture<'static, (usize, Outcome)>;

/// Why a connection ended before its client closed it.
#[derive(Debug, thiserror::Error)]
enum Ended {
    #[error(transparent)]
    Io(#[from] io::Error),
    #[error(transparent)]
    Fault(#[from] Fault),
    #[error("the client said nothing for long")]
    Idle,
    #[error("nothing more of a request came or found room, or nothing of an answer was taken")]
    Stalled,
}

/// Serves one connection to its end.
pub(crate) async fn serve(broker: Arc<Broker>, mut stream: TcpStream, client: Client) {
    let (reader, writer) = stream.split();
    let mut connection = Connection {
        frames: Frames::new(broker.room.clone(), broker.settings.request_bytes_max),
        client: Arc::new(client),
        next: None,
        work: FuturesOrdered::new(),
        work_bytes: 0,
        gather: Gather::default(),
        alone: false,
        closing: false,
        broker,
    };
    let ended = connection.run(reader, writer).await;
    connection.client.gone.cancel();
    let Connection { gather, broker, .. } = &mut connection;
    gather.flush(&*broker.log).await;
    if let Err(why) = ended {
        connection.count(&why);
        tracing::debug!(peer = %connection.client.peer, %why, "kafka: a connection was closed");
    }
    // nobody reads these answers any more, but their work is to be whole
    while connection.work.next().await.is_some() {}
}

struct Connection {
    broker: Arc<Broker>,
    client: Arc<Client>,
    frames: Frames,
    /// A request that came and has not started.
    next: Option<Frame>,
    work: FuturesOrdered<Work>,
    work_bytes: usize,
    /// What requests at work have for the log, and it has not.
    gather: Gather,
    /// The request at work lets no other start.
    alone: bool,
    /// No more is read; what was read is answered.
    closing: bool,
}

impl Connection {
    async fn run(&mut self, mut reader: ReadHalf<'_>, mut writer: WriteHalf<'_>) -> Result<(), Ended> {
        let broker = Arc::clone(&self.broker);
        let mut stopped = std::pin::pin!(broker.stop.cancelled());
        loop {
            if let Some(frame) = self.next_to_start() {
                self.start(frame).await?;
                continue;
            }
            if !self.gather.is_empty() {
                // what has come already goes along
                let along = self.next.is_none() && !self.closing && self.gather.has_room();
                match along.then(|| self.frames.step(&mut reader).now_or_never()).flatten() {
                    Some(step) => self.read(step)?,
                    None => self.gather.flush(&*broker.log).await,
                }
                continue;
            }
            if self.closing && self.next.is_none() && self.work.is_empty() {
                return Ok(());
            }
            let reads = self.next.is_none() && !self.closing;
            let patience = self.patience();
            tokio::select! {
                Some(done) = self.work.next(), if !self.work.is_empty() => self.answer(done, &mut writer).await?,
                step = timeout(patience, self.frames.step(&mut reader)), if reads => match step {
                    Ok(step) => self.read(step)?,
                    Err(_) if self.frames.is_between() => return Err(Ended::Idle),
                    Err(_) => return Err(Ended::Stalled),
                },
                () = &mut stopped, if !self.closing => self.closing = true,
            }
        }
    }
    /// How long the next bytes may take: for ever while the client waits for us.
    fn patience(&self) -> Duration {
        match (self.frames.is_between(), self.work.is_empty()) {
            (true, false) => Duration::MAX,
            (true, true) => self.broker.settings.idle_timeout(),
            (false, _) => self.broker.settings.request_idle_timeout(),
        }
    }
    fn read(&mut self, step: Result<Step, ReadFailure>) -> Result<(), Ended> {
        match step {
            Ok(Step::Frame(frame)) => self.next = Some(frame),
            Ok(Step::Progress) => {}
            Ok(Step::End) => {
                self.closing = true;
                self.client.gone.cancel();
            }
            Err(ReadFailure::Io(error)) => return Err(error.into()),
            Err(ReadFailure::Fault(fault)) => return Err(fault.into()),
        }
        Ok(())
    }
    /// The request that came, when it may start now.
    fn next_to_start(&mut self) -> Option<Frame> {
        let frame = self.next.as_ref()?;
        let overlaps = !self.alone && is_produce(frame) && self.work.len() < IN_FLIGHT_MAX;
        let starts = self.work.is_empty() || (overlaps && self.work_bytes < IN_FLIGHT_BYTES_MAX);
        if starts { self.next.take() } else { None }
    }
    async fn start(&mut self, frame: Frame) -> Result<(), Ended> {
        let Frame { mut bytes, span, mut held } = frame;
        let (len, began) = (bytes.len(), self.broker.clock.monotonic());
        let header = Header::take(&mut bytes)?;
        let body = Body { bytes, span };
        let key = header.key;
        let (broker, client) = (Arc::clone(&self.broker), Arc::clone(&self.client));
        let Started { outcome, room, is_queued } =
            api::start(broker, client, header, body, (&mut held, &mut self.gather)).await?;
        self.alone = !is_queued;
        let (broker, client) = (Arc::clone(&self.broker), Arc::clone(&self.client));
        self.work_bytes += len;
        self.work.push_back(
            async move {
                let outcome = match find_room(&broker, &client, &mut held, room).await {
                    Ok(()) => outcome.await,
                    Err(fault) => Err(fault),
                };
                let answer_len =
                    outcome.as_ref().map_or(0, |answer| answer.as_ref().map_or(0, |answer| answer.len));
                broker.metrics.answered(key, broker.clock.monotonic().saturating_sub(began), len, answer_len);
                drop(held);
                (len, outcome)
            }
            .boxed(),
        );
        Ok(())
    }
    /// Writes the first answer that is due, and all others that are ready behind it.
    async fn answer(&mut self, first: (usize, Outcome), writer: &mut WriteHalf<'_>) -> Result<(), Ended> {
        let (mut pieces, mut grants): (VecDeque<Piece>, _) = (VecDeque::new(), Vec::new());
        let mut done = Some(first);
        while let Some((len, outcome)) = done {
            self.work_bytes -= len;
            if let Some(answer) = outcome? {
                pieces.extend(answer.pieces);
                grants.extend(answer.grant);
            }
            let more = !self.work.is_empty() && pieces.len() < PIECES_MAX;
            done = if more { self.work.next().now_or_never().flatten() } else { None };
        }
        let patience = self.broker.settings.write_timeout();
        let len: usize = pieces.iter().map(Piece::len).sum();
        let whole = patience.saturating_add(Duration::from_secs(len as u64 / TAKEN_PER_SECOND_MIN));
        let sent = timeout(whole, send_all(writer, pieces, patience)).await;
        drop(grants);
        sent.map_err(|_| Ended::Stalled)?
    }
    fn count(&self, why: &Ended) {
        let metrics = &self.broker.metrics;
        match why {
            Ended::Io(_) => {}
            Ended::Idle => {
                metrics.connections_idled.inc();
            }
            Ended::Stalled | Ended::Fault(Fault::NoRoom) => {
                metrics.connections_stalled.inc();
            }
            Ended::Fault(_) => {
                metrics.connections_faulty.inc();
            }
        }
    }
}

/// Waits for room for what a request takes in memory beside its bytes. Bounded, as those who wait hold room that others wait
/// for: who is cut off gives it back. Not waited for is room for a client that has gone, or on a server that stops.
async fn find_room(broker: &Broker, client: &Client, held: &mut Held, room: usize) -> Result<(), Fault> {
    let found = timeout(broker.settings.request_idle_timeout(), broker.room.widen(held, room));
    tokio::select! {
        biased;
        found = found => found.map_err(|_| Fault::NoRoom),
        () = client.gone.cancelled() => Err(Fault::NoRoom),
    }
}

fn is_produce(frame: &Frame) -> bool {
    frame.bytes.starts_with(&(ApiKey::Produce as i16).to_be_bytes())
}

/// Sends pieces in order; some of them within each `patience`.
async fn send_all(
    writer: &mut WriteHalf<'_>,
    mut pieces: VecDeque<Piece>,
    patience: Duration,
) -> Result<(), Ended> {
    while let Some(first) = pieces.front() {
        // a client that takes all at once would keep its thread
        tokio::task::coop::consume_budget().await;
        let sent = match first {
            Piece::File(file) => timeout(patience, send_some(writer, file)).await,
            Piece::Memory(_) => timeout(patience, write_some(writer, &pieces).map_ok(Some)).await,
        };
        match sent.map_err(|_| Ended::Stalled)?? {
            Some(sent) => advance(&mut pieces, sent),
            // it has left memory since it was found there: as if it had been on the disk
            None => {
                let Some(first) = pieces.front_mut() else { continue };
                let file = first.clone();
                let read = tokio::task::spawn_blocking(move || file.read()).await;
                *first = Piece::Memory(read.map_err(io::Error::other)??);
            }
        }
    }
    Ok(())
}

/// Writes what is in memory of the first pieces.
async fn write_some(writer: &mut WriteHalf<'_>, pieces: &VecDeque<Piece>) -> io::Result<usize> {
    let mut slices = [IoSlice::new(&[]); PIECES_MAX];
    let mut count = 0;
    for (slice, piece) in slices.iter_mut().zip(pieces) {
        let Piece::Memory(bytes) = piece else { break };
        *slice = IoSlice::new(bytes);
        count += 1;
    }
    match writer.write_vectored(&slices[..count]).await? {
        0 => Err(io::ErrorKind::WriteZero.into()),
        wrote => Ok(wrote),
    }
}

/// Has the system send what lies in a file, once the socket takes it; none where it is no longer in memory then.
async fn send_some(writer: &WriteHalf<'_>, file: &FilePiece) -> io::Result<Option<usize>> {
    let socket: &TcpStream = writer.as_ref();
    loop {
        socket.writable().await?;
        if !file.can_be_sent() {
            return Ok(None);
        }
        match socket.try_io(Interest::WRITABLE, || file.send_to(socket)) {
            Ok(0) => return Err(io::ErrorKind::UnexpectedEof.into()),
            Err(error) if error.kind() == io::ErrorKind::WouldBlock => {}
            other => return other.map(Some),
        }
    }
}

/// Takes what was written off the front.
fn advance(pieces: &mut VecDeque<Piece>, mut wrote: usize) {
    while let Some(first) = pieces.front_mut() {
        if wrote < first.len() {
            first.advance(wrote);
            return;
        }
        wrote -= first.len();
        pieces.pop_front();
    }
}
