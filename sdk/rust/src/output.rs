//! What an author's code sends on: records for the outputs, timers, refusals, gathered as columns over one call.
//! In: `forward`, `to(..)`, `set_timer`, `refuse`. Out: an [`Outcome`]. Invariant: in the record form a record that fails leaves nothing
//! behind, so everything is gathered here and cut back to where the record began. Order within an output is kept.

mod port;

use crate::failure::Failure;
use crate::outcome::{Outcome, Refused};
use crate::processor::Progress;
use crate::record::{Batch, Record};
use crate::session::Session;
use crate::time::Timestamp;
use crate::timer::{Clock, Timer, TimerChange};
use port::Port;
use serde::Serialize;

/// Gathers what a call sends on.
#[derive(Debug)]
pub struct Output<'b> {
    /// `None` while timers are handled: there is nothing to forward.
    batch: Option<&'b Batch>,
    session: &'b Session,
    /// The record or timer at work.
    index: usize,
    /// Of new records that name none, when there is no batch.
    moment: Timestamp,
    ports: Vec<Port>,
    refused: Vec<Refused>,
    timers: Vec<TimerChange>,
    /// Length of `timers` where the record began.
    timers_mark: usize,
}

impl<'b> Output<'b> {
    pub(crate) fn new(batch: Option<&'b Batch>, session: &'b Session, outputs: usize) -> Output<'b> {
        Output {
            batch,
            session,
            index: 0,
            moment: Timestamp::default(),
            ports: (0..outputs).map(|_| Port::default()).collect(),
            refused: Vec::new(),
            timers: Vec::new(),
            timers_mark: 0,
        }
    }
    /// Sends the record at work on to the first output, unchanged: its bytes never leave the host.
    #[inline]
    pub fn forward(&mut self) {
        self.forward_to(0);
    }
    /// Sends the record at work on to an output, counted from 0, unchanged. Panics in `on_timer`, where there is none.
    #[inline]
    pub fn forward_to(&mut self, output: usize) {
        let Some(batch) = self.batch else { panic!("a timer has no record to forward") };
        let index = self.index;
        self.port(output).forward(batch, index);
    }
    /// In the batch form: makes this the record at work, which `forward` sends on and new records have their time from.
    #[inline]
    pub fn at(&mut self, record: Record<'_>) -> &mut Output<'b> {
        self.index = record.index;
        self
    }
    /// A new record for an output, counted from 0: `out.to(0).key("UA").json(&stats)?`.
    #[inline]
    pub fn to(&mut self, output: usize) -> Message<'_, 'b> {
        Message { out: self, output, key: None, timestamp: None, partition: None, headers: Vec::new() }
    }
    /// A new record with key and value for the first output.
    #[inline]
    pub fn send(&mut self, key: impl AsRef<[u8]>, value: impl AsRef<[u8]>) {
        self.to(0).key(key.as_ref()).value(value);
    }
    /// A new record with this key and this value as JSON for the first output.
    #[inline]
    pub fn send_json<T: Serialize>(&mut self, key: impl AsRef<[u8]>, value: &T) -> Result<(), Failure> {
        self.to(0).key(key.as_ref()).json(value)
    }
    /// Sets a timer, or moves the one of the same clock and key.
    pub fn set_timer(&mut self, timer: Timer) {
        self.timers.push(TimerChange::Set(timer));
    }
    /// Cancels a timer; no error when there is none.
    pub fn cancel_timer(&mut self, clock: Clock, key: impl AsRef<[u8]>) {
        self.timers.push(TimerChange::Cancel(clock, key.as_ref().to_vec()));
    }
    /// In the batch form: record (or timer) `index` can never succeed. Indices must rise.
    pub fn refuse(&mut self, index: usize, reason: impl std::fmt::Display) {
        self.refused.push(Refused { index: wire(index), reason: reason.to_string() });
    }
    /// The port, marked for the record at work.
    #[inline]
    fn port(&mut self, output: usize) -> &mut Port {
        let outputs = self.ports.len();
        let Some(port) = self.ports.get_mut(output) else {
            panic!("no output {output}: `describe` names {outputs}")
        };
        port.mark(self.index);
        port
    }
    #[inline]
    fn default_timestamp(&self) -> Timestamp {
        self.batch.map_or(self.moment, |batch| batch.get(self.index).timestamp())
    }

    // What the SDK's loop does.

    /// Record `index` begins.
    #[inline]
    pub(crate) fn begin(&mut self, index: usize) {
        self.index = index;
        self.timers_mark = self.timers.len();
        self.session.begin(index);
    }
    pub(crate) fn begin_timer(&mut self, index: usize, at: Timestamp) {
        self.moment = at;
        self.begin(index);
    }
    /// The record at work failed: nothing of it stays.
    #[cold]
    pub(crate) fn undo(&mut self) {
        self.ports.iter_mut().for_each(|port| port.undo(self.index));
        self.timers.truncate(self.timers_mark);
        self.session.undo();
    }
    pub(crate) fn session(&self) -> &'b Session {
        self.session
    }
    pub(crate) fn take_timers(&mut self) -> Vec<TimerChange> {
        std::mem::take(&mut self.timers)
    }
    pub(crate) fn into_outcome(self, items: usize, progress: Progress) -> Outcome {
        let (covered, wait) = match progress {
            Progress::All => (items, None),
            Progress::Until { covered, wait } => (covered.min(items), wait),
        };
        let mut emitted = Vec::new();
        for (output, port) in self.ports.into_iter().enumerate() {
            port.emit(wire(output), &mut emitted);
        }
        Outcome { covered: wire(covered), emitted, refused: self.refused, wait }
    }
}

