//! The few requests that the bench client sends, by hand, in versions of fixed layout that every broker has. In come plain
//! values, out go frames ready for the socket; an answer is read by a cursor that never trusts a length.

use anyhow::{Context, Result, ensure};
use bytes::{Buf, BufMut};

const PRODUCE: (i16, i16) = (0, 7);
const FETCH: (i16, i16) = (1, 11);
const CREATE_TOPICS: (i16, i16) = (19, 4);
const CREATE_PARTITIONS: (i16, i16) = (37, 0);
/// What a partition may bring in one answer, in bytes: the default of Kafka's consumers.
const PARTITION_BYTES_MAX: i32 = 1 << 20;
/// What one answer may bring, in bytes: likewise.
const ANSWER_BYTES_MAX: i32 = 50 << 20;

/// A request under construction; its length comes last.
struct Frame(Vec<u8>);

impl Frame {
    fn new((key, version): (i16, i16)) -> Frame {
        let mut frame = Frame(vec![0; 4]);
        frame.0.put_i16(key);
        frame.0.put_i16(version);
        frame.0.put_i32(0); // answers come in order, so nobody looks at the correlation id
        frame.string("bench");
        frame
    }
    fn string(&mut self, text: &str) {
        self.0.put_i16(i16::try_from(text.len()).unwrap_or(i16::MAX));
        self.0.put_slice(text.as_bytes());
    }
    fn count(&mut self, count: usize) {
        self.0.put_i32(i32::try_from(count).unwrap_or(i32::MAX));
    }
    fn finish(mut self) -> Vec<u8> {
        let len = u32::try_from(self.0.len() - 4).unwrap_or(u32::MAX);
        self.0[..4].copy_from_slice(&len.to_be_bytes());
        self.0
    }
}

/// The same batch to each of `partitions`; `acks` is 1, or -1 for all.
pub(super) fn produce(topic: &str, acks: i16, partitions: &[u32], batch: &[u8]) -> Vec<u8> {
    let mut frame = Frame::new(PRODUCE);
    frame.0.put_i16(-1); // no transaction
    frame.0.put_i16(acks);
    frame.0.put_i32(30_000);
    frame.count(1);
    frame.string(topic);
    frame.count(partitions.len());
    for partition in partitions {
        frame.0.put_u32(*partition);
        frame.count(batch.len());
        frame.0.put_slice(batch);
    }
    frame.finish()
}

/// A new topic of one replica.
pub(super) fn create_topic(topic: &str, partitions: u32, settings: &[(String, String)]) -> Vec<u8> {
    let mut frame = Frame::new(CREATE_TOPICS);
    frame.count(1);
    frame.string(topic);
    frame.0.put_u32(partitions);
    frame.0.put_i16(1);
    frame.count(0);
    frame.count(settings.len());
    for (name, value) in settings {
        frame.string(name);
        frame.string(value);
    }
    frame.0.put_i32(60_000);
    frame.0.put_u8(0);
    frame.finish()
}

/// A topic is to have `partitions` in all.
pub(super) fn create_partitions(topic: &str, partitions: u32) -> Vec<u8> {
    let mut frame = Frame::new(CREATE_PARTITIONS);
    frame.count(1);
    frame.string(topic);
    frame.0.put_u32(partitions);
    frame.0.put_i32(-1); // placed by the broker
    frame.0.put_i32(60_000);
    frame.0.put_u8(0);
    frame.finish()
}

/// Where one partition is to be read on.
#[derive(Clone, Copy, Debug)]
pub(super) struct Position {
    pub(super) partition: u32,
    pub(super) offset: i64,
    /// High watermark as last heard; -1 before that.
    pub(super) end: i64,
}

