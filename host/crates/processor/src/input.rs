//! One input of a task: batches read from the log, opened into columns, handed out in runs.
//! In come batches, out go columns and the position behind what was handed out. Invariants: records are handed out once,
//! in order, without a gap; control batches and aborted transactions never are; at most one read of the log and one
//! call's worth of columns is held.

use crate::bisect::Bisect;
use crate::settings::{
    CALL_BYTES_MAX, CALL_RECORDS_MAX, IDLE_COLUMNS_BYTES_MAX, READ_BYTES_MAX, UNPACKED_BYTES_MAX,
};
use potok_log::{AbortedTransaction, Log, ReadError, ReadRequest, Topic};
use potok_types::{
    BatchError, Compression, Ends, Offset, RecordBatch, RecordColumns, RecordPlace, Timestamp, TopicPartition,
};
use std::collections::VecDeque;
use std::ops::Range;
use std::sync::Arc;
use tokio::sync::watch;

/// Why an input gives no more records.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum InputError {
    /// The topic is gone.
    #[error("input topic {0} was deleted: create it again and restart, or delete the processor")]
    Deleted(String),
    /// A batch does not decode.
    #[error("topic {topic} partition {partition} offset {offset} cannot be read: {reason}")]
    Corrupt {
        /// Its topic.
        topic: String,
        /// Its partition.
        partition: u32,
        /// Where the batch begins.
        offset: u64,
        /// What is wrong.
        reason: String,
    },
    /// The position is behind the end: the log is not the one that the position was made on.
    #[error("position {position} of topic {topic} lies behind its end {end}: reset the processor")]
    Ahead {
        /// The topic.
        topic: String,
        /// The position.
        position: u64,
        /// The end.
        end: u64,
    },
    /// The log cannot be read now.
    #[error("{0}")]
    Store(String),
}

/// Records that retention deleted before they were read: from, to.
pub(crate) type Lost = (Offset, Offset);

/// One input of a task.
#[derive(Debug)]
pub(crate) struct Input {
    pub(crate) topic: Arc<Topic>,
    pub(crate) at: TopicPartition,
    pub(crate) watch: watch::Receiver<Ends>,
    pub(crate) bisect: Bisect,
    /// The largest timestamp handed out.
    pub(crate) newest: Option<Timestamp>,
    /// Behind the last record handed out.
    position: Offset,
    /// Moved since the last unit took it.
    moved: bool,
    /// From where batches are opened.
    opened: Offset,
    batches: VecDeque<RecordBatch>,
    /// Where in the first of them: it is larger than what one call takes.
    place: RecordPlace,
    aborted: Vec<AbortedTransaction>,
    records: RecordColumns,
    /// Records handed out of `records`.
    taken: usize,
    /// Bytes that `records` has held at most since it last gave memory back.
    held: usize,
    lost: Option<Lost>,
}

