//! Durable timers on both clocks.

use super::guests::values;
use crate::testing::{Bench, Native, START, covered, fresh, sleep, virtually};
use bytes::Bytes;
use potok_plugin::{CallError, Due, Outcome, TaskPort, TimerClock, TimerRequest};
use potok_types::{RecordColumns, Timestamp};
use std::sync::atomic::Ordering;
use std::time::Duration;

/// A guest that does what its records say: `event KEY AT`, `wall KEY MS-FROM-START`, `cancel KEY`; emits `KEY@AT` when
/// one fires, traps at the key `trap`, refuses the key `refuse`, sets `again` anew in the past for ever.
fn script() -> Native {
    Native::new(set_timers).timers(fire)
}
fn set_timers(port: &dyn TaskPort, _: u32, records: &RecordColumns) -> Result<Outcome, CallError> {
    for line in values(records) {
        let words: Vec<&str> = line.split(' ').collect();
        let set = |clock, at: i64| {
            let key = Bytes::copy_from_slice(words[1].as_bytes());
            port.set_timer(TimerRequest {
                clock,
                at: Timestamp(at),
                key,
                payload: Bytes::from_static(b"payload"),
            });
        };
        match words[0] {
            "event" => set(TimerClock::Event, words[2].parse().unwrap()),
            "wall" => set(TimerClock::Wall, START.0 + words[2].parse::<i64>().unwrap()),
            "cancel" => port.cancel_timer(TimerClock::Event, words[1].as_bytes().to_vec()),
            _ => {}
        }
    }
    Ok(covered(records.len()))
}
fn fire(port: &dyn TaskPort, due: &[Due]) -> Result<Outcome, CallError> {
    let mut outcome = covered(due.len());
    let mut fired = Vec::new();
    for (index, timer) in (0u32..).zip(due) {
        let key = std::str::from_utf8(&timer.key).unwrap();
        match key {
            "trap" => return Err(CallError::Trap("unreachable".into())),
            "refuse" => outcome.refused.push(potok_plugin::RefusedRecord { index, reason: "no".into() }),
            "again" => port.set_timer(timer.clone()),
            key => fired.push((timer.at.0, "-", format!("{key}@{}", timer.at.0))),
        }
    }
    outcome.emitted = fresh(fired);
    Ok(outcome)
}
async fn bench() -> Bench {
    let bench = Bench::new();
    bench.topic("in", 1, &[]).await;
    bench.topic("out", 1, &[]).await;
    bench
}
fn fired(bench: &Bench) -> Vec<String> {
    bench.records("out", 0).into_iter().map(|record| record.1).collect()
}

#[test]
fn an_event_timer_fires_when_stream_time_passes_it_and_outlives_a_restart() {
    virtually(async {
        let bench = bench().await;
        let name = bench.deploy("p", script(), &["in"], &["out"]).await;
        bench
            .produce("in", 0, &[(10, "-", "event a 50"), (10, "-", "event b 30"), (10, "-", "event c 40")])
            .await;
        bench.produce("in", 0, &[(20, "-", "cancel c"), (20, "-", "event a 60")]).await;
        bench.drained(&name).await;
        assert!(fired(&bench).is_empty());
        let bench = bench.restart().await;
        bench.produce("in", 0, &[(45, "-", "-")]).await;
        bench.drained(&name).await;
        assert_eq!(fired(&bench), vec!["b@30"]);
        let bench = bench.restart().await;
        bench.produce("in", 0, &[(1, "-", "old"), (60, "-", "-")]).await;
        bench.drained(&name).await;
        assert_eq!(fired(&bench), vec!["b@30", "a@60"]);
    });
}

#[test]
fn a_timer_set_for_the_past_fires_at_once() {
    virtually(async {
        let bench = bench().await;
        let name = bench.deploy("p", script(), &["in"], &["out"]).await;
        bench.produce("in", 0, &[(100, "-", "event a 50")]).await;
        bench.drained(&name).await;
        assert_eq!(fired(&bench), vec!["a@50"]);
    });
}

#[test]
fn a_wall_timer_fires_with_no_record_coming_in() {
    virtually(async {
        let bench = bench().await;
        let name = bench.deploy("p", script(), &["in"], &["out"]).await;
        bench.produce("in", 0, &[(0, "-", "wall late 60000"), (0, "-", "wall early 5000")]).await;
        bench.drained(&name).await;
        sleep(Duration::from_secs(10)).await;
        assert_eq!(fired(&bench), vec![format!("early@{}", START.0 + 5_000)]);
        let bench = bench.restart().await;
        sleep(Duration::from_secs(60)).await;
        assert_eq!(fired(&bench).len(), 2);
        let task = &bench.room.status(&name).unwrap().tasks[0];
        assert_eq!(task.records_out, 1, "counters begin anew with the host");
    });
}