/// Whatever comes next in each partition, without a fetch session.
pub(super) fn fetch(topic: &str, positions: &[Position]) -> Vec<u8> {
    let mut frame = Frame::new(FETCH);
    frame.0.put_i32(-1); // no replica
    frame.0.put_i32(500);
    frame.0.put_i32(1);
    frame.0.put_i32(ANSWER_BYTES_MAX);
    frame.0.put_u8(0);
    frame.0.put_i32(0);
    frame.0.put_i32(-1); // no session
    frame.count(1);
    frame.string(topic);
    frame.count(positions.len());
    for position in positions {
        frame.0.put_u32(position.partition);
        frame.0.put_i32(-1);
        frame.0.put_i64(position.offset);
        frame.0.put_i64(-1);
        frame.0.put_i32(PARTITION_BYTES_MAX);
    }
    frame.count(0);
    frame.string("");
    frame.finish()
}

/// The first error of a Produce answer, 0 when there is none.
pub(super) fn produce_error(mut answer: &[u8]) -> Result<i16> {
    let from = &mut answer;
    for _ in 0..from.try_get_i32()? {
        skip_string(from)?;
        for _ in 0..from.try_get_i32()? {
            from.try_get_i32()?;
            let code = from.try_get_i16()?;
            if code != 0 {
                return Ok(code);
            }
            skip(from, 24)?;
        }
    }
    Ok(0)
}

/// The error of a CreateTopics or CreatePartitions answer for one topic.
pub(super) fn create_error(mut answer: &[u8]) -> Result<i16> {
    let from = &mut answer;
    skip(from, 8)?;
    skip_string(from)?;
    Ok(from.try_get_i16()?)
}

/// What a Fetch answer brought: records and their bytes. Each position moves behind them.
pub(super) fn fetched(mut answer: &[u8], positions: &mut [Position]) -> Result<(u64, u64)> {
    let from = &mut answer;
    skip(from, 4)?;
    ensure!(from.try_get_i16()? == 0, "the fetch was refused");
    skip(from, 4)?;
    let (mut records, mut len) = (0, 0);
    for _ in 0..from.try_get_i32()? {
        skip_string(from)?;
        for _ in 0..from.try_get_i32()? {
            let index = from.try_get_u32()?;
            let code = from.try_get_i16()?;
            ensure!(code == 0, "partition {index} could not be read: code {code}");
            let end = from.try_get_i64()?;
            skip(from, 16)?;
            let aborted = usize::try_from(from.try_get_i32()?).unwrap_or(0);
            skip(from, 16 * aborted)?;
            skip(from, 4)?;
            let batches = take(from)?;
            let position = positions.iter_mut().find(|position| position.partition == index);
            let position = position.context("a partition that nobody asked for")?;
            position.end = end;
            len += batches.len() as u64;
            records += walk(batches, position)?;
        }
    }
    Ok((records, len))
}

/// Goes from header to header of the batches; the last may be cut off. The records that are new at this position.
fn walk(mut batches: &[u8], position: &mut Position) -> Result<u64> {
    let mut records = 0;
    while let Some(mut header) = batches.get(..61) {
        let (base, len) = (header.try_get_i64()?, usize::try_from(header.try_get_i32()?)?);
        let Some(rest) = batches.get(12 + len..) else { break };
        skip(&mut header, 11)?;
        let next = base + i64::from(header.try_get_i32()?) + 1;
        records += u64::try_from(next - position.offset.max(base))?;
        position.offset = next;
        batches = rest;
    }
    Ok(records)
}

fn skip(from: &mut &[u8], len: usize) -> Result<()> {
    *from = from.get(len..).context("the answer is too short")?;
    Ok(())
}

fn skip_string(from: &mut &[u8]) -> Result<()> {
    let len = usize::try_from(from.try_get_i16()?).unwrap_or(0);
    skip(from, len)
}

fn take<'a>(from: &mut &'a [u8]) -> Result<&'a [u8]> {
    let len = usize::try_from(from.try_get_i32()?).unwrap_or(0);
    let (taken, rest) = from.split_at_checked(len).context("the answer is too short")?;
    *from = rest;
    Ok(taken)
}
