//! Records that can never succeed, guests that fail, and dependencies that are away.

use super::guests::{counter, filter, filtered, values};
use crate::api::{FailurePolicy, TaskState};
use crate::testing::{Bench, Native, VirtualTime, covered, fresh, sleep, virtually};
use potok_plugin::CallError;
use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

async fn topics(bench: &Bench) {
    bench.topic("in", 1, &[]).await;
    bench.topic("out", 1, &[]).await;
}

#[test]
fn a_refused_record_is_kept_as_it_was_with_the_reason() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        bench
            .produce("in", 0, &[(1, "a", "one"), (2, "b", "refuse me"), (3, "-", "drop"), (4, "c", "two")])
            .await;
        let name = bench.deploy("p", filter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["a=one", "c=two"]);
        let letters = bench.records("p.dead-letter", 0);
        assert_eq!(letters.len(), 1);
        assert_eq!((letters[0].0.as_str(), letters[0].1.as_str()), ("b", "refuse me"));
        for header in [
            "potok.error.topic=in",
            "potok.error.partition=0",
            "potok.error.offset=1",
            "potok.error.processor=p",
            "potok.error.kind=refused",
            "potok.error.reason=refuse me is not liked",
        ] {
            assert!(letters[0].2.contains(header), "{header} is missing in {}", letters[0].2);
        }
        let task = &bench.room.status(&name).unwrap().tasks[0];
        assert_eq!((task.records_in, task.records_out, task.refused, task.dead_lettered), (4, 2, 1, 1));
        assert_eq!(task.positions[0].1.get(), 4);
    });
}

#[test]
fn the_record_at_which_a_guest_traps_is_found_and_all_others_are_done_once() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        let numbers: Vec<String> = (0..1_000).map(|i| i.to_string()).collect();
        let mut records: Vec<_> = numbers.iter().map(|n| (1, "k", n.as_str())).collect();
        records[617].2 = "trap";
        records[618].2 = "broken";
        bench.produce("in", 0, &records).await;
        let native = filter();
        let calls = native.calls.clone();
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        bench.drained(&name).await;
        let expected: Vec<_> =
            (0..1_000).filter(|i| *i != 617 && *i != 618).map(|i| format!("k={i}")).collect();
        assert_eq!(bench.read("out", 0), expected);
        let letters = bench.records("p.dead-letter", 0);
        assert_eq!(letters.len(), 2);
        assert!(letters[0].2.contains("potok.error.kind=trap") && letters[0].2.contains("offset=617"));
        assert!(letters[1].2.contains("potok.error.kind=broken") && letters[1].2.contains("offset=618"));
        assert!(calls.process.load(Ordering::SeqCst) < 40, "{calls:?}");
        assert!(calls.made.load(Ordering::SeqCst) > 5, "each failure takes a fresh instance: {calls:?}");
    });
}

#[test]
fn state_of_a_call_that_failed_is_gone_when_it_is_made_again() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        let mut records = vec![(1, "a", "x"); 100];
        records[50].2 = "trap";
        bench.produce("in", 0, &records).await;
        let name = bench.deploy("p", counter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0).last().unwrap(), "a=99");
        assert_eq!(bench.records("p.dead-letter", 0).len(), 1);
    });
}

#[test]
fn a_deployment_may_pass_over_refused_records() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        bench.produce("in", 0, &[(1, "a", "refuse 1"), (2, "b", "trap"), (3, "c", "ok")]).await;
        let skip = |spec: &mut crate::api::DeploySpec| spec.on_failure = FailurePolicy::Skip;
        let name = bench.deploy_with("p", filter(), &["in"], &["out"], skip).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["c=ok"]);
        assert!(bench.log.topic(&"p.dead-letter".parse().unwrap()).is_none());
        let task = &bench.room.status(&name).unwrap().tasks[0];
        assert_eq!((task.refused, task.dead_lettered, task.records_in), (2, 0, 3));
        assert_eq!((task.failures["refused"], task.failures["trap"]), (1, 3), "of three, of two, of one");
    });
}

