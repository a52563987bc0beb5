//! Runs a module on records with no server: the log in memory, the real plugin and processor rooms, one deployment.
//! In come a component and records, out goes [`Report`]: everything that came out, is kept, was refused or logged.
//! Nothing is simulated: what passes here passes on a server, by the same code.

use crate::exit::{Exit, Failure};
use crate::output::{counted, time};
use bytes::Bytes;
use potok_log::{
    Acks, Append, KeyRange, Log, MemoryLog, NewTopic, ReadRequest, StateStore, TaskKey, TimerClock, Topic,
};
use potok_plugin::{ModuleInfo, Plugins};
use potok_processor::{
    DEAD_LETTER_SUFFIX, DeploySpec, FailurePolicy, LOGS_TOPIC, LogLine, Processors, StartAt, TaskFailure,
    state_value,
};
use potok_types::{
    BatchBuilder, Clock, Compression, ModuleName, Offset, PartitionIndex, ProcessorName, Timestamp,
    TopicName, partition_for_key,
};
use std::sync::Arc;
use std::time::Duration;
use tokio_util::sync::CancellationToken;

/// Records of one batch, so that a module sees batches of a size that a server would give it.
const BATCH_RECORDS_MAX: usize = 1_000;
/// Bytes of one batch, far below a topic's `max.message.bytes`.
const BATCH_BYTES_MAX: usize = 256 << 10;
/// Largest record here: what fits one batch of a topic whose limit is raised to it.
const MESSAGE_BYTES_MAX: usize = 64 << 20;
/// Bytes that one batch may unpack to; nothing here is compressed.
const UNPACKED_BYTES_MAX: usize = 256 << 20;
/// State entries read at a time.
const SCAN_PAGE: usize = 1_000;

/// What to run.
pub(super) struct Plan {
    pub(super) component: Bytes,
    /// Records for each input, in order.
    pub(super) inputs: Vec<Vec<InputRecord>>,
    pub(super) config: serde_json::Value,
    pub(super) partitions: u32,
    pub(super) patience: Duration,
}

/// A record to send.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(in crate::cli) struct InputRecord {
    pub(in crate::cli) timestamp: Option<i64>,
    pub(in crate::cli) partition: Option<u32>,
    pub(in crate::cli) key: Option<Vec<u8>>,
    pub(in crate::cli) value: Option<Vec<u8>>,
    pub(in crate::cli) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// A record that came out.
#[derive(Clone, Debug)]
pub(super) struct OutputRecord {
    pub(super) partition: u32,
    pub(super) offset: u64,
    pub(super) timestamp: i64,
    pub(super) key: Option<Vec<u8>>,
    pub(super) value: Option<Vec<u8>>,
    pub(super) headers: Vec<(Vec<u8>, Option<Vec<u8>>)>,
}

/// An entry of a store.
#[derive(Clone, Debug)]
pub(super) struct StateEntry {
    pub(super) store: String,
    pub(super) partition: u32,
    pub(super) key: Vec<u8>,
    pub(super) value: Vec<u8>,
}

/// What became of it all.
pub(super) struct Report {
    pub(super) module: ModuleInfo,
    pub(super) records_in: u64,
    /// For each output, its name and records.
    pub(super) outputs: Vec<(String, Vec<OutputRecord>)>,
    pub(super) refused: Vec<OutputRecord>,
    pub(super) state: Vec<StateEntry>,
    /// For each task and clock with a timer that is still to come, when the next is due.
    pub(super) timers: Vec<String>,
    pub(super) logs: Vec<LogLine>,
    /// Tasks that did not come to their end, and why.
    pub(super) unfinished: Vec<String>,
    pub(super) guest_micros: u64,
}

/// The rooms, opened over memory and a folder that is thrown away.
struct House {
    log: Arc<dyn Log>,
    plugins: Plugins,
    processors: Processors,
    clock: Arc<dyn Clock>,
    _folder: tempfile::TempDir,
}

