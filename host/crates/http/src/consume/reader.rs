//! A read that goes on: positions in the partitions of a topic, and the next records as bytes in some form.
//! What waits for the disk runs on threads that may; the bytes of one step are bounded whatever the batches hold.

use super::cursor::Positions;
use super::render::{Form, Render};
use super::watch::Watches;
use crate::api::ReadQuery;
use crate::app::App;
use crate::error::Refusal;
use crate::limits::AnswerRoom;
use bytes::Bytes;
use potok_log::{AbortedTransaction, ReadError, ReadRequest, Topic};
use potok_types::{BatchHeader, Compression, Ends, Offset, RecordBatch, TopicName, TopicPartition};
use std::sync::Arc;
use std::time::Duration;
use tokio::sync::OwnedSemaphorePermit;

/// Bytes of batches read from the log at a time: about what one step writes, so that little is read twice.
const FETCH_BYTES: usize = 128 * 1024;
/// A step ends behind a batch, since the next one would open it again; unless the batch writes more than this, in bytes.
const STEP_BYTES_MAX: usize = 1 << 20;
/// A batch with more bytes than this, unpacked, is large: one is read at a time.
const LARGE_LEN: usize = 4 << 20;
/// What a compressed batch may unpack to, in bytes. A batch is at most 256 MiB packed and usually 1 MiB; what unpacks to
/// more than this is no message that anybody reads over HTTP.
const UNPACKED_LEN_MAX: usize = 128 << 20;

/// Records as bytes, which hold their room until they are sent.
#[derive(Debug, Default)]
pub(super) struct Rendered {
    bytes: Vec<u8>,
    room: Option<AnswerRoom>,
}

impl Rendered {
    /// The same with something before and behind, and without the comma at its end.
    pub(super) fn between(self, before: &[u8], behind: &[u8]) -> Bytes {
        let mut bytes = self.bytes;
        bytes.truncate(bytes.strip_suffix(b",").unwrap_or(&bytes).len());
        bytes.splice(..0, before.iter().copied());
        bytes.extend_from_slice(behind);
        Rendered { bytes, room: self.room }.into()
    }
}
impl AsRef<[u8]> for Rendered {
    fn as_ref(&self) -> &[u8] {
        &self.bytes
    }
}
impl std::ops::Deref for Rendered {
    type Target = [u8];
    fn deref(&self) -> &[u8] {
        &self.bytes
    }
}
impl From<Rendered> for Bytes {
    fn from(rendered: Rendered) -> Bytes {
        Bytes::from_owner(rendered)
    }
}

/// A read of one topic.
#[derive(Debug)]
pub(super) struct Reader {
    pub(super) app: App,
    pub(super) topic: Arc<Topic>,
    positions: Positions,
    watches: Watches,
    /// Whether partitions that are added later are read as well.
    all_partitions: bool,
    form: Form,
    /// Records that may still come.
    left: u64,
    /// Which partition has its turn.
    turn: usize,
    /// Records come up to here, when the read ends somewhere.
    until: Option<Vec<Offset>>,
    pub(super) filter: Option<Arc<[u8]>>,
}

