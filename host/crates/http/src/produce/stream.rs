//! A streamed write: lines come in, batches go to the log as they fill or as the client pauses, receipts go out.
//!
//! One batch is on its way to the log while the next is filled, so a client that sends faster than the disk syncs gets
//! larger batches instead of a queue. Nothing behind a bad line is written; everything before it is, and is acknowledged.

use super::Plan;
use super::batcher::{Batcher, Filled};
use super::form::LineForm;
use super::lines::Lines;
use super::parse::{self, ParseError, Parts};
use super::receipts::{Answer, Event, Left, line};
use crate::api::{NDJSON, ProduceEvent};
use crate::app::App;
use crate::body::BodyReader;
use crate::error::{Refusal, problem_response};
use crate::limits::Room;
use axum::body::Body;
use axum::http::header;
use axum::response::{IntoResponse, Response};
use bytes::Bytes;
use futures::future::{BoxFuture, FutureExt};
use futures::stream::{self, StreamExt};
use std::convert::Infallible;
use std::pin::Pin;
use std::sync::Arc;
use tokio::time::{Sleep, sleep};

/// Bytes of records that are sent to the log at once. One such lot is filled while another is written.
const LOT_BYTES: usize = 512 * 1024;
/// Memory that a streamed write may take: two lots, and lines whose end has not come.
const STREAM_ROOM: usize = 4 * LOT_BYTES;
/// A line may be longer than the record in it: base64, escapes and names take room.
const LINE_SLACK: usize = 64 * 1024;

/// Starts the write and answers with its receipts. A write that fails before anything was acknowledged is answered with
/// the problem alone.
pub(super) async fn answer(
    app: App,
    plan: Arc<Plan>,
    form: LineForm,
    body: BodyReader,
) -> Result<Response, Refusal> {
    let mut room = Room::default();
    app.limits.widen(&mut room, STREAM_ROOM).await?;
    let (answer, mut events) = Answer::new(plan.receipts);
    tokio::spawn(run(app, plan, form, body, answer, room));
    let first = match events.recv().await {
        Some(Event::Line(line)) => line,
        Some(Event::Problem(problem)) => return Ok(problem_response(&problem)),
        None => return Err(Refusal::Panic("a streamed write ended without a word".to_owned())),
    };
    let rest = stream::unfold(events, |mut events| async move {
        let line = match events.recv().await? {
            Event::Line(line) => line,
            Event::Problem(problem) => line(&ProduceEvent::Problem(problem)),
        };
        Some((Ok::<Bytes, Infallible>(line), events))
    });
    // a compressor asks once more after the end
    let all = stream::iter([Ok(first)]).chain(rest).fuse();
    Ok(([(header::CONTENT_TYPE, NDJSON)], Body::from_stream(all)).into_response())
}

async fn run(app: App, plan: Arc<Plan>, form: LineForm, body: BodyReader, answer: Answer, room: Room) {
    let _room = room;
    let mut write = Write {
        line_len_max: plan
            .topic
            .config
            .batch_len_max()
            .saturating_mul(2)
            .saturating_add(LINE_SLACK)
            .min(app.settings.body_bytes_max),
        batcher: Batcher::new(&app, &plan),
        app: &app,
        plan: &plan,
        form,
        body,
        lines: Lines::default(),
        numbers: Vec::new(),
        line_time: None,
        ended: false,
        flight: None,
        answer,
    };
    let end = write.all().await;
    let Write { answer, lines, mut body, .. } = write;
    match end {
        Ok(()) => answer.done(lines.taken()).await,
        Err(Stop::Refused(refusal)) => {
            body.discard().await;
            answer.problem(refusal.problem()).await;
        }
        Err(Stop::Left) => {}
    }
}

/// Why a write ends before its body does.
enum Stop {
    Refused(Refusal),
    Left,
}

impl From<Refusal> for Stop {
    fn from(refusal: Refusal) -> Stop {
        Stop::Refused(refusal)
    }
}
impl From<Left> for Stop {
    fn from(_: Left) -> Stop {
        Stop::Left
    }
}

/// A lot on its way into the log, with the numbers of its lines.
type Flight<'a> = BoxFuture<'a, (Vec<u64>, Result<Vec<(u32, Option<u64>)>, Refusal>)>;

struct Write<'a> {
    app: &'a App,
    plan: &'a Plan,
    form: LineForm,
    body: BodyReader,
    lines: Lines,
    /// Numbers of the lines in the batcher.
    numbers: Vec<u64>,
    batcher: Batcher<'a>,
    flight: Option<Flight<'a>>,
    line_len_max: usize,
    /// Runs while a line has begun and not ended.
    line_time: Option<Pin<Box<Sleep>>>,
    ended: bool,
    answer: Answer,
}

