//! What a fetch found in each partition that it wants. In come wants, out come batches within the bounds: one answer's, one
//! partition's; the first batch of all comes whatever its size, so that a large one is never in the way (KIP-74).
//! Batches in memory are found at once, also those that the system has in memory, which it sends from their file; the first that
//! lies on disk moves the rest to a thread that may wait. From the disk an
//! answer takes little at a time, and a partition that got nothing goes first in the next one.

use crate::broker::Broker;
use crate::error;
use kafka_protocol::ResponseError as Code;
use potok_log::{AbortedTransaction, Located, Log, Piece, ReadError, ReadRequest};
use potok_types::{Ends, LeaderEpoch, Offset, TopicPartition};
use std::sync::Arc;
use uuid::Uuid;

/// Bytes of a partition that one answer takes from the disk, where its client does not wait for more: what is read is still in
/// the processor's caches when it goes to the socket, which answers of eight partitions with a MiB each are not.
const DISK_BYTES_MAX: usize = 1 << 20;
/// An answer that has as many bytes, and as many as its client waits for, takes none from the disk.
const ENOUGH: usize = 512 * 1024;

/// A partition that a client wants to read.
#[derive(Clone, Debug)]
pub(super) struct Want {
    /// The topic as the client names it: its name, or empty where it goes by ids.
    pub(super) topic: Arc<str>,
    /// The topic's id, where the client goes by ids.
    pub(super) topic_id: Uuid,
    /// The partition's index as it came.
    pub(super) partition: i32,
    /// From which offset, as it came.
    pub(super) offset: i64,
    /// Bytes for this partition at most.
    pub(super) bytes_max: usize,
    /// The epoch of which the client knows, or -1 (KIP-320).
    pub(super) leader_epoch: i32,
    /// The epoch of the record before `offset`, or -1 (KIP-595).
    pub(super) fetched_epoch: i32,
    /// The partition, or why there is none.
    pub(super) at: Result<TopicPartition, Code>,
}

/// What was found.
#[derive(Clone, Debug, Default)]
pub(super) struct Found {
    pub(super) code: i16,
    pub(super) ends: Option<Ends>,
    pub(super) batches: Vec<Piece>,
    pub(super) bytes: usize,
    pub(super) aborted: Vec<AbortedTransaction>,
    /// Where the client's history parts from ours: epoch and its end.
    pub(super) diverging: Option<(LeaderEpoch, Offset)>,
    /// There may be more on the disk, but the answer has enough.
    left_out: bool,
}

impl Found {
    fn failed(code: Code) -> Found {
        Found { code: code.code(), ..Found::default() }
    }
}

/// A fetch at work.
#[derive(Debug)]
pub(super) struct Reading {
    pub(super) log: Arc<dyn Log>,
    pub(super) wants: Vec<Want>,
    /// As many as wants.
    pub(super) found: Vec<Found>,
    /// Place of the want that is served first.
    begin: usize,
    /// A session remembers whose turn it is.
    has_turns: bool,
    /// Wants that were looked at, counted from `begin`.
    done: usize,
    committed_only: bool,
    /// Bytes that the client waits for.
    bytes_min: usize,
    /// Bytes that it takes.
    bytes_max: usize,
    bytes: usize,
}

