//! Seeded runs of the room over a log that fails, with crashes, restarts, pauses and redeployments at any moment, on virtual
//! time and one thread. Whatever happened, in the end outputs, state, position, timers and dead letters are those of a model
//! that saw every record once, in order.
//!
//! `POTOK_SIMULATIONS=1000 cargo test -p potok-processor simulation` runs more seeds; `POTOK_SEED=7` runs one.

use super::guests::{keys, text, values};
use crate::api::{FailurePolicy, ProcessorError, group_of};
use crate::testing::{Bench, Native, VirtualTime, covered, fresh, sleep, spec, virtually};
use bytes::Bytes;
use potok_log::{FailingLog, Faults, KeyRange, Log, MemoryLog, Seeded, StateStore, TaskKey, TimerClock};
use potok_plugin::{CallError, Due, Outcome, RefusedRecord, TaskPort, TimerRequest};
use potok_types::{Column, PartitionIndex, ProcessorName, RecordColumns, Timestamp};
use std::collections::BTreeMap;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

const PARTITIONS: u32 = 2;
const SEEDS: u64 = 60;
/// Later than every timer: the last record of each partition, so that all of them fire.
const LAST: i64 = 1_000_000;
/// How long after a key's first record its timer is due, in milliseconds of event time.
const TIMER_AFTER: i64 = 40;

const FAULTS: Faults = Faults {
    refused_one_in: 6,
    lost_one_in: 9,
    reads_one_in: 40,
    delayed_one_in: 3,
    delay_max: Duration::ZERO,
    sticky: false,
};

/// What the records of one partition must come to.
#[derive(Debug, Default, PartialEq, Eq)]
struct Model {
    /// Every count of every key in order, and `timer` of each key once: by key.
    outputs: BTreeMap<String, Vec<String>>,
    counts: BTreeMap<String, u64>,
    /// Offsets of refused records.
    refused: Vec<u64>,
    next: u64,
}

impl Model {
    fn add(&mut self, key: &str, value: &str) {
        self.next += 1;
        if value == "bad" || value == "trap" {
            self.refused.push(self.next - 1);
            return;
        }
        let count = self.counts.entry(key.to_owned()).or_default();
        *count += 1;
        self.outputs.entry(key.to_owned()).or_default().push(count.to_string());
    }
}

/// Counts by key, one output a record; now and then covers only a part, or asks to be called later.
fn flaky_counter(moods: Arc<AtomicU64>) -> Native {
    Native::new(move |port, _, records| {
        let mood = Seeded::new(moods.fetch_add(1, Ordering::SeqCst)).number();
        if mood.is_multiple_of(11) {
            return Err(CallError::Retry("not now".into()));
        }
        let cut = mood.is_multiple_of(5) && records.len() > 1;
        let len = if cut { records.len() / 2 } else { records.len() };
        let mut outcome = count(port, &records.slice(0..len))?;
        outcome.wait = (cut && mood.is_multiple_of(3)).then(|| "the rest later".to_owned());
        Ok(outcome)
    })
    .timers(|_, due| Ok(fire(due)))
}
fn count(port: &dyn TaskPort, records: &RecordColumns) -> Result<Outcome, CallError> {
    let host = |error: potok_plugin::PortError| CallError::Host(error.0);
    let mut outcome = covered(records.len());
    let mut answers = Vec::new();
    for (i, (key, value)) in keys(records).into_iter().zip(values(records)).enumerate() {
        match value {
            "trap" => return Err(CallError::Trap("unreachable".into())),
            "bad" => {
                let index = u32::try_from(i).unwrap();
                outcome.refused.push(RefusedRecord { index, reason: "bad".into() });
                continue;
            }
            _ => {}
        }
        let column: Column = [Some(key.as_bytes())].into_iter().collect();
        let stored = port.state_get(0, &column, 100).map_err(host)?;
        let before = stored.get(0).map_or(0, |bytes| text(Some(bytes)).parse::<u64>().unwrap());
        let sum = (before + 1).to_string();
        port.state_put(0, column, [Some(sum.as_bytes())].into_iter().collect()).map_err(host)?;
        let at = records.timestamp(i).0;
        if before == 0 {
            let (key, payload) = (Bytes::copy_from_slice(key.as_bytes()), Bytes::new());
            port.set_timer(TimerRequest {
                clock: potok_plugin::TimerClock::Event,
                at: Timestamp(at + TIMER_AFTER),
                key,
                payload,
            });
        }
        answers.push((at, key, sum));
    }
    outcome.emitted = fresh(answers);
    Ok(outcome)
}
fn fire(due: &[Due]) -> Outcome {
    let mut outcome = covered(due.len());
    let timers = due.iter().map(|timer| (timer.at.0, text(Some(&timer.key)), "timer".to_owned()));
    outcome.emitted = fresh(timers);
    outcome
}