#[test]
fn a_deployment_may_stop_at_a_refused_record_and_everything_before_it_is_done() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        bench
            .produce("in", 0, &[(1, "a", "one"), (2, "b", "two"), (3, "c", "refuse me"), (4, "d", "three")])
            .await;
        let stop = |spec: &mut crate::api::DeploySpec| spec.on_failure = FailurePolicy::Stop;
        let name = bench.deploy_with("p", filter(), &["in"], &["out"], stop).await;
        let reason = bench.stopped(&name).await;
        assert!(reason.contains("topic in partition 0 offset 2: refuse me is not liked"), "{reason}");
        assert_eq!(bench.read("out", 0), vec!["a=one", "b=two"]);
        let task = &bench.room.status(&name).unwrap().tasks[0];
        assert_eq!((task.positions[0].1.get(), task.positions[0].2), (2, 2));
        let record = task.last_failure.clone().unwrap().record.unwrap();
        assert_eq!((record.0.as_str(), record.2.get()), ("in", 2));
        bench.room.restart(&name).await.unwrap();
        assert!(bench.stopped(&name).await.contains("offset 2"));
        assert_eq!(bench.read("out", 0).len(), 2);
    });
}

#[test]
fn a_guest_that_waits_is_called_again_later_and_longer_each_time() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        bench.produce("in", 0, &[(1, "a", "one"), (2, "b", "two"), (3, "c", "three")]).await;
        let tries = Arc::new(AtomicU64::new(0));
        let seen = tries.clone();
        let native = Native::new(move |_, _, records| {
            let at = values(records).iter().position(|value| *value == "two").filter(|_| {
                // the first call gets as far as `two`, the next four nowhere
                seen.fetch_add(1, Ordering::SeqCst) < 5
            });
            match at {
                Some(0) => Err(CallError::Retry("the database is away".into())),
                Some(at) => {
                    let mut outcome = filtered(&records.slice(0..at))?;
                    outcome.wait = Some("the database is away".into());
                    Ok(outcome)
                }
                None => filtered(records),
            }
        });
        let began = bench.clock.monotonic();
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        sleep(Duration::from_millis(350)).await;
        assert_eq!(bench.read("out", 0), vec!["a=one"], "what was covered is committed while the task waits");
        assert_eq!(bench.room.status(&name).unwrap().tasks[0].state, TaskState::Retrying);
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["a=one", "b=two", "c=three"]);
        let took = (bench.clock.monotonic() - began).as_millis();
        assert!((100 + 200 + 400 + 800 + 1_600..5_000).contains(&took), "{took} ms");
        assert_eq!(bench.room.status(&name).unwrap().tasks[0].state, TaskState::Running);
    });
}

#[test]
fn a_guest_that_covers_nothing_is_broken_and_no_record_loops_for_ever() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        bench.produce("in", 0, &[(1, "a", "stuck"), (2, "b", "ok")]).await;
        let native = Native::new(|_, _, records| {
            let at = values(records).iter().position(|value| *value == "stuck").unwrap_or(records.len());
            if at == 0 { Ok(covered(0)) } else { filtered(&records.slice(0..at)) }
        });
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["b=ok"]);
        assert!(bench.records("p.dead-letter", 0)[0].2.contains("potok.error.kind=broken"));
    });
}

#[test]
fn an_output_too_large_for_its_topic_refuses_the_record_that_made_it() {
    virtually(async {
        let bench = Bench::new();
        bench.topic("in", 1, &[]).await;
        bench.topic("out", 1, &[("max.message.bytes", "1000")]).await;
        bench.produce("in", 0, &[(1, "a", "small"), (2, "b", "large"), (3, "c", "small")]).await;
        let native = Native::new(|_, _, records| {
            let make = |(i, value): (usize, &str)| {
                let len = if value == "large" { 2_000 } else { 10 };
                (records.timestamp(i).0, "k", "x".repeat(len))
            };
            let mut outcome = covered(records.len());
            outcome.emitted = fresh(values(records).into_iter().enumerate().map(make));
            Ok(outcome)
        });
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0).len(), 2);
        let letters = bench.records("p.dead-letter", 0);
        assert_eq!((letters.len(), letters[0].1.as_str()), (1, "large"));
        assert!(letters[0].2.contains("max.message.bytes=1000 of output topic out"), "{}", letters[0].2);
    });
}

