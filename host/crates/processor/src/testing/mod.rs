//! A room over a log in memory with native guests, on one thread and a paused clock: what tests and the simulation run on.
//! Time only passes when every task waits, and then at once.

mod native;
mod time;

pub(crate) use native::{Native, NativeGuests, covered, fresh};
pub(crate) use time::{START, VirtualTime, sleep, virtually};

use crate::api::{DeploySpec, FailurePolicy, StartAt};
use crate::room::Processors;
use crate::runtime::GuestThreads;
use crate::settings::Settings;
use potok_log::{Acks, Append, Log, MemoryLog, NewTopic, ReadRequest};
use potok_types::{
    BatchBuilder, Clock, Compression, Offset, PartitionIndex, ProcessorName, Timestamp, TopicName,
    TopicPartition,
};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// The room and what lies around it.
pub(crate) struct Bench {
    pub(crate) log: Arc<dyn Log>,
    pub(crate) clock: Arc<dyn Clock>,
    pub(crate) guests: Arc<NativeGuests>,
    pub(crate) room: Processors,
    pub(crate) stop: CancellationToken,
    running: tokio::task::JoinHandle<()>,
}

impl Bench {
    /// An empty log with a running room.
    pub(crate) fn new() -> Bench {
        let clock = VirtualTime::current();
        let log: Arc<dyn Log> = MemoryLog::new(clock.clone());
        Bench::over(log, clock, Arc::new(NativeGuests::default()))
    }
    /// A running room over this log.
    pub(crate) fn over(log: Arc<dyn Log>, clock: Arc<dyn Clock>, guests: Arc<NativeGuests>) -> Bench {
        Bench::with(Settings::default(), log, clock, guests)
    }
    pub(crate) fn with(
        settings: Settings,
        log: Arc<dyn Log>,
        clock: Arc<dyn Clock>,
        guests: Arc<NativeGuests>,
    ) -> Bench {
        // a log that fails now and then may not let it open at once
        let open = || {
            let threads = GuestThreads::current(VirtualTime::current());
            Processors::with_guests(settings.clone(), log.clone(), guests.clone(), clock.clone(), threads)
                .ok()
        };
        let room = (0..100).find_map(|_| open()).unwrap();
        let stop = CancellationToken::new();
        let running = tokio::spawn({
            let (room, stop) = (room.clone(), stop.clone());
            async move { room.run(stop).await }
        });
        Bench { log, clock, guests, room, stop, running }
    }
    /// The room ends in good order, and another begins on the same log.
    pub(crate) async fn restart(self) -> Bench {
        self.stop.cancel();
        self.running.await.unwrap();
        Bench::over(self.log, self.clock, self.guests)
    }
    /// Every task ends where it stands, and another room begins on the same log.
    pub(crate) async fn crash(self) -> Bench {
        self.running.abort();
        let _ = self.running.await;
        self.room.crash().await;
        Bench::over(self.log, self.clock, self.guests)
    }
    pub(crate) async fn topic(&self, name: &str, partitions: u32, config: &[(&str, &str)]) {
        let config = config.iter().map(|(k, v)| ((*k).to_owned(), (*v).to_owned())).collect();
        self.log.create_topic(NewTopic { name: name.parse().unwrap(), partitions, config }).await.unwrap();
    }
    pub(crate) fn at(&self, topic: &str, partition: u32) -> TopicPartition {
        let topic = self.log.topic(&topic.parse().unwrap()).unwrap();
        topic.partition(PartitionIndex(partition)).unwrap()
    }
    /// As [`produce`], to this bench's log.
    pub(crate) async fn produce(&self, topic: &str, partition: u32, records: &[(i64, &str, &str)]) {
        produce(&*self.log, topic, partition, records).await;
    }
    /// All records of a partition as `key=value`.
    pub(crate) fn read(&self, topic: &str, partition: u32) -> Vec<String> {
        self.records(topic, partition).into_iter().map(|(key, value, _)| format!("{key}={value}")).collect()
    }
    /// All records of a partition: key, value, headers as `name=value` joined by spaces.
    pub(crate) fn records(&self, topic: &str, partition: u32) -> Vec<(String, String, String)> {
        let name: TopicName = topic.parse().unwrap();
        let Some(topic) = self.log.topic(&name) else { return Vec::new() };
        let at = topic.partition(PartitionIndex(partition)).unwrap();
        let text =
            |bytes: Option<&[u8]>| bytes.map_or("-".to_owned(), |b| String::from_utf8_lossy(b).into_owned());
        let (mut next, mut all) = (Offset::FIRST, Vec::new());
        loop {
            let request = ReadRequest { at, offset: next, bytes_max: 1 << 20, committed_only: false };
            let fetched = self.log.read(request).unwrap();
            let Some(last) = fetched.batches.last() else { return all };
            next = last.header().next_offset();
            for batch in &fetched.batches {
                for record in batch.open(1 << 24).unwrap().records() {
                    let record = record.unwrap();
                    let headers: Vec<_> = record
                        .headers()
                        .map(|h| format!("{}={}", text(Some(h.name)), text(h.value)))
                        .collect();
                    all.push((text(record.key), text(record.value), headers.join(" ")));
                }
            }
        }
    }
    /// Deploys a native module under a name of its own.
    pub(crate) async fn deploy(
        &self,
        name: &str,
        native: Native,
        inputs: &[&str],
        outputs: &[&str],
    ) -> ProcessorName {
        self.deploy_with(name, native, inputs, outputs, |_| {}).await
    }
    pub(crate) async fn deploy_with(
        &self,
        name: &str,
        native: Native,
        inputs: &[&str],
        outputs: &[&str],
        change: impl FnOnce(&mut DeploySpec),
    ) -> ProcessorName {
        let digest = self.guests.add(native, inputs.len(), outputs.len());
        let mut spec = spec(&digest.to_string(), inputs, outputs);
        change(&mut spec);
        let name: ProcessorName = name.parse().unwrap();
        self.room.deploy(name.clone(), spec).await.unwrap();
        name
    }
    /// Waits until the processor has nothing to do.
    pub(crate) async fn drained(&self, name: &ProcessorName) {
        tokio::select! {
            biased;
            drained = self.room.drained(name) => drained.unwrap(),
            () = sleep(Duration::from_secs(3_600)) => panic!("nothing moves: {:?}", self.room.status(name)),
        }
    }
    /// Waits until the task of partition 0 has stopped; says why.
    pub(crate) async fn stopped(&self, name: &ProcessorName) -> String {
        for _ in 0..1_000 {
            let status = self.room.status(name).unwrap();
            if let Some(task) =
                status.tasks.first().filter(|task| task.state == crate::api::TaskState::Stopped)
            {
                return task.last_failure.clone().unwrap().reason;
            }
            sleep(Duration::from_millis(10)).await;
        }
        panic!("it goes on: {:?}", self.room.status(name));
    }
}

