//! What a partition remembers of each idempotent producer, and what it decides by it (KIP-98, KIP-360).
//! In come the header of a batch and what is known; out go a verdict and the next state. Pure: no clock, no store.
//! Invariant: the remembered batches have rising offsets and belong to `epoch`.
//!
//! ```text
//! on disk | version u8 = 1 | epoch i16 | open since i64, -1 none | touched at i64 | batches u8 | batches... | all BE
//! a batch | first sequence i32 | last sequence i32 | base offset i64 | append time i64, i64::MIN none |
//! ```

use crate::api::ActiveProducer;
use crate::error::AppendError;
use crate::transactions::{EndedTransaction, Marker, TransactionStep};
use potok_types::{BatchError, BatchHeader, Offset, ProducerEpoch, ProducerId, Timestamp};

/// Batches remembered of one producer: as many as a client has in flight at most (`max.in.flight.requests.per.connection`).
pub(crate) const BATCHES_REMEMBERED: usize = 5;
const VERSION: u8 = 1;
const HEAD_LEN: usize = 1 + 2 + 8 + 8 + 1;
const SENT_LEN: usize = 4 + 4 + 8 + 8;
const _: () = assert!(HEAD_LEN == 20 && SENT_LEN == 24, "this layout is on disk");

/// A batch that a producer sent, as it is remembered.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct SentBatch {
    /// Sequence of its first record.
    pub(crate) first_sequence: i32,
    /// Sequence of its last record.
    pub(crate) last_sequence: i32,
    /// Where it came to lie.
    pub(crate) base_offset: Offset,
    /// Set where the topic has `LogAppendTime`.
    pub(crate) append_time: Option<Timestamp>,
}

/// What one partition knows of one producer.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct ProducerState {
    epoch: ProducerEpoch,
    /// First offset of the transaction that is open here.
    open_since: Option<Offset>,
    /// When it last wrote, by the host's clock: what forgetting goes by.
    touched_at: Timestamp,
    /// The oldest first, at most [`BATCHES_REMEMBERED`].
    recent: Vec<SentBatch>,
}

/// What is to become of a producer's batch.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    /// It is next: append it.
    Append,
    /// It is there already: answer with where it lies.
    Duplicate(SentBatch),
}

/// Decides about a batch of producer `id`; changes nothing. `known` is none when the partition has never heard of it.
/// A marker has no sequence; only its epoch counts.
pub(crate) fn check(
    known: Option<&ProducerState>,
    id: ProducerId,
    header: &BatchHeader,
    epoch: ProducerEpoch,
) -> Result<Verdict, AppendError> {
    if let Some(known) = known
        && epoch < known.epoch
    {
        return Err(AppendError::Fenced { producer: id.0, current: known.epoch.0, found: epoch.0 });
    }
    if header.control {
        return Ok(Verdict::Append);
    }
    let found = header.base_sequence;
    if found < 0 {
        return Err(BatchError::Counts(format!("a producer's batch has a sequence, not {found}")).into());
    }
    // one that was silent for so long that it was forgotten goes on where it was, as in Kafka
    let Some(known) = known else { return Ok(Verdict::Append) };
    if epoch == known.epoch {
        let same =
            |sent: &&SentBatch| sent.first_sequence == found && sent.last_sequence == header.last_sequence();
        if let Some(sent) = known.recent.iter().rev().find(same) {
            return Ok(Verdict::Duplicate(*sent));
        }
    }
    let expected = if epoch == known.epoch { known.next_sequence() } else { 0 };
    if found == expected {
        Ok(Verdict::Append)
    } else {
        Err(AppendError::OutOfOrder { producer: id.0, expected, found })
    }
}

impl ProducerState {
    /// First offset of its open transaction.
    pub(crate) fn open_since(&self) -> Option<Offset> {
        self.open_since
    }
    /// When it last wrote, by the host's clock.
    pub(crate) fn touched_at(&self) -> Timestamp {
        self.touched_at
    }
    /// What others may see of it.
    pub(crate) fn shown(&self, producer: ProducerId) -> ActiveProducer {
        ActiveProducer {
            producer,
            epoch: self.epoch,
            last_sequence: self.recent.last().map(|sent| sent.last_sequence),
            last_written_at: self.touched_at,
            open_since: self.open_since,
        }
    }
    fn next_sequence(&self) -> i32 {
        self.recent.last().map_or(0, |last| sequence_after(last.last_sequence))
    }