impl House {
    fn open(clock: Arc<dyn Clock>) -> Result<House, Failure> {
        let failed = |what: &str, error: &dyn std::fmt::Display| Failure::failed(format!("{what}: {error}"));
        let folder = tempfile::tempdir().map_err(|error| failed("cannot make a folder", &error))?;
        let log: Arc<dyn Log> = MemoryLog::new(Arc::clone(&clock));
        let plugins = Plugins::open(potok_plugin::Settings::default(), folder.path())
            .map_err(|e| failed("cannot start", &e))?;
        let processors = Processors::open(
            potok_processor::Settings::default(),
            Arc::clone(&log),
            plugins.clone(),
            Arc::clone(&clock),
        );
        let processors = processors.map_err(|error| failed("cannot start", &error))?;
        Ok(House { log, plugins, processors, clock, _folder: folder })
    }
    async fn topic(&self, name: &str, partitions: u32) -> Result<Arc<Topic>, Failure> {
        let config = vec![
            ("retention.ms".to_owned(), "-1".to_owned()),
            ("max.message.bytes".to_owned(), MESSAGE_BYTES_MAX.to_string()),
        ];
        let new = NewTopic { name: name.parse()?, partitions, config };
        self.log.create_topic(new).await.map_err(|error| Failure::usage(error.to_string()))
    }
}

/// Runs `plan` to its end.
pub(super) async fn run(plan: Plan, clock: Arc<dyn Clock>) -> Result<Report, Failure> {
    let house = House::open(clock)?;
    let module = house.plugins.push(plan.component.clone()).await;
    let module = module.map_err(|error| Failure::new(Exit::Refused, error.to_string()))?;
    let name = processor_name(&module)?;
    let spec = wire(&house, &module, &plan).await?;
    for (topic, records) in spec.inputs.iter().zip(&plan.inputs) {
        append(&house, topic, records).await?;
    }
    let stop = CancellationToken::new();
    let (processors, stopped) = (house.processors.clone(), stop.clone());
    let running = tokio::spawn(async move { processors.run(stopped).await });
    let deployed = house.processors.deploy(name.clone(), spec.clone()).await;
    let deployment = deployed.map_err(|error| Failure::new(Exit::Refused, error.to_string()))?;
    let drained = tokio::time::timeout(plan.patience, house.processors.drained(&name)).await;
    stop.cancel();
    let status = house.processors.status(&name).map_err(|error| Failure::failed(error.to_string()))?;
    running.await.map_err(|error| Failure::failed(format!("the processor's tasks ended badly: {error}")))?;
    let unfinished = match drained {
        Ok(Ok(())) => Vec::new(),
        Ok(Err(error)) => vec![error.to_string()],
        Err(_) => {
            let waiting = status.tasks.iter().filter_map(|task| task.last_failure.as_ref());
            let mut why: Vec<String> = waiting.map(|failure| failure_line(&failure.clone())).collect();
            why.push(format!(
                "not all records were done after {}",
                humantime::format_duration(plan.patience)
            ));
            why
        }
    };
    let logs = read_if_there(&house, LOGS_TOPIC)?;
    Ok(Report {
        records_in: plan.inputs.iter().map(|records| records.len() as u64).sum(),
        outputs: outputs(&house, &module, &spec)?,
        refused: read_if_there(&house, &format!("{name}{DEAD_LETTER_SUFFIX}"))?,
        state: state(&house, &module, deployment.number, plan.partitions)?,
        timers: timers(&house, deployment.number, plan.partitions)?,
        logs: logs
            .iter()
            .filter_map(|record| serde_json::from_slice(record.value.as_deref()?).ok())
            .collect(),
        unfinished,
        guest_micros: status.tasks.iter().map(|task| task.guest_micros).sum(),
        module,
    })
}

fn failure_line(failure: &TaskFailure) -> String {
    format!("{}: {}", failure.kind, failure.reason)
}