impl Input {
    pub(crate) fn new(
        topic: Arc<Topic>,
        at: TopicPartition,
        watch: watch::Receiver<Ends>,
        position: Offset,
    ) -> Input {
        Input {
            topic,
            at,
            watch,
            bisect: Bisect::new(CALL_RECORDS_MAX),
            newest: None,
            position,
            moved: false,
            opened: position,
            batches: VecDeque::new(),
            place: RecordPlace::default(),
            aborted: Vec::new(),
            records: RecordColumns::default(),
            taken: 0,
            held: 0,
            lost: None,
        }
    }
    /// The columns that [`Input::ready`] speaks of.
    pub(crate) fn records(&self) -> &RecordColumns {
        &self.records
    }
    /// Which of the columns' records are next.
    pub(crate) fn ready(&self) -> Range<usize> {
        self.taken..self.records.len()
    }
    /// Timestamp of the next record.
    pub(crate) fn next_timestamp(&self) -> Option<Timestamp> {
        (!self.ready().is_empty()).then(|| self.records.timestamp(self.taken))
    }
    /// Behind the last record handed out.
    pub(crate) fn position(&self) -> Offset {
        self.position
    }
    /// The position, once for each unit that it moved in.
    pub(crate) fn take_moved(&mut self) -> Option<Offset> {
        std::mem::take(&mut self.moved).then_some(self.position)
    }
    pub(crate) fn has_moved(&self) -> bool {
        self.moved
    }
    /// Records that were deleted before they were read, once.
    pub(crate) fn take_lost(&mut self) -> Option<Lost> {
        self.lost.take()
    }
    /// `count` of the ready records are done; answers the bytes of their keys and values.
    pub(crate) fn advance(&mut self, count: usize) -> u64 {
        assert!(count <= self.ready().len(), "more records done than were handed out");
        let done = self.taken..self.taken + count;
        let times = self.records.timestamps.as_chunks::<8>().0[done.clone()].iter();
        let newest = times.map(|at| Timestamp(i64::from_le_bytes(*at))).max();
        self.newest = self.newest.max(newest);
        let bytes = self.byte_len(done.clone());
        self.taken = done.end;
        if self.ready().is_empty() {
            self.position = self.opened;
        } else if count > 0 {
            self.position = self.records.offset(self.taken - 1).after(1);
        }
        self.moved |= count > 0;
        bytes as u64
    }
    fn byte_len(&self, range: Range<usize>) -> usize {
        if range == (0..self.records.len()) {
            return self.records.keys.parts().0.len() + self.records.values.parts().0.len();
        }
        let len = |part: Option<&[u8]>| part.map_or(0, <[u8]>::len);
        range.map(|i| len(self.records.keys.get(i)) + len(self.records.values.get(i))).sum()
    }
    /// Nothing is to be done for a while: gives memory back.
    pub(crate) fn rest(&mut self) {
        if self.ready().is_empty() && self.held > IDLE_COLUMNS_BYTES_MAX {
            (self.records, self.taken, self.held) = (RecordColumns::default(), 0, 0);
        }
    }
    /// Makes records ready when there are any. Never waits.
    pub(crate) fn fill(&mut self, log: &dyn Log) -> Result<(), InputError> {
        if !self.ready().is_empty() {
            return Ok(());
        }
        self.held = self.held.max(self.records.byte_len());
        self.records.clear();
        self.taken = 0;
        loop {
            if self.batches.is_empty() && !self.read(log)? {
                break;
            }
            self.open()?;
            if !self.records.is_empty() {
                return Ok(());
            }
        }
        if self.opened > self.position {
            // nothing but control batches and removed records: they are done
            (self.position, self.moved) = (self.opened, true);
        }
        Ok(())
    }
    /// Reads batches when there are new ones.
    fn read(&mut self, log: &dyn Log) -> Result<bool, InputError> {
        let end = self.watch.borrow_and_update().last_stable;
        if self.opened >= end {
            return Ok(false);
        }
        let request =
            ReadRequest { at: self.at, offset: self.opened, bytes_max: READ_BYTES_MAX, committed_only: true };
        let fetched = match log.read(request) {
            Ok(fetched) => fetched,
            Err(ReadError::OutOfRange { log_start, .. }) if self.opened < log_start => {
                self.lost = Some((self.opened, log_start));
                (self.opened, self.moved) = (log_start, true);
                self.position = log_start;
                return Ok(true);
            }
            Err(error) => return Err(self.read_error(error)),
        };
        if fetched.batches.is_empty() {
            // everything up to there was removed by compaction
            self.opened = self.opened.max(fetched.ends.last_stable);
            return Ok(false);
        }
        self.batches = fetched.batches.into();
        self.aborted = self.aborted_in(log)?;
        Ok(true)
    }
    fn aborted_in(&self, log: &dyn Log) -> Result<Vec<AbortedTransaction>, InputError> {
        let Some((first, last)) = self.batches.front().zip(self.batches.back()) else {
            return Ok(Vec::new());
        };
        if !self.batches.iter().any(|batch| batch.header().transactional) {
            return Ok(Vec::new());
        }
        let (from, to) = (first.header().base_offset, last.header().next_offset());
        log.aborted(self.at, from, to).map_err(|error| self.read_error(error))
    }
    fn read_error(&self, error: ReadError) -> InputError {
        let topic = self.topic.name.to_string();
        match error {
            ReadError::UnknownPartition(_) => InputError::Deleted(topic),
            ReadError::OutOfRange { asked, high_watermark, .. } => {
                InputError::Ahead { topic, position: asked.get(), end: high_watermark.get() }
            }
            ReadError::Store(error @ potok_log::StoreError::Corrupt { .. }) => {
                self.corrupt(self.opened, error.to_string())
            }
            ReadError::Store(error) => InputError::Store(error.to_string()),
        }
    }
    fn corrupt(&self, offset: Offset, reason: String) -> InputError {
        let (topic, partition) = (self.topic.name.to_string(), self.at.partition.0);
        InputError::Corrupt { topic, partition, offset: offset.get(), reason }
    }
    /// Opens batches into the columns until these are full.
    fn open(&mut self) -> Result<(), InputError> {
        while let Some(batch) = self.batches.front() {
            let header = *batch.header();
            if !header.control && !self.is_aborted(&header) && header.next_offset() > self.opened {
                let opened = self.open_first();
                if !opened.map_err(|error| self.corrupt(header.base_offset, error.to_string()))? {
                    let last =
                        self.records.len().checked_sub(1).map(|last| self.records.offset(last).after(1));
                    self.opened = last.unwrap_or(self.opened).max(self.opened);
                    return Ok(());
                }
            }
            self.opened = self.opened.max(header.next_offset());
            self.place = RecordPlace::default();
            self.batches.pop_front();
        }
        Ok(())
    }
    /// Opens the first batch as far as there is room; says whether to its end. One that goes on is unpacked once.
    fn open_first(&mut self) -> Result<bool, BatchError> {
        let Some(batch) = self.batches.front_mut() else { return Ok(true) };
        let open = batch.open(UNPACKED_BYTES_MAX)?;
        let (place, records) = (&mut self.place, &mut self.records);
        let whole = open.read_on(place, self.opened, records, CALL_RECORDS_MAX, CALL_BYTES_MAX)?;
        if !whole && batch.header().compression != Compression::None {
            *batch = batch.unpacked(UNPACKED_BYTES_MAX)?;
        }
        Ok(whole)
    }
    fn is_aborted(&self, header: &potok_types::BatchHeader) -> bool {
        let Some((producer, _)) = header.producer.filter(|_| header.transactional) else { return false };
        self.aborted.iter().any(|transaction| {
            transaction.producer == producer
                && (transaction.first_offset..=transaction.last_offset).contains(&header.base_offset)
        })
    }
}