/// Appends one batch of records `(timestamp, key, value)`; a key `-` is none.
pub(crate) async fn produce(log: &dyn Log, topic: &str, partition: u32, records: &[(i64, &str, &str)]) {
    let mut batch = BatchBuilder::new(Compression::None);
    for (at, key, value) in records {
        let key = (*key != "-").then_some(key.as_bytes());
        batch.push(Timestamp(*at), key, Some(value.as_bytes()), std::iter::empty());
    }
    let topic = log.topic(&topic.parse().unwrap()).unwrap();
    let to = topic.partition(PartitionIndex(partition)).unwrap();
    let append = Append { to, batch: batch.build().unwrap().unwrap() };
    for result in log.append(vec![append], Acks::Written).await {
        result.unwrap();
    }
}

/// A spec with everything else as it is by default, from the first record on.
pub(crate) fn spec(module: &str, inputs: &[&str], outputs: &[&str]) -> DeploySpec {
    DeploySpec {
        module: module.to_owned(),
        inputs: inputs.iter().map(|name| name.parse().unwrap()).collect(),
        outputs: outputs.iter().map(|name| name.parse().unwrap()).collect(),
        config: serde_json::json!({}),
        grants: Vec::new(),
        on_failure: FailurePolicy::DeadLetter,
        from: StartAt::Earliest,
        limits: potok_plugin::InstanceSettings::default(),
        log_lines_per_second: 100,
        accept_state_version: false,
    }
}