/// The module's own name, made legal: it names the dead-letter topic that a reader of the report sees.
fn processor_name(module: &ModuleInfo) -> Result<ProcessorName, Failure> {
    let legal = |c: char| if c.is_ascii_alphanumeric() || matches!(c, '.' | '_' | '-') { c } else { '-' };
    let name: String = module.description.name.chars().map(legal).take(100).collect();
    Ok(format!("test-{name}").parse::<ProcessorName>()?)
}

/// Makes a topic for each port, and the deployment over them.
async fn wire(house: &House, module: &ModuleInfo, plan: &Plan) -> Result<DeploySpec, Failure> {
    let ports = &module.description.inputs;
    if ports.len() != plan.inputs.len() {
        let names: Vec<_> = ports.iter().map(|port| port.name.as_str()).collect();
        let what = format!(
            "the module has {} ({}), {} given",
            counted(ports.len() as u64, "input"),
            names.join(", "),
            counted(plan.inputs.len() as u64, "file")
        );
        return Err(Failure::usage(what).remedy("pass one --input FILE for each, in that order"));
    }
    let mut inputs = Vec::new();
    for index in 0..ports.len() {
        inputs.push(house.topic(&format!("input-{index}"), plan.partitions).await?.name.clone());
    }
    let mut outputs = Vec::new();
    for index in 0..module.description.outputs.len() {
        outputs.push(house.topic(&format!("output-{index}"), plan.partitions).await?.name.clone());
    }
    Ok(DeploySpec {
        module: module.digest.to_string(),
        inputs,
        outputs,
        config: plan.config.clone(),
        grants: Vec::new(),
        on_failure: FailurePolicy::DeadLetter,
        from: StartAt::Earliest,
        limits: potok_plugin::InstanceSettings::default(),
        log_lines_per_second: 10_000,
        accept_state_version: false,
    })
}

/// Appends records in order, each to its partition, in batches as a producer would make.
async fn append(house: &House, topic: &TopicName, records: &[InputRecord]) -> Result<(), Failure> {
    let topic = house.log.topic(topic).ok_or_else(|| Failure::failed(format!("topic {topic} is gone")))?;
    let now = house.clock.now();
    for partition in topic.all_partitions() {
        let here = |record: &&InputRecord| partition_of(record, topic.partitions) == partition.partition;
        let mut batch = BatchBuilder::new(Compression::None);
        for record in records.iter().filter(here) {
            let timestamp = record.timestamp.map_or(now, Timestamp);
            let headers = record.headers.iter().map(|(name, value)| (name.as_slice(), value.as_deref()));
            batch.push(timestamp, record.key.as_deref(), record.value.as_deref(), headers);
            if batch.count() as usize >= BATCH_RECORDS_MAX || batch.byte_len() >= BATCH_BYTES_MAX {
                flush(house, partition, std::mem::replace(&mut batch, BatchBuilder::new(Compression::None)))
                    .await?;
            }
        }
        flush(house, partition, batch).await?;
    }
    Ok(())
}

fn partition_of(record: &InputRecord, partitions: u32) -> PartitionIndex {
    match (record.partition, &record.key) {
        (Some(partition), _) => PartitionIndex(partition),
        (None, Some(key)) => partition_for_key(key, partitions),
        (None, None) => PartitionIndex(0),
    }
}

async fn flush(house: &House, to: potok_types::TopicPartition, batch: BatchBuilder) -> Result<(), Failure> {
    let batch = batch
        .build()
        .map_err(|error| Failure::new(Exit::Refused, format!("a record cannot be sent: {error}")))?;
    let Some(batch) = batch else { return Ok(()) };
    for appended in house.log.append(vec![Append { to, batch }], Acks::Written).await {
        appended.map_err(|error| Failure::new(Exit::Refused, format!("a record cannot be sent: {error}")))?;
    }
    Ok(())
}