struct Simulation {
    seeded: Seeded,
    failing: Arc<FailingLog>,
    memory: Arc<MemoryLog>,
    models: Vec<Model>,
    name: ProcessorName,
    modules: [String; 2],
    stream_time: i64,
}

#[test]
fn simulation_of_a_log_that_fails_and_a_host_that_crashes_is_exactly_once() {
    let number = |name: &str| std::env::var(name).ok().and_then(|text| text.parse::<u64>().ok());
    let seeds = match number("POTOK_SEED") {
        Some(seed) => seed..seed + 1,
        None => 0..number("POTOK_SIMULATIONS").unwrap_or(SEEDS),
    };
    for seed in seeds {
        let ran = std::panic::catch_unwind(|| virtually(simulate(seed)));
        assert!(ran.is_ok(), "POTOK_SEED={seed} fails");
    }
}

async fn simulate(seed: u64) {
    let clock = VirtualTime::current();
    let memory = MemoryLog::new(clock.clone());
    let failing = FailingLog::new(memory.clone(), seed, Faults::NONE);
    let settings = settings(seed);
    let mut bench = Bench::with(settings, failing.clone(), clock, Arc::default());
    bench.topic("in", PARTITIONS, &[]).await;
    bench.topic("out", 3, &[]).await;
    let moods = Arc::new(AtomicU64::new(seed * 1_000));
    let module = |moods: &Arc<AtomicU64>| bench.guests.add(flaky_counter(moods.clone()), 1, 1).to_string();
    let modules = [module(&moods), module(&moods)];
    let name: ProcessorName = "p".parse().unwrap();
    bench.room.deploy(name.clone(), spec(&modules[0], &["in"], &["out"])).await.unwrap();
    let mut models: Vec<Model> = (0..PARTITIONS).map(|_| Model::default()).collect();
    models.iter_mut().for_each(|model| model.next = 0);
    let seeded = Seeded::new(seed ^ 0x5eed);
    let mut run = Simulation { seeded, failing, memory, models, name, modules, stream_time: 0 };
    run.failing.set_faults(FAULTS);
    for _ in 0..60 {
        bench = run.step(bench).await;
    }
    run.finish(bench).await;
}

/// Some seeds run with no cache at all, so that every read of state goes to the log.
fn settings(seed: u64) -> crate::Settings {
    let state_cache_bytes = if seed.is_multiple_of(3) { 0 } else { 1 << 20 };
    crate::Settings { state_cache_bytes, backoff_max_ms: 1_000, ..crate::Settings::default() }
}