impl Reader {
    /// Begins where `query` says.
    pub(super) async fn open(
        app: App,
        name: &TopicName,
        query: &ReadQuery,
        form: Form,
    ) -> Result<Reader, Refusal> {
        let topic = app.topic(name)?;
        let (at, on, asked) = (app.clone(), Arc::clone(&topic), query.clone());
        let positions = if query.timestamp.is_some() {
            app.limits.blocking(move || Positions::resolve(&at, &on, &asked)).await?
        } else {
            Positions::resolve(&at, &on, &asked)?
        };
        let watches = Watches::open(&app, name, &positions)?;
        let left = query.limit.unwrap_or(u64::MAX);
        let all_partitions = query.partition.is_none();
        Ok(Reader {
            app,
            topic,
            positions,
            watches,
            all_partitions,
            form,
            left,
            turn: 0,
            until: None,
            filter: None,
        })
    }
    /// Ends after this many records more.
    pub(super) fn limit(&mut self, records: u64) {
        self.left = records;
    }
    /// Ends where the partitions end now.
    pub(super) fn until_now(&mut self) {
        self.until = Some(self.watches.now().iter().map(|ends| ends.last_stable).collect());
    }
    /// Whether it reads only what was there at some moment.
    pub(super) fn is_bounded(&self) -> bool {
        self.until.is_some()
    }
    /// Whether nothing more will come.
    pub(super) fn at_end(&self) -> bool {
        let reached = |until: &Vec<Offset>| {
            self.positions.0.iter().zip(until).all(|((_, position), end)| position >= end)
        };
        self.left == 0 || self.until.as_ref().is_some_and(reached)
    }
    /// Where the read stands.
    pub(super) fn cursor(&self) -> String {
        self.positions.to_string()
    }
    /// Offsets between here and the ends.
    pub(super) fn lag(&self) -> u64 {
        self.watches.lag(&self.positions)
    }
    /// The next records, up to about `bytes_max` bytes; empty when there are none.
    pub(super) async fn next(&mut self, bytes_max: usize) -> Result<Rendered, Refusal> {
        if self.at_end() || !self.watches.ahead(&self.positions) {
            return Ok(Rendered::default());
        }
        let mut room = self.app.limits.answer(bytes_max).await?;
        let mut step = self.step(bytes_max, None).await?;
        if step.meets_large && step.render.records() == 0 {
            (self.positions, self.turn) = (step.positions, step.turn);
            // whoever waits here keeps no room from others
            drop(room);
            let place = self.app.limits.large().await?;
            room = self.app.limits.answer(bytes_max).await?;
            step = self.step(bytes_max, Some(place)).await?;
        }
        self.app.limits.settle(&mut room, step.render.len()).await?;
        (self.positions, self.left, self.turn) = (step.positions, step.left, step.turn);
        self.app.metrics.consumed(&self.topic.name, step.render.records(), step.render.len());
        Ok(Rendered { bytes: step.render.into_bytes(), room: Some(room) })
    }
    async fn step(&self, bytes_max: usize, large: Option<OwnedSemaphorePermit>) -> Result<Step, Refusal> {
        let mut step = Step {
            app: self.app.clone(),
            topic: Arc::clone(&self.topic),
            positions: self.positions.clone(),
            render: Render::new(self.form, self.filter.clone()),
            left: self.left,
            turn: self.turn,
            until: self.until.clone(),
            large,
            meets_large: false,
        };
        let step = self.app.limits.blocking(move || match step.run(bytes_max) {
            // what was read before something went wrong goes out; the step that finds nothing else says what it is
            Err(refusal) if step.render.records() == 0 => Err(refusal),
            _ => Ok(step),
        });
        step.await
    }
    /// The same, and if there are none, waits for some. Empty when the time is over or the server stops.
    pub(super) async fn poll(&mut self, bytes_max: usize, wait: Duration) -> Result<Rendered, Refusal> {
        let mut records = self.next(bytes_max).await?;
        if !records.is_empty() || wait.is_zero() || self.at_end() {
            return Ok(records);
        }
        let _place = self.app.limits.tail()?;
        let until = self.app.clock.monotonic() + wait;
        while records.is_empty() && !self.at_end() {
            let left = until.saturating_sub(self.app.clock.monotonic());
            if left.is_zero() || !self.wait(left).await? {
                break;
            }
            records = self.next(bytes_max).await?;
        }
        Ok(records)
    }
    /// Waits until there may be records; false when the time is over or the server stops.
    pub(super) async fn wait(&mut self, at_most: Duration) -> Result<bool, Refusal> {
        if self.watches.ahead(&self.positions) {
            return Ok(true);
        }
        let moved = tokio::select! {
            () = self.app.stop.cancelled() => return Ok(false),
            moved = tokio::time::timeout(at_most, self.watches.moved()) => moved,
        };
        self.look_for_partitions()?;
        match moved {
            Ok(moved) => moved.map(|()| true),
            Err(_) => Ok(self.watches.ahead(&self.positions)),
        }
    }
    /// Takes in partitions that were added since; they are read from their start.
    fn look_for_partitions(&mut self) -> Result<(), Refusal> {
        let name = &self.topic.name;
        let gone = || Refusal::UnknownTopic(name.clone());
        let now = self.app.log.topic_numbered(self.topic.number).ok_or_else(gone)?;
        if self.all_partitions && now.partitions > self.topic.partitions {
            for at in now.all_partitions().skip(self.topic.partitions as usize) {
                self.watches.add(self.app.log.watch(at).map_err(|_| gone())?);
                self.positions.0.push((at, Offset::FIRST));
            }
            self.topic = now;
        }
        Ok(())
    }
}

/// One step of a read, on a thread that may wait.
struct Step {
    app: App,
    topic: Arc<Topic>,
    positions: Positions,
    render: Render,
    left: u64,
    turn: usize,
    until: Option<Vec<Offset>>,
    /// Its place among those who read large batches; without one it ends before the first of them.
    large: Option<OwnedSemaphorePermit>,
    meets_large: bool,
}

