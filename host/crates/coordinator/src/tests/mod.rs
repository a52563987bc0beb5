//! The room on a log in memory, with a clock that stands still until a test moves it. A restart is another room on the same log.

mod classic;
mod consumer;
mod failing;
mod locks;
mod offsets;
mod transactions;

use crate::*;
use potok_log::{Acks, Append, Log, MemoryLog, NewTopic, ReadRequest};
use potok_types::{
    BatchBuilder, Clock, Compression, ManualClock, NewBatch, Offset, PartitionIndex, Timestamp,
    TopicPartition,
};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

const START: Timestamp = Timestamp(1_356_998_400_000);
const MINUTE: Duration = Duration::from_secs(60);
const DAY: Duration = Duration::from_secs(24 * 3600);

struct World {
    clock: Arc<ManualClock>,
    log: Arc<dyn Log>,
    room: Coordinator,
}

fn open(clock: &Arc<ManualClock>, log: &Arc<dyn Log>) -> Coordinator {
    let settings = Settings { initial_rebalance_delay_ms: 0, ..Settings::default() };
    let components = Components {
        log: Arc::clone(log),
        clock: Arc::clone(clock) as Arc<dyn Clock>,
        of_processor: Arc::new(|name| name.starts_with("processor.")),
    };
    Coordinator::open(settings, components).unwrap()
}

impl World {
    fn new() -> World {
        let clock = ManualClock::at(START);
        let log: Arc<dyn Log> = MemoryLog::new(Arc::clone(&clock) as _);
        World { room: open(&clock, &log), clock, log }
    }
    /// The process is killed and starts again.
    fn restart(&mut self) {
        self.room = open(&self.clock, &self.log);
    }
    /// Time passes, and what is over by then ends.
    async fn pass(&self, time: Duration) {
        self.clock.advance(time);
        let mut ending = tokio::task::JoinSet::new();
        loop {
            self.room.inner.end_due(&mut ending);
            match ending.join_next().await {
                Some(ended) => ended.unwrap(),
                None => return,
            }
        }
    }
    async fn topic(&self, name: &str, partitions: u32) -> Arc<potok_log::Topic> {
        let topic = NewTopic { name: name.parse().unwrap(), partitions, config: vec![] };
        self.log.create_topic(topic).await.unwrap()
    }
    async fn commit(&self, group: &str, member: &str, epoch: i32, at: TopicPartition, raw: u64) -> Committed {
        let offsets = vec![new_offset(at, raw)];
        let (group, member_id) = (group.to_owned(), member.to_owned());
        let request = CommitRequest { group, member_id, instance_id: None, epoch, offsets };
        self.room.commit_offsets(request).await
    }
    fn committed(&self, group: &str, at: TopicPartition) -> Option<u64> {
        self.log.committed(group, at).unwrap().map(|committed| committed.offset.get())
    }
    async fn append(&self, to: TopicPartition, batch: NewBatch) -> Result<(), potok_log::AppendError> {
        self.log.append(vec![Append { to, batch }], Acks::Written).await.pop().unwrap().map(|_| ())
    }
    /// Values that a reader sees; `committed_only` as `read_committed` does.
    fn seen(&self, at: TopicPartition, committed_only: bool) -> Vec<String> {
        let request = ReadRequest { at, offset: Offset::FIRST, bytes_max: 1 << 20, committed_only };
        let batches = self.log.read(request).unwrap().batches;
        let ends = self.log.ends(at).unwrap();
        let aborted = self.log.aborted(at, Offset::FIRST, ends.high_watermark).unwrap();
        let skipped = |batch: &potok_types::RecordBatch| {
            let (header, last) = (batch.header(), batch.header().base_offset);
            committed_only
                && header.transactional
                && aborted.iter().any(|t| {
                    header.producer.is_some_and(|(id, _)| id == t.producer)
                        && (t.first_offset..=t.last_offset).contains(&last)
                })
        };
        let data = batches.iter().filter(|batch| !batch.header().control && !skipped(batch));
        let values = |batch: &potok_types::RecordBatch| {
            let open = batch.open(1 << 20).unwrap();
            let text = |record: potok_types::Record<'_>| {
                String::from_utf8_lossy(record.value.unwrap_or_default()).into_owned()
            };
            open.records().map(|record| text(record.unwrap())).collect::<Vec<_>>()
        };
        data.flat_map(values).collect()
    }
}

type Committed = Result<Vec<Result<(), OffsetRefusal>>, GroupRefusal>;

fn at(topic: &potok_log::Topic, index: u32) -> TopicPartition {
    topic.partition(PartitionIndex(index)).unwrap()
}
fn new_offset(at: TopicPartition, raw: u64) -> NewOffset {
    NewOffset { at, offset: Offset::new(raw).unwrap(), leader_epoch: None, metadata: "m".to_owned() }
}
fn patient() -> CancellationToken {
    CancellationToken::new()
}
/// One record of a transaction.
fn record(who: Identity, sequence: i32, value: &str) -> NewBatch {
    let mut builder = BatchBuilder::new(Compression::None).producer(who.producer, who.epoch, sequence, true);
    builder.push(START, None, Some(value.as_bytes()), std::iter::empty());
    builder.build().unwrap().unwrap()
}
