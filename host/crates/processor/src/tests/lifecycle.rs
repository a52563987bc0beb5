//! Deploying, pausing, resetting, replacing and deleting processors.

use super::guests::{counter, filter};
use crate::api::{DeployError, ProcessorError, StartAt, TaskState, group_of};
use crate::testing::{Bench, sleep, spec, virtually};
use potok_log::{Acks, CommittedOffset, MetaKind, OffsetChange, OffsetCommit, TopicChange, Unit};
use potok_types::{Offset, Timestamp};
use std::time::Duration;

async fn bench() -> Bench {
    let bench = Bench::new();
    bench.topic("in", 1, &[]).await;
    bench.topic("out", 1, &[]).await;
    bench
}

#[test]
fn position_and_state_outlive_a_restart_of_the_host() {
    virtually(async {
        let bench = bench().await;
        bench.produce("in", 0, &[(1, "a", "x"), (2, "b", "x"), (3, "a", "x")]).await;
        let name = bench.deploy("p", counter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        let bench = bench.restart().await;
        bench.produce("in", 0, &[(4, "a", "x")]).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["a=2", "b=1", "a=3"]);
        let status = bench.room.status(&name).unwrap();
        assert_eq!((status.tasks[0].stream_time, status.deployment.generation), (Some(Timestamp(4)), 1));
    });
}

#[test]
fn a_pause_holds_until_it_is_ended_even_over_a_restart() {
    virtually(async {
        let bench = bench().await;
        let name = bench.deploy("p", filter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        bench.room.pause(&name).await.unwrap();
        bench.produce("in", 0, &[(1, "a", "x")]).await;
        let bench = bench.restart().await;
        sleep(Duration::from_secs(5)).await;
        assert_eq!(bench.read("out", 0).len(), 0);
        let task = &bench.room.status(&name).unwrap().tasks[0];
        assert_eq!((task.state, task.positions[0].2), (TaskState::Paused, 1));
        assert!(matches!(bench.room.restart(&name).await, Err(ProcessorError::Invalid(_))));
        bench.room.resume(&name).await.unwrap();
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["a=x"]);
    });
}

