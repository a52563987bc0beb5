//! Keyed state as guests see it: their own writes, other calls' writes, scans, and entries that grow old.

use super::guests::values;
use crate::testing::{Bench, Native, covered, fresh, sleep, virtually};
use potok_log::{KeyRange, Log, StateStore, TaskKey};
use potok_plugin::{CallError, Outcome, ScanRange, TaskPort};
use potok_types::{Column, PartitionIndex, RecordColumns};
use std::time::Duration;

fn column(items: &[&str]) -> Column {
    items.iter().map(|item| (*item != "-").then_some(item.as_bytes())).collect()
}
fn texts(column: &Column) -> String {
    column.iter().map(super::guests::text).collect::<Vec<_>>().join(" ")
}

/// A guest that does what its records say: `put k v`, `del k`, `get k…`, `scan FROM TO LIMIT`, `back FROM TO LIMIT`
/// (`*` is no bound); answers go to the output.
fn script() -> Native {
    Native::new(run_script)
}
fn run_script(port: &dyn TaskPort, _: u32, records: &RecordColumns) -> Result<Outcome, CallError> {
    let mut answers = Vec::new();
    for line in values(records) {
        let words: Vec<&str> = line.split(' ').collect();
        match words[0] {
            "put" => port.state_put(0, column(&words[1..2]), column(&words[2..3])).unwrap(),
            "del" => port.state_put(0, column(&words[1..2]), column(&["-"])).unwrap(),
            "get" => answers.push(texts(&port.state_get(0, &column(&words[1..]), 1 << 20).unwrap())),
            _ => {
                let bound = |word: &str| (word != "*").then(|| word.as_bytes().to_vec());
                let backwards = words[0] == "back";
                let range = ScanRange { start: bound(words[1]), end: bound(words[2]), backwards };
                let page = port.state_scan(0, range, words[3].parse().unwrap(), 1 << 20).unwrap();
                let more = if page.more { " more" } else { "" };
                answers.push(format!("{} / {}{more}", texts(&page.keys), texts(&page.values)));
            }
        }
    }
    let mut outcome = covered(records.len());
    outcome.emitted = fresh(answers.into_iter().map(|answer| (0, "-", answer)));
    Ok(outcome)
}

/// Runs each script as one call, and compares the answers of all.
async fn check(native: Native, scripts: &[&[&str]], expected: &[&str]) {
    for waits in [true, false] {
        let bench = Bench::new();
        bench.topic("in", 1, &[]).await;
        bench.topic("out", 1, &[]).await;
        let name = bench.deploy("p", native.clone(), &["in"], &["out"]).await;
        for script in scripts {
            let records: Vec<_> = script.iter().map(|line| (0, "-", *line)).collect();
            bench.produce("in", 0, &records).await;
            if waits {
                bench.drained(&name).await;
            }
        }
        bench.drained(&name).await;
        let answers: Vec<_> = bench.records("out", 0).into_iter().map(|record| record.1).collect();
        assert_eq!(answers, expected, "waits: {waits}");
    }
}

#[test]
fn a_call_reads_its_own_writes_and_those_of_calls_before_it() {
    virtually(async {
        check(
            script(),
            &[&["get a", "put a 1", "get a b", "put a 2", "get a"], &["get a", "del a", "get a"], &["get a"]],
            &["-", "1 -", "2", "2", "-", "-"],
        )
        .await;
    });
}

#[test]
fn a_scan_merges_what_is_stored_with_what_is_not_yet() {
    virtually(async {
        check(
            script(),
            &[
                &["put a 1", "put c 3", "put e 5", "put g 7"],
                &["put b 2", "del c", "scan * * 10", "scan b f 10", "back * * 2", "scan * * 2"],
                &["put c 33", "del e", "back b f 10", "scan x * 5", "scan c c 5", "scan d b 5"],
            ],
            &[
                "a b e g / 1 2 5 7",
                "b e / 2 5",
                "g e / 7 5 more",
                "a b / 1 2 more",
                "c b / 33 2",
                " / ",
                " / ",
                " / ",
            ],
        )
        .await;
    });
}