    /// The state after a batch that [`check`] let pass came to lie where `header` (placed) says, and what that means for
    /// the partition's transactions. `marker` is what a control batch says.
    pub(crate) fn advance(
        known: Option<ProducerState>,
        (id, epoch): (ProducerId, ProducerEpoch),
        header: &BatchHeader,
        marker: Option<Marker>,
        now: Timestamp,
    ) -> (ProducerState, TransactionStep) {
        let mut next =
            known.unwrap_or(ProducerState { epoch, open_since: None, touched_at: now, recent: Vec::new() });
        if next.epoch != epoch {
            next.epoch = epoch;
            next.recent.clear();
        }
        next.touched_at = now;
        if let Some(marker) = marker {
            return match next.open_since.take() {
                Some(first) => (next, TransactionStep::Ended(ended(id, first, header.base_offset, marker))),
                None => (next, TransactionStep::None),
            };
        }
        next.remember(header);
        if header.transactional && next.open_since.is_none() {
            next.open_since = Some(header.base_offset);
            return (next, TransactionStep::Opened(id, header.base_offset));
        }
        (next, TransactionStep::None)
    }
    fn remember(&mut self, header: &BatchHeader) {
        if self.recent.len() == BATCHES_REMEMBERED {
            self.recent.remove(0);
        }
        self.recent.push(SentBatch {
            first_sequence: header.base_sequence,
            last_sequence: header.last_sequence(),
            base_offset: header.base_offset,
            append_time: header.log_append_time.then_some(header.max_timestamp),
        });
    }

    /// The bytes on disk, drawn at the head of this file.
    pub(crate) fn encode(&self) -> Vec<u8> {
        let mut to = Vec::with_capacity(HEAD_LEN + SENT_LEN * self.recent.len());
        to.push(VERSION);
        to.extend_from_slice(&self.epoch.0.to_be_bytes());
        to.extend_from_slice(&self.open_since.map_or(-1, Offset::to_wire).to_be_bytes());
        to.extend_from_slice(&self.touched_at.0.to_be_bytes());
        to.push(u8::try_from(self.recent.len()).unwrap_or(u8::MAX));
        for sent in &self.recent {
            to.extend_from_slice(&sent.first_sequence.to_be_bytes());
            to.extend_from_slice(&sent.last_sequence.to_be_bytes());
            to.extend_from_slice(&sent.base_offset.to_wire().to_be_bytes());
            to.extend_from_slice(&sent.append_time.map_or(i64::MIN, |time| time.0).to_be_bytes());
        }
        to
    }
    /// From the bytes on disk; none when they are not what [`ProducerState::encode`] writes.
    pub(crate) fn decode(bytes: &[u8]) -> Option<ProducerState> {
        let (head, rest) = bytes.split_at_checked(HEAD_LEN)?;
        let (sent, cut) = rest.as_chunks::<SENT_LEN>();
        let count = usize::from(head[HEAD_LEN - 1]);
        if head[0] != VERSION || !cut.is_empty() || sent.len() != count || count > BATCHES_REMEMBERED {
            return None;
        }
        let open_since = i64_at(head, 3)?;
        Some(ProducerState {
            epoch: ProducerEpoch(i16::from_be_bytes([head[1], head[2]])),
            open_since: if open_since == -1 { None } else { Some(Offset::from_wire(open_since)?) },
            touched_at: Timestamp(i64_at(head, 11)?),
            recent: sent.iter().map(decode_sent).collect::<Option<_>>()?,
        })
    }
}

/// Sequences wrap to 0 behind `i32::MAX` (`DefaultRecordBatch.incrementSequence`).
fn sequence_after(sequence: i32) -> i32 {
    sequence.checked_add(1).unwrap_or(0)
}
fn ended(
    producer: ProducerId,
    first_offset: Offset,
    marker_offset: Offset,
    marker: Marker,
) -> EndedTransaction {
    EndedTransaction { producer, first_offset, marker_offset, aborted: marker == Marker::Abort }
}

fn decode_sent(bytes: &[u8; SENT_LEN]) -> Option<SentBatch> {
    let append_time = i64_at(bytes, 16)?;
    Some(SentBatch {
        first_sequence: i32::from_be_bytes(*bytes[..4].first_chunk()?),
        last_sequence: i32::from_be_bytes(*bytes[4..8].first_chunk()?),
        base_offset: Offset::from_wire(i64_at(bytes, 8)?)?,
        append_time: (append_time != i64::MIN).then_some(Timestamp(append_time)),
    })
}
fn i64_at(bytes: &[u8], at: usize) -> Option<i64> {
    bytes.get(at..)?.first_chunk().map(|bytes| i64::from_be_bytes(*bytes))
}