#[test]
fn a_trap_in_open_stops_the_task_with_the_reason() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        let native = filter().open(|_| Err(CallError::Trap("no memory for the table".into())));
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        assert!(bench.stopped(&name).await.contains("no memory for the table"));
        assert!(bench.room.drained(&name).await.unwrap_err().to_string().contains("has stopped"));
    });
}

#[test]
fn a_panic_of_the_host_stops_one_task_and_no_other() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        bench.produce("in", 0, &[(1, "a", "boom")]).await;
        let native = Native::new(|_, _, records| {
            assert_ne!(values(records), vec!["boom"], "on purpose");
            filtered(records)
        });
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        assert!(bench.stopped(&name).await.contains("panic"));
        let other = bench.deploy("other", filter(), &["in"], &["out"]).await;
        bench.drained(&other).await;
        assert_eq!(bench.read("out", 0), vec!["a=boom"]);
    });
}

#[test]
fn log_lines_are_kept_within_their_rate_even_of_calls_that_fail() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        bench.produce("in", 0, &[(1, "a", "trap")]).await;
        let native = Native::new(|port, _, records| {
            (0..50).for_each(|i| port.log(potok_plugin::LogLevel::Info, format!("line {i}")));
            filtered(records)
        });
        let few = |spec: &mut crate::api::DeploySpec| spec.log_lines_per_second = 10;
        let name = bench.deploy_with("p", native, &["in"], &["out"], few).await;
        bench.drained(&name).await;
        let at = crate::api::logs_partition(&name, 4);
        let lines: Vec<crate::LogLine> = bench
            .records(crate::LOGS_TOPIC, at.0)
            .into_iter()
            .map(|(key, value, _)| {
                assert_eq!(key, "p");
                serde_json::from_str(&value).unwrap()
            })
            .collect();
        assert_eq!(lines.iter().filter(|line| line.from == "guest").count(), 10);
        assert!(lines.iter().any(|line| line.from == "host" && line.message.contains("refused (trap)")));
        let task = &bench.room.status(&name).unwrap().tasks[0];
        assert_eq!(task.log_lines_dropped, 40);
    });
}

#[test]
fn a_processor_that_refuses_log_lines_does_not_feed_itself() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        bench.produce("in", 0, &[(1, "a", "refuse"), (2, "b", "refuse")]).await;
        let talks = bench.deploy("talks", filter(), &["in"], &["out"]).await;
        bench.drained(&talks).await;
        let refuses = Native::new(|_, _, _| Err(CallError::Broken("no line is good enough".into())));
        let reader = bench.deploy("reader", refuses, &[crate::LOGS_TOPIC], &["out"]).await;
        bench.drained(&reader).await;
        let tasks = bench.room.status(&reader).unwrap().tasks;
        let lines = bench.records(crate::LOGS_TOPIC, crate::api::logs_partition(&talks, 4).0);
        assert!(!lines.is_empty() && lines.iter().all(|(key, ..)| key == "talks"), "{lines:?}");
        assert_eq!(tasks.iter().map(|task| task.refused).sum::<u64>(), lines.len() as u64);
        assert!(tasks.iter().map(|task| task.log_lines_dropped).sum::<u64>() > 0);
    });
}

#[test]
fn a_dead_letter_topic_that_is_too_narrow_is_widened() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        bench.topic("p.dead-letter", 1, &[("max.message.bytes", "300")]).await;
        let long = format!("refuse {}", "x".repeat(5_000));
        bench.produce("in", 0, &[(1, "a", "refuse"), (2, "b", &long), (3, "c", "ok")]).await;
        let name = bench.deploy("p", filter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        let letters = bench.records("p.dead-letter", 0);
        assert_eq!(letters.iter().map(|letter| letter.1.len()).collect::<Vec<_>>(), vec![6, long.len()]);
        assert_eq!(bench.read("out", 0), vec!["c=ok"]);
    });
}

