//! Reading batches: from the cache of the newest, else from the journal, where an iterator says they lie. In come offsets,
//! out go whole batches.
//! Invariant: a batch that is read is handed out only after its checksum, its key and its place behind the one before were
//! checked (what is sent without being read is `locate.rs`'s); damage is named by topic, partition and offset, and what lies before it is still read.
//! Nothing here waits, and nothing above the high watermark is seen.

use super::cache;
use super::journal::{Position, Segment, Segments};
use super::keys::records::{self, Place, Stored};
use super::partition::Partition;
use super::shared::Shared;
use super::store::{Family, Look};
use super::trim::stored;
use crate::api::{Fetched, ReadRequest};
use crate::error::{ReadError, StoreError};
use bytes::{Bytes, BytesMut};
use potok_types::{Ends, Offset, RecordBatch, TopicPartition};
use rocksdb::DBRawIterator;
use std::collections::VecDeque;
use std::io;
use std::sync::Arc;

/// Batches of one read.
pub(super) fn read(shared: &Shared, request: ReadRequest) -> Result<Fetched, ReadError> {
    let (partition, ends) = in_range(shared, &request)?;
    if let Some(batches) = cached(&partition, &request, ends) {
        return Ok(Fetched { batches, ends });
    }
    let (asked, end) = (request.offset, end_of(&request, ends));
    let mut disk = DiskBatches::from(shared, &partition, asked, end).up_to(request.bytes_max);
    let mut batches = Vec::new();
    let outcome = loop {
        match disk.next() {
            Ok(Some(batch)) => batches.push(batch),
            Ok(None) => break Ok(()),
            Err(error) => break Err(error),
        }
    };
    found_or(outcome, &partition, asked, batches.is_empty())?;
    Ok(Fetched { batches, ends })
}

/// Batches of one read, where they are in memory.
pub(super) fn read_cached(shared: &Shared, request: ReadRequest) -> Option<Fetched> {
    let (partition, ends) = in_range(shared, &request).ok()?;
    cached(&partition, &request, ends).map(|batches| Fetched { batches, ends })
}

/// The partition that is asked for and its ends, when the offset lies between them.
pub(super) fn in_range(shared: &Shared, request: &ReadRequest) -> Result<(Arc<Partition>, Ends), ReadError> {
    let partition = shared.partition(request.at)?;
    let ends = partition.ends();
    if request.offset < ends.log_start || request.offset > ends.high_watermark {
        return Err(out_of_range(&partition, request.offset));
    }
    Ok((partition, ends))
}

/// Where a read ends that may see so much.
pub(super) fn end_of(request: &ReadRequest, ends: Ends) -> Offset {
    if request.committed_only { ends.last_stable } else { ends.high_watermark }
}

pub(super) fn cached(partition: &Partition, request: &ReadRequest, ends: Ends) -> Option<Vec<RecordBatch>> {
    let end = end_of(request, ends);
    if request.offset >= end {
        return Some(Vec::new());
    }
    cache::read(partition, request.offset, end, request.bytes_max)
}

fn out_of_range(partition: &Partition, asked: Offset) -> ReadError {
    let ends = partition.ends();
    ReadError::OutOfRange { asked, log_start: ends.log_start, high_watermark: ends.high_watermark }
}

/// What a read of the disk comes to that found something or nothing before it ended like this.
pub(super) fn found_or(
    outcome: Result<(), StoreError>,
    partition: &Partition,
    asked: Offset,
    nothing: bool,
) -> Result<(), ReadError> {
    match outcome {
        // what was trimmed while it was read is no damage
        _ if (nothing || outcome.is_err()) && asked < partition.ends().log_start => {
            Err(out_of_range(partition, asked))
        }
        Err(error) if nothing => Err(error.into()),
        // the next read begins at the damage and says so
        Err(_) | Ok(()) => Ok(()),
    }
}

/// Bytes of batches that are read at a time where nobody says how many are wanted.
const AHEAD_LEN: usize = 256 << 10;
/// Batches whose places are looked up at a time.
const AHEAD_COUNT: usize = 4096;
/// So many bytes of others between two batches are read along rather than read around: a call costs as much as copying them.
const GAP_LEN_MAX: u64 = 4 << 10;

/// Where what is wanted is less than such a part of what lies between, that is not worth reading.
const TOLD_PART: u64 = 16;

/// Memory for what is read at a time, whatever the places say; a larger batch has its own.
const ROOM_LEN_MAX: usize = 8 << 20;