fn outputs(
    house: &House,
    module: &ModuleInfo,
    spec: &DeploySpec,
) -> Result<Vec<(String, Vec<OutputRecord>)>, Failure> {
    let ports = module.description.outputs.iter().zip(&spec.outputs);
    ports.map(|(port, topic)| Ok((port.name.clone(), read_if_there(house, topic.as_str())?))).collect()
}

/// All records of a topic by partition and offset; none when there is no such topic.
fn read_if_there(house: &House, topic: &str) -> Result<Vec<OutputRecord>, Failure> {
    let mut records = Vec::new();
    let Some(topic) = house.log.topic(&topic.parse()?) else { return Ok(records) };
    let failed =
        |error: &dyn std::fmt::Display| Failure::failed(format!("cannot read {}: {error}", topic.name));
    for at in topic.all_partitions() {
        let mut offset = Offset::FIRST;
        loop {
            let request = ReadRequest { at, offset, bytes_max: BATCH_BYTES_MAX, committed_only: false };
            let fetched = house.log.read(request).map_err(|error| failed(&error))?;
            let Some(last) = fetched.batches.last() else { break };
            offset = last.header().next_offset();
            for batch in &fetched.batches {
                let open = batch.open(UNPACKED_BYTES_MAX).map_err(|error| failed(&error))?;
                for record in open.records() {
                    records.push(owned(at.partition, record.map_err(|error| failed(&error))?));
                }
            }
        }
    }
    Ok(records)
}

fn owned(partition: PartitionIndex, record: potok_types::Record<'_>) -> OutputRecord {
    OutputRecord {
        partition: partition.0,
        offset: record.offset.get(),
        timestamp: record.timestamp.0,
        key: record.key.map(<[u8]>::to_vec),
        value: record.value.map(<[u8]>::to_vec),
        headers: record
            .headers()
            .map(|header| (header.name.to_vec(), header.value.map(<[u8]>::to_vec)))
            .collect(),
    }
}

/// Everything that the module's stores hold, by store, partition and key.
fn state(
    house: &House,
    module: &ModuleInfo,
    processor: u32,
    partitions: u32,
) -> Result<Vec<StateEntry>, Failure> {
    let failed = |error: &dyn std::fmt::Display| Failure::failed(format!("cannot read state: {error}"));
    let mut entries = Vec::new();
    for (store, spec) in (0u32..).zip(&module.description.stores) {
        for partition in 0..partitions {
            let task = TaskKey { processor, partition: PartitionIndex(partition) };
            let mut range = KeyRange::default();
            loop {
                let (page, more) = house
                    .log
                    .state_scan(StateStore { task, store }, &range, SCAN_PAGE)
                    .map_err(|e| failed(&e))?;
                // The next page begins right behind the last key: that key and a zero byte.
                range.start = page.last().map(|entry| [&entry.key[..], &[0]].concat().into());
                for entry in page {
                    let value = state_value(&entry.value).map_err(|error| failed(&error))?.to_vec();
                    entries.push(StateEntry {
                        store: spec.name.clone(),
                        partition,
                        key: entry.key.to_vec(),
                        value,
                    });
                }
                if !more {
                    break;
                }
            }
        }
    }
    Ok(entries)
}

/// When the next timer of each task is due.
fn timers(house: &House, processor: u32, partitions: u32) -> Result<Vec<String>, Failure> {
    let mut timers = Vec::new();
    for partition in 0..partitions {
        let task = TaskKey { processor, partition: PartitionIndex(partition) };
        for (clock, name) in [(TimerClock::Event, "event time"), (TimerClock::Wall, "the host's clock")] {
            let next = house
                .log
                .timer_next(task, clock)
                .map_err(|error| Failure::failed(format!("cannot read timers: {error}")))?;
            timers.extend(next.map(|at| {
                format!("partition {partition}: the next timer is due at {} by {name}", time(at.0))
            }));
        }
    }
    Ok(timers)
}

/// A module's own name as the name to push it under, where it is legal.
pub(super) fn module_name(module: &ModuleInfo) -> Option<ModuleName> {
    module.description.name.parse().ok()
}