impl Simulation {
    /// Something happens.
    async fn step(&mut self, bench: Bench) -> Bench {
        match self.seeded.below(12) {
            0..=4 => self.produce().await,
            5 => return bench.crash().await,
            6 => return bench.restart().await,
            7 => {
                // refused while the log fails: then the one before runs on
                let module = self.modules[self.seeded.below(2)].clone();
                let _ = bench.room.deploy(self.name.clone(), spec(&module, &["in"], &["out"])).await;
            }
            8 => {
                let _ = bench.room.pause(&self.name).await;
                sleep(Duration::from_millis(50)).await;
                let _ = bench.room.resume(&self.name).await;
            }
            9 => {
                let _ = bench.room.restart(&self.name).await;
            }
            10 => sleep(Duration::from_millis(self.seeded.below(500) as u64)).await,
            _ => {
                for _ in 0..self.seeded.below(200) {
                    tokio::task::yield_now().await;
                }
            }
        }
        bench
    }
    /// A batch of records for one partition, past the faults: producers are not what is tried here.
    async fn produce(&mut self) {
        let partition = u32::try_from(self.seeded.below(PARTITIONS as usize)).unwrap();
        let mut records = Vec::new();
        for _ in 0..=self.seeded.below(30) {
            let key = format!("{partition}-{}", self.seeded.below(8));
            let value = match self.seeded.below(25) {
                0 => "bad",
                1 => "trap",
                _ => "x",
            };
            self.stream_time += self.seeded.below(5) as i64;
            records.push((self.stream_time, key, value));
        }
        self.append(partition, &records).await;
    }
    async fn append(&mut self, partition: u32, records: &[(i64, String, &str)]) {
        let borrowed: Vec<_> = records.iter().map(|(at, key, value)| (*at, key.as_str(), *value)).collect();
        crate::testing::produce(&*self.memory, "in", partition, &borrowed).await;
        let model = &mut self.models[partition as usize];
        records.iter().for_each(|(_, key, value)| model.add(key, value));
    }
    /// Nothing goes wrong any more; everything is worked off, every timer fires, and all is compared.
    async fn finish(mut self, bench: Bench) {
        self.failing.set_faults(Faults::NONE);
        for partition in 0..PARTITIONS {
            self.append(partition, &[(LAST, format!("{partition}-last"), "x")]).await;
            // its own timer lies behind the end of time
            for (key, outputs) in &mut self.models[partition as usize].outputs {
                if !key.ends_with("last") {
                    outputs.push("timer".to_owned());
                }
            }
        }
        match bench.room.resume(&self.name).await {
            Ok(()) | Err(ProcessorError::Invalid(_)) => {}
            Err(error) => panic!("{error}"),
        }
        bench.drained(&self.name).await;
        self.compare(&bench);
        bench.restart().await.stop.cancel();
    }
    fn compare(&self, bench: &Bench) {
        let deployment = bench.room.status(&self.name).unwrap().deployment;
        assert_eq!(deployment.spec.on_failure, FailurePolicy::DeadLetter);
        let mut seen: BTreeMap<String, Vec<String>> = BTreeMap::new();
        for partition in 0..3 {
            for (key, value, _) in bench.records("out", partition) {
                seen.entry(key).or_default().push(value);
            }
        }
        for (partition, model) in (0..PARTITIONS).zip(&self.models) {
            for (key, expected) in &model.outputs {
                let mut found = seen.remove(key).unwrap_or_default();
                // a key's timer fires between its counts, wherever stream time passed it
                let timers = found.iter().filter(|value| *value == "timer").count();
                found.retain(|value| value != "timer");
                found.extend(std::iter::repeat_n("timer".to_owned(), timers));
                assert_eq!(&found, expected, "outputs of {key}");
            }
            self.compare_kept(partition, model, deployment.number);
            assert_eq!(
                refused_offsets(bench, partition),
                model.refused,
                "dead letters of partition {partition}"
            );
        }
        assert!(seen.is_empty(), "outputs from nowhere: {seen:?}");
    }
    fn compare_kept(&self, partition: u32, model: &Model, number: u32) {
        let log = &*self.memory;
        let task = TaskKey { processor: number, partition: PartitionIndex(partition) };
        let (entries, more) =
            log.state_scan(StateStore { task, store: 0 }, &KeyRange::default(), 1_000).unwrap();
        assert!(!more);
        let stored: BTreeMap<String, u64> = entries
            .iter()
            .map(|entry| {
                let (_, value) = crate::state::value::decode(&entry.value).unwrap();
                (text(Some(&entry.key)).to_owned(), text(Some(value)).parse().unwrap())
            })
            .collect();
        assert_eq!(stored, model.counts, "state of partition {partition}");
        let topic = log.topic(&"in".parse().unwrap()).unwrap();
        let at = topic.partition(PartitionIndex(partition)).unwrap();
        let position = log.committed(&group_of(&self.name), at).unwrap().unwrap();
        assert_eq!(position.offset.get(), model.next, "position of partition {partition}");
        let left = log.timers_due(task, TimerClock::Event, Timestamp(i64::MAX), 10).unwrap();
        assert_eq!(left.len(), 1, "timers left: {left:?}");
    }
}

/// Offsets in the dead letters of a partition, in the order in which they were refused.
fn refused_offsets(bench: &Bench, partition: u32) -> Vec<u64> {
    let letters = bench.records("p.dead-letter", partition);
    let offset = |headers: &str| {
        let header = headers.split(' ').find_map(|header| header.strip_prefix("potok.error.offset="));
        header.unwrap().parse().unwrap()
    };
    letters.iter().map(|(_, _, headers)| offset(headers)).collect()
}