#[test]
fn entries_past_their_time_are_not_seen_and_are_swept_away() {
    virtually(async {
        let bench = Bench::new();
        bench.topic("in", 1, &[]).await;
        bench.topic("out", 1, &[]).await;
        let name = bench.deploy("p", script().ttl_ms(10_000), &["in"], &["out"]).await;
        bench.produce("in", 0, &[(0, "-", "put a 1"), (0, "-", "put b 2")]).await;
        bench.drained(&name).await;
        sleep(Duration::from_secs(6)).await;
        bench.produce("in", 0, &[(0, "-", "put b 3"), (0, "-", "get a b")]).await;
        bench.drained(&name).await;
        sleep(Duration::from_secs(5)).await;
        bench.produce("in", 0, &[(0, "-", "get a b"), (0, "-", "scan * * 10")]).await;
        bench.drained(&name).await;
        let bench = bench.restart().await;
        bench.produce("in", 0, &[(0, "-", "get a b"), (0, "-", "scan * * 10")]).await;
        bench.drained(&name).await;
        let answers: Vec<_> = bench.records("out", 0).into_iter().map(|record| record.1).collect();
        assert_eq!(answers, vec!["1 3", "- 3", "b / 3", "- 3", "b / 3"]);
        sleep(Duration::from_secs(60)).await;
        let number = bench.room.status(&name).unwrap().deployment.number;
        let store =
            StateStore { task: TaskKey { processor: number, partition: PartitionIndex(0) }, store: 0 };
        let (left, _) = bench.log.state_scan(store, &KeyRange::default(), 10).unwrap();
        assert!(left.is_empty(), "the sweep leaves {left:?}");
    });
}

/// How many entries the log has of the only store of a processor's first task.
fn stored(bench: &Bench, name: &potok_types::ProcessorName) -> usize {
    let number = bench.room.status(name).unwrap().deployment.number;
    let store = StateStore { task: TaskKey { processor: number, partition: PartitionIndex(0) }, store: 0 };
    bench.log.state_scan(store, &KeyRange::default(), 1_000_000).unwrap().0.len()
}

#[test]
fn many_entries_that_grow_old_at_once_are_swept_away_at_once() {
    const ENTRIES: usize = 30_000;
    virtually(async {
        let bench = Bench::new();
        bench.topic("in", 1, &[]).await;
        bench.topic("out", 1, &[]).await;
        let name = bench.deploy("p", script().ttl_ms(10_000), &["in"], &["out"]).await;
        let lines: Vec<String> = (0..ENTRIES).map(|i| format!("put k{i} v")).collect();
        let records: Vec<_> = lines.iter().map(|line| (0, "-", line.as_str())).collect();
        bench.produce("in", 0, &records).await;
        bench.drained(&name).await;
        assert_eq!(stored(&bench, &name), ENTRIES);
        sleep(Duration::from_secs(13)).await;
        assert_eq!(stored(&bench, &name), 0);
    });
}

#[test]
fn a_task_that_always_has_records_sweeps_all_the_same() {
    virtually(async {
        let bench = Bench::new();
        bench.topic("in", 1, &[]).await;
        bench.topic("out", 1, &[]).await;
        let native = Native::new(|port, input, records| {
            if values(records).contains(&"never") {
                return Err(CallError::Retry("it is away".into()));
            }
            run_script(port, input, records)
        });
        let name = bench.deploy("p", native.ttl_ms(10_000), &["in"], &["out"]).await;
        bench.produce("in", 0, &[(0, "-", "put old 1")]).await;
        bench.drained(&name).await;
        assert_eq!(stored(&bench, &name), 1);
        bench.produce("in", 0, &[(0, "-", "never")]).await;
        sleep(Duration::from_secs(120)).await;
        assert_eq!(bench.room.status(&name).unwrap().tasks[0].positions[0].2, 1);
        assert_eq!(stored(&bench, &name), 0);
    });
}

#[test]
fn a_cache_of_no_size_changes_no_answer() {
    virtually(async {
        let clock = crate::testing::VirtualTime::current();
        let log: std::sync::Arc<dyn Log> = potok_log::MemoryLog::new(clock.clone());
        let settings = crate::Settings { state_cache_bytes: 0, ..crate::Settings::default() };
        let bench = Bench::with(settings, log, clock, std::sync::Arc::default());
        bench.topic("in", 1, &[]).await;
        bench.topic("out", 1, &[]).await;
        let name = bench.deploy("p", super::guests::counter(), &["in"], &["out"]).await;
        let keys: Vec<String> = (0..500).map(|i| format!("k{i:0>3}")).collect();
        let records: Vec<_> = keys.iter().map(|key| (1, key.as_str(), "x")).collect();
        for _ in 0..3 {
            bench.produce("in", 0, &records).await;
            bench.drained(&name).await;
        }
        let expected: Vec<_> =
            (1..=3).flat_map(|n| keys.iter().map(move |key| format!("{key}={n}"))).collect();
        assert_eq!(bench.read("out", 0), expected);
    });
}