#[test]
fn an_instance_whose_memory_passed_the_mark_gives_way_to_a_fresh_one() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        let native = filter();
        let calls = native.calls.clone();
        // native guests have 1 MiB
        let low = |spec: &mut crate::api::DeploySpec| spec.limits.replace_at_bytes = 1 << 19;
        let name = bench.deploy_with("p", native, &["in"], &["out"], low).await;
        for i in 0..5 {
            bench.produce("in", 0, &[(i, "a", "x")]).await;
            bench.drained(&name).await;
        }
        assert_eq!(bench.read("out", 0).len(), 5);
        assert_eq!(calls.made.load(Ordering::SeqCst), 6);
    });
}

#[test]
fn secrets_are_given_as_granted_and_a_denial_is_told() {
    virtually(async {
        let (clock, secrets) = (VirtualTime::current(), [("token".to_owned(), "s3cret".to_owned())].into());
        let settings = crate::Settings { secrets, ..crate::Settings::default() };
        let bench = Bench::with(settings, potok_log::MemoryLog::new(clock.clone()), clock, Arc::default());
        topics(&bench).await;
        bench.produce("in", 0, &[(1, "-", "token"), (2, "-", "other")]).await;
        let native = Native::new(|port, _, records| {
            let mut outcome = covered(records.len());
            let ask = |name: &str| port.secret(name).map_or("none".into(), |s| String::from_utf8(s).unwrap());
            outcome.emitted = fresh(values(records).into_iter().map(|name| (0, "-", ask(name))));
            Ok(outcome)
        });
        let grant = |spec: &mut crate::api::DeploySpec| {
            spec.grants = vec![potok_plugin::Grant::Secret("token".into())];
        };
        let name = bench.deploy_with("p", native, &["in"], &["out"], grant).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["-=s3cret", "-=none"]);
        assert_eq!(bench.room.status(&name).unwrap().tasks[0].failures["denied"], 1);
    });
}

#[test]
fn a_guest_cannot_hide_that_it_was_denied_something() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        bench.produce("in", 0, &[(1, "a", "x")]).await;
        let native = Native::new(|port, _, records| {
            for i in 0..1_000 {
                port.count(&format!("name_{i}"), 1);
                port.log(potok_plugin::LogLevel::Info, format!("line {i}"));
            }
            port.denied("secret \"token\" is not granted".into());
            filtered(records)
        });
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        bench.drained(&name).await;
        let task = &bench.room.status(&name).unwrap().tasks[0];
        assert_eq!(task.failures["denied"], 1);
        let lines = bench.records(crate::LOGS_TOPIC, crate::api::logs_partition(&name, 4).0);
        assert!(
            lines.iter().any(|(_, line, _)| line.contains("\"host\"") && line.contains("is not granted"))
        );
    });
}

#[test]
fn a_guests_own_metrics_are_kept_up_to_a_number_of_names() {
    virtually(async {
        let bench = Bench::new();
        topics(&bench).await;
        bench.produce("in", 0, &[(1, "a", "x")]).await;
        let native = Native::new(|port, _, records| {
            port.count("seen", 2);
            port.gauge("level", 1.5);
            [3.0, 9.0].into_iter().for_each(|value| port.observe("size", value));
            (0..1_000).for_each(|i| port.count(&format!("name_{i}"), 1));
            filtered(records)
        });
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        bench.drained(&name).await;
        let metrics = &bench.room.status(&name).unwrap().tasks[0].guest_metrics;
        assert_eq!((metrics["seen"], metrics["level"], metrics.len()), (2.0, 1.5, 100));
        assert_eq!((metrics["size_count"], metrics["size_sum"], metrics["size_max"]), (2.0, 12.0, 9.0));
    });
}