#[cfg(test)]
mod tests {
    use super::*;
    use potok_types::{BatchBuilder, Compression, LeaderEpoch};
    use proptest::prelude::*;

    const ID: ProducerId = ProducerId(7);

    /// The header of a batch of `count` records that lies at `base`.
    fn header(epoch: i16, sequence: i32, count: u32, base: u64) -> BatchHeader {
        let builder = BatchBuilder::new(Compression::None);
        let mut builder = builder.producer(ID, ProducerEpoch(epoch), sequence, false);
        (0..count).for_each(|_| builder.push(Timestamp(0), None, None, std::iter::empty()));
        let batch = builder.build().unwrap().unwrap();
        *batch.place(Offset::new(base).unwrap(), LeaderEpoch(0)).header()
    }
    fn sent(first_sequence: i32, last_sequence: i32, base: u64) -> SentBatch {
        SentBatch {
            first_sequence,
            last_sequence,
            base_offset: Offset::new(base).unwrap(),
            append_time: None,
        }
    }
    fn known(recent: Vec<SentBatch>) -> ProducerState {
        ProducerState { epoch: ProducerEpoch(0), open_since: None, touched_at: Timestamp(0), recent }
    }
    fn verdict(known: &ProducerState, header: &BatchHeader) -> Result<Verdict, String> {
        check(Some(known), ID, header, ProducerEpoch(0)).map_err(|error| error.to_string())
    }

    #[test]
    fn sequences_wrap_behind_the_largest() {
        let at_the_end = known(vec![sent(i32::MAX - 1, i32::MAX, 10)]);
        assert_eq!(verdict(&at_the_end, &header(0, 0, 2, 12)), Ok(Verdict::Append));
        let across = known(vec![sent(i32::MAX - 1, 1, 10)]);
        assert_eq!(verdict(&across, &header(0, 2, 1, 14)), Ok(Verdict::Append));
        let again = header(0, i32::MAX - 1, 4, 99);
        assert_eq!(again.last_sequence(), 1);
        assert_eq!(verdict(&across, &again), Ok(Verdict::Duplicate(sent(i32::MAX - 1, 1, 10))));
        assert_eq!(
            verdict(&across, &header(0, i32::MAX, 1, 14)),
            Err("sequence 2147483647 of producer 7 follows 2".into())
        );
    }
    #[test]
    fn damaged_bytes_are_no_state() {
        let good = known(vec![sent(0, 1, 0)]).encode();
        assert!(ProducerState::decode(&good).is_some());
        assert_eq!(ProducerState::decode(&good[..good.len() - 1]), None);
        assert_eq!(ProducerState::decode(&[]), None);
        let changed = |at: usize, to: u8| {
            let mut bytes = good.clone();
            bytes[at] = to;
            ProducerState::decode(&bytes)
        };
        assert_eq!((changed(0, 2), changed(HEAD_LEN - 1, 2)), (None, None));
        assert_eq!(changed(HEAD_LEN + 8, 0x80), None, "a negative offset");
    }

    proptest! {
        #[test]
        fn what_is_encoded_is_decoded(
            epoch in any::<i16>(),
            open in proptest::option::of(0..=i64::MAX.cast_unsigned()),
            touched in any::<i64>(),
            batches in proptest::collection::vec(
                (any::<i32>(), any::<i32>(), 0..=i64::MAX.cast_unsigned(), proptest::option::of(i64::MIN + 1..)),
                0..=BATCHES_REMEMBERED,
            ),
        ) {
            let recent = batches.into_iter().map(|(first_sequence, last_sequence, base, time)| SentBatch {
                first_sequence,
                last_sequence,
                base_offset: Offset::new(base).unwrap(),
                append_time: time.map(Timestamp),
            });
            let open_since = open.and_then(Offset::new);
            let state = ProducerState {
                epoch: ProducerEpoch(epoch), open_since, touched_at: Timestamp(touched), recent: recent.collect(),
            };
            prop_assert_eq!(ProducerState::decode(&state.encode()), Some(state));
        }
        #[test]
        fn no_bytes_make_the_decoder_panic(bytes in proptest::collection::vec(any::<u8>(), 0..200)) {
            let _ = ProducerState::decode(&bytes);
        }
    }
}