/// Batches of one partition from disk, in order, each checked.
pub(super) struct DiskBatches<'a> {
    shared: &'a Shared,
    partition: &'a Partition,
    /// As they were before the places were looked up: what they say is read though it moves meanwhile.
    segments: Arc<Segments>,
    /// First and last key that it may find.
    bounds: [[u8; records::LEN]; 2],
    look: Look,
    entries: DBRawIterator<'a>,
    started: bool,
    /// Places that were looked up, with their bytes; read and not handed out yet.
    ahead: VecDeque<(Offset, io::Result<Bytes>)>,
    /// Bytes that may still be handed out, and whether some were.
    left: Option<usize>,
    any: bool,
    /// The offset that the next batch should hold.
    expected: Offset,
    end: Offset,
    gaps: bool,
}

impl<'a> DiskBatches<'a> {
    /// Batches from the one that holds `from` on, whose first offset is before `end`.
    pub(super) fn from(
        shared: &'a Shared,
        partition: &'a Partition,
        from: Offset,
        end: Offset,
    ) -> DiskBatches<'a> {
        DiskBatches::looking(shared, partition, from, end, Look::Checked)
    }
    /// The same, with an error where it would have to wait for the disk.
    pub(super) fn in_memory(
        shared: &'a Shared,
        partition: &'a Partition,
        from: Offset,
        end: Offset,
    ) -> DiskBatches<'a> {
        DiskBatches::looking(shared, partition, from, end, Look::InMemory)
    }
    fn looking(
        shared: &'a Shared,
        partition: &'a Partition,
        from: Offset,
        end: Offset,
        look: Look,
    ) -> DiskBatches<'a> {
        let gaps = partition.tail.lock().gaps;
        let segments = shared.journal.segments();
        let bounds = [records::key(partition.at, Offset::FIRST), records::key(partition.at, end)];
        let entries = shared.store.iterate_records((&bounds[0], &bounds[1]), look);
        DiskBatches {
            shared,
            partition,
            segments,
            bounds,
            look,
            entries,
            started: false,
            ahead: VecDeque::new(),
            left: None,
            any: false,
            expected: from,
            end,
            gaps,
        }
    }
    /// Ends before the batch that would make more than so many bytes, but for the first.
    pub(super) fn up_to(self, bytes_max: usize) -> Self {
        DiskBatches { left: Some(bytes_max), ..self }
    }
    /// The next batch; after an error there are no more.
    pub(super) fn next(&mut self) -> Result<Option<RecordBatch>, StoreError> {
        if self.ahead.is_empty() {
            match self.find()? {
                None => return Ok(None),
                Some(found) if found.is_empty() => return self.check_end().map(|()| None),
                Some(found) => self.read(found),
            }
        }
        self.next_read()
    }
    /// Whether nothing is missing before the end.
    pub(super) fn check_end(&self) -> Result<(), StoreError> {
        if self.gaps || self.expected >= self.end { Ok(()) } else { self.missing() }
    }
    /// Whether a batch with this base may be the one behind `next`.
    pub(super) fn may_follow(&self, next: Offset, base: Offset) -> bool {
        self.gaps || base <= next
    }
    /// Whether the blocks agreed with their checksums that say where batches lie.
    pub(super) fn is_checked(&self) -> bool {
        self.look != Look::Unchecked
    }
    /// The offset that the next batch should hold.
    pub(super) fn expected(&self) -> Offset {
        self.expected
    }
    /// What lies before this offset was handed out.
    pub(super) fn go_on_at(&mut self, next: Offset) {
        self.expected = next;
    }
    /// The next batch of those that were read; after an error there are no more.
    pub(super) fn next_read(&mut self) -> Result<Option<RecordBatch>, StoreError> {
        let Some((base, bytes)) = self.ahead.pop_front() else { return Ok(None) };
        if !self.may_follow(self.expected, base) {
            return self.missing();
        }
        let bytes = bytes.map_err(|error| self.damage(base, &error.to_string()))?;
        let batch = RecordBatch::from_stored(bytes).map_err(|error| self.damage(base, &error.to_string()))?;
        if batch.header().base_offset != base {
            return Err(
                self.damage(base, &format!("it says that it begins at {}", batch.header().base_offset))
            );
        }
        self.expected = batch.header().next_offset();
        Ok(Some(batch))
    }
    /// Looks up where the next batches lie: nowhere at the end. None when no more may be handed out.
    pub(super) fn find(&mut self) -> Result<Option<Vec<(Offset, Found)>>, StoreError> {
        let found = self.find_looking();
        let damaged =
            self.entries.status().is_err_and(|error| error.kind() == rocksdb::ErrorKind::Corruption);
        // Without gaps a batch that RocksDB does not find is missed by its offset. With gaps only RocksDB's own checksums
        // tell a hole that compaction made from one that damage made.
        if found.is_err() && damaged && self.look == Look::Checked && !self.gaps {
            self.look = Look::Unchecked;
            self.entries =
                self.shared.store.iterate_records((&self.bounds[0], &self.bounds[1]), Look::Unchecked);
            self.started = false;
            return self.find_looking();
        }
        found
    }
    fn find_looking(&mut self) -> Result<Option<Vec<(Offset, Found)>>, StoreError> {
        if !std::mem::replace(&mut self.started, true) {
            self.seek()?;
        }
        let mut wanted = self.left.unwrap_or(AHEAD_LEN);
        let mut found: Vec<(Offset, Found)> = Vec::new();
        while found.len() < AHEAD_COUNT
            && let Some((key, value)) = self.entries.item()
        {
            let (_, base) =
                records::parse(key).ok_or_else(|| self.damage(self.expected, "its key does not decode"))?;
            let stored =
                Stored::decode(value).ok_or_else(|| self.damage(base, "its place does not decode"))?;
            let len = usize::try_from(stored.batch_len()).unwrap_or(usize::MAX);
            if len > wanted && (self.any || !found.is_empty()) {
                if found.is_empty() && self.left.is_some() {
                    return Ok(None);
                }
                break;
            }
            wanted = wanted.saturating_sub(len);
            found.push((base, Found::from(stored)));
            self.entries.next();
        }
        if found.is_empty() {
            // what was found before it is handed out first
            self.entries.status().map_err(|error| self.damage(self.expected, error.as_ref()))?;
        }
        self.left = self.left.map(|_| wanted);
        self.any |= self.left.is_some() && !found.is_empty();
        Ok(Some(found))
    }
    /// Reads what was found; what lies together by one call, and all of it into one piece of memory.
    pub(super) fn read(&mut self, found: Vec<(Offset, Found)>) {
        let wanted = found
            .iter()
            .filter_map(|(_, found)| found.place())
            .map(|place| u64::from(place.len))
            .sum::<u64>();
        let room = usize::try_from(wanted).unwrap_or(usize::MAX).min(ROOM_LEN_MAX);
        let mut room = BytesMut::zeroed(room);
        self.tell_ahead(&found, wanted);
        let mut rest = &found[..];
        while let Some(((base, first), after)) = rest.split_first() {
            let run = match first {
                Found::Here(batch) => {
                    self.ahead.push_back((*base, Ok(batch.clone())));
                    rest = after;
                    continue;
                }
                Found::InJournal(place) => Run::of(*place, after),
            };
            let (these, after) = rest.split_at(run.count);
            rest = after;
            match self.read_run(&run, &mut room) {
                Ok(bytes) => {
                    let places = these.iter().filter_map(|(base, found)| found.place().map(|at| (base, at)));
                    let each = places.map(|(base, place)| (*base, Ok(run.slice(&bytes, place))));
                    self.ahead.extend(each);
                }
                // each by itself, so that it is known which of them is at fault
                Err(_) => {
                    for (base, place) in these.iter().filter_map(|(base, found)| Some((base, found.place()?)))
                    {
                        let len = usize::try_from(place.len).unwrap_or(usize::MAX);
                        let read = self
                            .segment(place.from.segment)
                            .and_then(|segment| segment.read(place.from.at, len));
                        self.ahead.push_back((*base, read));
                    }
                }
            }
        }
    }
    /// Tells the system where it will be read: what lies between batches of one partition is others', so it would not see by itself
    /// that one read follows the other.
    fn tell_ahead(&self, found: &[(Offset, Found)], wanted: u64) {
        let mut places = found.iter().filter_map(|(_, found)| found.place()).map(|place| place.from);
        let Some(first) = places.next() else { return };
        let Some(last) = places.take_while(|place| place.segment == first.segment).last() else { return };
        let len = last.at.saturating_sub(first.at);
        if len <= wanted.saturating_mul(TOLD_PART)
            && let Ok(segment) = self.segment(first.segment)
        {
            segment.will_be_read(first.at, len);
        }
    }
    /// The bytes of a run, in `room` where that has room for them: what lies between batches was not counted.
    fn read_run(&self, run: &Run, room: &mut BytesMut) -> io::Result<Bytes> {
        let segment = self.segment(run.from.segment)?;
        if run.len() > room.len() || !segment.has(run.from.at, run.len()) {
            return segment.read(run.from.at, run.len());
        }
        let mut part = room.split_to(run.len());
        segment.read_into(run.from.at, &mut part)?;
        Ok(part.freeze())
    }
    pub(super) fn segment(&self, number: u32) -> io::Result<Arc<Segment>> {
        let known = self.segments.get(&number).cloned();
        // one that was begun since
        let known = known.or_else(|| self.shared.journal.segments().get(&number).cloned());
        known.ok_or_else(|| {
            io::Error::new(io::ErrorKind::NotFound, format!("the journal has no file {number}"))
        })
    }
    /// Goes to the batch that holds the first offset, or to the next one behind a gap.
    fn seek(&mut self) -> Result<(), StoreError> {
        let key = records::key(self.partition.at, self.expected);
        self.entries.seek(key);
        if self.entries.key() == Some(&key) {
            return Ok(());
        }
        // inside a batch: the one before may reach to it
        self.entries.seek_for_prev(key);
        let Some((before, value)) = self.entries.item() else {
            self.entries.status().map_err(|error| self.damage(self.expected, error.as_ref()))?;
            self.entries.seek(key);
            return Ok(());
        };
        // a damaged one is left to the check in `next`
        let last = records::parse(before).and_then(|(_, base)| Stored::decode(value)?.last_offset(base));
        if last.is_some_and(|last| last < self.expected) {
            self.entries.next();
        }
        Ok(())
    }
    fn missing<T>(&self) -> Result<T, StoreError> {
        Err(self.damage(self.expected, "the batch that holds it is not there"))
    }
    fn damage(&self, offset: Offset, reason: &str) -> StoreError {
        StoreError::Corrupt {
            at: place_of(self.shared, self.partition.at, offset),
            reason: reason.to_owned(),
        }
    }
}