impl Reading {
    /// Nothing read so far; `begin` goes first, else whoever the client names first.
    pub(super) fn new(
        broker: &Broker,
        wants: Vec<Want>,
        begin: Option<usize>,
        committed_only: bool,
        (bytes_min, bytes_max): (usize, usize),
    ) -> Reading {
        let found = vec![Found::default(); wants.len()];
        let log = Arc::clone(&broker.log);
        let (begin, has_turns) = (begin.unwrap_or(0), begin.is_some());
        Reading {
            log,
            wants,
            found,
            begin,
            has_turns,
            done: 0,
            committed_only,
            bytes_min,
            bytes_max,
            bytes: 0,
        }
    }
    /// The place that the next answer should begin with: the first of those that this one left out.
    pub(super) fn left_out(&self) -> Option<usize> {
        let mut places = (0..self.wants.len()).map(|step| (self.begin + step) % self.wants.len());
        places.find(|place| self.found[*place].left_out)
    }
    /// The same with nothing found, and `begin` first.
    fn begun_at(self, begin: usize) -> Reading {
        let found = vec![Found::default(); self.wants.len()];
        Reading { found, begin, done: 0, bytes: 0, ..self }
    }
    /// Bytes of all batches found.
    pub(super) fn bytes(&self) -> usize {
        self.bytes
    }
    /// Whether something was found that the client should know at once.
    pub(super) fn is_urgent(&self) -> bool {
        self.wants.is_empty() || self.found.iter().any(|found| found.code != 0 || found.diverging.is_some())
    }
    /// Looks at the wants that are left; stops where it would have to wait for the disk and may not. Whether all are done.
    fn run(&mut self, may_wait: bool) -> bool {
        while self.done < self.wants.len() {
            let place = (self.begin + self.done) % self.wants.len();
            match self.look(place, may_wait) {
                Some(found) => {
                    self.bytes += found.bytes;
                    self.found[place] = found;
                }
                None => return false,
            }
            self.done += 1;
        }
        true
    }
    /// Looks at one want again: something was appended, or became readable. False where that lies on the disk: then it
    /// is not in what was found, and all is to be read [`anew`].
    pub(super) fn look_again(&mut self, place: usize) -> bool {
        let before = std::mem::take(&mut self.found[place]);
        self.bytes -= before.bytes;
        let looked = self.look(place, false);
        let is_known = looked.is_some();
        let found = looked.unwrap_or(before);
        self.bytes += found.bytes;
        self.found[place] = found;
        is_known
    }
    fn look(&self, place: usize, may_wait: bool) -> Option<Found> {
        let want = &self.wants[place];
        let checked = want.at.and_then(|at| Ok((at, self.check_epoch(want)?)));
        let (at, offset) = match checked
            .and_then(|(at, ())| Ok((at, Offset::from_wire(want.offset).ok_or(Code::OffsetOutOfRange)?)))
        {
            Ok(known) => known,
            Err(code) => return Some(Found::failed(code)),
        };
        if let Some(diverging) = self.diverging(want, at, offset) {
            return Some(Found {
                diverging: Some(diverging),
                ends: self.log.ends(at).ok(),
                ..Found::default()
            });
        }
        let left = self.bytes_max.saturating_sub(self.bytes);
        let bytes_max = want.bytes_max.min(left);
        if bytes_max == 0 && self.bytes > 0 {
            return Some(self.nothing(at, offset));
        }
        let request = ReadRequest { at, offset, bytes_max, committed_only: self.committed_only };
        // the beginning will do, unless the client waits for more than that
        let enough = |now: &Located| !now.more || self.bytes + now.len() >= self.bytes_min;
        let now = match may_wait {
            // the look that waits finds the rest, too
            true => self.log.read_cached(request).map(|fetched| Located::of(fetched, offset)),
            false => self.log.locate_now(request).filter(enough),
        };
        let located = match now {
            Some(located) => Ok(located),
            None if may_wait && self.bytes >= ENOUGH.max(self.bytes_min) => {
                return Some(Found { left_out: true, ..self.nothing(at, offset) });
            }
            None if may_wait => {
                let bytes_max = bytes_max.min(DISK_BYTES_MAX.max(self.bytes_min));
                self.log.locate(ReadRequest { bytes_max, ..request })
            }
            // what is refused is known without the disk
            None => match self.log.ends(at) {
                Ok(ends) if offset < ends.log_start || offset > ends.high_watermark => {
                    self.log.locate(request)
                }
                Ok(_) => return None,
                Err(_) => return Some(Found::failed(Code::UnknownTopicOrPartition)),
            },
        };
        Some(self.found(at, offset, located, bytes_max))
    }
    fn found(
        &self,
        at: TopicPartition,
        offset: Offset,
        located: Result<Located, ReadError>,
        max: usize,
    ) -> Found {
        let Located { pieces: mut batches, mut next, ends, .. } = match located {
            Ok(located) => located,
            Err(error) => return Found::failed(error::of_read(&error)),
        };
        let mut bytes = batches.iter().map(Piece::len).sum();
        if bytes > max && self.bytes > 0 {
            // only the first batch of the whole answer may be too large
            batches.clear();
            (bytes, next) = (0, offset);
        }
        let aborted = if self.committed_only { self.log.aborted(at, offset, next) } else { Ok(Vec::new()) };
        match aborted {
            // deleted meanwhile, and what was aborted of it is no longer known
            Ok(_) if self.log.ends(at).is_ok_and(|now| now.log_start > offset) => {
                Found::failed(Code::OffsetOutOfRange)
            }
            Ok(aborted) => Found { ends: Some(ends), batches, bytes, aborted, ..Found::default() },
            Err(error) => Found::failed(error::of_read(&error)),
        }
    }
    /// A partition that the answer has no room for.
    fn nothing(&self, at: TopicPartition, offset: Offset) -> Found {
        match self.log.ends(at) {
            Err(_) => Found::failed(Code::UnknownTopicOrPartition),
            Ok(ends) if offset < ends.log_start || offset > ends.high_watermark => {
                Found::failed(Code::OffsetOutOfRange)
            }
            Ok(ends) => Found { ends: Some(ends), ..Found::default() },
        }
    }
    fn check_epoch(&self, want: &Want) -> Result<(), Code> {
        let current = self.log.leader_epoch().0;
        match want.leader_epoch {
            known if known < 0 || known == current => Ok(()),
            known if known < current => Err(Code::FencedLeaderEpoch),
            _ => Err(Code::UnknownLeaderEpoch),
        }
    }
    /// Where the records that the client has are not those that are here (KIP-595).
    fn diverging(&self, want: &Want, at: TopicPartition, offset: Offset) -> Option<(LeaderEpoch, Offset)> {
        if want.fetched_epoch < 0 {
            return None;
        }
        let (epoch, end) = self.log.epoch_end(at, LeaderEpoch(want.fetched_epoch)).ok()??;
        (epoch.0 < want.fetched_epoch || end < offset).then_some((epoch, end))
    }
}

/// Reads all wants once more, as if nothing had been found.
pub(super) async fn anew(reading: Reading) -> Reading {
    let begin = reading.begin;
    all(reading.begun_at(begin)).await
}

/// Reads all wants.
pub(super) async fn all(mut reading: Reading) -> Reading {
    if reading.run(false) {
        return reading;
    }
    if !reading.has_turns {
        // the disk serves few in an answer, and a client may name them in the same order each time
        let begin = rand::random_range(0..reading.wants.len());
        reading = reading.begun_at(begin);
    }
    let spare = Reading { wants: Vec::new(), found: Vec::new(), log: Arc::clone(&reading.log), ..reading };
    let moved = tokio::task::spawn_blocking(move || {
        reading.run(true);
        reading
    });
    // a panic in the log leaves an empty answer
    moved.await.unwrap_or(spare)
}