/// A number that counts items of memory, which 32 bits hold.
#[expect(clippy::cast_possible_truncation, reason = "a guest's memory is at most 4 GiB")]
pub(crate) fn wire(count: usize) -> u32 {
    count as u32
}

/// A new record in the making. It is sent by `value`, `json`, `value_with` or `tombstone`; without one of these nothing is sent.
#[derive(Debug)]
#[must_use = "a message is sent by `value`, `json`, `value_with` or `tombstone`"]
pub struct Message<'o, 'b> {
    out: &'o mut Output<'b>,
    output: usize,
    key: Option<&'o [u8]>,
    timestamp: Option<Timestamp>,
    partition: Option<u32>,
    headers: Vec<(&'o [u8], Option<&'o [u8]>)>,
}

impl<'o> Message<'o, '_> {
    /// Its key, which chooses the partition. Without one the record has none.
    #[inline]
    pub fn key(mut self, key: &'o (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.key = Some(key.as_ref());
        self
    }
    /// The key of another record, if it has one.
    #[inline]
    pub fn key_of(mut self, record: &Record<'o>) -> Self {
        self.key = record.key();
        self
    }
    /// Its time. Without one it has that of the record (or timer) at work.
    #[inline]
    pub fn timestamp(mut self, at: Timestamp) -> Self {
        self.timestamp = Some(at);
        self
    }
    /// Its partition. Without one the key chooses, as Kafka's clients do.
    pub fn partition(mut self, partition: u32) -> Self {
        self.partition = Some(partition);
        self
    }
    /// One header more.
    pub fn header(mut self, name: &'o str, value: &'o (impl AsRef<[u8]> + ?Sized)) -> Self {
        self.headers.push((name.as_bytes(), Some(value.as_ref())));
        self
    }
    /// All headers of another record.
    pub fn headers_of(mut self, record: &Record<'o>) -> Self {
        self.headers.extend(record.headers());
        self
    }
    /// Sends it with this value.
    #[inline]
    pub fn value(self, value: impl AsRef<[u8]>) {
        let value = value.as_ref();
        self.write(|fresh| {
            fresh.values.push(Some(value));
            Ok(())
        })
        .unwrap_or_default();
    }
    /// Sends it with this value as JSON, written where it will be read from.
    #[inline]
    pub fn json<T: Serialize>(self, value: &T) -> Result<(), Failure> {
        self.value_with(|bytes| serde_json::to_writer(bytes, value).map_err(Failure::from))
    }
    /// Sends it with the value that `write` appends to the bytes it is given. They hold other values before: only append.
    #[inline]
    pub fn value_with(self, write: impl FnOnce(&mut Vec<u8>) -> Result<(), Failure>) -> Result<(), Failure> {
        self.write(|fresh| {
            write(&mut fresh.values.data)?;
            fresh.values.end_item();
            Ok(())
        })
    }
    /// Sends it without a value: in a compacted topic it deletes its key.
    pub fn tombstone(self) {
        self.write(|fresh| {
            fresh.values.push(None);
            Ok(())
        })
        .unwrap_or_default();
    }
    #[inline]
    fn write(
        self,
        value: impl FnOnce(&mut crate::outcome::Fresh) -> Result<(), Failure>,
    ) -> Result<(), Failure> {
        let timestamp = self.timestamp.unwrap_or_else(|| self.out.default_timestamp());
        let batch = self.out.batch;
        let index = self.out.index;
        let port = self.out.port(self.output);
        let fresh = port.fresh(self.partition.is_some(), batch.map(|batch| (batch, index)));
        if let Err(failure) = value(fresh) {
            fresh.values.truncate(fresh.len());
            return Err(failure);
        }
        port::finish(fresh, self.key, timestamp, self.partition, &self.headers);
        Ok(())
    }
}