#[test]
fn the_timer_at_which_a_guest_traps_is_found_and_kept() {
    virtually(async {
        let bench = bench().await;
        let name = bench.deploy("p", script(), &["in"], &["out"]).await;
        let lines: Vec<String> = (0..100)
            .map(|i| if i == 71 { "event trap 71".into() } else { format!("event k{i:0>2} {i}") })
            .chain(["event refuse 99".to_owned()])
            .collect();
        let records: Vec<_> = lines.iter().map(|line| (0, "-", line.as_str())).collect();
        bench.produce("in", 0, &records).await;
        bench.produce("in", 0, &[(1_000, "-", "-")]).await;
        bench.drained(&name).await;
        let expected: Vec<_> = (0..100).filter(|i| *i != 71).map(|i| format!("k{i:0>2}@{i}")).collect();
        assert_eq!(fired(&bench), expected);
        let letters = bench.records("p.dead-letter", 0);
        assert_eq!(letters.len(), 2);
        assert_eq!((letters[0].0.as_str(), letters[0].1.as_str()), ("trap", "payload"));
        assert!(letters[0].2.contains("potok.error.timer=event potok.error.at=71"), "{}", letters[0].2);
        assert!(letters[1].2.contains("potok.error.kind=refused"));
    });
}

#[test]
fn a_timer_that_sets_itself_in_the_past_does_not_starve_records() {
    virtually(async {
        let bench = bench().await;
        let native = script();
        let calls = native.calls.clone();
        let name = bench.deploy("p", native, &["in"], &["out"]).await;
        bench.produce("in", 0, &[(100, "-", "event again 50")]).await;
        for _ in 0..20 {
            bench.produce("in", 0, &[(100, "-", "-")]).await;
        }
        for _ in 0..100_000 {
            if bench.room.status(&name).unwrap().tasks[0].records_in == 21 {
                assert!(calls.timers.load(Ordering::SeqCst) > 0);
                bench.room.pause(&name).await.unwrap();
                return;
            }
            tokio::task::yield_now().await;
        }
        panic!("records are starved: {:?}", bench.room.status(&name).unwrap().tasks[0]);
    });
}

#[test]
fn more_timers_than_a_row_of_calls_takes_fire_in_order() {
    const COUNT: i64 = 18_500;
    virtually(async {
        let bench = bench().await;
        let name = bench.deploy("p", script(), &["in"], &["out"]).await;
        let lines: Vec<String> = (0..COUNT).map(|i| format!("event k{i:0>5} {}", i / 2)).collect();
        let records: Vec<_> = lines.iter().map(|line| (0, "-", line.as_str())).collect();
        bench.produce("in", 0, &records).await;
        bench.produce("in", 0, &[(COUNT, "-", "-")]).await;
        bench.drained(&name).await;
        let expected: Vec<_> = (0..COUNT).map(|i| format!("k{i:0>5}@{}", i / 2)).collect();
        assert_eq!(fired(&bench), expected);
        let number = bench.room.status(&name).unwrap().deployment.number;
        let task = potok_log::TaskKey { processor: number, partition: potok_types::PartitionIndex(0) };
        assert_eq!(bench.log.timer_next(task, potok_log::TimerClock::Event).unwrap(), None);
    });
}

#[test]
fn a_deployment_may_stop_at_a_refused_timer_and_those_before_it_have_fired() {
    virtually(async {
        let bench = bench().await;
        let stop = |spec: &mut crate::api::DeploySpec| spec.on_failure = crate::FailurePolicy::Stop;
        let name = bench.deploy_with("p", script(), &["in"], &["out"], stop).await;
        let lines = ["event a 1", "event b 2", "event refuse 3", "event c 4"];
        let records: Vec<_> = lines.iter().map(|line| (0, "-", *line)).collect();
        bench.produce("in", 0, &records).await;
        bench.produce("in", 0, &[(10, "-", "-")]).await;
        let reason = bench.stopped(&name).await;
        assert!(reason.contains("\"refuse\" due at 3: no"), "{reason}");
        assert_eq!(fired(&bench), vec!["a@1", "b@2"]);
    });
}