impl Write<'_> {
    /// Reads to the end. What was read before an error is written before the error is answered.
    async fn all(&mut self) -> Result<(), Stop> {
        let mut bad = None;
        while !self.ended && bad.is_none() {
            bad = self.fill().await?.err();
            self.land().await?;
            self.take_off()?;
        }
        self.land().await?;
        self.take_off()?;
        self.land().await?;
        match bad {
            Some(refusal) => Err(Stop::Refused(refusal)),
            None => Ok(()),
        }
    }
    /// Reads until a lot is full, the client pauses, the body ends, or the lot on its way has arrived. Inside, what is
    /// wrong with the body.
    async fn fill(&mut self) -> Result<Result<(), Refusal>, Stop> {
        loop {
            if let Err(refusal) = self.parse() {
                return Ok(Err(refusal));
            }
            if self.batcher.bytes() >= LOT_BYTES || self.ended {
                return Ok(Ok(()));
            }
            if self.lines.pending() > self.line_len_max {
                let (len, limit) = (self.lines.pending(), self.plan.topic.config.batch_len_max());
                return Ok(Err(Refusal::RecordTooLarge { len, limit }.at_line(self.lines.taken() + 1)));
            }
            let next = if self.batcher.is_empty() && self.flight.is_none() {
                self.next().await
            } else {
                match self.next_or_arrival().await {
                    Some(next) => next,
                    None => return Ok(Ok(())),
                }
            };
            match next {
                Ok(Some(bytes)) => self.lines.add(&bytes),
                Ok(None) => self.ended = true,
                Err(refusal) => return Ok(Err(refusal)),
            }
        }
    }
    /// What comes of the body, as long as the server runs.
    async fn next(&mut self) -> Result<Option<Bytes>, Refusal> {
        let allowed = self.app.settings.body_idle_timeout();
        let received = self.lines.pending() as u64;
        let line_time = match received {
            0 => None,
            _ => Some(self.line_time.take().unwrap_or_else(|| Box::pin(sleep(allowed)))),
        };
        self.line_time = line_time;
        tokio::select! {
            biased;
            () = self.app.stop.cancelled() => Err(Refusal::Stopping),
            next = self.body.next() => next,
            () = passed(&mut self.line_time) => Err(Refusal::TooSlow { seconds: allowed.as_secs(), received }),
        }
    }
    /// What comes of the body; none when nothing is there right now and the log has time, or when the lot on its way has
    /// arrived.
    async fn next_or_arrival(&mut self) -> Option<Result<Option<Bytes>, Refusal>> {
        if let Some(ready) = self.next().now_or_never() {
            return Some(ready);
        }
        let flight = self.flight.as_mut()?;
        tokio::select! {
            biased;
            arrived = flight => {
                self.flight = Some(std::future::ready(arrived).boxed());
                None
            }
            next = self.body.next() => Some(next),
        }
    }
    /// Puts the whole lines that have come into batches, up to a lot.
    fn parse(&mut self) -> Result<(), Refusal> {
        while self.batcher.bytes() < LOT_BYTES {
            let number = self.lines.taken() + 1;
            let line = match self.lines.next() {
                Some(line) => {
                    self.line_time = None;
                    line
                }
                None if self.ended => match self.lines.rest() {
                    Some(line) => line,
                    None => break,
                },
                None => break,
            };
            let parts = match parts(self.form, line, self.plan) {
                Ok(Some(parts)) => parts,
                Ok(None) => continue,
                Err(error) => return Err(Refusal::from(error).at_line(number)),
            };
            self.batcher.push(&parts).map_err(|refusal| refusal.at_line(number))?;
            self.numbers.push(number);
        }
        Ok(())
    }
    /// Sends the lot to the log.
    fn take_off(&mut self) -> Result<(), Stop> {
        if self.batcher.is_empty() {
            return Ok(());
        }
        let (app, plan) = (self.app, self.plan);
        let filled: Filled = self.batcher.take()?;
        app.metrics.produced(&plan.topic.name, filled.len(), filled.bytes());
        let numbers = std::mem::take(&mut self.numbers);
        let mut flight = async move { (numbers, filled.commit(app, plan).await) }.boxed();
        // asked once, so that the log has it while the next lot is filled
        self.flight = Some(match (&mut flight).now_or_never() {
            Some(arrived) => std::future::ready(arrived).boxed(),
            None => flight,
        });
        Ok(())
    }
    /// Waits until the lot on its way is in the log, and says so.
    async fn land(&mut self) -> Result<(), Stop> {
        let Some(flight) = self.flight.take() else { return Ok(()) };
        let (numbers, placed) = flight.await;
        let first = numbers.first().copied().unwrap_or_default();
        let placed = placed.map_err(|refusal| refusal.at_line(first))?;
        Ok(self.answer.acknowledge(&numbers, &placed).await?)
    }
}

/// Ends when the time is over; never when there is none.
async fn passed(time: &mut Option<Pin<Box<Sleep>>>) {
    match time {
        Some(time) => time.as_mut().await,
        None => std::future::pending().await,
    }
}

/// The record of a line; none for an empty line, except of text.
fn parts<'a>(form: LineForm, line: &'a [u8], plan: &Plan) -> Result<Option<Parts<'a>>, ParseError> {
    if form != LineForm::Text && line.iter().all(u8::is_ascii_whitespace) {
        return Ok(None);
    }
    match form {
        LineForm::Value => parse::value(line).map(Some),
        LineForm::Record => parse::record(line).map(Some),
        LineForm::Text => Ok(Some(parse::text(line, plan.key_separator.as_deref()))),
    }
}