impl Step {
    /// Goes round the partitions until there is enough, or no partition has more.
    fn run(&mut self, bytes_max: usize) -> Result<(), Refusal> {
        let partitions = self.positions.0.len();
        let mut idle = 0;
        while idle < partitions && self.left > 0 && self.render.len() < bytes_max && !self.meets_large {
            let index = self.turn % partitions;
            self.turn = index + 1;
            if self.partition(index, bytes_max)? { idle = 0 } else { idle += 1 }
        }
        Ok(())
    }
    /// Reads on in one partition; says whether there was anything.
    fn partition(&mut self, index: usize, bytes_max: usize) -> Result<bool, Refusal> {
        let (at, position) = self.positions.0[index];
        let until = self.until.as_ref().and_then(|until| until.get(index)).copied().unwrap_or(Offset::MAX);
        if position >= until {
            return Ok(false);
        }
        let request = ReadRequest { at, offset: position, bytes_max: FETCH_BYTES, committed_only: true };
        let fetched = match self.app.log.read(request) {
            Ok(fetched) => fetched,
            // retention or a deletion of records has overtaken this reader: it goes on with what is left
            Err(ReadError::OutOfRange { asked, log_start, .. }) if asked < log_start => {
                self.positions.0[index].1 = log_start;
                return Ok(true);
            }
            Err(ReadError::UnknownPartition(_)) => {
                return Err(Refusal::UnknownTopic(self.topic.name.clone()));
            }
            Err(error) => return Err(error.into()),
        };
        let Some(last) = fetched.batches.last() else { return Ok(false) };
        let behind = last.header().next_offset();
        let aborted = self.aborted(at, &fetched.batches, fetched.ends, behind)?;
        for batch in &fetched.batches {
            if !self.batch(index, batch, &aborted, until, bytes_max)? {
                break;
            }
        }
        Ok(self.positions.0[index].1 > position)
    }
    fn aborted(
        &self,
        at: TopicPartition,
        batches: &[RecordBatch],
        ends: Ends,
        behind: Offset,
    ) -> Result<Vec<AbortedTransaction>, Refusal> {
        match batches.iter().find(|batch| batch.header().transactional) {
            Some(first) => {
                Ok(self.app.log.aborted(at, first.header().base_offset, behind.min(ends.high_watermark))?)
            }
            None => Ok(Vec::new()),
        }
    }
    /// Writes the records of a batch from the position on; says whether there is room for another.
    fn batch(
        &mut self,
        index: usize,
        batch: &RecordBatch,
        aborted: &[AbortedTransaction],
        until: Offset,
        bytes_max: usize,
    ) -> Result<bool, Refusal> {
        let header = batch.header();
        let (at, from) = self.positions.0[index];
        if header.base_offset >= until {
            self.positions.0[index].1 = until;
            return Ok(false);
        }
        if header.control || aborted.iter().any(|transaction| covers(transaction, header)) {
            self.positions.0[index].1 = header.next_offset();
            return Ok(true);
        }
        let damaged = |error| Refusal::Damaged {
            topic: self.topic.name.clone(),
            partition: at.partition,
            offset: header.base_offset,
            error,
        };
        let len_max = if self.large.is_some() { UNPACKED_LEN_MAX } else { LARGE_LEN };
        let open = match batch.open(len_max) {
            // what is wrong with it is told by whoever may read it
            Err(_) if self.large.is_none() && header.compression != Compression::None => {
                self.meets_large = true;
                return Ok(false);
            }
            _ if self.large.is_none() && batch.len() > LARGE_LEN => {
                self.meets_large = true;
                return Ok(false);
            }
            open => open.map_err(damaged)?,
        };
        for record in open.records() {
            let record = record.map_err(damaged)?;
            if record.offset < from {
                continue;
            }
            if record.offset >= until || self.left == 0 || self.render.len() >= bytes_max.max(STEP_BYTES_MAX)
            {
                return Ok(false);
            }
            self.positions.0[index].1 = record.offset.after(1);
            if self.render.record(at.partition, &record, &self.positions) {
                self.left -= 1;
            }
        }
        self.positions.0[index].1 = header.next_offset();
        Ok(self.render.len() < bytes_max)
    }
}

/// Whether a batch belongs to an aborted transaction.
fn covers(transaction: &AbortedTransaction, header: &BatchHeader) -> bool {
    let producer = header.producer.map(|(id, _)| id);
    header.transactional
        && producer == Some(transaction.producer)
        && (transaction.first_offset..=transaction.last_offset).contains(&header.base_offset)
}
