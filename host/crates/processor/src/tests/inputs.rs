//! Several inputs, transactions, retention, and output topics that change.

use super::guests::{filter, filtered, values};
use crate::api::TaskState;
use crate::testing::{Bench, Native, covered, fresh, sleep, virtually};
use potok_log::TopicChange;
use std::time::Duration;

/// Emits `input:value` of each record.
fn tagger() -> Native {
    Native::new(|_, input, records| {
        let mut outcome = covered(records.len());
        outcome.emitted = fresh(
            values(records)
                .iter()
                .enumerate()
                .map(|(i, value)| (records.timestamp(i).0, "k", format!("{input}:{value}"))),
        );
        Ok(outcome)
    })
}

#[test]
fn several_inputs_are_fed_in_the_order_of_event_time() {
    virtually(async {
        let bench = Bench::new();
        for topic in ["left", "right", "out"] {
            bench.topic(topic, 1, &[]).await;
        }
        bench.produce("right", 0, &[(10, "k", "a"), (25, "k", "b"), (40, "k", "c")]).await;
        bench.produce("left", 0, &[(10, "k", "d"), (20, "k", "e"), (30, "k", "f")]).await;
        let name = bench.deploy("p", tagger(), &["left", "right"], &["out"]).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["k=0:d", "k=1:a", "k=0:e", "k=1:b", "k=0:f", "k=1:c"]);
    });
}

#[test]
fn a_dry_input_is_waited_for_and_then_left_behind() {
    virtually(async {
        let bench = Bench::new();
        for topic in ["left", "right", "out"] {
            bench.topic(topic, 1, &[]).await;
        }
        let name = bench.deploy("p", tagger(), &["left", "right"], &["out"]).await;
        bench.produce("left", 0, &[(100, "k", "late")]).await;
        sleep(Duration::from_millis(300)).await;
        assert!(bench.read("out", 0).is_empty(), "it waits for the other input");
        bench.produce("right", 0, &[(50, "k", "early")]).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["k=1:early", "k=0:late"]);
        let before = bench.clock.monotonic();
        bench.produce("left", 0, &[(200, "k", "alone")]).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0).last().unwrap(), "k=0:alone");
        assert!(
            bench.clock.monotonic() - before < Duration::from_millis(100),
            "the other input is still dry"
        );
    });
}

#[test]
fn partitions_that_only_one_input_has_are_shown_until_the_others_have_them_too() {
    virtually(async {
        let bench = Bench::new();
        for topic in ["left", "right", "out"] {
            bench.topic(topic, 1, &[]).await;
        }
        let name = bench.deploy("p", tagger(), &["left", "right"], &["out"]).await;
        bench.drained(&name).await;
        let widened = || TopicChange { partitions: Some(2), config: Vec::new() };
        bench.log.alter_topic(&"left".parse().unwrap(), widened()).await.unwrap();
        bench.produce("left", 1, &[(1, "k", "a")]).await;
        sleep(Duration::from_secs(2)).await;
        let tasks = bench.room.status(&name).unwrap().tasks;
        assert_eq!(
            tasks.iter().map(|task| task.state).collect::<Vec<_>>(),
            [TaskState::Running, TaskState::Stopped]
        );
        let reason = tasks[1].last_failure.clone().unwrap().reason;
        assert!(reason.contains("left has 2, right has 1"), "{reason}");
        bench.log.alter_topic(&"right".parse().unwrap(), widened()).await.unwrap();
        sleep(Duration::from_secs(2)).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["k=0:a"]);
    });
}

#[test]
fn a_partition_that_waits_holds_no_other_up() {
    virtually(async {
        let bench = Bench::new();
        bench.topic("in", 2, &[]).await;
        bench.topic("out", 1, &[]).await;
        let native = Native::new(|_, _, records| {
            if values(records).contains(&"away") {
                return Err(potok_plugin::CallError::Retry("the database is away".into()));
            }
            filtered(records)
        });
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        bench.produce("in", 0, &[(1, "k", "away"), (2, "k", "behind it")]).await;
        bench.produce("in", 1, &[(1, "k", "free")]).await;
        sleep(Duration::from_millis(50)).await;
        assert_eq!(bench.read("out", 0), vec!["k=free"]);
        let states: Vec<_> = bench.room.status(&name).unwrap().tasks.iter().map(|task| task.state).collect();
        assert_eq!(states, [TaskState::Retrying, TaskState::Running]);
    });
}