/// A batch's bytes, or where they lie; for as long as the iterator goes on.
pub(super) enum Found {
    Here(Bytes),
    InJournal(Place),
}

impl Found {
    fn from(stored: Stored<'_>) -> Found {
        match stored {
            Stored::Here(batch) => Found::Here(Bytes::copy_from_slice(batch)),
            Stored::InJournal(place) => Found::InJournal(place),
        }
    }
    pub(super) fn place(&self) -> Option<Place> {
        match self {
            Found::Here(_) => None,
            Found::InJournal(place) => Some(*place),
        }
    }
}

/// Batches that lie one behind the other.
struct Run {
    from: Position,
    end: u64,
    count: usize,
}

impl Run {
    /// The run that begins with a batch, of those that follow it.
    fn of(first: Place, after: &[(Offset, Found)]) -> Run {
        let end_of = |place: Place| place.from.at.saturating_add(u64::from(place.len));
        let mut run = Run { from: first.from, end: end_of(first), count: 1 };
        for place in after.iter().map_while(|(_, found)| found.place()) {
            let near = run.end..=run.end.saturating_add(GAP_LEN_MAX);
            if place.from.segment != run.from.segment || !near.contains(&place.from.at) {
                break;
            }
            run.end = end_of(place);
            run.count += 1;
        }
        run
    }
    fn len(&self) -> usize {
        usize::try_from(self.end - self.from.at).unwrap_or(usize::MAX)
    }
    /// The bytes of one of its batches.
    fn slice(&self, bytes: &Bytes, place: Place) -> Bytes {
        let [from, len] = [place.from.at - self.from.at, u64::from(place.len)]
            .map(|n| usize::try_from(n).unwrap_or(usize::MAX));
        bytes.slice(from..from + len)
    }
}

/// A batch's place in words, by the topic's name.
pub(super) fn place_of(shared: &Shared, at: TopicPartition, offset: Offset) -> String {
    let catalog = shared.catalog.read();
    let topic = catalog
        .topics()
        .numbered(at.topic)
        .map_or_else(|| format!("#{}", at.topic.0), |t| t.name.to_string());
    format!("topic {topic}, partition {}, offset {offset}", at.partition)
}

/// Bytes of the batches in `[from, end)`.
pub(super) fn bytes_between(
    shared: &Shared,
    at: TopicPartition,
    from: Offset,
    end: Offset,
) -> Result<u64, StoreError> {
    let mut bytes = 0;
    shared.store.scan(Family::Records, (&records::key(at, from), &records::key(at, end)), |_, value| {
        bytes += stored(at, value)?.batch_len();
        Ok(true)
    })?;
    Ok(bytes)
}