#[test]
fn a_reset_moves_the_position_and_forgets_state_unless_it_is_kept() {
    virtually(async {
        let bench = bench().await;
        bench.produce("in", 0, &[(10, "a", "x"), (20, "a", "x"), (30, "a", "x")]).await;
        let name = bench.deploy("p", counter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        assert!(matches!(
            bench.room.reset(&name, StartAt::Earliest, false).await,
            Err(ProcessorError::Running(_))
        ));
        for (to, keep, expected) in [
            (StartAt::Earliest, false, "a=3"),
            (StartAt::Earliest, true, "a=6"),
            (StartAt::Time(Timestamp(15)), false, "a=2"),
            (StartAt::Offset(Offset::new(2).unwrap()), true, "a=3"),
        ] {
            bench.room.pause(&name).await.unwrap();
            bench.room.reset(&name, to, keep).await.unwrap();
            bench.room.resume(&name).await.unwrap();
            bench.drained(&name).await;
            assert_eq!(bench.read("out", 0).last().unwrap(), expected, "{to:?} {keep}");
        }
        bench.room.pause(&name).await.unwrap();
        bench.room.reset(&name, StartAt::Latest, true).await.unwrap();
        assert_eq!(bench.room.status(&name).unwrap().tasks[0].positions[0].2, 0);
    });
}

#[test]
fn another_digest_goes_on_where_the_one_before_stood_and_back_again() {
    virtually(async {
        let bench = bench().await;
        bench.produce("in", 0, &[(1, "a", "x")]).await;
        let name = bench.deploy("p", counter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        let first = bench.room.status(&name).unwrap().deployment;
        let other = bench.guests.add(counter(), 1, 1);
        let second =
            bench.room.deploy(name.clone(), spec(&other.to_string(), &["in"], &["out"])).await.unwrap();
        assert_eq!(
            (second.generation, second.previous_digest, second.number),
            (2, Some(first.digest), first.number)
        );
        bench.produce("in", 0, &[(2, "a", "x")]).await;
        bench.drained(&name).await;
        let back = spec(&second.previous_digest.unwrap().to_string(), &["in"], &["out"]);
        let third = bench.room.deploy(name.clone(), back).await.unwrap();
        assert_eq!((third.digest, third.previous_digest), (first.digest, Some(second.digest)));
        bench.produce("in", 0, &[(3, "a", "x")]).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["a=1", "a=2", "a=3"]);
    });
}

#[test]
fn state_of_another_version_is_not_taken_over_unasked() {
    virtually(async {
        let bench = bench().await;
        let name = bench.deploy("p", counter(), &["in"], &["out"]).await;
        let newer = bench.guests.add(counter().state_version(2), 1, 1);
        let mut wanted = spec(&newer.to_string(), &["in"], &["out"]);
        let error = bench.room.deploy(name.clone(), wanted.clone()).await.unwrap_err();
        assert!(matches!(error, DeployError::StateVersion { stored: 1, new: 2 }));
        wanted.accept_state_version = true;
        assert_eq!(bench.room.deploy(name, wanted).await.unwrap().state_version, 2);
    });
}

#[test]
fn what_is_deleted_leaves_nothing_behind_but_its_topics() {
    virtually(async {
        let bench = bench().await;
        bench.produce("in", 0, &[(1, "a", "x")]).await;
        let name = bench.deploy("p", counter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        bench.room.delete(&name).await.unwrap();
        assert!(matches!(bench.room.status(&name), Err(ProcessorError::Unknown(_))));
        assert!(bench.log.committed_all(&group_of(&name)).unwrap().is_empty());
        assert!(bench.log.meta_all(MetaKind::Processor).unwrap().is_empty());
        let again = bench.deploy("p", counter(), &["in"], &["out"]).await;
        bench.drained(&again).await;
        assert_eq!(bench.read("out", 0), vec!["a=1", "a=1"], "it begins with no state");
    });
}

#[test]
fn a_name_that_nobody_has_costs_nothing_once_it_was_asked_for() {
    virtually(async {
        let bench = bench().await;
        let name = bench.deploy("p", filter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        for i in 0..100 {
            let nobody = format!("nobody-{i}").parse().unwrap();
            assert!(matches!(bench.room.pause(&nobody).await, Err(ProcessorError::Unknown(_))));
        }
        let (one, two) = tokio::join!(bench.room.pause(&name), bench.room.resume(&name));
        assert!(one.is_ok() && two.is_ok());
        // the operation's own task goes after its answer
        for _ in 0..1_000 {
            tokio::task::yield_now().await;
        }
        assert_eq!(bench.room.turns(), 0);
    });
}

#[test]
fn what_cannot_be_deployed_is_refused_with_a_sentence() {
    virtually(async {
        let bench = bench().await;
        bench.topic("in3", 3, &[]).await;
        let one = bench.guests.add(filter(), 1, 1).to_string();
        let two = bench.guests.add(filter(), 2, 1).to_string();
        let cases: &[(crate::api::DeploySpec, &str)] = &[
            (spec("nothing", &["in"], &["out"]), "no module \"nothing\""),
            (spec(&"0".repeat(64), &["in"], &["out"]), "no module"),
            (spec(&one, &["gone"], &["out"]), "there is no input topic gone"),
            (spec(&one, &["in"], &["gone"]), "there is no output topic gone"),
            (spec(&one, &["in"], &["_potok.logs"]), "Potok's own"),
            (spec(&one, &["in"], &["in"]), "both input and output"),
            (spec(&one, &["in", "in3"], &["out"]), "the module has 1 input (in0), the deployment names 2"),
            (spec(&two, &["in", "in3"], &["out"]), "in has 1, in3 has 3"),
            (spec(&two, &["in", "in"], &["out"]), "named twice"),
            (spec(&one, &["p.dead-letter"], &["out"]), "own dead-letter topic"),
        ];
        for (spec, expected) in cases {
            let error = bench.room.deploy("p".parse().unwrap(), spec.clone()).await.unwrap_err().to_string();
            assert!(error.contains(expected), "{error:?} does not say {expected:?}");
        }
        let mut bad = spec(&one, &["in"], &["out"]);
        bad.config = serde_json::json!({"bad": 1});
        let error = bench.room.deploy("p".parse().unwrap(), bad).await.unwrap_err().to_string();
        assert!(error.contains("`bad` is not allowed"), "{error}");
        assert!(bench.room.list().is_empty());
    });
}

#[test]
fn inputs_cannot_be_changed_under_a_position() {
    virtually(async {
        let bench = bench().await;
        bench.topic("other", 1, &[]).await;
        let name = bench.deploy("p", filter(), &["in"], &["out"]).await;
        let module = bench.room.status(&name).unwrap().deployment.digest.to_string();
        let error = bench.room.deploy(name, spec(&module, &["other"], &["out"])).await.unwrap_err();
        assert!(matches!(error, DeployError::InputsChanged(_)));
    });
}

#[test]
fn new_partitions_of_the_inputs_get_tasks_and_lose_no_record() {
    virtually(async {
        let bench = bench().await;
        let name = bench.deploy("p", filter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        let change = TopicChange { partitions: Some(3), config: Vec::new() };
        bench.log.alter_topic(&"in".parse().unwrap(), change).await.unwrap();
        bench.produce("in", 2, &[(1, "a", "early")]).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["a=early"]);
        assert_eq!(bench.room.status(&name).unwrap().tasks.len(), 3);
    });
}

#[test]
fn a_deleted_input_stops_its_tasks_with_a_sentence() {
    virtually(async {
        let bench = bench().await;
        let name = bench.deploy("p", filter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        bench.log.delete_topic(&"in".parse().unwrap()).await.unwrap();
        assert!(bench.stopped(&name).await.contains("input topic in was deleted"));
        bench.topic("in", 1, &[]).await;
        bench.produce("in", 0, &[(1, "a", "anew")]).await;
        bench.room.restart(&name).await.unwrap();
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["a=anew"]);
    });
}

#[test]
fn the_topics_and_modules_in_use_are_known() {
    virtually(async {
        let bench = bench().await;
        let name = bench.deploy("p", filter(), &["in"], &["out"]).await;
        let digest = bench.room.status(&name).unwrap().deployment.digest;
        assert_eq!(bench.room.uses_topic(&"in".parse().unwrap()), Some(name.clone()));
        assert_eq!(bench.room.uses_topic(&"out".parse().unwrap()), Some(name.clone()));
        assert_eq!(bench.room.uses_topic(&"else".parse().unwrap()), None);
        assert_eq!(bench.room.uses_module(digest), Some(name));
    });
}

#[test]
fn a_first_deployment_may_begin_at_the_end() {
    virtually(async {
        let bench = bench().await;
        bench.produce("in", 0, &[(1, "a", "old")]).await;
        let latest = |spec: &mut crate::api::DeploySpec| spec.from = StartAt::Latest;
        let name = bench.deploy_with("p", filter(), &["in"], &["out"], latest).await;
        bench.produce("in", 0, &[(2, "a", "new")]).await;
        bench.drained(&name).await;
        assert_eq!(bench.read("out", 0), vec!["a=new"]);
    });
}

#[test]
fn a_position_behind_the_end_stops_the_task_instead_of_waiting_for_ever() {
    virtually(async {
        let bench = bench().await;
        bench.produce("in", 0, &[(1, "a", "x")]).await;
        let name = bench.deploy("p", filter(), &["in"], &["out"]).await;
        bench.drained(&name).await;
        let change = OffsetChange::Set(CommittedOffset {
            offset: Offset::new(10).unwrap(),
            leader_epoch: None,
            metadata: String::new(),
            committed_at: Timestamp(0),
        });
        let commit = OffsetCommit { group: group_of(&name), at: bench.at("in", 0), change };
        let unit = Unit { offsets: vec![commit], ..Unit::default() };
        bench.log.commit(unit, Acks::Written).await.unwrap();
        bench.room.restart(&name).await.unwrap();
        assert!(bench.stopped(&name).await.contains("position 10 of topic in lies behind its end 1"));
    });
}
