//! Who waits for whom: a group stands still while a transaction's offsets become its own.

use super::*;
use potok_log::{FailingLog, Faults};

/// A world whose writes take a few turns of the scheduler once they are made slow.
fn slow_world() -> (World, Arc<FailingLog>) {
    let clock = ManualClock::at(START);
    let slow = FailingLog::new(MemoryLog::new(Arc::clone(&clock) as _), 1, Faults::NONE);
    let log: Arc<dyn Log> = Arc::clone(&slow) as _;
    (World { room: open(&clock, &log), clock, log }, slow)
}
/// Returns in the middle of the next write.
async fn until_it_writes(log: &FailingLog) {
    log.set_faults(Faults { delayed_one_in: 1, ..Faults::NONE });
    let before = log.writes();
    while log.writes() == before {
        tokio::task::yield_now().await;
    }
}

impl World {
    /// Whether nobody holds the group now.
    async fn is_free(&self) -> bool {
        tokio::select! {
            biased;
            _ = self.room.describe_group("g") => true,
            () = std::future::ready(()) => false,
        }
    }
    fn staging(&self, who: Identity, member: &JoinReply, offset: NewOffset) -> TxnCommitRequest {
        let commit = CommitRequest {
            group: "g".to_owned(),
            member_id: member.member_id.clone(),
            epoch: member.generation,
            offsets: vec![offset],
            ..CommitRequest::default()
        };
        TxnCommitRequest { transactional_id: "x".to_owned(), who, commit, implicit: true }
    }
}

#[tokio::test]
async fn nobody_takes_partitions_over_between_the_check_and_the_pending_offset() {
    let (w, slow) = slow_world();
    let t = w.topic("t", 1).await;
    let member = w.alone().await;
    let who = w.room.init_producer(Some("x"), MINUTE, None).await.unwrap();
    let (room, request) = (w.room.clone(), w.staging(who, &member, new_offset(at(&t, 0), 7)));
    let staging = tokio::spawn(async move { room.txn_commit_offsets(request).await });
    until_it_writes(&slow).await;
    assert!(!w.is_free().await, "a rebalance could come in between");
    assert_eq!(staging.await.unwrap().unwrap(), [Ok(())]);
    assert!(w.is_free().await);
    let found = w.room.fetch_offsets("g", None, Some(&[at(&t, 0)]), true).await.unwrap();
    assert!(found[0].pending, "the next owner waits");
}

#[tokio::test]
async fn a_group_stands_still_while_a_transaction_commits_its_offsets() {
    let (w, slow) = slow_world();
    let t = w.topic("t", 1).await;
    let member = w.alone().await;
    let who = w.room.init_producer(Some("x"), MINUTE, None).await.unwrap();
    w.room.txn_commit_offsets(w.staging(who, &member, new_offset(at(&t, 0), 7))).await.unwrap();
    let room = w.room.clone();
    let ending = tokio::spawn(async move { room.end_transaction("x", who, true, false).await });
    until_it_writes(&slow).await;
    assert!(!w.is_free().await, "its offsets could be forgotten meanwhile");
    ending.await.unwrap().unwrap();
    assert!(w.is_free().await);
    assert_eq!(w.committed("g", at(&t, 0)), Some(7));
}

#[tokio::test]
async fn transactions_over_the_same_groups_wait_for_each_other_and_all_end() {
    let (w, slow) = slow_world();
    let t = w.topic("t", 1).await;
    slow.set_faults(Faults { delayed_one_in: 1, ..Faults::NONE });
    let mut running = tokio::task::JoinSet::new();
    for i in 0..8 {
        let (room, at) = (w.room.clone(), at(&t, 0));
        running.spawn(async move {
            let id = format!("x{i}");
            let who = room.init_producer(Some(&id), MINUTE, None).await.unwrap();
            for group in if i % 2 == 0 { ["b", "a"] } else { ["a", "b"] } {
                let (group, offsets) = (group.to_owned(), vec![new_offset(at, 7)]);
                let commit = CommitRequest { group, epoch: -1, offsets, ..CommitRequest::default() };
                let request = TxnCommitRequest { transactional_id: id.clone(), who, commit, implicit: true };
                room.txn_commit_offsets(request).await.unwrap();
            }
            room.end_transaction(&id, who, true, false).await.unwrap();
        });
    }
    running.join_all().await;
    assert_eq!((w.committed("a", at(&t, 0)), w.committed("b", at(&t, 0))), (Some(7), Some(7)));
    assert!(w.room.inner.group_names().is_empty(), "offsets alone take no memory");
}

#[tokio::test]
async fn a_transaction_that_somebody_is_at_delays_the_end_of_no_other() {
    let w = World::new();
    let t = w.topic("t", 1).await;
    let mut guards = Vec::new();
    for id in ["first", "second"] {
        let who = w.room.init_producer(Some(id), MINUTE, None).await.unwrap();
        guards.push(w.room.write_guard(id, who, &[at(&t, 0)], true).await.unwrap());
        w.clock.advance(Duration::from_millis(1));
    }
    drop(guards.pop());
    w.clock.advance(MINUTE);
    let (room, stop) = (w.room.clone(), patient());
    let running = tokio::spawn({
        let stop = stop.clone();
        async move { room.run(stop).await }
    });
    let ended = async |id| {
        let until = async {
            while w.room.describe_transaction(id).await.unwrap().state != "CompleteAbort" {
                tokio::task::yield_now().await;
            }
        };
        tokio::time::timeout(MINUTE, until).await.expect("it waits for the other")
    };
    ended("second").await;
    drop(guards);
    ended("first").await;
    stop.cancel();
    running.await.unwrap();
}