#[test]
fn records_that_retention_took_are_told_and_passed_over() {
    virtually(async {
        let bench = Bench::new();
        bench.topic("in", 1, &[]).await;
        bench.topic("out", 1, &[]).await;
        let name = bench.deploy("p", filter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        bench.room.pause(&name).await.unwrap();
        bench.produce("in", 0, &[(1, "k", "gone"), (2, "k", "gone too")]).await;
        bench.produce("in", 0, &[(3, "k", "there")]).await;
        bench.log.delete_records(bench.at("in", 0), potok_types::Offset::new(2)).await.unwrap();
        bench.room.resume(&name).await.unwrap();
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["k=there"]);
        let task = &bench.room.status(&name).unwrap().tasks[0];
        assert_eq!(task.failures["lost"], 2);
        assert!(task.last_failure.clone().unwrap().reason.contains("offsets 0 to 2 of in"));
    });
}

#[test]
fn an_output_that_grows_or_is_made_anew_is_followed() {
    virtually(async {
        let bench = Bench::new();
        bench.topic("in", 1, &[]).await;
        bench.topic("out", 1, &[]).await;
        let name = bench.deploy("p", filter(), &["in"], &["out"]).await;
        bench.produce("in", 0, &[(1, "a", "1")]).await;
        bench.drained(&name).await;
        let change = TopicChange { partitions: Some(4), config: Vec::new() };
        bench.log.alter_topic(&"out".parse().unwrap(), change).await.unwrap();
        bench.produce("in", 0, &[(2, "a", "2")]).await;
        bench.drained(&name).await;
        bench.produce("in", 0, &[(3, "a", "3")]).await;
        bench.drained(&name).await;
        let by_key = potok_types::partition_for_key(b"a", 4);
        assert_eq!(bench.read("out", by_key.0).last().unwrap(), "a=3");
        bench.log.delete_topic(&"out".parse().unwrap()).await.unwrap();
        bench.produce("in", 0, &[(4, "a", "4")]).await;
        assert!(bench.stopped(&name).await.contains("output topic out was deleted"));
        bench.topic("out", 1, &[]).await;
        bench.room.restart(&name).await.unwrap();
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["a=4"]);
    });
}

#[test]
fn large_backlogs_join_calls_into_units_and_keep_their_order() {
    virtually(async {
        let bench = Bench::new();
        bench.topic("in", 1, &[]).await;
        bench.topic("out", 1, &[]).await;
        let values: Vec<String> = (0..50_000).map(|i| i.to_string()).collect();
        for chunk in values.chunks(700) {
            let records: Vec<_> = chunk.iter().map(|value| (1, "k", value.as_str())).collect();
            bench.produce("in", 0, &records).await;
        }
        let native = Native::new(|_, _, records| filtered(records));
        let calls = native.calls.clone();
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        bench.drained(&name).await;
        let expected: Vec<_> = values.iter().map(|value| format!("k={value}")).collect();
        assert_eq!(bench.read("out", 0), expected);
        assert!(calls.process.load(std::sync::atomic::Ordering::SeqCst) < 30, "{calls:?}");
    });
}

#[test]
fn a_compressed_batch_larger_than_a_call_is_read_in_steps() {
    virtually(async {
        let bench = Bench::new();
        bench.topic("in", 1, &[]).await;
        bench.topic("out", 1, &[]).await;
        let mut batch = potok_types::BatchBuilder::new(potok_types::Compression::Zstd);
        let values: Vec<String> = (0..10_000).map(|i| i.to_string()).collect();
        for value in &values {
            batch.push(potok_types::Timestamp(1), Some(b"k"), Some(value.as_bytes()), std::iter::empty());
        }
        let append = potok_log::Append { to: bench.at("in", 0), batch: batch.build().unwrap().unwrap() };
        bench.log.append(vec![append], potok_log::Acks::Written).await.remove(0).unwrap();
        let native = filter();
        let calls = native.calls.clone();
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        bench.drained(&name).await;
        let expected: Vec<_> = values.iter().map(|value| format!("k={value}")).collect();
        assert_eq!(bench.read("out", 0), expected);
        assert_eq!(calls.process.load(std::sync::atomic::Ordering::SeqCst), 3);
    });
}
